//! What goes wrong, and what it costs.

use rcgen::{CertificateParams, CertifiedIssuer, DnType, KeyPair};
use serde_json::{Value, json};
use testkit::{lines, postgres::Cluster};

use crate::copy::{Copy, failure, object, program, records, stream, written};

#[tokio::test]
async fn a_wrong_password_is_told_without_the_password() {
    let mut copy = Copy::new().await;
    copy.config["url"] = json!(copy.database.url_as("postgres", "canary-pw"));
    for (verb, code) in [("check", 0), ("setup", 1), ("write", 1)] {
        let refused = copy.run(verb, records("customers", 3, 1)).await.expect_code(code);
        let (text, class) = failure(&refused, "connection_status");
        assert_eq!(class, "credentials");
        assert!(text.contains("check user and password"), "{text}");
        assert!(!format!("{}{}", refused.stdout, refused.stderr).contains("canary-pw"));
    }
}

#[tokio::test]
async fn a_server_that_is_away_is_told_at_once() {
    let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    drop(listener);
    let config = json!({"url": format!("postgres://ann:pw@127.0.0.1:{port}/shop")}).to_string();
    let catalog = lines::catalog(&[stream("customers")]).to_string();
    for (verb, code) in [("check", 0), ("setup", 1), ("write", 1)] {
        let arguments = [verb, "--config", &config, "--catalog", &catalog];
        let refused = program().args(arguments).run("").await.expect_code(code);
        let (text, class) = failure(&refused, "connection_status");
        assert_eq!(class, "unreachable");
        assert!(text.contains(&format!("`127.0.0.1:{port}`")), "{text}");
    }
}

/// Somebody who signs certificates, in PEM, and what he signed for `localhost`, with its key.
fn authority(name: &str) -> (String, (String, String)) {
    let mut authority = CertificateParams::new(Vec::new()).unwrap();
    authority.distinguished_name.push(DnType::CommonName, name);
    authority.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let issuer = CertifiedIssuer::self_signed(authority, KeyPair::generate().unwrap()).unwrap();
    let key = KeyPair::generate().unwrap();
    let server = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    let certificate = server.signed_by(&key, &issuer).unwrap().pem();
    (issuer.pem(), (certificate, key.serialize_pem()))
}

#[tokio::test]
async fn a_server_whose_certificate_a_stranger_signed_is_told_once_with_what_to_do() {
    let (ours, (certificate, key)) = authority("ours");
    let (strangers, _) = authority("theirs");
    let cluster = Cluster::start_with_tls(&certificate, &key);
    let mut copy = Copy::within(&cluster).await;
    let url = copy.database.url().replace("127.0.0.1", "localhost");
    copy.config["url"] = json!(format!("{url}?sslmode=verify-full"));
    copy.config["ssl_ca_pem"] = json!(strangers);
    for (verb, code) in [("check", 0), ("setup", 1), ("write", 1)] {
        let input = records("customers", 3, 1) + &lines::state("customers", &json!(1));
        let refused = copy.run(verb, input).await.expect_code(code);
        let (text, class) = failure(&refused, "connection_status");
        assert_eq!(class, "unreachable");
        assert!(text.contains("UnknownIssuer") && text.contains("`ssl_ca_pem`"), "{text}");
        assert!(refused.of_type("source_state").is_empty());
        assert_eq!(refused.stderr.lines().count(), usize::from(code == 1), "{}", refused.stderr);
    }
    copy.config["ssl_ca_pem"] = json!(ours);
    copy.setup().await.expect_code(0);
    assert_eq!(copy.written(records("customers", 3, 1)).await["customers"], json!({"created": 3}));
}

#[tokio::test]
async fn bad_configuration_is_one_clear_error() {
    for (config, fragment) in [
        (json!({}), "`url` is missing"),
        (json!({"url": "mysql://a@b/c"}), "postgres://"),
        (json!({"url": "postgres://a@b/c", "shema": "x"}), "did you mean `schema`"),
        (json!({"url": "postgres://a@b/c?sslmode=strict"}), "sslmode `strict` is not supported"),
        (json!({"url": "postgres://a@b/c?sslmode=verify-ca", "ssl_ca_pem": "x"}), "`ssl_ca_pem`"),
    ] {
        let refused = program().args(["check", "--config", &config.to_string()]).run("").await;
        let text = format!("{}{}", refused.stdout, refused.stderr);
        assert_eq!(refused.code(), Some(2), "{text}");
        assert!(text.contains(fragment), "{text}");
    }
}

#[tokio::test]
async fn the_url_may_come_from_the_environment_and_yields_to_the_configuration() {
    let copy = Copy::bare().await;
    let dead = "postgres://a:b@127.0.0.1:1/x";
    let ours = json!({"url": copy.database.url()}).to_string();
    for (config, variable) in [("{}", copy.database.url()), (&*ours, dead.to_owned())] {
        let checked = program().args(["check", "--config", config]).env("DATABASE_URL", variable);
        let checked = checked.run("").await.expect_code(0);
        assert_eq!(
            checked.of_type("connection_status")[0]["connection_status"]["status"],
            "succeeded"
        );
    }
}

#[tokio::test]
async fn a_stream_without_a_table_does_not_stop_another() {
    let mut copy = Copy::new().await;
    copy.catalog = lines::catalog(&[stream("customers"), stream("refunds")]);
    let input = [
        records("refunds", 3, 1),
        records("customers", 3, 1),
        lines::state("refunds", &json!(1)),
        lines::state("customers", &json!(1)),
        lines::global_state(&json!(1)),
    ];
    let done = copy.write(input.concat()).await.expect_code(0);
    let (text, _) = failure(&done, "stream_status");
    assert!(text.contains("\"refunds\" does not exist") && text.contains("setup"), "{text}");
    let states = done.of_type("source_state");
    assert_eq!(states.len(), 1, "{}", done.stdout);
    assert_eq!(states[0]["source_state"]["stream"], "customers");
    assert_eq!(written(&done)["customers"], json!({"created": 3}));
}

#[tokio::test]
async fn a_stream_that_may_not_be_written_does_not_stop_another() {
    let mut copy = Copy::new().await;
    let role = format!("reader_{}", copy.database.name());
    let grants = format!(
        "CREATE ROLE {role} LOGIN PASSWORD 'pw'; GRANT USAGE ON SCHEMA stripe TO {role}; \
         GRANT SELECT, INSERT, UPDATE ON stripe.customers, stripe._sync_meta TO {role}"
    );
    copy.database.execute(&grants).await;
    copy.config["url"] = json!(copy.database.url_as(&role, "pw"));
    let input = [
        records("charges", 3, 1),
        records("customers", 3, 1),
        lines::state("charges", &json!(1)),
        lines::state("customers", &json!(1)),
    ];
    let done = copy.write(input.concat()).await.expect_code(0);
    let (text, class) = failure(&done, "stream_status");
    assert_eq!(class, "permission", "{text}");
    assert!(
        text.contains("GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA \"stripe\""),
        "{text}"
    );
    assert_eq!(done.of_type("source_state").len(), 1);
    assert_eq!(copy.database.value("SELECT count(*) FROM stripe.customers").await, "3");
    assert_eq!(copy.database.value("SELECT count(*) FROM stripe.charges").await, "0");
}

#[tokio::test]
async fn data_of_another_account_never_lands() {
    let mut copy = Copy::new().await;
    let mut foreign = object("a", 1, "Eve");
    foreign["_account_id"] = json!("acct_2");
    let done = copy.write(lines::record("customers", &foreign)).await.expect_code(0);
    assert_eq!(written(&done)["customers"], json!({"refused": 1}));
    let properties = &mut copy.catalog["streams"][0]["stream"]["json_schema"]["properties"];
    properties["_account_id"]["enum"] = json!(["acct_2"]);
    let done = copy.write(lines::record("customers", &foreign)).await.expect_code(0);
    let (text, _) = failure(&done, "stream_status");
    assert!(text.contains("data of account acct_1, the catalog is of acct_2"), "{text}");
    assert_eq!(copy.database.value("SELECT count(*) FROM stripe.customers").await, "0");
}

#[tokio::test]
async fn a_terminated_backend_costs_a_retry_and_nothing_else() {
    let mut copy = Copy::new().await;
    copy.config["batch_rows"] = json!(200);
    copy.write(lines::record("customers", &object("x_00000", 0, "Ann"))).await.expect_code(0);
    let mut client = copy.database.client().await;
    let held = client.transaction().await.unwrap();
    held.batch_execute("SELECT FROM stripe.customers FOR UPDATE").await.unwrap();
    let mut program = copy.start();
    program.send(&records("customers", 200, 1).replace("Ann", "Eve")).await;
    program.send(&lines::state("customers", &json!(1))).await;
    let kill = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity \
                WHERE datname = current_database() AND wait_event_type = 'Lock'";
    while copy.database.value(kill).await == "0" {}
    held.commit().await.unwrap();
    program.message(|message| message["type"] == "source_state").await;
    let done = program.finish().await.expect_code(0);
    assert_eq!(written(&done)["customers"], json!({"created": 199, "updated": 1}));
    let rows = "SELECT count(*) || ' ' || min(name) FROM stripe.customers";
    assert_eq!(copy.database.value(rows).await, "200 Eve");
}

#[tokio::test]
async fn a_server_that_crashes_and_comes_back_costs_a_retry_and_nothing_else() {
    let mut cluster = Cluster::start();
    let (config, catalog, url) = {
        let copy = Copy::within(&cluster).await;
        copy.setup().await.expect_code(0);
        (copy.config.to_string(), copy.catalog.to_string(), copy.database.url())
    };
    let mut program = program().args(["write", "--config", &config, "--catalog", &catalog]).start();
    let is_state = |message: &Value| message["type"] == "source_state";
    program.send(&records("customers", 300, 1)).await;
    program.send(&lines::state("customers", &json!(1))).await;
    program.message(is_state).await;
    cluster.crash();
    program.send(&records("charges", 300, 1)).await;
    program.send(&lines::state("charges", &json!(1))).await;
    cluster.restart();
    program.message(is_state).await;
    program.finish().await.expect_code(0);
    let client = pg::connect(&pg::Settings::from_url(&url).unwrap()).await.unwrap();
    let rows =
        "SELECT (SELECT count(*) FROM stripe.customers) + (SELECT count(*) FROM stripe.charges)";
    assert_eq!(client.query_one(rows, &[]).await.unwrap().get::<_, i64>(0), 600);
}

#[tokio::test]
async fn a_server_that_stays_away_ends_the_run_and_nothing_is_acknowledged() {
    let mut cluster = Cluster::start();
    let (config, catalog) = {
        let copy = Copy::within(&cluster).await;
        copy.setup().await.expect_code(0);
        (copy.config.to_string(), copy.catalog.to_string())
    };
    let mut program = program().args(["write", "--config", &config, "--catalog", &catalog]).start();
    program.send(&records("customers", 3, 1)).await;
    program.send(&lines::state("customers", &json!("stored"))).await;
    program.message(|message| message["type"] == "source_state").await;
    cluster.crash();
    program.send(&records("charges", 3, 1)).await;
    program.send(&lines::state("charges", &json!("lost"))).await;
    let done = program.finish().await.expect_code(1);
    assert_eq!(failure(&done, "connection_status").1, "unreachable");
    assert_eq!(done.of_type("source_state").len(), 1, "{}", done.stdout);
}

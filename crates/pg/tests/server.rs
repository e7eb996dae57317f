//! This crate against a real server.
#![cfg(test)]

use pg::{Error, Failure, Ident, Literal, Migration, Settings};
use testkit::postgres::{Cluster, Database};

const FIRST: Migration = Migration {
    number: 1,
    name: "notes",
    sql: "CREATE TABLE {{schema}}.notes (id integer PRIMARY KEY)",
};
const SECOND: Migration = Migration {
    number: 2,
    name: "text of notes",
    sql: "ALTER TABLE {{schema}}.notes ADD COLUMN body text; \
          INSERT INTO {{schema}}.notes VALUES (1, 'a')",
};

async fn client(database: &Database<'_>) -> pg::Client {
    pg::connect(&Settings::from_url(&database.url()).unwrap()).await.unwrap()
}

async fn refusal(url: &str) -> Error {
    pg::connect(&Settings::from_url(url).unwrap()).await.unwrap_err()
}

#[tokio::test]
async fn migrations_are_applied_once_and_in_order() {
    let database = Cluster::shared().create_database().await;
    let mut client = client(&database).await;
    let schema = Ident::new("we\"ird; drop").unwrap();
    assert_eq!(pg::migrate(&mut client, &schema, &[FIRST]).await.unwrap(), [1]);
    assert_eq!(pg::migrate(&mut client, &schema, &[SECOND, FIRST]).await.unwrap(), [2]);
    assert!(pg::migrate(&mut client, &schema, &[FIRST, SECOND]).await.unwrap().is_empty());
    assert_eq!(database.value("SELECT body FROM \"we\"\"ird; drop\".notes").await, "a");
}

#[tokio::test]
async fn a_failed_migration_leaves_nothing_behind() {
    let database = Cluster::shared().create_database().await;
    let mut client = client(&database).await;
    let schema = Ident::new("s").unwrap();
    let broken = Migration { number: 2, name: "broken", sql: "CREATE TABLE {{schema}}.n (x nope)" };
    let error = pg::migrate(&mut client, &schema, &[FIRST, broken]).await.unwrap_err();
    assert_eq!(error.failure(), Failure::Structure);
    assert_eq!(database.value("SELECT count(*) FROM pg_namespace WHERE nspname = 's'").await, "0");
}

#[tokio::test]
async fn a_changed_or_unknown_migration_is_an_error() {
    let database = Cluster::shared().create_database().await;
    let mut client = client(&database).await;
    let schema = Ident::new("s").unwrap();
    pg::migrate(&mut client, &schema, &[FIRST, SECOND]).await.unwrap();
    let changed = Migration { sql: "SELECT 1", ..FIRST };
    let error = pg::migrate(&mut client, &schema, &[changed, SECOND]).await.unwrap_err();
    assert!(error.to_string().contains("migration 1 `notes` was changed"), "{error}");
    let error = pg::migrate(&mut client, &schema, &[FIRST]).await.unwrap_err();
    assert!(error.to_string().contains("migration 2 was applied by a newer version"), "{error}");
}

#[tokio::test]
async fn two_migrators_at_once_apply_each_step_once() {
    let database = Cluster::shared().create_database().await;
    let schema = Ident::new("s").unwrap();
    let (mut one, mut two) = (client(&database).await, client(&database).await);
    let (one, two) = tokio::join!(
        pg::migrate(&mut one, &schema, &[FIRST, SECOND]),
        pg::migrate(&mut two, &schema, &[FIRST, SECOND]),
    );
    assert_eq!(one.unwrap().len() + two.unwrap().len(), 2);
}

#[tokio::test]
async fn a_wrong_password_is_told_without_the_password() {
    let database = Cluster::shared().create_database().await;
    let error = refusal(&database.url_as("postgres", "canary-pw")).await;
    assert_eq!((error.failure(), error.code()), (Failure::Credentials, Some("28P01")));
    let text = format!("{error} {error:?}");
    assert!(text.contains("check user and password"), "{text}");
    assert!(text.contains(&format!("127.0.0.1:{}", Cluster::shared().port())), "{text}");
    assert!(!text.contains("canary-pw"), "{text}");
}

#[tokio::test]
async fn a_missing_password_is_a_matter_of_credentials() {
    let url = format!("postgres://postgres@127.0.0.1:{}/postgres", Cluster::shared().port());
    assert_eq!(refusal(&url).await.failure(), Failure::Credentials);
}

#[tokio::test]
async fn a_missing_database_says_how_to_make_it() {
    let error = refusal(&Cluster::shared().url("nowhere")).await;
    assert_eq!(error.failure(), Failure::Credentials);
    assert!(error.to_string().contains("CREATE DATABASE \"nowhere\""), "{error}");
}

#[tokio::test]
async fn nobody_on_the_port_or_no_such_host_is_unreachable() {
    let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    drop(listener);
    for host in [format!("127.0.0.1:{port}"), "no-such-host.invalid".to_owned()] {
        let error = refusal(&format!("postgres://ann:pw@{host}/shop")).await;
        assert_eq!(error.failure(), Failure::Unreachable, "{error}");
    }
}

#[tokio::test]
async fn a_server_without_tls_is_refused_when_tls_is_required() {
    let url = format!("{}?sslmode=require", Cluster::shared().url("postgres"));
    assert_eq!(refusal(&url).await.failure(), Failure::Unreachable);
}

#[tokio::test]
async fn a_pool_replaces_a_connection_that_was_discarded() {
    let settings = Settings::from_url(&Cluster::shared().url("postgres")).unwrap();
    let pool = pg::Pool::new(&settings, 1).unwrap();
    let ended = pool.get().await.unwrap();
    let failed = ended.batch_execute("SELECT pg_terminate_backend(pg_backend_pid())").await;
    assert_eq!(Error::query("ending", &failed.unwrap_err()).failure(), Failure::Later);
    pg::discard(ended);
    pool.get().await.unwrap().batch_execute("SELECT 1").await.unwrap();
}

#[tokio::test]
async fn names_and_literals_survive_the_servers_own_parser() {
    let database = Cluster::shared().create_database().await;
    let client = client(&database).await;
    let long = "é".repeat(50);
    for text in ["plain", "we\"ird; drop", "it's", "a\\'b", "$$", "--", "\u{1F600}", " ", &long] {
        let (name, literal) = (Ident::new(text).unwrap(), Literal::new(text).unwrap());
        client.batch_execute(&format!("CREATE SCHEMA {name}")).await.unwrap();
        let asked = "SELECT nspname::text FROM pg_namespace WHERE nspname = $1";
        let row = client.query_one(asked, &[&name.name()]).await.unwrap();
        assert_eq!(row.get::<_, String>(0), name.name());
        let row = client.query_one(&format!("SELECT {literal}::text"), &[]).await.unwrap();
        assert_eq!(row.get::<_, String>(0), text);
    }
}

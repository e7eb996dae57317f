//! Whatever JSON can say comes from a page of the API into a row as it is, and stays itself.

use serde_json::{Value, json};
use testkit::lines;
use testkit::postgres::Cluster;
use testkit::program::{Finished, Program};
use testkit::stripe::FakeStripe;

use crate::copy::Copy;

/// What `jsonb` takes as it is.
fn plain() -> Vec<String> {
    let deep = format!("{}{}", "[".repeat(990), "]".repeat(990));
    let large = format!("\"{}\"", "€".repeat(5 * 1024 * 1024 / 3));
    let long_key = format!(r#"{{"{}":"","":{{"":[]}}}}"#, "k".repeat(100));
    let texts = [
        "9007199254740993",
        "-123456789012345678901234567890.000000000000000000001",
        "1e308",
        "1E3",
        "-0",
        "1.10",
        r#""""#,
        "null",
        r#"{"a\"b":1,"c.d":[2],"e":1,"e":2,"'; DROP TABLE customers; --":3}"#,
        r#""😀 \ud83d\ude00 \u00e9 \/ \\u0000 , : { [""#,
        &deep,
        &large,
        &long_key,
    ];
    texts.map(str::to_owned).into()
}

/// What `jsonb` has no place for, and what stands there instead.
const REPLACED: [(&str, &str); 3] = [
    (r#""a\u0000b""#, "\"a\u{fffd}b\""),
    (r#""\ud800""#, "\"\u{fffd}\""),
    (r#"{"k\udc00":"\ud83d x"}"#, "{\"k\u{fffd}\":\"\u{fffd} x\"}"),
];

/// Replaces the first customers, one for each value; the values by the ids that hold them.
async fn spoil(stripe: &FakeStripe) -> Vec<(String, String)> {
    let replaced = REPLACED.map(|(value, _)| value.to_owned());
    let values: Vec<String> = plain().into_iter().chain(replaced).collect();
    let customers = stripe.oracle("customers").await;
    let mut spoilt = Vec::new();
    for ((id, customer), value) in customers.iter().zip(values) {
        let new = match spoilt.len() {
            0 => r#"cus\"'; DROP TABLE x; --.😀"#.to_owned(),
            1 => format!("cus_{}", "x".repeat(200)),
            _ => id.clone(),
        };
        // Blanks between, as Stripe's pages have them.
        let text = format!(
            "{{\n  \"id\": \"{new}\",\n  \"object\" : \"customer\",\t\"created\": {},\r\n  \"odd\": {value},\n  \"odd \\\"key\\\".x\": {value} }}",
            customer["created"]
        );
        stripe.replace("customers", id, &text).await;
        let id = serde_json::from_str(&format!("\"{new}\"")).unwrap();
        spoilt.push((id, value));
    }
    spoilt
}

async fn sync(copy: &Copy<'_>, stripe: &FakeStripe, folder: &tempfile::TempDir) -> Finished {
    let program = copy.sync(stripe, folder.path()).args(["--streams", "customers"]);
    program.args(["--output", "ndjson", "--full-refresh"]).run("").await.expect_code(0)
}

fn count(run: &Finished, name: &str) -> Value {
    let eof = run.of_type("eof").pop().unwrap();
    eof["eof"]["request_progress"]["streams"]["customers"][name].clone()
}

/// Copies the account twice: the second time nothing is written.
async fn copied(copy: &Copy<'_>) -> Vec<(String, String)> {
    let stripe = FakeStripe::start(["--objects", "customers=40", "--seed", "3"]).await;
    let spoilt = spoil(&stripe).await;
    let folder = tempfile::tempdir().unwrap();
    let first = sync(copy, &stripe, &folder).await;
    assert_eq!(count(&first, "created_count"), 40, "{}", first.stderr);
    let before = copy.fingerprint("customers").await;
    let second = sync(copy, &stripe, &folder).await;
    assert_eq!(count(&second, "unchanged_count"), 40, "{}", second.stderr);
    assert_eq!(copy.fingerprint("customers").await, before);
    spoilt
}

#[tokio::test]
async fn sqlite_keeps_the_bytes_of_every_value() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("copy.db");
    let spoilt = copied(&Copy::Sqlite(path.clone())).await;
    let connection = rusqlite::Connection::open(path).unwrap();
    for (id, value) in spoilt {
        let query = "SELECT _raw_data FROM customers WHERE id = ?1";
        let stored: String = connection.query_row(query, [&id], |row| row.get(0)).unwrap();
        let odd = format!(r#","odd":{value},"odd \"key\".x":{value},"_account_id":"#);
        assert!(stored.contains(&odd), "{id}: {}", stored.chars().take(300).collect::<String>());
    }
}

#[tokio::test]
async fn postgres_keeps_every_value_that_it_has_a_place_for() {
    let cluster = Cluster::shared();
    let database = cluster.create_database().await;
    let spoilt = copied(&Copy::Postgres(&database)).await;
    let client = database.client().await;
    for (id, value) in spoilt {
        let replaced = REPLACED.iter().find(|(sent, _)| *sent == value);
        let expected = replaced.map_or(value.as_str(), |(_, stands)| stands);
        let query = "SELECT _raw_data -> 'odd' = $2::text::jsonb AND \
                     _raw_data -> 'odd \"key\".x' = $2::text::jsonb \
                     FROM stripe.customers WHERE id = $1";
        let same: bool = client.query_one(query, &[&id, &expected]).await.unwrap().get(0);
        assert!(same, "{id} does not hold {}", expected.chars().take(300).collect::<String>());
    }
}

#[tokio::test]
async fn what_is_no_text_is_told_by_its_line_and_what_came_before_it_stays() {
    let folder = tempfile::tempdir().unwrap();
    let stream = json!({
        "name": "customers", "primary_key": [["id"]], "newer_than_field": "_updated_at",
    });
    let config = json!({"path": folder.path().join("copy.db")}).to_string();
    let catalog = lines::catalog(&[stream]).to_string();
    let program = |verb: &str| {
        let program = Program::named("destination-sqlite").arg(verb);
        program.args(["--config", &config, "--catalog", &catalog])
    };
    program("setup").run("").await.expect_code(0);
    let record = |id: &str| lines::record("customers", &json!({"id": id, "_updated_at": 1}));
    let whole = record("a") + &lines::state("customers", &json!(1));
    let bytes = [whole.as_bytes(), record("b").replace('b', "\u{0}").as_bytes()].concat();
    let bytes: Vec<u8> = bytes.into_iter().map(|b| if b == 0 { 0xff } else { b }).collect();
    let run = program("write").run(bytes).await.expect_code(1);
    assert!(run.stderr.contains("line 3"), "{}", run.stderr);
    assert_eq!(run.of_type("source_state").len(), 1, "{}", run.stdout);
    let connection = rusqlite::Connection::open(folder.path().join("copy.db")).unwrap();
    let ids: String = connection
        .query_row("SELECT group_concat(id) FROM customers", [], |row| row.get(0))
        .unwrap();
    assert_eq!(ids, "a");
}

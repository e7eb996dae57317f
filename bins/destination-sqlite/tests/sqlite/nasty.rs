use serde_json::json;
use testkit::lines;

use crate::copy::{Copy, stream};

#[tokio::test]
async fn whatever_json_can_say_is_kept_byte_for_byte() {
    let copy = Copy::of(&[stream("customers")]).await;
    let deep = format!("{}{}", "[".repeat(1000), "]".repeat(1000));
    let deeper = format!("{}{}", "{\"a\":".repeat(3000), "1".to_owned() + &"}".repeat(3000));
    let large = format!("\"{}\"", "€".repeat(5 * 1024 * 1024 / 3));
    let values = [
        r#""\u0000""#,
        r#""\ud800""#,
        r#""a\udc00b""#,
        "9007199254740993",
        "123456789012345678901234567890",
        "1e308",
        "1E400",
        "-0",
        "1.10",
        r#"{"a\"b":1,"c.d":{"":[]},"e":1,"e":2}"#,
        r#""😀 \ud83d\ude00""#,
        "null",
        "true",
        &deep,
        &deeper,
        &large,
    ];
    let document = |number: usize, value: &str| {
        format!(
            r#"{{"id":"{number:02}", "name":{value} ,"amount":{value},"_account_id":"acct_1"}}"#
        )
    };
    let input: String = values
        .iter()
        .enumerate()
        .map(|(number, value)| {
            let data = document(number, value);
            let data = data.strip_suffix('}').unwrap().to_owned() + ",\"_updated_at\":5}";
            lines::raw_record("customers", &data)
        })
        .collect();
    let input = input + &lines::state("customers", &json!({}));
    let run = copy.write(&[stream("customers")], &input).await.expect_code(0);
    let state = run.of_type("source_state").pop().unwrap();
    assert_eq!(state["_written"]["customers"]["created"], values.len(), "{}", run.stdout);
    let stored = copy.column("SELECT _raw_data AS x FROM customers ORDER BY id");
    for (number, (stored, value)) in stored.iter().zip(values).enumerate() {
        assert!(*stored == document(number, value), "document {number} is not what was sent");
    }
    // Every column of every row can be read, as text that is UTF-8 or as a number.
    let read = copy.column("SELECT count(*) || ' ' || count(typeof(name)) || ' ' || count(typeof(amount)) AS x FROM customers");
    assert_eq!(read, ["16 16 16"]);
    // Null are the null, and what is nested deeper than SQLite's parser goes.
    assert_eq!(copy.column("SELECT name AS x FROM customers WHERE name IS NOT NULL").len(), 13);
    let again = copy.write(&[stream("customers")], &input).await.expect_code(0);
    let state = again.of_type("source_state").pop().unwrap();
    assert_eq!(state["_written"]["customers"]["unchanged"], values.len(), "{}", again.stdout);
}

#[tokio::test]
async fn keys_and_stream_names_of_any_kind_are_only_names() {
    let mut weird = stream("we\"ird; drop");
    weird["primary_key"] = json!([["id"], ["a", "k'e\"y.x"]]);
    let copy = Copy::of(&[weird.clone()]).await;
    let record = |id: &str, key: &str| {
        let data =
            json!({"id": id, "a": {"k'e\"y.x": key}, "_account_id": "acct_1", "_updated_at": 1});
        lines::record("we\"ird; drop", &data)
    };
    let ids = ["", "'; DROP TABLE x; --", "\0", "😀", "a\"b", "A", "a"];
    let input: String = ids.iter().map(|id| record(id, "k")).collect();
    copy.write(&[weird.clone()], &input).await.expect_code(0);
    copy.write(&[weird], &input).await.expect_code(0);
    assert_eq!(copy.count("\"we\"\"ird; drop\""), 7);
}

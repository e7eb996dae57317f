//! Streams that are read parent by parent, into a copy.

use serde_json::Value;
use testkit::stripe::FakeStripe;

use crate::copy::Copy;

const STREAM: &str = "radar_value_list_items";

#[tokio::test]
async fn what_is_gone_under_a_parent_is_marked_when_it_is_listed_again() {
    let stripe = FakeStripe::start(["--objects", "radar_value_lists=130"]).await;
    let folder = tempfile::tempdir().unwrap();
    let copy = Copy::Sqlite(folder.path().join("copy.db"));
    let sync = || {
        let program = copy.sync(&stripe, folder.path()).args(["--streams", STREAM]);
        program.args(["--source.child_streams", STREAM, "--source.relist_every", "0"])
    };
    sync().run("").await.expect_code(0);
    copy.assert_equals(&stripe, &[STREAM.to_owned()]).await;

    let lists = stripe.get("/__oracle/radar_value_lists?lists=whole").await;
    let items = |list: &Value| list["list_items"]["data"].as_array().unwrap().len();
    let mut lists = lists.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let mut list = lists.find(|list| items(list) > 1).unwrap();
    let gone = list["list_items"]["data"].as_array_mut().unwrap().remove(0);
    stripe.replace("radar_value_lists", list["id"].as_str().unwrap(), &list.to_string()).await;
    sync().run("").await.expect_code(0);
    let rows = copy.rows(STREAM).await;
    let marked = rows.iter().filter(|(_, row)| row["deleted"] == true).map(|(id, _)| id.as_str());
    assert_eq!(marked.collect::<Vec<_>>(), [gone["id"].as_str().unwrap()]);
}

#[tokio::test]
async fn a_stream_that_has_to_be_named_first_is_told_with_the_key() {
    let stripe = FakeStripe::start(["--objects", "customers=1"]).await;
    let folder = tempfile::tempdir().unwrap();
    let copy = Copy::Sqlite(folder.path().join("copy.db"));
    let run = copy.sync(&stripe, folder.path()).args(["--streams", "customer_tax_ids"]);
    let run = run.run("").await.expect_code(4);
    let told = "`customer_tax_ids` is a stream only where `child_streams` of the source names it; \
                add `--source.child_streams customer_tax_ids`";
    assert!(run.stderr.contains(told), "{}", run.stderr);
}

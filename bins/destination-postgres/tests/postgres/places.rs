//! The identity of each stream's table.

use serde_json::{Value, json};
use testkit::{lines, program::Finished};

use crate::copy::{Copy, object};

fn places(finished: &Finished) -> Value {
    let logs = finished.of_type("log");
    logs.iter().find_map(|log| log.get("_places")).unwrap().clone()
}

#[tokio::test]
async fn a_place_stays_until_its_table_is_made_anew() {
    let copy = Copy::bare().await;
    let first = places(&copy.setup().await.expect_code(0));
    assert_eq!(first.as_object().unwrap().len(), 2, "{first}");
    assert_eq!(places(&copy.setup().await), first);
    copy.database.execute("DROP TABLE stripe.customers").await;
    let second = places(&copy.setup().await.expect_code(0));
    assert_ne!(second["customers"], first["customers"]);
    assert_eq!(second["charges"], first["charges"]);
    copy.database.execute("DROP SCHEMA stripe CASCADE").await;
    assert_ne!(places(&copy.setup().await)["charges"], first["charges"]);
}

#[tokio::test]
async fn a_run_is_noted_with_its_first_rows_and_forgotten_with_the_table() {
    let mut copy = Copy::new().await;
    copy.config["run_id"] = json!("run_7");
    copy.write(lines::record("customers", &object("a", 1, "Ann"))).await.expect_code(0);
    let noted = places(&copy.setup().await);
    assert_eq!(noted["customers"]["run"], "run_7");
    assert_eq!(noted["charges"].get("run"), None);
    copy.database.execute("DROP TABLE stripe.customers").await;
    assert_eq!(places(&copy.setup().await)["customers"].get("run"), None);
}

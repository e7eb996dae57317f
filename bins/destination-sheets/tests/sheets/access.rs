use std::time::Duration;

use serde_json::{Value, json};
use testkit::sheets::{Fault, Kind};

use crate::copy::{Copy, failure, page, stream};

fn tokens(copy: &Copy) -> usize {
    copy.sheets.requests().iter().filter(|one| one.kind == Kind::Token).count()
}

async fn with(more: impl Fn(&Copy) -> Value) -> Copy {
    let mut copy = Copy::new().await;
    copy.more = more(&copy);
    copy.more["access_token"] = Value::Null;
    copy
}

#[tokio::test]
async fn a_service_account_signs_for_its_token_and_asks_once() {
    let copy = with(|copy| json!({"service_account": copy.sheets.service_account()})).await;
    copy.setup(&[stream("customers")]).await.expect_code(0);
    assert_eq!(tokens(&copy), 1);
    copy.write(&[stream("customers")], &page("customers", (0, 3), ("a", 7))).await.expect_code(0);
    assert_eq!((tokens(&copy), copy.rows("customers").len()), (2, 3));
}

#[tokio::test]
async fn a_refresh_token_is_changed_for_an_access_token() {
    let copy = with(|copy| copy.sheets.refresh()).await;
    copy.setup(&[stream("customers")]).await.expect_code(0);
    assert_eq!(tokens(&copy), 1);
}

#[tokio::test]
async fn a_token_that_is_refused_in_the_middle_is_replaced() {
    let copy = with(|copy| json!({"service_account": copy.sheets.service_account()})).await;
    copy.setup(&[stream("customers")]).await.expect_code(0);
    copy.sheets.fail(Fault::once("values:batchUpdate", 401));
    copy.write(&[stream("customers")], &page("customers", (0, 3), ("a", 7))).await.expect_code(0);
    assert_eq!((tokens(&copy), copy.rows("customers").len()), (3, 3));
}

#[tokio::test]
async fn a_token_that_is_about_to_expire_is_not_used() {
    let copy = with(|copy| json!({"service_account": copy.sheets.service_account()})).await;
    copy.sheets.set_token_lifetime(Duration::from_secs(60));
    copy.setup(&[stream("customers")]).await.expect_code(0);
    assert_eq!(tokens(&copy), copy.sheets.request_count());
}

#[tokio::test]
async fn a_token_that_is_good_for_ever_is_used() {
    let copy = with(|copy| json!({"service_account": copy.sheets.service_account()})).await;
    copy.sheets.set_token_lifetime(Duration::from_secs(u64::MAX));
    copy.setup(&[stream("customers")]).await.expect_code(0);
    assert_eq!(tokens(&copy), 1);
}

#[tokio::test]
async fn credentials_that_are_wrong_are_told_without_them() {
    let copy = with(
        |_| json!({"client_id": "client", "client_secret": "canary1", "refresh_token": "canary2"}),
    )
    .await;
    let run = copy.setup(&[stream("customers")]).await.expect_code(1);
    let (message, class) = failure(&run);
    assert_eq!(class, "credentials");
    assert!(message.contains("400 Bad Request; the refresh token was withdrawn"), "{message}");
    assert!(!(run.stdout + &run.stderr).contains("canary"));
}

#[tokio::test]
async fn an_access_token_that_has_expired_is_told() {
    let mut copy = Copy::new().await;
    copy.more = json!({"access_token": "canary"});
    let run = copy.setup(&[stream("customers")]).await.expect_code(1);
    assert_eq!(failure(&run).1, "credentials");
    assert!(!(run.stdout + &run.stderr).contains("canary"));
}

#[tokio::test]
async fn a_spreadsheet_that_is_not_there_or_not_shared_says_with_whom_to_share_it() {
    let mut copy = with(|copy| json!({"service_account": copy.sheets.service_account()})).await;
    copy.sheets.fail(Fault::once("GET", 403));
    for class in ["permission", "config"] {
        let run = copy.program("check", &[stream("customers")]).run("").await.expect_code(0);
        let (message, told) = failure(&run);
        assert_eq!(told, class, "{message}");
        assert!(message.contains("`sync@tests.iam.gserviceaccount.com` as an editor"), "{message}");
        copy.id = "nowhere".to_owned();
    }
}

#[tokio::test]
async fn check_says_what_is_there_and_makes_nothing() {
    let copy = Copy::of(&[stream("customers")]).await;
    let both = [stream("customers"), stream("charges")];
    let run = copy.program("check", &both).run("").await.expect_code(0);
    let status = run.of_type("connection_status").pop().unwrap()["connection_status"].clone();
    assert_eq!(status["status"], "succeeded");
    let message = status["message"].as_str().unwrap();
    assert!(message.contains("1 tabs are there, 1 to be made"), "{message}");
    assert_eq!(copy.sheets.edit(&copy.id, |book| book.titles()).len(), 3);
}

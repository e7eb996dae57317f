//! Lists of API v2, which go on by token.

use serde_json::json;

use crate::fake::Fake;
use crate::run::{Copied, catalog, config, copied, killed_after, read};

const STREAMS: [&str; 3] = ["v2_core_accounts", "v2_core_event_destinations", "v2_core_events"];
const OBJECTS: &str = "v2_core_accounts=730,v2_core_event_destinations=30,v2_core_events=420";

#[tokio::test]
async fn lists_of_v2_are_read_whole_page_after_page() {
    let fake = Fake::start(OBJECTS, &["--latency-ms", "5"]).await;
    let finished = read(&config(&fake.url, json!({})), &catalog(&STREAMS), None).run("").await;
    let copied = copied(&finished.expect_code(0));
    for stream in STREAMS {
        copied.assert_equals(stream, &fake.oracle(stream).await);
        assert!(copied.ended(stream, "complete") && copied.is_done(stream), "{stream}");
    }
    assert_eq!(fake.requests("/v2/core/accounts").await, 8);
}

#[tokio::test]
async fn a_list_of_v2_goes_on_after_its_token() {
    let fake = Fake::start(OBJECTS, &["--latency-ms", "5"]).await;
    let (config, catalog) = (config(&fake.url, json!({})), catalog(&STREAMS));
    let mut copy = Copied::default();
    for states in [2, 3, 3] {
        let resume = copy.to_resume();
        copy.take_in(&killed_after(states, read(&config, &catalog, Some(&resume))).await);
    }
    let resume = copy.to_resume();
    copy.take_in(&read(&config, &catalog, Some(&resume)).run("").await.expect_code(0).stdout);
    for stream in STREAMS {
        copy.assert_equals(stream, &fake.oracle(stream).await);
    }
    assert!(fake.requests("/v2/core/accounts").await <= 8 + 2 * 3);
}

#[tokio::test]
async fn a_token_that_is_refused_makes_the_list_begin_again() {
    let fake = Fake::start("v2_core_accounts=150", &[]).await;
    let state = json!({"v2_core_accounts": {
        "accounted_range": {"gte": "1970-01-01T00:00:00Z", "lt": "2026-01-01T00:00:00Z"},
        "remaining": [{"gte": "1970-01-01T00:00:00Z", "lt": "2026-01-01T00:00:00Z", "cursor": "old"}],
    }});
    let config = config(&fake.url, json!({}));
    let read = read(&config, &catalog(&["v2_core_accounts"]), Some(&state));
    let copied = copied(&read.run("").await.expect_code(0));
    copied.assert_equals("v2_core_accounts", &fake.oracle("v2_core_accounts").await);
}

#[tokio::test]
async fn a_limit_of_records_holds_for_v2_too() {
    let fake = Fake::start("v2_core_accounts=250", &[]).await;
    let limited = config(&fake.url, json!({"backfill_limit": 120}));
    let catalog = catalog(&["v2_core_accounts"]);
    let mut copy = copied(&read(&limited, &catalog, None).run("").await.expect_code(0));
    assert_eq!(copy.records["v2_core_accounts"].len(), 120);
    let rest = read(&config(&fake.url, json!({})), &catalog, Some(&copy.to_resume()));
    copy.take_in(&rest.run("").await.expect_code(0).stdout);
    copy.assert_equals("v2_core_accounts", &fake.oracle("v2_core_accounts").await);
}

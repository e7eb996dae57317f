//! Entitlements, which a summary of their customer tells of.

use serde_json::{Value, json};
use testkit::stripe::{API_KEY, FakeStripe};

use crate::run::{catalog, config, read};
use crate::table::Tables;

const STREAM: &str = "active_entitlements";

/// The account has this event: what a customer is entitled to now, and was before.
async fn tell(fake: &FakeStripe, now: &[&Value], before: &[&Value]) {
    fake.advance(10).await;
    let summary = json!({
        "object": "entitlements.active_entitlement_summary",
        "customer": "cus_1",
        "entitlements": {"object": "list", "data": now, "has_more": false, "url": "/v1/customers/cus_1/entitlements"},
        "livemode": false,
    });
    let event = json!({
        "type": "entitlements.active_entitlement_summary.updated",
        "api_version": "2026-01-28.clover",
        "account": null,
        "data": {"object": summary, "previous_attributes": {"entitlements": {"data": before}}},
    });
    fake.change(&[json!({"stream": "events", "do": "create", "set": event})]).await;
}

#[tokio::test]
async fn revoked_entitlements_are_removed() {
    let fake = FakeStripe::start([
        "--objects",
        "customers=20,features=5,events=0",
        "--newest",
        "1700000000",
    ])
    .await;
    let config = config(&fake.url(), json!({"api_key": API_KEY, "child_streams": [STREAM]}));
    let mut tables = Tables::default();
    let run = async |tables: &mut Tables| {
        tables.forget_told();
        let finished = read(&config, &catalog(&[STREAM]), Some(&tables.state())).run("").await;
        tables.take_in(&finished.expect_code(0).stdout);
        assert_eq!(tables.ends(STREAM), ["complete"], "{:?}", tables.logs());
    };
    run(&mut tables).await;
    let mut all = tables.alive(STREAM);
    let ((_, kept), (revoked_id, revoked)) = (all.pop_first().unwrap(), all.pop_first().unwrap());
    let mut granted = kept.clone();
    granted["id"] = json!("ent_granted");

    tell(&fake, &[&kept, &granted], &[&kept, &revoked]).await;
    run(&mut tables).await;
    let alive = tables.alive(STREAM);
    let kept_id = kept["id"].as_str().unwrap();
    assert_eq!((&alive[kept_id], &alive["ent_granted"]), (&kept, &granted));
    assert!(tables.is_deleted(STREAM, &revoked_id));
    assert_eq!(alive.len(), all.len() + 2, "those of other customers stay");

    tell(&fake, &[], &[&kept, &granted]).await;
    run(&mut tables).await;
    assert!(tables.is_deleted(STREAM, kept_id) && tables.is_deleted(STREAM, "ent_granted"));
    assert_eq!(tables.alive(STREAM), all);
}

//! The local Stripe as tests drive it. Needs the program: `cargo build --workspace --bins`.
#![cfg(test)]

use std::collections::BTreeSet;

use testkit::stripe::FakeStripe;

#[tokio::test]
async fn the_account_changes_and_time_passes_when_told_so() {
    let stripe =
        FakeStripe::start(["--objects", "all=0,customers=20", "--clock", "1770000000"]).await;
    let before = stripe.oracle("customers").await;
    assert_eq!(stripe.advance(3_600).await, 1_770_003_600);
    let told = stripe.mutate(12).await;
    let changes = told["changes"].as_array().unwrap();
    assert!(changes.len() >= 12, "a step is one change or several: {told}");
    let named = changes.iter().filter(|change| change["stream"] == "customers");
    let named: BTreeSet<&str> = named.map(|change| change["id"].as_str().unwrap()).collect();
    let after = stripe.oracle("customers").await;
    let differ: BTreeSet<&str> = before
        .keys()
        .chain(after.keys())
        .map(String::as_str)
        .filter(|id| before.get(*id) != after.get(*id))
        .collect();
    assert!(!differ.is_empty());
    assert!(differ.is_subset(&named), "{differ:?} changed, {named:?} were told");
}

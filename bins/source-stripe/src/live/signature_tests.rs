use proptest::prelude::*;

use super::*;

const NOW: i64 = 1_492_774_577;

fn secrets(names: &[&str]) -> Vec<Secret> {
    names.iter().map(|name| Secret::new((*name).to_owned())).collect()
}

/// A header as Stripe would send it.
pub(crate) fn header(secret: &str, time: i64, body: &[u8]) -> String {
    let time = time.to_string();
    let made = sign(&Secret::new(secret.to_owned()), &time, body);
    format!("t={time},v1={made}")
}

fn check(header: &str, body: &[u8], names: &[&str]) -> Result<(), NotSigned> {
    verify(header, body, &secrets(names), Timestamp::from_seconds(NOW))
}

#[test]
fn a_signature_that_openssl_made_is_good() {
    // echo -n '1492774577.{"id":"evt_1"}' | openssl dgst -sha256 -hmac whsec_test
    let made = "7656fc2882a7ca0a651666b36bf2f2f22ee204f54f608f227498a2419f2890b2";
    let body = br#"{"id":"evt_1"}"#;
    assert_eq!(check(&format!("t={NOW},v1={made}"), body, &["whsec_test"]), Ok(()));
    assert_eq!(check(&format!(" t = {NOW} , v1 = {made} "), body, &["whsec_test"]), Ok(()));
}

#[test]
fn every_v1_is_tried_with_every_secret() {
    let old = header("old", NOW, b"{}");
    let new = header("new", NOW, b"{}").replace(&format!("t={NOW},"), "");
    assert_eq!(check(&format!("{old},v0=00,{new}"), b"{}", &["new"]), Ok(()));
    assert_eq!(check(&format!("{old},v0=00,{new}"), b"{}", &["third", "old"]), Ok(()));
    assert_eq!(check(&format!("{old},{new}"), b"{}", &["third"]), Err(NotSigned::Forged));
    assert_eq!(check(&old, b"{}", &[]), Err(NotSigned::Forged));
}

#[test]
fn another_scheme_is_no_signature() {
    let v0 = header("s", NOW, b"{}").replace("v1", "v0");
    assert_eq!(check(&v0, b"{}", &["s"]), Err(NotSigned::Unreadable));
}

#[test]
fn a_header_without_a_time_or_with_two_is_unreadable() {
    let good = header("s", NOW, b"{}");
    let (_, v1) = good.split_once(',').unwrap();
    assert_eq!(check(v1, b"{}", &["s"]), Err(NotSigned::Unreadable));
    assert_eq!(check(&format!("t=1,{good}"), b"{}", &["s"]), Err(NotSigned::Unreadable));
    assert_eq!(check("", b"{}", &["s"]), Err(NotSigned::Unreadable));
}

#[test]
fn five_minutes_pass_either_way_and_no_more() {
    for (seconds, expected) in [
        (300, Ok(())),
        (-300, Ok(())),
        (301, Err(NotSigned::OutOfTime(301))),
        (-301, Err(NotSigned::OutOfTime(301))),
    ] {
        let header = header("s", NOW + seconds, b"{}");
        assert_eq!(check(&header, b"{}", &["s"]), expected);
    }
    let far = header("s", i64::MIN, b"{}");
    assert!(matches!(check(&far, b"{}", &["s"]), Err(NotSigned::OutOfTime(_))));
}

proptest! {
    #[test]
    fn what_was_signed_is_good_and_what_was_changed_is_not(
        secret in "[!-~]{1,60}",
        body in prop::collection::vec(any::<u8>(), 1..300),
        offset in -300_i64..=300,
        at in any::<prop::sample::Index>(),
    ) {
        let header = header(&secret, NOW + offset, &body);
        prop_assert_eq!(check(&header, &body, &[&secret]), Ok(()));
        let mut changed = body.clone();
        changed[at.index(body.len())] ^= 1;
        prop_assert_eq!(check(&header, &changed, &[&secret]), Err(NotSigned::Forged));
        let another = header.replace(&format!("t={}", NOW + offset), &format!("t={}", NOW + offset + 1));
        prop_assert_eq!(check(&another, &body, &[&secret]), Err(NotSigned::Forged));
        prop_assert_eq!(check(&header, &body, &[&format!("{secret}x")]), Err(NotSigned::Forged));
    }

    #[test]
    fn no_garbage_is_good_and_none_ends_us(
        header in "(t=|v1=|,|=|[0-9a-f]{0,70}|\\PC){0,40}",
        body in prop::collection::vec(any::<u8>(), 0..50),
    ) {
        prop_assert!(check(&header, &body, &["whsec_test"]).is_err());
    }

    #[test]
    fn a_good_header_with_anything_beside_it_stays_good_or_is_unreadable(
        before in "[a-z0-9=]{0,20}",
        after in "\\PC{0,20}",
    ) {
        let good = header("s", NOW, b"{}");
        let checked = check(&format!("{before},{good},{after}"), b"{}", &["s"]);
        prop_assert!(matches!(checked, Ok(()) | Err(NotSigned::Unreadable)));
    }
}

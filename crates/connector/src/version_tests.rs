use proptest::prelude::*;

use super::*;

fn version(stamp: i64, content: u64) -> Version {
    Version { stamp, content, deleted: false, stub: false, origin: Some(Origin::List) }
}

fn event(stamp: i64, content: u64) -> Version {
    Version { origin: Some(Origin::Event), ..version(stamp, content) }
}

fn delete(stamp: i64, content: u64) -> Version {
    Version { deleted: true, ..event(stamp, content) }
}

const ALIVE: Stored = Stored { stamp: 10, content: 1, deleted: false };
const DELETED: Stored = Stored { stamp: 10, content: 1, deleted: true };

#[test]
fn a_newer_version_replaces_and_an_older_one_is_stale() {
    assert_eq!(judge(Some(&ALIVE), &version(11, 2)), Verdict::Replace);
    assert_eq!(judge(Some(&ALIVE), &version(9, 2)), Verdict::Stale);
    assert_eq!(judge(None, &version(9, 2)), Verdict::Insert);
}

#[test]
fn the_later_arrival_wins_a_tie() {
    assert_eq!(judge(Some(&ALIVE), &version(10, 2)), Verdict::Replace);
}

#[test]
fn deleted_wins_a_tie() {
    assert_eq!(judge(Some(&ALIVE), &delete(10, 2)), Verdict::Replace);
    assert_eq!(judge(Some(&DELETED), &event(10, 1)), Verdict::Stale);
    assert_eq!(judge(Some(&DELETED), &event(11, 1)), Verdict::Replace);
}

#[test]
fn an_unchanged_row_does_not_forget_a_newer_event() {
    assert_eq!(judge(Some(&ALIVE), &event(12, 1)), Verdict::Restamp);
    assert_eq!(judge(Some(&ALIVE), &version(12, 1)), Verdict::Unchanged);
}

#[test]
fn a_marked_row_is_revived_by_the_same_document() {
    assert_eq!(judge(Some(&DELETED), &version(11, 1)), Verdict::Replace);
}

#[test]
fn a_stub_marks_the_document_that_came_before_it_in_the_batch() {
    let stub = Version { stub: true, ..delete(3, 9) };
    let row = Stored { stamp: 3, content: 7, deleted: true };
    let counts = WrittenCounts { deleted: 1, superseded: 1, ..WrittenCounts::default() };
    assert_eq!(
        resolve(None, &[version(2, 7), stub]),
        Resolution { action: Action::Write { index: 0, marked: true, row }, counts }
    );
    let marked = Stored { stamp: 13, ..DELETED };
    let late = Version { stamp: 13, ..stub };
    assert_eq!(resolve(Some(ALIVE), &[late]).action, Action::Mark(marked));
    assert_eq!(resolve(Some(DELETED), &[Version { origin: None, ..late }]).action, Action::Keep);
}

#[test]
fn a_row_changed_by_somebody_else_is_never_taken_for_unchanged() {
    let hash = row_hash(&ALIVE);
    assert_eq!(content_of(hash, ALIVE.stamp, ALIVE.deleted), ALIVE.content);
    assert_ne!(content_of(hash, ALIVE.stamp + 1, ALIVE.deleted), ALIVE.content);
    assert_ne!(content_of(hash, ALIVE.stamp, true), ALIVE.content);
}

fn any_version() -> impl Strategy<Value = Version> {
    (0..6_i64, 0..3_u64, any::<bool>(), any::<bool>(), 0..4_usize).prop_map(
        |(stamp, content, deleted, stub, origin)| Version {
            stamp,
            content,
            deleted,
            stub: stub && deleted,
            origin: [None, Some(Origin::List), Some(Origin::Event), Some(Origin::Fetch)][origin],
        },
    )
}

fn any_stored() -> impl Strategy<Value = Option<Stored>> {
    proptest::option::of((0..6_i64, 0..3_u64, any::<bool>()))
        .prop_map(|s| s.map(|(stamp, content, deleted)| Stored { stamp, content, deleted }))
}

/// The row after an action, as a destination would leave it.
fn apply(stored: Option<Stored>, action: Action) -> Option<Stored> {
    match action {
        Action::Keep => stored,
        Action::Restamp(row) | Action::Mark(row) | Action::Write { row, .. } => Some(row),
    }
}

proptest! {
    #[test]
    fn a_batch_ends_as_one_by_one(stored in any_stored(), versions in proptest::collection::vec(any_version(), 0..8)) {
        let batch = resolve(stored, &versions);
        let mut row = stored;
        for version in &versions {
            row = apply(row, resolve(row, std::slice::from_ref(version)).action);
        }
        prop_assert_eq!(apply(stored, batch.action), row);
        prop_assert_eq!(batch.counts.total(), versions.len() as u64);
    }

    #[test]
    fn a_stamp_never_falls(stored in any_stored(), version in any_version()) {
        let after = apply(stored, resolve(stored, &[version]).action);
        prop_assert!(after.map(|row| row.stamp) >= stored.map(|row| row.stamp));
    }

    #[test]
    fn delivering_again_changes_nothing(stored in any_stored(), version in any_version()) {
        let once = apply(stored, resolve(stored, &[version]).action);
        prop_assert_eq!(resolve(once, &[version]).action, Action::Keep);
    }
}

//! Seeds of the fuzzers, and changes to them.

use std::path::Path;

use proptest::prelude::*;
use proptest::sample::Index;

use crate::failure::{fail, loud};

/// Every seed of a fuzz target, from `fuzz/corpus`, in the order of their names.
pub fn seeds(target: &str) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus").join(target);
    let doing = format!("reading the seeds in `{}`", folder.display());
    let entries = loud(&doing, std::fs::read_dir(&folder));
    let mut paths: Vec<_> = entries.map(|entry| loud(&doing, entry).path()).collect();
    paths.sort();
    if paths.is_empty() {
        fail(&format!("{doing}: there are none"));
    }
    paths.iter().map(|path| loud(&doing, std::fs::read(path))).collect()
}

/// A seed with a few changes: bytes replaced, removed, put in or repeated, or another seed's end.
pub fn changed(target: &str) -> impl Strategy<Value = Vec<u8>> + use<> {
    let seeds = seeds(target);
    let first = proptest::sample::select(seeds.clone());
    let other = proptest::sample::select(seeds);
    let changes = proptest::collection::vec(change(), 0..8);
    (first, other, changes).prop_map(|(mut bytes, other, changes)| {
        for change in changes {
            change.apply(&mut bytes, &other);
        }
        bytes
    })
}

#[derive(Debug, Clone)]
enum Change {
    Put(Index, Vec<u8>),
    Replace(Index, u8),
    Remove(Index, usize),
    Repeat(Index, usize),
    Splice(Index, Index),
}

/// Bytes that mean something to one parser or another.
const MEANT: [&[u8]; 12] = [
    b"\"", b"\\", b"\\u0000", b"\\ud800", b"{", b"}", b"[", b"null", b"-1e999", b"\n", b"%",
    b"\xff",
];

fn change() -> impl Strategy<Value = Change> {
    let at = || any::<Index>();
    let meant = proptest::sample::select(&MEANT[..]).prop_map(<[u8]>::to_vec);
    let bytes = prop_oneof![meant, proptest::collection::vec(any::<u8>(), 1..4)];
    prop_oneof![
        (at(), bytes).prop_map(|(at, bytes)| Change::Put(at, bytes)),
        (at(), any::<u8>()).prop_map(|(at, byte)| Change::Replace(at, byte)),
        (at(), 1_usize..40).prop_map(|(at, count)| Change::Remove(at, count)),
        (at(), 1_usize..40).prop_map(|(at, count)| Change::Repeat(at, count)),
        (at(), at()).prop_map(|(at, from)| Change::Splice(at, from)),
    ]
}

impl Change {
    fn apply(self, bytes: &mut Vec<u8>, other: &[u8]) {
        let place = |index: &Index, length: usize| index.index(length.saturating_add(1));
        let span = |at: usize, count: usize| at..at.saturating_add(count).min(bytes.len());
        match self {
            Self::Put(at, new) => {
                let at = place(&at, bytes.len());
                drop(bytes.splice(at..at, new));
            }
            Self::Replace(at, byte) => {
                let at = place(&at, bytes.len());
                if let Some(old) = bytes.get_mut(at) {
                    *old = byte;
                }
            }
            Self::Remove(at, count) => drop(bytes.drain(span(place(&at, bytes.len()), count))),
            Self::Repeat(at, count) => {
                let span = span(place(&at, bytes.len()), count);
                let again = bytes.get(span.clone()).unwrap_or_default().to_vec();
                drop(bytes.splice(span.start..span.start, again));
            }
            Self::Splice(at, from) => {
                bytes.truncate(place(&at, bytes.len()));
                let from = place(&from, other.len());
                bytes.extend_from_slice(other.get(from..).unwrap_or_default());
            }
        }
    }
}

//! What becomes of a batch while it is written.

use std::collections::{BTreeMap, BTreeSet};

use connector::{Batch, Error, Key, Loaded, Refused, Row};
use protocol::{Receipt, WrittenCounts};

use crate::layout::letter::MOST_BYTES;

/// What becomes of the streams of a batch.
#[derive(Debug, Default)]
pub(super) struct Progress {
    /// Still to be written.
    pub(super) open: BTreeSet<String>,
    /// What was decided when a stream was first written: after a write that got half way, what it
    /// did would count as unchanged.
    pub(super) decided: BTreeMap<String, Decided>,
    pub(super) loaded: Loaded,
}

/// What was decided about the rows of a stream.
#[derive(Debug)]
pub(super) struct Decided {
    pub(super) counts: WrittenCounts,
    /// Texts that were cut.
    pub(super) cut: u64,
    /// Records whose key no cell can hold.
    pub(super) refused: Vec<(Key, Row)>,
}

impl Progress {
    pub(super) fn fail(&mut self, stream: &str, error: Error) {
        self.open.remove(stream);
        self.loaded.streams.insert(stream.to_owned(), Err(error));
    }

    /// What became of the batch, with what its rows do not hold.
    pub(super) fn told(mut self) -> Loaded {
        let written = self.decided.iter().filter(|(stream, decided)| {
            decided.cut > 0 && matches!(self.loaded.streams.get(*stream), Some(Ok(_)))
        });
        self.loaded.receipts = written
            .map(|(stream, decided)| Receipt {
                stream: Some(stream.clone()),
                reason: "cut_cells".to_owned(),
                count: decided.cut,
                message: Some("texts were longer than a cell and cut".to_owned()),
            })
            .collect();
        self.loaded
    }

    /// What of a batch goes to the dead letters, by stream; of a stream that failed nothing does.
    pub(super) fn refused<'b>(&mut self, batch: &'b Batch) -> Vec<(&'b str, Refused)> {
        let mut all: Vec<(&str, Refused)> = Vec::new();
        for (stream, of_stream) in &batch.streams {
            if matches!(self.loaded.streams.get(stream), Some(Err(_))) {
                continue;
            }
            let here = self.decided.get(stream).map(|decided| decided.refused.as_slice());
            for (key, row) in here.unwrap_or_default() {
                let error = format!("stream `{stream}`: a key is empty or longer than a cell");
                self.loaded.refusals.push(error.clone());
                let record = row.record(&of_stream.plan);
                all.push((stream, Refused { key: key.clone(), error, record }));
            }
            all.extend(of_stream.refused.iter().map(|one| (stream.as_str(), one.clone())));
        }
        all.retain(|(stream, one)| {
            let bytes = one.record.len();
            if bytes > MOST_BYTES {
                self.loaded.refusals.push(format!(
                    "stream `{stream}`: a refused record of {bytes} bytes is too large to be kept"
                ));
            }
            bytes <= MOST_BYTES
        });
        all
    }
}

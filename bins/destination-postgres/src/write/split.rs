//! Who writes what of a batch: streams side by side, a lone one over all connections.

use std::collections::BTreeMap;

use connector::{Batch, Row, Sight, StreamBatch};

use super::Writer;

/// Fewer keys than this are not worth a transaction of their own.
const SMALLEST: usize = 250;

/// One key and its versions, in order of arrival.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Item<'b> {
    pub(crate) key: &'b [String],
    pub(crate) versions: &'b [Row],
    /// What was seen of its row ahead.
    pub(crate) sight: Sight,
}

/// The share of one transaction: some keys of one stream, in order.
#[derive(Debug, Clone)]
pub(crate) struct Part<'b> {
    pub(crate) stream: &'b str,
    pub(crate) writer: &'b Writer,
    pub(crate) items: Vec<Item<'b>>,
}

/// Cuts a batch into about as many parts as there are connections.
pub(crate) fn split<'b>(
    batch: &'b Batch,
    writers: &'b BTreeMap<String, Writer>,
    connections: usize,
) -> Vec<Part<'b>> {
    let shares = connections.div_ceil(batch.streams.len().max(1));
    let mut parts = Vec::new();
    for (stream, rows) in &batch.streams {
        let Some(writer) = writers.get(stream) else { continue };
        let items = items(rows);
        let size = items.len().div_ceil(shares).max(SMALLEST);
        let chunks = items.chunks(size);
        parts.extend(chunks.map(|items| Part { stream, writer, items: items.to_vec() }));
    }
    parts
}

/// The keys of a stream's share.
pub(crate) fn items(rows: &StreamBatch) -> Vec<Item<'_>> {
    let sights = rows.sights.iter().copied().chain(std::iter::repeat(Sight::Unknown));
    let items = rows.keys.iter().zip(sights);
    items.map(|((key, versions), sight)| Item { key, versions, sight }).collect()
}

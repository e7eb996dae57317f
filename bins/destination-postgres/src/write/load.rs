//! A whole batch: each stream's rows, then its prunes, then what was refused.

use std::collections::BTreeMap;

use connector::{Batch, Refused, Sight, StreamBatch};
use futures_util::{StreamExt as _, stream};
use pg::{Error, Failure};

use super::{
    attempt::{Outcome, Session, attempt},
    prune::prune,
    split::{Item, Part, split},
    writer::Writer,
};
use crate::{
    client::{Patience, persist},
    dead_letter,
};

/// What a stream's share came to, and the records of it that cannot be rows.
type Stored = Result<(Outcome, Vec<Refused>), Error>;

/// Stores each stream's share; nothing of a stream that failed is acknowledged.
pub(crate) async fn load(
    session: Session<'_>,
    batch: &Batch,
    writers: &BTreeMap<String, Writer>,
    connections: usize,
) -> BTreeMap<String, Stored> {
    let parts = split(batch, writers, connections);
    let stored = stream::iter(parts)
        .map(async |part| (part.stream.to_owned(), isolate(session, part).await));
    let mut outcomes: BTreeMap<String, Stored> = BTreeMap::new();
    let mut stored = std::pin::pin!(stored.buffer_unordered(connections));
    while let Some((stream, outcome)) = stored.next().await {
        join(outcomes.entry(stream).or_insert_with(|| Ok(<_>::default())), outcome);
    }
    let finished = stream::iter(&batch.streams).map(async |(name, rows)| {
        let refused = match outcomes.get(name) {
            Some(Err(_)) => return (name.clone(), Ok(())),
            Some(Ok((_, refused))) => refused.as_slice(),
            None => &[],
        };
        let done = match writers.get(name) {
            Some(writer) => finish(session, rows, writer, refused).await,
            None => Ok(()),
        };
        (name.clone(), done)
    });
    let finished: Vec<(String, Result<(), Error>)> =
        finished.buffer_unordered(connections).collect().await;
    for (stream, done) in finished {
        let outcome = outcomes.entry(stream).or_insert_with(|| Ok(<_>::default()));
        if let Err(error) = done {
            *outcome = Err(error);
        }
    }
    outcomes
}

fn join(sum: &mut Stored, part: Stored) {
    match (sum.as_mut(), part) {
        (Ok((sum, refused)), Ok((part, more))) => {
            sum.add(&part);
            refused.extend(more);
        }
        (Ok(_), Err(error)) => *sum = Err(error),
        (Err(_), _) => {}
    }
}

/// What comes after a stream's rows.
async fn finish(
    session: Session<'_>,
    batch: &StreamBatch,
    writer: &Writer,
    refused: &[Refused],
) -> Result<(), Error> {
    let name = batch.plan.name();
    if !batch.prunes.is_empty() {
        let pruned = async || prune(session, name, writer, &batch.prunes).await;
        persist(Patience::Away, pruned).await?;
    }
    for refused in [refused, batch.refused.as_slice()] {
        let kept = async || {
            let client = session.client.get().await?;
            let kept = dead_letter::keep(&**client, &session.client.schema, name, refused).await;
            if kept.is_err() {
                pg::discard(client);
            }
            kept
        };
        if !refused.is_empty() {
            persist(Patience::Away, kept).await?;
        }
    }
    Ok(())
}

/// Stores a part. Where a row cannot be stored, the part is cut in two until that row stands
/// alone; the versions of one key stay in order.
async fn isolate(session: Session<'_>, part: Part<'_>) -> Stored {
    let (mut outcome, mut refused) = (Outcome::default(), Vec::new());
    let mut waiting = vec![part];
    while let Some(part) = waiting.pop() {
        match persist(Patience::Away, async || attempt(session, &part).await).await {
            Ok(done) => outcome.add(&done),
            Err(error) if error.failure() != Failure::Row => return Err(error),
            Err(error) => match halves(&part) {
                Some((first, second)) => waiting.extend([second, first]),
                None => {
                    outcome.counts.refused += 1;
                    refused.extend(lone(&part, &error));
                }
            },
        }
    }
    Ok((outcome, refused))
}

fn halves<'b>(part: &Part<'b>) -> Option<(Part<'b>, Part<'b>)> {
    let of = |items: &[Item<'b>]| Part { items: items.to_vec(), ..*part };
    if let [only] = part.items.as_slice() {
        let (first, second) = only.versions.split_at_checked(only.versions.len() / 2)?;
        // What was seen is seen no more once the first of them are stored.
        let one = |versions| of(&[Item { versions, sight: Sight::Unknown, ..*only }]);
        return (!first.is_empty()).then(|| (one(first), one(second)));
    }
    let (first, second) = part.items.split_at_checked(part.items.len() / 2)?;
    (!first.is_empty()).then(|| (of(first), of(second)))
}

fn lone(part: &Part<'_>, error: &Error) -> Option<Refused> {
    let item = part.items.first()?;
    let row = item.versions.first()?;
    let record = row.record(&part.writer.plan);
    Some(Refused { key: item.key.to_vec(), error: error.to_string(), record })
}

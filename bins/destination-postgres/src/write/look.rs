//! A look at the rows of a batch while it waits to be loaded.

use std::{collections::BTreeMap, sync::Arc};

use connector::{Batch, Seen, Sight};
use futures_util::future::try_join_all;
use pg::Error;

use super::{
    Writer,
    find::find,
    split::{Part, items},
};
use crate::client::Client;

/// What is stored for the keys of a batch, of the streams where most rows are there. What cannot be
/// had is left to be looked at when the batch is loaded.
///
/// All is asked at once, over one connection: it answers about as fast as we read, and a second
/// process of the server would take the processor from us where both share one.
pub(crate) async fn look(
    client: Arc<Client>,
    batch: Arc<Batch>,
    writers: Arc<BTreeMap<String, Writer>>,
) -> Seen {
    ask(&client, &batch, &writers).await.unwrap_or_else(|error| {
        tracing::warn!(%error, "looking at rows ahead; trying again when they are loaded");
        client.learn(&error);
        Seen::new()
    })
}

async fn ask(
    client: &Client,
    batch: &Batch,
    writers: &BTreeMap<String, Writer>,
) -> Result<Seen, Error> {
    let connection = &*client.shared().await?;
    let shares = batch.streams.iter().filter_map(|(stream, rows)| {
        let writer = writers.get(stream).filter(|writer| writer.looks_first())?;
        Some(Part { stream, writer, items: items(rows) })
    });
    let asked = shares.map(async |part| {
        let found = find(connection, &part, &part.items).await?;
        let sights = found.into_iter().map(|row| row.map_or(Sight::Absent, Sight::Row));
        Ok((part.stream.to_owned(), sights.collect()))
    });
    Ok(try_join_all(asked).await?.into_iter().collect())
}

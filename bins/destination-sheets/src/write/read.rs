//! Reads what a spreadsheet holds of our streams.

use std::collections::BTreeMap;

use connector::Error;
use serde_json::Value;

use crate::book::{Book, Tab};
use crate::client::Client;
use crate::failure::Failure;
use crate::layout::{Model, Reading, column_range, columns, header_range, tail_range};
use crate::overview;
use crate::schema::Schema;
use crate::values::{self, Rows, column};

/// A spreadsheet and, of the streams that were asked for, where their rows are.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub(super) book: Book,
    /// The streams that the overview lists, with what stands above them.
    pub(super) listed: Vec<String>,
    pub(super) models: BTreeMap<String, Result<Model, Error>>,
}

/// A tab whose columns were found, and where.
type Ready<'a> = (&'a Schema, Tab, Vec<u64>);

/// Reads the tabs of some streams: headers first, then the columns that rows are known by, then what
/// stands below the last row.
pub(super) async fn read(
    client: &mut Client,
    spreadsheet: &str,
    schemas: &[&Schema],
) -> Result<Found, Failure> {
    let book = Book::read(client, spreadsheet).await?;
    let mut found = Found { book, ..Found::default() };
    let mut tabs: Vec<(&Schema, Tab)> = Vec::new();
    for schema in schemas {
        match found.book.tab_of(&schema.stream) {
            Some((tab, _, _)) => tabs.push((schema, tab.clone())),
            None => {
                let error = Error::config(format!("stream `{}` has no tab", schema.stream))
                    .hint("run `destination-sheets setup` with the same catalog");
                found.models.insert(schema.stream.clone(), Err(error));
            }
        }
    }
    let mut ranges: Vec<String> = tabs.iter().map(|(_, tab)| header_range(&tab.title)).collect();
    ranges.extend(found.book.overview().map(|tab| column_range(&tab.title, 0, 1)));
    let mut headers = values::read(client, spreadsheet, &ranges).await?.into_iter();
    let mut ready: Vec<Ready<'_>> = Vec::new();
    for (schema, tab) in tabs {
        let header = headers.next().unwrap_or_default();
        match places(schema, header.first().map_or(&[], Vec::as_slice)) {
            Ok(places) => ready.push((schema, tab, places)),
            Err(error) => {
                found.models.insert(schema.stream.clone(), Err(error));
            }
        }
    }
    found.listed = overview::listed(&headers.next().unwrap_or_default());
    let mut models = rows(client, spreadsheet, &ready).await?;
    clear_tails(client, spreadsheet, (&ready, &mut models)).await?;
    for ((schema, _, _), model) in ready.iter().zip(models) {
        found.models.insert(schema.stream.clone(), Ok(model));
    }
    Ok(found)
}

fn places(schema: &Schema, header: &[Value]) -> Result<Vec<u64>, Error> {
    let names = schema.names();
    let found = columns(header, &names);
    let missing = names.iter().zip(&found).find(|(_, at)| at.is_none());
    if let Some((name, _)) = missing {
        return Err(Error::config(format!(
            "tab of stream `{}` has no column `{name}`",
            schema.stream
        ))
        .hint("run `destination-sheets setup` with the same catalog"));
    }
    Ok(found.into_iter().flatten().collect())
}

/// The columns that rows are known by: the key's, stamp, hash, deleted mark.
fn known_by(schema: &Schema, places: &[u64]) -> Vec<u64> {
    let own = [schema.stamp_column, schema.hash_column];
    let all = (0..schema.key_count).chain(own).chain(schema.deleted_column);
    all.filter_map(|at| places.get(at).copied()).collect()
}

async fn rows(
    client: &mut Client,
    spreadsheet: &str,
    tabs: &[Ready<'_>],
) -> Result<Vec<Model>, Failure> {
    let mut ranges = Vec::new();
    for (schema, tab, places) in tabs.iter().filter(|(_, tab, _)| tab.row_count > 1) {
        let columns = known_by(schema, places);
        ranges.extend(columns.iter().map(|column| column_range(&tab.title, *column, 2)));
    }
    let mut read = values::read(client, spreadsheet, &ranges).await?.into_iter();
    let mut models = Vec::new();
    for (schema, tab, places) in tabs {
        let mut next = || -> Vec<Value> {
            let rows: Option<Rows> = if tab.row_count > 1 { read.next() } else { None };
            column(&rows.unwrap_or_default())
        };
        let reading = Reading {
            key: (0..schema.key_count).map(|_| next()).collect(),
            stamp: next(),
            hash: next(),
            deleted: if schema.deleted_column.is_some() { next() } else { Vec::new() },
        };
        let (model, outcome) = Model::read(places.clone(), &reading);
        let (title, count) = (&tab.title, model.rows.len());
        tracing::info!("tab `{title}` holds {count} rows");
        if outcome.foreign > 0 {
            let foreign = outcome.foreign;
            tracing::warn!(
                "tab `{title}`: {foreign} rows under our columns are not ours and stay as they are"
            );
        }
        if outcome.repeated > 0 {
            let repeated = outcome.repeated;
            tracing::warn!(
                "tab `{title}`: {repeated} rows repeat a key that stands further up and stay as they are"
            );
        }
        models.push(model);
    }
    Ok(models)
}

/// New rows go below everything, also below what people have written under our rows.
async fn clear_tails(
    client: &mut Client,
    spreadsheet: &str,
    (tabs, models): (&[Ready<'_>], &mut [Model]),
) -> Result<(), Failure> {
    let mut ranges = Vec::new();
    let mut asked: Vec<&mut Model> = Vec::new();
    for ((_, tab, _), model) in tabs.iter().zip(models.iter_mut()) {
        if model.next_row <= tab.row_count {
            ranges.push(tail_range(&tab.title, tab.column_count, model.next_row));
            asked.push(model);
        }
    }
    let tails = values::read(client, spreadsheet, &ranges).await?;
    for (model, tail) in asked.into_iter().zip(tails) {
        let below = u64::try_from(tail.len()).unwrap_or(u64::MAX);
        model.keep_clear_to(model.next_row.saturating_add(below));
    }
    Ok(())
}

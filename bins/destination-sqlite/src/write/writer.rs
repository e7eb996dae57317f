//! What lasts from the first batch to the last.

use std::collections::{BTreeMap, BTreeSet};

use connector::{Batch, Deletes, Error, Loaded, Refused, StreamBatch};
use rusqlite::{Connection, Transaction};

use super::grave;
use super::stream::{Done, store};
use crate::client::Client;
use crate::config::Options;
use crate::dead_letter;
use crate::failure::{ends_the_run, explain};
use crate::meta;
use crate::schema::{Column, Existing, Table, plan};
use crate::setup::look;
use crate::sql::Statements;

/// The open file and what is known of each stream.
#[derive(Debug)]
pub(crate) struct Writer {
    client: Client,
    run: Run,
    targets: BTreeMap<String, Target>,
}

/// A stream's table, ready to be written.
#[derive(Debug)]
pub(super) struct Target {
    pub(super) stream: String,
    pub(super) key_width: usize,
    /// Properties that have a column of text under their own name.
    pub(super) text_columns: BTreeSet<String>,
    /// The stream's name, where the rows of deleted objects are removed.
    pub(super) removes_from: Option<String>,
    pub(super) statements: Statements,
    pub(super) soft_delete_field: Option<String>,
}

/// The engine's run, and where its name stands already.
#[derive(Debug)]
struct Run {
    id: Option<String>,
    noted: BTreeSet<String>,
}

impl Writer {
    /// Opens the file and says which of the tables cannot be written, and why.
    pub(crate) fn begin(options: &Options, tables: Vec<Table>) -> Result<(Self, Loaded), Error> {
        let client = Client::open(&options.path)?;
        let seen = look(&client.connection, &options.path, &tables)?;
        let mut unwritable = Loaded::default();
        let mut targets = BTreeMap::new();
        for (table, found) in tables.into_iter().zip(seen.tables) {
            if let Err(error) = writable(&table, found.as_ref()) {
                unwritable.streams.insert(table.stream, Err(error));
                continue;
            }
            targets.insert(table.stream.clone(), Target::of(table, options.deletes));
        }
        if options.deletes == Deletes::Hard {
            let prepared = grave::prepare(&client.connection);
            prepared.map_err(|error| explain("preparing", &options.path, &error))?;
        }
        let run = Run { id: options.run_id.clone(), noted: BTreeSet::new() };
        Ok((Self { client, run, targets }, unwritable))
    }

    /// Stores a batch. What is reported as written is on the disk when this returns.
    pub(crate) fn load(&mut self, batch: &Batch) -> Result<Loaded, Error> {
        let path = self.client.path.clone();
        let failed = |error: rusqlite::Error| explain("writing to", &path, &error);
        let mut loaded = Loaded::default();
        let mut transaction = self.client.transaction()?;
        for (name, batch) in &batch.streams {
            let Some(target) = self.targets.get(name) else {
                let error = Error::internal(format!("writing stream `{name}`, which has no table"));
                loaded.streams.insert(name.clone(), Err(error));
                continue;
            };
            let result = match alone(&mut transaction, target, batch, &self.run) {
                Ok(done) => {
                    loaded.refusals.extend(done.refused.iter().map(|one| told(name, one)));
                    Ok(done.counts)
                }
                Err(error) if ends_the_run(&error) => return Err(failed(error)),
                Err(error) => Err(explain(&format!("writing stream `{name}` to"), &path, &error)),
            };
            loaded.streams.insert(name.clone(), result);
        }
        transaction.commit().map_err(failed)?;
        self.client.check_identity()?;
        let stored = loaded.streams.iter().filter(|(_, result)| result.is_ok());
        self.run.noted.extend(stored.map(|(name, _)| name.clone()));
        Ok(loaded)
    }

    #[cfg(test)]
    pub(super) fn connection(&self) -> &Connection {
        &self.client.connection
    }
}

impl Target {
    fn of(table: Table, deletes: Deletes) -> Self {
        let is_text = |column: &&Column| column.definition.starts_with("TEXT ");
        let text = table.columns.iter().filter(is_text).map(|column| column.name.clone());
        Self {
            key_width: table.key.len(),
            text_columns: text.collect(),
            removes_from: (deletes == Deletes::Hard).then(|| table.stream.clone()),
            statements: Statements::of(&table),
            soft_delete_field: table.soft_delete_field,
            stream: table.stream,
        }
    }
}

fn told(stream: &str, Refused { key, error, .. }: &Refused) -> String {
    format!("record {key:?} of stream `{stream}`: {error}")
}

/// Stores a stream's share, or leaves no trace of it.
fn alone(
    transaction: &mut Transaction<'_>,
    target: &Target,
    batch: &StreamBatch,
    run: &Run,
) -> rusqlite::Result<Done> {
    let savepoint = transaction.savepoint()?;
    let done = store(&savepoint, target, batch)?;
    let stream = batch.plan.name();
    for refused in [&done.refused, &batch.refused] {
        dead_letter::keep(&savepoint, stream, refused)?;
    }
    note_run(&savepoint, run, stream)?;
    savepoint.commit()?;
    Ok(done)
}

/// With the first rows of a run, in their transaction, its name is noted at the table's place.
fn note_run(connection: &Connection, run: &Run, stream: &str) -> rusqlite::Result<()> {
    match &run.id {
        Some(id) if !run.noted.contains(stream) => meta::note_run(connection, stream, id),
        Some(_) | None => Ok(()),
    }
}

fn writable(table: &Table, found: Option<&Existing>) -> Result<(), Error> {
    let hint = "run `destination-sqlite setup` with the same catalog";
    match found {
        None => Err(Error::config(format!("table `{}` does not exist", table.stream)).hint(hint)),
        Some(_) => plan(table, found).map(drop).map_err(Error::config),
    }
}

//! What lasts from the first batch to the last.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use connector::{Batch, BatchLimits, Error, Loaded, StreamBatch};
use serde_json::json;
use tokio::time::Instant;

use super::look::{Glance, look};
use super::progress::{Decided, Progress};
use super::read::{Found, read};
use super::room::Room;
use crate::book::Book;
use crate::client::Client;
use crate::clock;
use crate::config::Options;
use crate::failure::Failure;
use crate::layout::{
    Changes, Facts, KeyCells, Model, asked_fields, column_range, key_cells, prune_cells,
};
use crate::letters;
use crate::overview;
use crate::quota::estimated_seconds;
use crate::rest::Rest;
use crate::schema::Schema;
use crate::setup;
use crate::values;

/// Times to begin again when people change a tab under our hands; from the third on each stream is
/// written alone, so that one cannot hold up the others.
const ROUNDS: u32 = 5;
const ALONE_FROM: u32 = 2;

/// The spreadsheet and what is known of each stream's tab.
#[derive(Debug)]
pub(crate) struct Writer {
    client: Client,
    rest: Rest,
    spreadsheet: String,
    run: Option<String>,
    limits: BatchLimits,
    schemas: BTreeMap<String, Schema>,
    book: Book,
    listed: Vec<String>,
    /// A tab that is not in here has to be read before it is written.
    models: BTreeMap<String, Model>,
    last_load: Option<Instant>,
    written_count: u64,
}

/// Which part of a batch is being written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    Rows,
    Prunes,
}

impl Writer {
    /// Reads what there is, and says which of the streams cannot be written, and why.
    pub(crate) async fn begin(
        options: &Options,
        schemas: Vec<Schema>,
        rest: Rest,
    ) -> Result<(Self, Loaded), Error> {
        let spreadsheet = options.spreadsheet.clone().ok_or_else(|| {
            Error::config("reading --config: `spreadsheet_id` is missing")
                .hint("run `destination-sheets setup`, which makes a spreadsheet and tells its id")
        })?;
        let mut writer = Self {
            client: Client::resting(options, rest.clone())?,
            rest,
            spreadsheet,
            run: options.run_id.clone(),
            limits: options.limits,
            schemas: schemas.into_iter().map(|one| (one.stream.clone(), one)).collect(),
            book: Book::default(),
            listed: Vec::new(),
            models: BTreeMap::new(),
            last_load: None,
            written_count: 0,
        };
        let all: BTreeSet<String> = writer.schemas.keys().cloned().collect();
        let failed = writer.refresh(&all).await?;
        let mut unwritable = Loaded::default();
        unwritable.streams.extend(failed.into_iter().map(|(stream, error)| (stream, Err(error))));
        writer.tell_estimate(options.requests_per_minute);
        Ok((writer, unwritable))
    }

    fn tell_estimate(&self, per_minute: u32) {
        let width = self.schemas.values().map(|schema| schema.columns.len()).max().unwrap_or(1);
        let seconds =
            estimated_seconds(100_000, u64::try_from(width).unwrap_or(u64::MAX), per_minute);
        self.rest.tell(&format!(
            "100,000 rows take about {seconds} s at {per_minute} requests a minute"
        ));
    }

    /// Stores a batch. What is reported as written stands in the spreadsheet when this returns.
    pub(crate) async fn load(&mut self, batch: &Batch) -> Result<Loaded, Error> {
        self.pace(batch).await;
        let mut progress = Progress::default();
        for stream in batch.streams.keys() {
            if self.schemas.contains_key(stream) {
                progress.open.insert(stream.clone());
            } else {
                let error = Error::internal(format!("writing stream `{stream}`, which has no tab"));
                progress.fail(stream, error);
            }
        }
        self.write_part(batch, (Part::Rows, &mut progress)).await?;
        let pruned = batch.streams.iter().filter(|(name, one)| {
            !one.prunes.is_empty() && !matches!(progress.loaded.streams.get(*name), Some(Err(_)))
        });
        progress.open = pruned.map(|(name, _)| name.clone()).collect();
        self.write_part(batch, (Part::Prunes, &mut progress)).await?;
        self.keep_letters(batch, &mut progress).await?;
        self.last_load = Some(Instant::now());
        self.tell_progress(batch);
        Ok(progress.told())
    }

    /// What was refused goes where it can be found again.
    async fn keep_letters(&mut self, batch: &Batch, progress: &mut Progress) -> Result<(), Error> {
        let refused = progress.refused(batch);
        letters::keep(&mut self.client, &self.spreadsheet, &refused).await
    }

    /// A batch that is not full waits until some time has passed since the last one; meanwhile the
    /// next one fills. Requests are what there is too little of.
    async fn pace(&self, batch: &Batch) {
        let Some(last) = self.last_load else { return };
        if !batch.is_full(&self.limits) {
            let next = last + Duration::from_millis(self.limits.flush_ms);
            // A stop ends the wait, not the write.
            self.rest.wait(next.saturating_duration_since(Instant::now())).await.ok();
        }
    }

    fn tell_progress(&mut self, batch: &Batch) {
        for of_stream in batch.streams.values() {
            self.written_count = self.written_count.saturating_add(of_stream.record_count);
        }
        let (records, requests) = (self.written_count, self.client.request_count);
        tracing::info!("{records} records are written, with {requests} requests so far");
    }

    async fn write_part(
        &mut self,
        batch: &Batch,
        (part, progress): (Part, &mut Progress),
    ) -> Result<(), Error> {
        for round in 0..ROUNDS {
            if progress.open.is_empty() {
                return Ok(());
            }
            let fresh = self.make_fresh(progress).await?;
            let groups = groups(&progress.open, round);
            for group in groups {
                let written = self.write_group(batch, (part, &group, &fresh), progress).await;
                written.or_else(|failure| self.refused((round, &group), failure, progress))?;
            }
        }
        for stream in std::mem::take(&mut progress.open) {
            let error = Error::unreachable(format!(
                "writing stream `{stream}`: its tab was changed again and again meanwhile"
            ));
            progress.fail(&stream, error.hint("run again when nobody edits it"));
        }
        Ok(())
    }

    /// A request that was refused names what is no longer so: the next round looks again, and after
    /// the last one the stream has failed.
    fn refused(
        &mut self,
        (round, group): (u32, &[String]),
        failure: Failure,
        progress: &mut Progress,
    ) -> Result<(), Error> {
        if !failure.is_refusal() {
            return Err(failure.error);
        }
        if round.saturating_add(1) < ROUNDS {
            tracing::info!("{}; looking again", failure.error.report());
            self.models.retain(|stream, _| !group.contains(stream));
        } else if let [stream] = group {
            let error = Error::data(format!("writing stream `{stream}`"));
            progress.fail(stream, error.caused_by(failure.error));
        }
        Ok(())
    }

    /// Reads the tabs that are not known; gives the streams that were read.
    async fn make_fresh(&mut self, progress: &mut Progress) -> Result<BTreeSet<String>, Error> {
        let is_unknown = |stream: &&String| !self.models.contains_key(*stream);
        let unknown: BTreeSet<String> = progress.open.iter().filter(is_unknown).cloned().collect();
        if unknown.is_empty() {
            return Ok(unknown);
        }
        for (stream, error) in self.refresh(&unknown).await? {
            progress.fail(&stream, error);
        }
        Ok(unknown)
    }

    async fn refresh(
        &mut self,
        streams: &BTreeSet<String>,
    ) -> Result<BTreeMap<String, Error>, Error> {
        let schemas: Vec<&Schema> =
            streams.iter().filter_map(|stream| self.schemas.get(stream)).collect();
        let found = read(&mut self.client, &self.spreadsheet, &schemas).await?;
        let Found { book, listed, models } = found;
        self.book = book;
        self.listed = listed;
        let known: Vec<Schema> = self
            .schemas
            .values()
            .filter(|schema| self.book.tab_of(&schema.stream).is_some())
            .cloned()
            .collect();
        setup::check(&self.book, &known)?;
        let mut failed = BTreeMap::new();
        for (stream, model) in models {
            match model {
                Ok(model) => {
                    self.models.insert(stream, model);
                }
                Err(error) => {
                    self.models.remove(&stream);
                    failed.insert(stream, error);
                }
            }
        }
        Ok(failed)
    }

    async fn write_group(
        &mut self,
        batch: &Batch,
        (part, group, fresh): (Part, &[String], &BTreeSet<String>),
        progress: &mut Progress,
    ) -> Result<(), Failure> {
        let mut cells: BTreeMap<String, KeyCells> = BTreeMap::new();
        for stream in group.iter().filter(|stream| progress.open.contains(*stream)) {
            if let Some(of_stream) = batch.streams.get(stream) {
                let facts = self.facts(part, of_stream).await?;
                cells.insert(stream.clone(), self.decide(part, of_stream, &facts));
            }
        }
        self.look(&mut cells, fresh).await?;
        let too_big = self.grow_and_note(&cells).await?;
        for (stream, error) in too_big {
            cells.remove(&stream);
            progress.fail(&stream, error);
        }
        for (stream, cells) in &cells {
            if part == Part::Rows {
                progress.decided.entry(stream.clone()).or_insert_with(|| Decided {
                    counts: cells.counts,
                    cut: cells.cut,
                    refused: cells.refused.clone(),
                });
            }
        }
        self.write_cells(&cells).await?;
        for (stream, cells) in cells {
            if let Some(model) = self.models.get_mut(&stream) {
                cells.apply(model);
            }
            let counts = progress.decided.get(&stream).map(|decided| decided.counts);
            progress.open.remove(&stream);
            progress.loaded.streams.insert(stream, Ok(counts.unwrap_or_default()));
        }
        Ok(())
    }

    /// The columns that prunes ask about.
    async fn facts(&mut self, part: Part, batch: &StreamBatch) -> Result<Facts, Failure> {
        let mut facts = Facts::new();
        let (Some(schema), Some(model)) =
            (self.schemas.get(batch.plan.name()), self.models.get(batch.plan.name()))
        else {
            return Ok(facts);
        };
        let Some((tab, _, _)) = self.book.tab_of(&schema.stream) else { return Ok(facts) };
        if part == Part::Rows || tab.row_count < 2 {
            return Ok(facts);
        }
        let (mut fields, mut ranges) = (Vec::new(), Vec::new());
        for field in asked_fields(schema, &batch.prunes) {
            match schema.place(&field).and_then(|at| model.columns.get(at)) {
                Some(column) => {
                    ranges.push(column_range(&tab.title, *column, 2));
                    fields.push(field);
                }
                None => tracing::warn!(
                    "stream `{}` has no column `{field}`: children that are gone stay unmarked",
                    schema.stream
                ),
            }
        }
        let read = values::read(&mut self.client, &self.spreadsheet, &ranges).await?;
        let columns = read.iter().map(|rows| values::column(rows));
        facts.extend(fields.into_iter().zip(columns));
        Ok(facts)
    }

    fn decide(&self, part: Part, batch: &StreamBatch, facts: &Facts) -> KeyCells {
        let stream = batch.plan.name();
        let (Some(schema), Some(model)) = (self.schemas.get(stream), self.models.get(stream))
        else {
            return KeyCells::default();
        };
        let mut cells = KeyCells::new(model);
        match part {
            Part::Rows => {
                for (key, rows) in &batch.keys {
                    key_cells(schema, model, (key, rows), &mut cells);
                }
            }
            Part::Prunes => prune_cells(schema, model, (&batch.prunes, facts), &mut cells),
        }
        cells
    }

    /// Takes out the streams whose tabs have changed meanwhile; they are read again next round.
    async fn look(
        &mut self,
        cells: &mut BTreeMap<String, KeyCells>,
        fresh: &BTreeSet<String>,
    ) -> Result<(), Failure> {
        let mut glances = Vec::new();
        for (stream, cells) in &*cells {
            if cells.changes.is_empty() || fresh.contains(stream) {
                continue;
            }
            if let (Some(schema), Some(model)) = (self.schemas.get(stream), self.models.get(stream))
            {
                glances.push(Glance { schema, model, cells });
            }
        }
        if glances.is_empty() {
            return Ok(());
        }
        let place = (self.spreadsheet.as_str(), &self.book);
        let seen = look(&mut self.client, place, &glances).await?;
        if let Some(listed) = seen.listed {
            self.listed = listed;
        }
        for stream in seen.moved {
            tracing::info!("the tab of stream `{stream}` was changed meanwhile; reading it again");
            cells.remove(&stream);
            self.models.remove(&stream);
        }
        Ok(())
    }

    /// Makes room for new rows, and notes the run where it writes first, in one request. Gives the
    /// streams that the spreadsheet cannot hold.
    async fn grow_and_note(
        &mut self,
        cells: &BTreeMap<String, KeyCells>,
    ) -> Result<BTreeMap<String, Error>, Failure> {
        let mut too_big = BTreeMap::new();
        let mut room = Room::new(&self.book);
        for (stream, cells) in cells.iter().filter(|(_, cells)| !cells.changes.is_empty()) {
            let (Some(schema), Some(model)) = (self.schemas.get(stream), self.models.get(stream))
            else {
                continue;
            };
            match room.make(schema, model, cells) {
                Ok(()) => room.note_run(stream, self.run.as_deref()),
                Err(error) => drop(too_big.insert(stream.clone(), error)),
            }
        }
        values::restructure(&mut self.client, &self.spreadsheet, &room.requests).await?;
        self.book = room.book;
        Ok(too_big)
    }

    async fn write_cells(&mut self, cells: &BTreeMap<String, KeyCells>) -> Result<(), Failure> {
        let mut news = Changes::default();
        let now = clock::now().to_string();
        let mut tabs: Vec<(&str, &Changes)> = Vec::new();
        for (stream, cells) in cells.iter().filter(|(_, cells)| !cells.changes.is_empty()) {
            if let Some((tab, _, _)) = self.book.tab_of(stream) {
                tabs.push((&tab.title, &cells.changes));
            }
            let known = self.models.get(stream).map_or(0, |model| model.rows.len());
            let new = cells.rows.iter().filter(|(key, _)| {
                self.models.get(stream).is_none_or(|model| !model.rows.contains_key(key))
            });
            let count = known.saturating_add(new.count());
            if let Some(row) = overview::row_of(&self.listed, stream) {
                news.set(row, 2, json!(count));
                news.set(row, 3, json!(now));
            }
        }
        if let (false, Some(tab)) = (tabs.is_empty(), self.book.overview()) {
            tabs.push((&tab.title, &news));
        }
        values::write(&mut self.client, &self.spreadsheet, tabs).await
    }
}

/// All streams together, or each alone.
fn groups(open: &BTreeSet<String>, round: u32) -> Vec<Vec<String>> {
    if round < ALONE_FROM {
        return vec![open.iter().cloned().collect()];
    }
    open.iter().map(|stream| vec![stream.clone()]).collect()
}

//! Records that could not be stored, and the way back for them.

use protocol::{Level, Log};
use serde_json::json;
use serde_json::value::RawValue;
use xxhash_rust::xxh3::xxh3_64;

use crate::destination::Destination;
use crate::emitter::Emitter;
use crate::error::Error;
use crate::intake::Intake;
use crate::plan::StreamPlan;
use crate::queue::Filled;
use crate::row::Key;

/// A record that cannot be a row, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// The key's values, as far as they could be read.
    pub key: Key,
    /// What is wrong, for a person.
    pub error: String,
    /// The record's data, as JSON text.
    pub record: String,
}

impl Refused {
    /// The key as JSON text.
    #[must_use]
    pub fn key_text(&self) -> String {
        json!(self.key).to_string()
    }

    /// Tells the same record that comes again from another one.
    #[must_use]
    pub fn digest(&self) -> i64 {
        xxh3_64(self.record.as_bytes()).cast_signed()
    }
}

/// A refused record where it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeadLetter {
    /// Its number; later ones have greater numbers.
    pub number: i64,
    /// How many times it was refused.
    pub tries: i64,
    /// Its stream.
    pub stream: String,
    /// The key's values as JSON text.
    pub key: String,
    /// Why it was refused the last time.
    pub error: String,
    /// The record's data as JSON text.
    pub record: String,
    /// When it was refused the last time, RFC 3339.
    pub at: String,
}

/// Emits each dead letter as a log message whose `data` holds all of it.
pub(crate) async fn list<D: Destination>(
    destination: &mut D,
    stream: Option<&str>,
    out: &mut Emitter,
) -> Result<(), Error> {
    let mut after = 0;
    let mut count = 0_u64;
    loop {
        let letters = destination.dead_letters(stream, after).await?;
        let Some(last) = letters.last() else { break };
        after = last.number;
        for letter in &letters {
            count = count.saturating_add(1);
            out.tell(told(letter)).await?;
        }
    }
    let place = stream.map(|stream| format!(" of stream `{stream}`")).unwrap_or_default();
    out.log(Level::Info, format!("{count} dead letters{place}")).await
}

fn told(letter: &DeadLetter) -> Log {
    let DeadLetter { stream, key, error, at, tries, .. } = letter;
    let record: Option<Box<RawValue>> = RawValue::from_string(letter.record.clone()).ok();
    let data = json!({
        "stream": stream, "key": key, "error": error, "at": at, "tries": tries, "record": record,
    });
    let message = format!("stream `{stream}`, record {key}: {error}");
    Log { data: data.as_object().cloned(), ..Log::new(Level::Info, message) }
}

/// Writes the dead letters of the catalog's streams again; those that are stored now are gone.
pub(crate) async fn retry<D: Destination>(
    destination: &mut D,
    plans: Vec<StreamPlan>,
    stream: Option<&str>,
    out: &mut Emitter,
) -> Result<(), Error> {
    let mut intake = Intake::begin(destination, plans).await?;
    let mut after = 0;
    let mut left = 0_u64;
    loop {
        let letters = destination.dead_letters(stream, after).await?;
        let Some(last) = letters.last() else { break };
        after = last.number;
        let (ours, others): (Vec<_>, Vec<_>) =
            letters.into_iter().partition(|letter| intake.knows(&letter.stream));
        left = left.saturating_add(u64::try_from(others.len()).unwrap_or(u64::MAX));
        for letter in &ours {
            intake.accept(&line(letter)?, 0)?;
            if !intake.has_room() {
                load(destination, &mut intake, out).await?;
            }
        }
        load(destination, &mut intake, out).await?;
        let settled: Vec<DeadLetter> =
            ours.into_iter().filter(|letter| !intake.has_failed(&letter.stream)).collect();
        destination.forget(&settled).await?;
    }
    if left > 0 {
        let said = format!("{left} dead letters are of streams outside the catalog, and stay");
        out.log(Level::Info, said).await?;
    }
    intake.finish(out).await
}

async fn load<D: Destination>(
    destination: &mut D,
    intake: &mut Intake,
    out: &mut Emitter,
) -> Result<(), Error> {
    while intake.holds_rows() {
        let Filled { batch, position, refused } = intake.take();
        let loaded = destination.load(batch).await?;
        intake.settle(position, refused, loaded);
    }
    intake.release(out).await
}

fn line(letter: &DeadLetter) -> Result<Vec<u8>, Error> {
    let unreadable = |error: serde_json::Error| {
        Error::data(format!("reading dead letter {} of `{}`", letter.number, letter.stream))
            .caused_by(error)
    };
    let data: Box<RawValue> = serde_json::from_str(&letter.record).map_err(unreadable)?;
    let record = protocol::Record {
        stream: letter.stream.as_str().into(),
        data: &data,
        emitted_at: letter.at.as_str().into(),
        origin: None,
        prune: Vec::new(),
    };
    let mut line = Vec::new();
    record.encode(&mut line);
    line.pop();
    Ok(line)
}

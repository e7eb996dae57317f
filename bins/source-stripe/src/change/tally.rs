//! What became of events that made no record, and of those that cost a request. Told once.

use std::collections::BTreeMap;

use connector::{Emitter, Error};
use protocol::{Level, Log, Receipt};

use super::feed::{Doubt, Dropped};

/// The counts.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    dropped: BTreeMap<Dropped, u64>,
    fetched: BTreeMap<Doubt, u64>,
    why_poison: Option<String>,
}

impl Tally {
    /// An event was left aside.
    pub(crate) fn drop_one(&mut self, why: Dropped) {
        self.drop_many(why, 1);
    }

    /// Events could not be understood; why the first.
    pub(crate) fn poison(&mut self, count: usize, why: Option<String>) {
        self.drop_many(Dropped::Poison, u64::try_from(count).unwrap_or(u64::MAX));
        self.why_poison = self.why_poison.take().or(why);
    }

    /// An object was asked for again.
    pub(crate) fn fetch(&mut self, why: Doubt) {
        let count = self.fetched.entry(why).or_default();
        *count = count.saturating_add(1);
    }

    fn drop_many(&mut self, why: Dropped, more: u64) {
        if more > 0 {
            let count = self.dropped.entry(why).or_default();
            *count = count.saturating_add(more);
        }
    }

    /// Tells what was counted since the last time.
    ///
    /// # Errors
    ///
    /// When nobody reads what is emitted.
    pub(crate) async fn tell(&mut self, out: &mut Emitter) -> Result<(), Error> {
        for (why, count) in std::mem::take(&mut self.dropped) {
            let more = match (why, self.why_poison.take()) {
                (Dropped::Poison, Some(why)) => format!(": {why}"),
                (_, kept) => {
                    self.why_poison = kept;
                    String::new()
                }
            };
            let text = format!("{count} events {} were left aside{more}", why.describe());
            let receipt = Receipt {
                stream: None,
                reason: why.word().to_owned(),
                count,
                message: Some(text.clone()),
            };
            out.tell(Log { receipts: vec![receipt], ..Log::new(why.level(), text) }).await?;
        }
        for (why, count) in std::mem::take(&mut self.fetched) {
            let text = format!("{count} objects were asked for again {}", why.describe());
            out.log(Level::Info, text).await?;
        }
        Ok(())
    }
}

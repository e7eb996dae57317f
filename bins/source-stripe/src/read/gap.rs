//! Changes that Stripe has forgotten, and the repair: the lists are read again.

use connector::Error;
use protocol::{Level, Log, Receipt, Timestamp};

use super::run::Reading;
use crate::backfill;
use crate::change::{members, untold};

impl Reading<'_> {
    /// Looks whether changes that are to be read next are lost. Then the lists of those streams are
    /// begun anew, and the poll has to wait. Also ends a gap whose lists were read.
    pub(super) async fn find_gap(&mut self) -> Result<bool, Error> {
        let names: Vec<String> =
            members(&self.backfill).map(|member| member.name.to_owned()).collect();
        let now = self.changes.now();
        let lost = self.changes.global.overdue(names.iter().map(String::as_str), now);
        if lost.is_empty() {
            self.end_gap().await?;
            return Ok(false);
        }
        match self.changes.probe().await {
            Ok(now) => self.repair(&lost, now).await?,
            Err(failure) => self.poll_failed(failure).await?,
        }
        Ok(true)
    }

    async fn repair(&mut self, lost: &[&str], now: i64) -> Result<(), Error> {
        self.changes.global.open_gap(lost, now);
        self.tell_gap().await?;
        self.changes.commit(&self.backfill, self.out).await?;
        for stream in self.backfill.streams_mut() {
            if lost.contains(&stream.name.as_str()) {
                stream.start_over();
                backfill::tell_start(stream, self.out).await?;
                backfill::tell_state(stream, self.out).await?;
                self.changes.global.relist(&stream.name);
            }
        }
        self.changes.commit(&self.backfill, self.out).await?;
        Ok(())
    }

    async fn end_gap(&mut self) -> Result<(), Error> {
        let is_unread = |stream: &backfill::StreamPlan| {
            !stream.event_types().is_empty() && stream.is_known && !stream.is_read()
        };
        let is_read = !self.is_unread_elsewhere && !self.backfill.streams().iter().any(is_unread);
        if is_read && self.changes.global.close_gap() {
            let text = "the lists were read again: the gap is closed, but for objects that were deleted in it";
            self.out.log(Level::Info, text).await?;
        }
        Ok(())
    }

    /// Tells of a gap as long as there is one.
    pub(super) async fn tell_gap(&mut self) -> Result<(), Error> {
        let Some(gap) = &self.changes.global.gap else { return Ok(()) };
        let (from, to) = (Timestamp::from_seconds(gap.from), Timestamp::from_seconds(gap.to));
        let text = format!(
            "{}. The lists are read again; objects that were deleted in that time stay in the copy",
            untold(from, to)
        );
        let receipt = Receipt {
            stream: None,
            reason: "gap".to_owned(),
            count: 0,
            message: Some(text.clone()),
        };
        self.out.tell(Log { receipts: vec![receipt], ..Log::new(Level::Warn, text) }).await
    }
}

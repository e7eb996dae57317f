//! How fresh the streams of a run are that follows, as lines of text; pure.

use protocol::{Progress, StreamProgress, StreamRunStatus, Timestamp};

use crate::table::{count, duration};

/// Most streams that are shown.
const SHOWN: usize = 10;

/// A line for each stream that is live and has changed, the latest change first.
pub(super) fn lines(progress: &Progress, now: Timestamp, room: usize) -> Vec<String> {
    let live = |(name, stream): (&'_ String, &'_ StreamProgress)| {
        let is_live = stream.status == StreamRunStatus::Completed;
        let changed_at = stream.changed_at.filter(|_| is_live)?;
        Some((changed_at, name.clone(), fresh(changed_at, stream, now)))
    };
    let mut lines: Vec<(Timestamp, String, String)> =
        progress.streams.iter().filter_map(live).collect();
    lines.sort_by_key(|(changed_at, _, _)| std::cmp::Reverse(*changed_at));
    lines.truncate(room.min(SHOWN));
    let width = lines.iter().map(|(_, name, _)| name.chars().count()).max().unwrap_or(0);
    lines.into_iter().map(|(_, name, fresh)| format!("{name:<width$}  {fresh}")).collect()
}

fn fresh(changed_at: Timestamp, stream: &StreamProgress, now: Timestamp) -> String {
    let records = count(stream.record_count);
    let changed = ago(changed_at, now);
    let up_to = stream.up_to.map(|up_to| format!(", complete up to {}", ago(up_to, now)));
    format!("{records:>12}  changed {changed}{}", up_to.unwrap_or_default())
}

/// How long ago something was, in words.
pub(crate) fn ago(then: Timestamp, now: Timestamp) -> String {
    let millis = u64::try_from(now.millis().saturating_sub(then.millis())).unwrap_or_default();
    if millis < 1000 { "now".to_owned() } else { format!("{} ago", duration(millis / 1000 * 1000)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_seconds(seconds)
    }

    #[test]
    fn the_latest_change_is_first_and_what_is_not_live_is_not_shown() {
        let mut progress = Progress::default();
        let mut add = |name: &str, status, changed: Option<i64>, up_to: Option<i64>| {
            let stream = StreamProgress {
                status,
                record_count: 1500,
                changed_at: changed.map(at),
                up_to: up_to.map(at),
                ..StreamProgress::default()
            };
            progress.streams.insert(name.to_owned(), stream);
        };
        add("charges", StreamRunStatus::Completed, Some(60), Some(98));
        add("customers", StreamRunStatus::Completed, Some(100), None);
        add("invoices", StreamRunStatus::Started, Some(100), None);
        add("plans", StreamRunStatus::Completed, None, Some(98));
        assert_eq!(
            lines(&progress, at(100), 9),
            [
                "customers         1,500  changed now",
                "charges           1,500  changed 40 s ago, complete up to 2.0 s ago",
            ]
        );
        assert_eq!(lines(&progress, at(100), 1).len(), 1);
    }
}

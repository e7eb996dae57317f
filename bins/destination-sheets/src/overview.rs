//! The overview: a tab that says what the others are. Pure.

use serde_json::{Value, json};

use crate::book::Note;

/// The tab's name.
pub(crate) const TITLE: &str = "Overview";
/// Columns of the list: stream, account, rows, last sync.
pub(crate) const COLUMNS: u64 = 4;
/// The list begins below this row.
pub(crate) const HEAD: u64 = 4;

/// What stands above the list.
fn head() -> Vec<Vec<Value>> {
    let warning = "The columns with our headers are written again at every sync: what you type \
                   there is lost. Columns that you add beside them, and tabs of your own, stay.";
    vec![
        vec![json!("Stripe Sync")],
        vec![json!(warning)],
        vec![json!("")],
        ["Stream", "Account", "Rows", "Last sync"].map(Value::from).to_vec(),
    ]
}

/// The list's line of a tab.
fn line(note: &Note) -> Vec<Value> {
    let account = match (&note.account, &note.mode) {
        (Some(account), Some(mode)) => format!("{account} ({mode})"),
        (account, mode) => account.clone().or_else(|| mode.clone()).unwrap_or_default(),
    };
    vec![json!(note.stream), json!(account), json!(0), json!("")]
}

/// All of a new overview.
pub(crate) fn whole<'a>(notes: impl IntoIterator<Item = &'a Note>) -> Vec<Vec<Value>> {
    head().into_iter().chain(notes.into_iter().map(line)).collect()
}

/// Lines for the tabs that are not in the list yet.
pub(crate) fn missing<'a>(
    listed: &[String],
    notes: impl IntoIterator<Item = &'a Note>,
) -> Vec<Vec<Value>> {
    let is_missing =
        |note: &&Note| note.stream.as_ref().is_some_and(|stream| !listed.contains(stream));
    notes.into_iter().filter(is_missing).map(line).collect()
}

/// The first column of the overview, from row 1 on.
pub(crate) fn listed(rows: &[Vec<Value>]) -> Vec<String> {
    let first = |row: &Vec<Value>| row.first().and_then(Value::as_str).unwrap_or("").to_owned();
    rows.iter().map(first).collect()
}

/// The row in which the list names a stream, from 1.
pub(crate) fn row_of(listed: &[String], stream: &str) -> Option<u64> {
    let head = usize::try_from(HEAD).unwrap_or_default();
    let at = listed.iter().skip(head).position(|name| name == stream)?;
    Some(u64::try_from(at).ok()?.saturating_add(HEAD).saturating_add(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_grows_by_what_it_lacks() {
        let note = |stream: &str| -> Note {
            let note = json!({
                "stream": stream, "tab": 1, "place": "p", "account": "acct_1", "mode": "test",
            });
            serde_json::from_value(note).unwrap()
        };
        let notes = [note("customers"), note("Stream")];
        let whole = whole(&notes[..1]);
        assert_eq!(whole[4], [json!("customers"), json!("acct_1 (test)"), json!(0), json!("")]);
        let listed = listed(&whole);
        assert_eq!(row_of(&listed, "customers"), Some(5));
        assert_eq!(row_of(&listed, "Stream"), None, "the head is no line of the list");
        assert_eq!(missing(&listed[4..], &notes), [line(&notes[1])]);
    }
}

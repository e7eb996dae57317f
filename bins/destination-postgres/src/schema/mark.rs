//! What the comment of a table says: that it is ours, and whose data it holds.

use protocol::Stream;
use serde_json::Value;
use uuid::Uuid;

use super::column::Columns;

/// How every comment of ours begins; teardown removes nothing without it.
const TOOL: &str = "sync-engine";
/// How the fact ends that says that we did not make the table.
const OVER: &str = "over";

/// Where a stream's data comes from.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Mark {
    pub(crate) api_version: Option<String>,
    pub(crate) account: Option<String>,
    pub(crate) mode: Option<&'static str>,
}

impl Mark {
    pub(crate) fn of(stream: &Stream) -> Self {
        let said = |name: &str| stream.metadata.as_ref().and_then(|facts| facts.get(name));
        let text = |name| said(name).and_then(Value::as_str).map(str::to_owned);
        let mode = said("live_mode").and_then(Value::as_bool);
        Self {
            api_version: text("api_version"),
            account: text("account_id"),
            mode: mode.map(|is_live| if is_live { "live" } else { "test" }),
        }
    }

    /// The comment of a table.
    pub(crate) fn comment(&self, place: Uuid, columns: Columns, taken_over: bool) -> String {
        let Self { api_version, account, mode } = self;
        let columns = match columns {
            Columns::Typed => None,
            Columns::Reference => Some("reference"),
            Columns::None => Some("none"),
        };
        let facts = [
            ("taken", taken_over.then_some(OVER)),
            ("columns", columns),
            ("api", api_version.as_deref()),
            ("account", account.as_deref()),
            ("mode", *mode),
            ("place", Some(&*place.to_string())),
        ];
        let said =
            facts.iter().filter_map(|(name, fact)| fact.map(|fact| format!("; {name} {fact}")));
        said.fold(TOOL.to_owned(), |text, fact| text + &fact)
    }
}

/// The place that a comment names; `None` when the comment is not ours.
pub(crate) fn place_of(comment: Option<&str>) -> Option<Uuid> {
    Uuid::parse_str(fact(comment?, "place ")?).ok()
}

/// Whether a comment of ours says that somebody else made the table.
pub(crate) fn is_taken_over(comment: Option<&str>) -> bool {
    comment.and_then(|comment| fact(comment, "taken ")) == Some(OVER)
}

/// The columns that a comment of ours speaks of.
pub(crate) fn columns_of(comment: Option<&str>) -> Columns {
    match comment.and_then(|comment| fact(comment, "columns ")) {
        Some("reference") => Columns::Reference,
        Some("none") => Columns::None,
        Some(_) | None => Columns::Typed,
    }
}

fn fact<'c>(comment: &'c str, name: &str) -> Option<&'c str> {
    let mut facts = comment.split("; ");
    let ours = facts.next()? == TOOL;
    facts.find_map(|fact| fact.strip_prefix(name)).filter(|_| ours)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_comment_gives_back_its_place() {
        let place = Uuid::from_u128(7);
        let mark =
            Mark { account: Some("acct_1".to_owned()), mode: Some("test"), ..Mark::default() };
        let comment = mark.comment(place, Columns::Typed, false);
        assert_eq!(comment, format!("sync-engine; account acct_1; mode test; place {place}"));
        assert_eq!(place_of(Some(&comment)), Some(place));
        assert!(!is_taken_over(Some(&comment)));
        let comment = mark.comment(place, Columns::Reference, true);
        assert!(comment.starts_with("sync-engine; taken over; columns reference;"), "{comment}");
        assert_eq!(place_of(Some(&comment)), Some(place));
        assert_eq!(columns_of(Some(&comment)), Columns::Reference);
        assert!(is_taken_over(Some(&comment)));
    }

    #[test]
    fn a_foreign_comment_names_no_place() {
        let foreign = format!("mine; place {}", Uuid::from_u128(7));
        for comment in [None, Some(""), Some("sync-engine"), Some(&*foreign)] {
            assert_eq!(place_of(comment), None, "{comment:?}");
        }
    }
}

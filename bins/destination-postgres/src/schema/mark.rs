//! What the comment of a table says: that it is ours, and whose data it holds.

use connector::Mark;
use uuid::Uuid;

use super::column::Columns;

/// How every comment of ours begins; teardown removes nothing without it.
const TOOL: &str = "sync-engine";
/// How the fact ends that says that we did not make the table.
const OVER: &str = "over";

/// The comment of a table.
pub(crate) fn comment(mark: &Mark, place: Uuid, columns: Columns, taken_over: bool) -> String {
    let Mark { api_version, account, mode } = mark;
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
        ("mode", mode.as_deref()),
        ("place", Some(&*place.to_string())),
    ];
    let said = facts.iter().filter_map(|(name, fact)| fact.map(|fact| format!("; {name} {fact}")));
    said.fold(TOOL.to_owned(), |text, fact| text + &fact)
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
        let (account, mode) = (Some("acct_1".to_owned()), Some("test".to_owned()));
        let mark = Mark { account, mode, ..Mark::default() };
        let comment = super::comment(&mark, place, Columns::Typed, false);
        assert_eq!(comment, format!("sync-engine; account acct_1; mode test; place {place}"));
        assert_eq!(place_of(Some(&comment)), Some(place));
        assert!(!is_taken_over(Some(&comment)));
        let comment = super::comment(&mark, place, Columns::Reference, true);
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

//! Ranges in the notation of spreadsheets. Rows count from 1, columns from 0.

/// The letters of a column: A, …, Z, AA, …
pub(crate) fn column_name(column: u64) -> String {
    let mut letters = Vec::new();
    let mut rest = column.saturating_add(1);
    while rest > 0 {
        let digit = rest.saturating_sub(1) % 26;
        letters.push(char::from(b'A'.saturating_add(u8::try_from(digit).unwrap_or(0))));
        rest = rest.saturating_sub(1) / 26;
    }
    letters.into_iter().rev().collect()
}

/// The tab's name as it stands in a range.
fn quoted(title: &str) -> String {
    format!("'{}'", title.replace('\'', "''"))
}

/// The first row.
pub(crate) fn header_range(title: &str) -> String {
    format!("{}!1:1", quoted(title))
}

/// A column from a row on.
pub(crate) fn column_range(title: &str, column: u64, from_row: u64) -> String {
    let letters = column_name(column);
    format!("{}!{letters}{from_row}:{letters}", quoted(title))
}

/// Every column of a tab from a row on.
pub(crate) fn tail_range(title: &str, column_count: u64, from_row: u64) -> String {
    let last = column_name(column_count.saturating_sub(1));
    format!("{}!A{from_row}:{last}", quoted(title))
}

/// Some rows of some columns, both ends included.
pub(crate) fn rows_range(title: &str, columns: (u64, u64), rows: (u64, u64)) -> String {
    let (first, last) = (column_name(columns.0), column_name(columns.1));
    format!("{}!{first}{}:{last}{}", quoted(title), rows.0, rows.1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_have_the_letters_of_spreadsheets() {
        let names = [0, 25, 26, 51, 52, 701, 702, 18_277].map(column_name);
        assert_eq!(names, ["A", "Z", "AA", "AZ", "BA", "ZZ", "AAA", "ZZZ"]);
    }

    #[test]
    fn a_quote_in_a_name_is_doubled() {
        assert_eq!(rows_range("it's", (0, 27), (2, 9)), "'it''s'!A2:AB9");
        assert_eq!(tail_range("a", 3, 5), "'a'!A5:C");
        assert_eq!(column_range("a", 1, 2), "'a'!B2:B");
    }
}

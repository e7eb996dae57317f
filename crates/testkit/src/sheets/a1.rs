//! Ranges in A1 notation.

/// Part of a tab, from 0, ends excluded; an end that is not named is open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Area {
    pub(super) title: String,
    pub(super) first_row: usize,
    pub(super) end_row: Option<usize>,
    pub(super) first_column: usize,
    pub(super) end_column: Option<usize>,
}

/// Reads a range; `None` when it cannot be parsed.
pub(super) fn parse(text: &str) -> Option<Area> {
    let (title, cells) = match text.strip_prefix('\'') {
        Some(rest) => quoted(rest)?,
        None => text
            .split_once('!')
            .map_or((text.to_owned(), None), |(title, cells)| (title.to_owned(), Some(cells))),
    };
    let mut area = Area { title, first_row: 0, end_row: None, first_column: 0, end_column: None };
    let Some(cells) = cells else { return Some(area) };
    let (first, last) = cells.split_once(':').unwrap_or((cells, cells));
    let (first, last) = (corner(first)?, corner(last)?);
    area.first_column = first.0.unwrap_or(0);
    area.first_row = first.1.unwrap_or(0);
    area.end_column = last.0.map(|column| column.saturating_add(1));
    area.end_row = last.1.map(|row| row.saturating_add(1));
    Some(area)
}

/// The name before the closing quote, and what follows the exclamation mark.
fn quoted(text: &str) -> Option<(String, Option<&str>)> {
    let mut title = String::new();
    let mut rest = text;
    loop {
        let (before, after) = rest.split_once('\'')?;
        title.push_str(before);
        match after.strip_prefix('\'') {
            Some(more) => {
                title.push('\'');
                rest = more;
            }
            None if after.is_empty() => return Some((title, None)),
            None => return Some((title, Some(after.strip_prefix('!')?))),
        }
    }
}

/// Column and row, either of which may be missing.
fn corner(text: &str) -> Option<(Option<usize>, Option<usize>)> {
    let letters: String = text.chars().take_while(char::is_ascii_alphabetic).collect();
    let digits = text.get(letters.len()..)?;
    let row = match digits {
        "" => None,
        digits => Some(digits.parse::<usize>().ok()?.checked_sub(1)?),
    };
    if letters.is_empty() && row.is_none() {
        return None;
    }
    Some((column(&letters), row))
}

fn column(letters: &str) -> Option<usize> {
    let mut number = 0_usize;
    for letter in letters.bytes() {
        let digit = usize::from(letter.to_ascii_uppercase().saturating_sub(b'A'));
        number = number.saturating_mul(26).saturating_add(digit).saturating_add(1);
    }
    number.checked_sub(1)
}

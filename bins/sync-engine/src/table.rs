//! Small tables of text; pure.

/// Rows under a heading, columns aligned; numbers to the right.
pub(crate) fn render(heading: &[&str], rows: &[Vec<String>]) -> String {
    let width = |at: usize| {
        let cells = rows.iter().filter_map(|row| row.get(at)).map(String::as_str);
        cells.chain(heading.get(at).copied()).map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..heading.len()).map(width).collect();
    let mut out = line(heading.iter().copied(), &widths);
    let rules: Vec<String> = widths.iter().map(|width| "-".repeat(*width)).collect();
    out.push_str(&line(rules.iter().map(String::as_str), &widths));
    for row in rows {
        out.push_str(&line(row.iter().map(String::as_str), &widths));
    }
    out
}

fn line<'a>(cells: impl Iterator<Item = &'a str>, widths: &[usize]) -> String {
    let mut out = String::new();
    for (cell, width) in cells.zip(widths) {
        let pad = " ".repeat(width.saturating_sub(cell.chars().count()));
        let (before, after) = if is_number(cell) { (pad.as_str(), "") } else { ("", pad.as_str()) };
        out.push_str(&format!("  {before}{cell}{after}"));
    }
    format!("{}\n", out.trim_end())
}

fn is_number(cell: &str) -> bool {
    let digit = |c: char| c.is_ascii_digit();
    cell.contains(digit) && cell.chars().all(|c| digit(c) || ",.-+ ".contains(c))
}

/// A number with a comma every three digits.
pub(crate) fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// Milliseconds as people say them.
pub(crate) fn duration(ms: u64) -> String {
    let seconds = ms / 1000;
    match (seconds / 3600, seconds / 60 % 60, seconds % 60) {
        (0, 0, seconds) if seconds < 10 => format!("{seconds}.{} s", ms % 1000 / 100),
        (0, 0, seconds) => format!("{seconds} s"),
        (0, minutes, seconds) => format!("{minutes} min {seconds} s"),
        (hours, minutes, _) => format!("{hours} h {minutes} min"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_aligned_and_numbers_stand_to_the_right() {
        let rows =
            [vec!["a".to_owned(), "1,000".to_owned()], vec!["bcd".to_owned(), "7".to_owned()]];
        let expected = "  name  count\n  ----  -----\n  a     1,000\n  bcd       7\n";
        assert_eq!(render(&["name", "count"], &rows), expected);
    }

    #[test]
    fn numbers_and_times_read_easily() {
        let counts = [0, 999, 1000, 1_234_567].map(count);
        assert_eq!(counts, ["0", "999", "1,000", "1,234,567"]);
        let times = [950, 61_000, 12_000, 3_720_000].map(duration);
        assert_eq!(times, ["0.9 s", "1 min 1 s", "12 s", "1 h 2 min"]);
    }
}

//! An object's values as cells.

use std::borrow::Cow;

use connector::version::{Stored, row_hash};
use connector::{Key, reference, scan};
use serde::Deserialize;
use serde_json::Value;

use crate::schema::{Column, Content, Kind, Schema};

/// Characters that a cell holds, in UTF-16 units (<https://support.google.com/drive/answer/37603>).
pub(crate) const MOST_CHARACTERS: usize = 50_000;
/// What stands at the end of a text that was cut.
pub(crate) const CUT: &str = "…[cut]";
/// Digits that a spreadsheet keeps of a number.
const DIGITS: usize = 15;
/// The day that spreadsheets count from, in days before 1970.
const EPOCH_DAYS: f64 = 25_569.0;
const DAY_SECONDS: f64 = 86_400.0;
/// Unix seconds of the days that spreadsheets show: from the first of 1900 to the last of 9999.
const TIMES: std::ops::Range<i64> = -2_208_988_800..253_402_300_800;

/// How values are written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum ValueMode {
    /// Numbers, booleans and times as such.
    #[default]
    Typed,
    /// Everything as text.
    Text,
}

impl ValueMode {
    /// Its name in the configuration.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Typed => "typed",
            Self::Text => "text",
        }
    }
}

/// The cells of one object, in the order of the schema's columns.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Cells {
    pub(crate) values: Vec<Value>,
    /// Texts that were cut.
    pub(crate) cut: u64,
}

impl Cells {
    /// The cells of a document; `row` is what will be known of it.
    pub(crate) fn of(schema: &Schema, key: &Key, document: &str, row: &Stored) -> Self {
        let mut cells = Self { values: vec![empty(); schema.columns.len()], cut: 0 };
        for member in scan::members(document) {
            let Some(at) = schema.place(&name_of(member.raw_key)) else { continue };
            let Some(Column { content: Content::Property(kind), .. }) = schema.columns.get(at)
            else {
                continue;
            };
            let value = match kind {
                Kind::Reference => reference_text(document, &member),
                Kind::Plain | Kind::Time => cell(member.value, *kind, schema.value_mode),
            };
            cells.set(at, value);
        }
        for (at, column) in schema.columns.iter().enumerate() {
            match column.content {
                Content::Key(part) => {
                    cells.set(at, Value::from(key.get(part).cloned().unwrap_or_default()));
                }
                Content::Property(_) => {}
                Content::Stamp => cells.set(at, stamp(row.stamp, schema.value_mode)),
                Content::Hash => cells.set(at, hash(row)),
            }
        }
        if let (true, Some(at)) = (row.deleted, schema.deleted_column) {
            cells.set(at, truth(true, schema.value_mode));
        }
        cells
    }

    fn set(&mut self, at: usize, value: Value) {
        let Some(cell) = self.values.get_mut(at) else { return };
        *cell = value;
        if let Value::String(text) = cell {
            let (fitting, is_cut) = fitting(std::mem::take(text));
            *text = fitting;
            self.cut = self.cut.saturating_add(u64::from(is_cut));
        }
    }
}

/// An empty cell; null would leave what stands there.
pub(super) fn empty() -> Value {
    Value::String(String::new())
}

/// The stamp's cell.
pub(super) fn stamp(stamp: i64, mode: ValueMode) -> Value {
    match mode {
        ValueMode::Typed => Value::from(stamp),
        ValueMode::Text => Value::from(stamp.to_string()),
    }
}

/// The hash's cell; as a number it would lose digits.
pub(super) fn hash(row: &Stored) -> Value {
    Value::from(format!("{:016x}", row_hash(row)))
}

pub(super) fn truth(value: bool, mode: ValueMode) -> Value {
    match mode {
        ValueMode::Typed => Value::Bool(value),
        ValueMode::Text => Value::from(value.to_string()),
    }
}

fn name_of(raw_key: &str) -> Cow<'_, str> {
    if !raw_key.contains('\\') {
        return Cow::Borrowed(raw_key);
    }
    serde_json::from_str(&format!("\"{raw_key}\"")).map_or(Cow::Borrowed(raw_key), Cow::Owned)
}

fn reference_text(document: &str, member: &scan::Member<'_>) -> Value {
    reference(document, &name_of(member.raw_key)).map_or_else(empty, Value::from)
}

/// A value, given as JSON text, as a cell.
fn cell(value: &str, kind: Kind, mode: ValueMode) -> Value {
    match value.as_bytes().first() {
        None | Some(b'n') => empty(),
        Some(b'"') => serde_json::from_str(value).unwrap_or_else(|_| Value::from(value)),
        Some(b'{' | b'[') => Value::from(compact(value)),
        Some(b't') => truth(true, mode),
        Some(b'f') => truth(false, mode),
        Some(_) if mode == ValueMode::Text => Value::from(value),
        Some(_) => number(value, kind),
    }
}

/// The day of a time, with its part that has gone; none where a spreadsheet has no such day.
fn day(seconds: &str) -> Option<f64> {
    seconds.parse::<i64>().ok().filter(|seconds| TIMES.contains(seconds))?;
    Some(seconds.parse::<f64>().ok()? / DAY_SECONDS + EPOCH_DAYS)
}

/// A number as a number if a spreadsheet keeps all of its digits, else as text; as text too where it
/// is no time in a column that shows times.
fn number(value: &str, kind: Kind) -> Value {
    if kind == Kind::Time {
        return day(value).map_or_else(|| Value::from(value), Value::from);
    }
    let mantissa = value.split(['e', 'E']).next().unwrap_or_default();
    let digits: String = mantissa.chars().filter(char::is_ascii_digit).collect();
    let is_kept = digits.trim_start_matches('0').len() <= DIGITS;
    let parsed: Option<serde_json::Number> = serde_json::from_str(value).ok();
    match parsed {
        Some(number) if is_kept => Value::Number(number),
        Some(_) | None => Value::from(value),
    }
}

/// JSON text without the white space between its parts.
fn compact(json: &str) -> String {
    let mut out = String::with_capacity(json.len());
    let (mut is_text, mut is_escaped) = (false, false);
    for c in json.chars() {
        if is_text || !c.is_ascii_whitespace() {
            out.push(c);
        }
        if is_escaped {
            is_escaped = false;
        } else if is_text && c == '\\' {
            is_escaped = true;
        } else if c == '"' {
            is_text = !is_text;
        }
    }
    out
}

/// A text that a cell holds, and whether it had to be cut.
pub(super) fn fitting(text: String) -> (String, bool) {
    if text.len() <= MOST_CHARACTERS || text.encode_utf16().count() <= MOST_CHARACTERS {
        return (text, false);
    }
    let room = MOST_CHARACTERS.saturating_sub(CUT.encode_utf16().count());
    let mut units = 0_usize;
    let kept = text.chars().take_while(|c| {
        units = units.saturating_add(c.len_utf16());
        units <= room
    });
    let mut cut: String = kept.collect();
    cut.push_str(CUT);
    (cut, true)
}

/// Whether a text can stand in a cell as it is.
pub(crate) fn fits(text: &str) -> bool {
    text.encode_utf16().count() <= MOST_CHARACTERS
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn values_become_the_cells_that_they_are() {
        let typed = |value| cell(value, Kind::Plain, ValueMode::Typed);
        assert_eq!(typed("null"), json!(""));
        assert_eq!(typed("true"), json!(true));
        assert_eq!(typed("1200"), json!(1200));
        assert_eq!(typed("1.10"), json!(1.1));
        assert_eq!(typed("123456789012345"), json!(123_456_789_012_345_i64));
        assert_eq!(typed("1234567890123456"), json!("1234567890123456"));
        assert_eq!(typed("0.10000000000000000555"), json!("0.10000000000000000555"));
        assert_eq!(typed("1e400"), json!("1e400"));
        assert_eq!(typed(r#""=1+1""#), json!("=1+1"));
        assert_eq!(typed(r#"{ "a b": [1, "x\" y"] }"#), json!(r#"{"a b":[1,"x\" y"]}"#));
        assert_eq!(cell("86400", Kind::Time, ValueMode::Typed), json!(25570.0));
        assert_eq!(cell("43200", Kind::Time, ValueMode::Typed), json!(25569.5));
    }

    #[test]
    fn a_number_is_the_nearest_that_a_cell_can_hold() {
        for exponent in -300_i32..300 {
            let value = format!("9.8765432109876e{exponent}");
            let nearest: f64 = value.parse().unwrap();
            let shown = cell(&value, Kind::Plain, ValueMode::Typed);
            assert_eq!(shown.as_f64().map(f64::to_bits), Some(nearest.to_bits()), "{value}");
        }
    }

    #[test]
    fn a_time_is_a_day_also_behind_2038_and_text_where_there_is_no_such_day() {
        let time = |value| cell(value, Kind::Time, ValueMode::Typed);
        assert_eq!(time("2147483648"), json!(50_424.134_814_814_81));
        assert_eq!(time("-2208988800"), json!(2.0));
        assert_eq!(time("253402300799"), json!(2_958_465.999_988_426));
        for value in ["253402300800", "-2208988801", "1e3", "1.5"] {
            assert_eq!(time(value), json!(value));
        }
    }

    #[test]
    fn in_text_mode_everything_is_text() {
        let text = |value| cell(value, Kind::Time, ValueMode::Text);
        assert_eq!(["7", "true", "1.10"].map(text), [json!("7"), json!("true"), json!("1.10")]);
        assert_eq!(text("null"), json!(""));
    }

    #[test]
    fn a_text_is_cut_at_what_a_cell_holds_in_the_units_that_google_counts() {
        let (kept, is_cut) = fitting("x".repeat(50_000));
        assert_eq!((kept.len(), is_cut), (50_000, false));
        for long in ["x".repeat(50_001), "é".repeat(60_000), "😀".repeat(25_001)] {
            let (kept, is_cut) = fitting(long);
            let units = kept.encode_utf16().count();
            assert!(is_cut && kept.ends_with(CUT) && (49_999..=50_000).contains(&units), "{units}");
        }
        assert!(!fitting("é".repeat(50_000)).1);
    }
}

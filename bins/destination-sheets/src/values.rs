//! Cells, read and written.

use connector::Error;
use serde_json::{Value, json};

use crate::client::{Client, escaped};
use crate::failure::Failure;
use crate::layout::Changes;
use crate::layout::bodies;

/// Bytes of ranges in one address; what is longer may be refused on its way.
const ADDRESS_BYTES: usize = 6_000;
/// As they are rather than as they look.
const READ: &str = "/values:batchGet?valueRenderOption=UNFORMATTED_VALUE&dateTimeRenderOption=SERIAL_NUMBER&fields=valueRanges(range,values)";
const WRITE: &str = "/values:batchUpdate?fields=totalUpdatedRows";

/// The rows of a range; empty ones at the end and empty cells at a row's end are left out.
pub(crate) type Rows = Vec<Vec<Value>>;

/// Reads ranges, in as few requests as addresses allow.
pub(crate) async fn read(
    client: &mut Client,
    spreadsheet: &str,
    ranges: &[String],
) -> Result<Vec<Rows>, Failure> {
    let mut all = Vec::new();
    for group in groups(ranges) {
        let query: String =
            group.iter().map(|range| format!("&ranges={}", escaped(range))).collect();
        let doing = format!("reading {}", group.first().map_or("", String::as_str));
        let answer = client.get(&doing, spreadsheet, &format!("{READ}{query}")).await?;
        let found = answer.get("valueRanges").and_then(Value::as_array);
        let Some(found) = found.filter(|found| found.len() == group.len()) else {
            // Taken for empty cells, it would have every row written a second time.
            let text = format!("{doing}: an answer without the cells that were asked for");
            return Err(Error::unreachable(text).hint("nothing is lost: run again later").into());
        };
        all.extend(found.iter().map(rows));
    }
    Ok(all)
}

fn groups(ranges: &[String]) -> Vec<&[String]> {
    let mut groups = Vec::new();
    let (mut rest, mut count, mut bytes) = (ranges, 0_usize, 0_usize);
    for range in ranges {
        let length = range.len().saturating_mul(3);
        if count > 0 && bytes.saturating_add(length) > ADDRESS_BYTES {
            let (group, others) = rest.split_at(count);
            groups.push(group);
            (rest, count, bytes) = (others, 0, 0);
        }
        count = count.saturating_add(1);
        bytes = bytes.saturating_add(length);
    }
    if !rest.is_empty() {
        groups.push(rest);
    }
    groups
}

fn rows(range: &Value) -> Rows {
    let rows = range.get("values").and_then(Value::as_array);
    let row = |row: &Value| row.as_array().cloned().unwrap_or_default();
    rows.into_iter().flatten().map(row).collect()
}

/// The first cell of each row: a column that was read.
pub(crate) fn column(rows: &[Vec<Value>]) -> Vec<Value> {
    rows.iter().map(|row| row.first().cloned().unwrap_or_default()).collect()
}

/// Writes the cells of some tabs, as they are: nothing is parsed, nothing is evaluated.
pub(crate) async fn write<'a>(
    client: &mut Client,
    spreadsheet: &str,
    tabs: impl IntoIterator<Item = (&'a str, &'a Changes)>,
) -> Result<(), Failure> {
    for body in bodies(tabs) {
        client.post("writing rows", spreadsheet, (WRITE, body)).await?;
    }
    Ok(())
}

/// Changes the structure of a spreadsheet: all requests, or none if one of them is refused.
pub(crate) async fn restructure(
    client: &mut Client,
    spreadsheet: &str,
    requests: &[Value],
) -> Result<(), Failure> {
    if requests.is_empty() {
        return Ok(());
    }
    let body = json!({ "requests": requests }).to_string().into_bytes();
    client.post("changing tabs", spreadsheet, (":batchUpdate?fields=spreadsheetId", body)).await?;
    Ok(())
}

/// The request that fills cells of a tab from a row and column on, as text and numbers.
pub(crate) fn fill(tab: i64, (row, column): (u64, u64), rows: &[Vec<Value>]) -> Value {
    let cell = |value: &Value| match value {
        Value::Number(number) => json!({"userEnteredValue": {"numberValue": number}}),
        Value::Bool(truth) => json!({"userEnteredValue": {"boolValue": truth}}),
        Value::String(text) if !text.is_empty() => {
            json!({"userEnteredValue": {"stringValue": text}})
        }
        Value::String(_) | Value::Null | Value::Array(_) | Value::Object(_) => json!({}),
    };
    let rows: Vec<Value> = rows
        .iter()
        .map(|row| json!({"values": row.iter().map(cell).collect::<Vec<_>>()}))
        .collect();
    json!({"updateCells": {
        "start": {"sheetId": tab, "rowIndex": row, "columnIndex": column},
        "rows": rows,
        "fields": "userEnteredValue",
    }})
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_stay_short_and_no_range_is_lost() {
        let ranges: Vec<String> = (0..500).map(|n| format!("'customers_{n}'!A2:A")).collect();
        let groups = groups(&ranges);
        assert_eq!(groups.concat(), ranges);
        assert!(groups.len() > 4 && groups.iter().all(|group| group.len() < 130));
        assert!(super::groups(&[]).is_empty());
    }
}

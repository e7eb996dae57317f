//! Looks up rows by key.

use connector::version::{Stored, content_of};
use futures_util::future::try_join_all;
use pg::Error;
use tokio_postgres::{
    Row,
    types::{FromSql, ToSql, Type},
};

use super::{
    seconds::Seconds,
    send::{Connected, Ready, texts},
    split::{Item, Part},
};

/// Rows that one question is about.
const ROWS: usize = 1000;

/// The keys of some items, column by column.
type Columns<'b> = [Vec<&'b str>];

/// What is stored for each item, in order.
pub(super) async fn find<C: Connected>(
    client: &C,
    part: &Part<'_>,
    items: &[Item<'_>],
) -> Result<Vec<Option<Stored>>, Error> {
    let statements = &part.writer.statements;
    let asked = items.chunks(ROWS).map(async |items| {
        let keys = key_columns(items);
        let alone = varying(&keys).and_then(|n| Some((n, statements.lookup_by.get(n)?)));
        match alone {
            Some((column, text)) => ask_by(client, part, text, (&keys, column)).await,
            None => ask(client, part, &statements.lookup, &keys).await,
        }
    });
    in_order(part, asked).await
}

/// The same, and the rows are locked.
pub(super) async fn lock<C: Connected>(
    client: &C,
    part: &Part<'_>,
    items: &[Item<'_>],
) -> Result<Vec<Option<Stored>>, Error> {
    let text = &part.writer.statements.lock;
    let asked =
        items.chunks(ROWS).map(async |items| ask(client, part, text, &key_columns(items)).await);
    in_order(part, asked).await
}

/// The answers to questions that are all under way at once.
async fn in_order<A>(
    part: &Part<'_>,
    asked: impl Iterator<Item = A>,
) -> Result<Vec<Option<Stored>>, Error>
where
    A: Future<Output = Result<Vec<Option<Stored>>, tokio_postgres::Error>>,
{
    let found = try_join_all(asked).await.map_err(|error| part.failed(&error))?;
    Ok(found.into_iter().flatten().collect())
}

/// The one column in which the keys differ, as nearly always: the account is the same.
fn varying(keys: &Columns<'_>) -> Option<usize> {
    let differs = |values: &Vec<&str>| values.iter().any(|value| Some(value) != values.first());
    let mut differing = keys.iter().enumerate().filter(|(_, values)| differs(values));
    let first = differing.next().map_or(0, |(number, _)| number);
    differing.next().is_none().then_some(first)
}

/// Asks by one column, the others being the same for all; the rows say which keys they have.
async fn ask_by<C: Connected>(
    client: &C,
    part: &Part<'_>,
    text: &str,
    (keys, column): (&Columns<'_>, usize),
) -> Result<Vec<Option<Stored>>, tokio_postgres::Error> {
    let statement = Ready::make(client, part, text).await?;
    let (before, rest) = keys.split_at_checked(column).unwrap_or((keys, &[]));
    let Some((asked, behind)) = rest.split_first() else { return Ok(Vec::new()) };
    let mut values: Vec<(&(dyn ToSql + Sync), Type)> = vec![(asked, Type::TEXT_ARRAY)];
    let others = before.iter().chain(behind).filter_map(|values| values.first());
    values.extend(others.map(|value| (value as &(dyn ToSql + Sync), Type::TEXT)));
    let mut found = vec![None; asked.len()];
    for row in statement.query(client, &values).await? {
        let mut next = 0;
        for (key, stored) in array::<&str>(&row, 0)?.into_iter().zip(rows(&row)?) {
            // The server mostly gives them in our order.
            let is_next = asked.get(next) == Some(&key);
            let at = if is_next { Some(next) } else { asked.binary_search(&key).ok() };
            if let Some((at, slot)) = at.and_then(|at| Some((at, found.get_mut(at)?))) {
                *slot = Some(stored);
                next = at + 1;
            }
        }
    }
    Ok(found)
}

async fn ask<C: Connected>(
    client: &C,
    part: &Part<'_>,
    text: &str,
    keys: &Columns<'_>,
) -> Result<Vec<Option<Stored>>, tokio_postgres::Error> {
    let statement = Ready::make(client, part, text).await?;
    let mut found = vec![None; keys.first().map_or(0, Vec::len)];
    for row in statement.query(client, &texts(keys)).await? {
        for (number, stored) in array::<i64>(&row, 0)?.into_iter().zip(rows(&row)?) {
            if let Some(slot) = place(number).and_then(|place| found.get_mut(place)) {
                *slot = Some(stored);
            }
        }
    }
    Ok(found)
}

/// What the arrays of stamps, hashes and deleted marks say, behind that of what they are of.
fn rows(row: &Row) -> Result<impl Iterator<Item = Stored>, tokio_postgres::Error> {
    let (stamps, hashes): (Vec<Seconds>, Vec<Option<i64>>) = (array(row, 1)?, array(row, 2)?);
    let deleted: Vec<bool> = array(row, 3)?;
    let rows = stamps.into_iter().zip(hashes).zip(deleted);
    Ok(rows.map(|((Seconds(stamp), hash), deleted)| stored(stamp, hash, deleted)))
}

/// The array in a column; none, when it is of nothing.
pub(super) fn array<'r, T: FromSql<'r>>(
    row: &'r Row,
    column: usize,
) -> Result<Vec<T>, tokio_postgres::Error> {
    row.try_get::<_, Option<Vec<T>>>(column).map(Option::unwrap_or_default)
}

/// Where the item of a number that counts from 1 stands.
pub(super) fn place(number: i64) -> Option<usize> {
    usize::try_from(number).ok()?.checked_sub(1)
}

/// The items' keys, column by column.
pub(super) fn key_columns<'b>(items: &[Item<'b>]) -> Vec<Vec<&'b str>> {
    let width = items.first().map_or(0, |item| item.key.len());
    let value = |item: &Item<'b>, column: usize| item.key.get(column).map_or("", String::as_str);
    (0..width).map(|column| items.iter().map(|item| value(item, column)).collect()).collect()
}

/// What a row's stamp, hash and deleted mark say.
pub(super) fn stored(stamp: i64, hash: Option<i64>, deleted: bool) -> Stored {
    // A row without hash was written by somebody else: its content matches nothing.
    Stored { stamp, content: content_of(hash.unwrap_or_default(), stamp, deleted), deleted }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_that_differ_in_one_column_are_asked_for_by_it() {
        let of = |keys: &[[&'static str; 2]]| {
            let column = |n: usize| keys.iter().map(|key| key[n]).collect::<Vec<_>>();
            varying(&[column(0), column(1)])
        };
        assert_eq!(of(&[["a", "x"], ["b", "x"]]), Some(0));
        assert_eq!(of(&[["a", "x"], ["a", "y"]]), Some(1));
        assert_eq!(of(&[["a", "x"]]), Some(0));
        assert_eq!(of(&[["a", "x"], ["a", "y"], ["b", "x"]]), None);
    }
}

//! Marks or removes children that no longer exist.

use std::collections::BTreeMap;

use connector::{
    Key, Prune, Prunes, Sight,
    version::{Stored, resolve},
};
use deadpool_postgres::Transaction;
use futures_util::{TryFutureExt as _, future::try_join};
use pg::{Error, Pooled};
use tokio_postgres::{Row, types::Type};

use super::{
    attempt::Session,
    change::Changes,
    find::stored,
    send::{Ready, numbers, texts},
    split::{Item, Part},
    writer::Writer,
};

/// Applies a stream's prunes, in their order, in one transaction.
pub(super) async fn prune(
    session: Session<'_>,
    stream: &str,
    writer: &Writer,
    prunes: &Prunes,
) -> Result<(), Error> {
    let part = Part { stream, writer, items: Vec::new() };
    let mut connection = session.client.get().await?;
    let pruned = apply(&mut connection, session, &part, prunes).await;
    if let Err(error) = &pruned {
        session.client.naming.learn(error);
        pg::discard(connection);
    }
    pruned
}

async fn apply(
    connection: &mut Pooled,
    session: Session<'_>,
    part: &Part<'_>,
    prunes: &Prunes,
) -> Result<(), Error> {
    let failed = |error: tokio_postgres::Error| part.failed(&error);
    let transaction = connection.transaction().await.map_err(failed)?;
    let settings = transaction.batch_execute(session.settings).map_err(failed);
    let ((), children) = try_join(settings, concerned(&transaction, part, prunes)).await?;
    let mut changes = Changes::default();
    for (key, (stored, versions)) in &children {
        let versions: Vec<_> = versions.iter().map(|prune| prune.version()).collect();
        let action = resolve(Some(*stored), &versions).action;
        changes.add(part, Item { key, versions: &[], sight: Sight::Unknown }, &action);
    }
    changes.apply(&transaction, part).await?;
    transaction.commit().await.map_err(failed)
}

/// The children, each locked, with the prunes that concern it in their order.
type Children<'p> = BTreeMap<Key, (Stored, Vec<&'p Prune>)>;

async fn concerned<'p>(
    transaction: &Transaction<'_>,
    part: &Part<'_>,
    prunes: &'p Prunes,
) -> Result<Children<'p>, Error> {
    let mut by_fields: BTreeMap<Vec<String>, Vec<&Prune>> = BTreeMap::new();
    for prune in prunes.all() {
        by_fields.entry(prune.condition.keys().cloned().collect()).or_default().push(prune);
    }
    let mut children = Children::new();
    for (fields, prunes) in &by_fields {
        let Writer { table, statements, .. } = part.writer;
        let text = statements.prune(table, fields)?;
        let rows =
            ask(transaction, part, &text, fields, prunes).await.map_err(|e| part.failed(&e))?;
        for row in &rows {
            let (key, stored, number) =
                read(row, table.key.len()).map_err(|error| part.failed(&error))?;
            let prune = usize::try_from(number).ok().and_then(|number| prunes.get(number));
            children.entry(key).or_insert((stored, Vec::new())).1.extend(prune);
        }
    }
    Ok(children)
}

async fn ask(
    transaction: &Transaction<'_>,
    part: &Part<'_>,
    text: &str,
    fields: &[String],
    prunes: &[&Prune],
) -> Result<Vec<Row>, tokio_postgres::Error> {
    let places: Vec<i64> = (0..).take(prunes.len()).collect();
    let stamps: Vec<i64> = prunes.iter().map(|prune| prune.stamp).collect();
    let certain: Vec<Option<i64>> =
        prunes.iter().map(|prune| prune.version().is_certain().then_some(prune.stamp)).collect();
    let keep: Vec<String> = prunes.iter().map(|prune| kept(prune)).collect();
    let value = |field: &String, prune: &Prune| {
        prune.condition.get(field).map(|value| without_nul(value)).unwrap_or_default()
    };
    let values: Vec<Vec<String>> = fields
        .iter()
        .map(|field| prunes.iter().map(|prune| value(field, prune)).collect())
        .collect();
    let mut all = vec![numbers(&places), numbers(&stamps), numbers(&certain)];
    all.push((&keep, Type::TEXT_ARRAY));
    all.extend(texts(&values));
    Ready::make(transaction, part, text).await?.query(transaction, &all).await
}

fn kept(prune: &Prune) -> String {
    let ids: Vec<String> = prune.keep.iter().map(|id| without_nul(id)).collect();
    serde_json::Value::from(ids).to_string()
}

/// As documents are kept.
fn without_nul(text: &str) -> String {
    text.replace('\0', "\u{FFFD}")
}

fn read(row: &Row, width: usize) -> Result<(Key, Stored, i64), tokio_postgres::Error> {
    let key = (0..width).map(|column| row.try_get(column)).collect::<Result<_, _>>()?;
    let stored = stored(row.try_get(width)?, row.try_get(width + 1)?, row.try_get(width + 2)?);
    Ok((key, stored, row.try_get(width + 3)?))
}

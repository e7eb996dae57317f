//! What is there and what is wanted, side by side, before anything is done.

use std::collections::BTreeMap;

use connector::StreamPlan;
use pg::{Error, Ident};
use tokio_postgres::GenericClient;

use crate::{
    catalog,
    schema::{Check, Columns, Existing, Table},
};

/// The tables of some streams, as the catalog wants them and as the server has them.
#[derive(Debug)]
pub(crate) struct Survey {
    /// In the order of the streams; the failure is a name that cannot be.
    pub(crate) tables: Vec<(String, Result<Table, String>)>,
    /// By name of the table.
    pub(crate) existing: BTreeMap<String, Existing>,
}

impl Survey {
    /// The tables, if every one can be.
    pub(crate) fn all(self) -> Result<Vec<Table>, connector::Error> {
        let all: Result<Vec<Table>, String> =
            self.tables.into_iter().map(|(_, table)| table).collect();
        all.map_err(connector::Error::config)
    }
}

/// Looks at the server, and derives each table with the columns that its kind has: what it was made
/// with, else what is asked, else what the tables beside it were made with.
pub(crate) async fn survey(
    client: &impl GenericClient,
    schema: &Ident,
    plans: &[StreamPlan],
    asked: Option<Columns>,
) -> Result<Survey, Error> {
    let names: Vec<(String, String)> = plans.iter().filter_map(|plan| names(plan).ok()).collect();
    let existing = catalog::named(client, schema, &names).await?;
    let is_reference = |table: &Existing| table.made_with() == Some(Columns::Reference);
    let usual =
        if existing.values().any(is_reference) { Columns::Reference } else { Columns::Typed };
    let new = asked.unwrap_or(usual);
    let mut taken: BTreeMap<Ident, String> = BTreeMap::new();
    let mut tables = Vec::new();
    for plan in plans {
        let found = names_of(plan).and_then(|name| existing.get(&name));
        let kind = found.and_then(Existing::made_with).unwrap_or(new);
        let table = Table::of(schema, plan, kind).and_then(|table| apart(table, &mut taken));
        tables.push((plan.name().to_owned(), table));
    }
    Ok(Survey { tables, existing })
}

fn names(plan: &StreamPlan) -> Result<(String, String), Error> {
    let table = Ident::new(plan.name())?;
    Ok((table.name().to_owned(), Check::name_for(plan.name())?.name().to_owned()))
}

fn names_of(plan: &StreamPlan) -> Option<String> {
    names(plan).ok().map(|(table, _)| table)
}

/// Two long names may be one when they are cut.
fn apart(table: Table, taken: &mut BTreeMap<Ident, String>) -> Result<Table, String> {
    let name = table.name.object().clone();
    match taken.insert(name, table.stream.clone()) {
        None => Ok(table),
        Some(other) => Err(format!(
            "stream `{}` and stream `{other}` would have one table {}; leave one of them out",
            table.stream, table.name
        )),
    }
}

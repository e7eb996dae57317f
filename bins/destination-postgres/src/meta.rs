//! The table `_sync_meta`: for each stream its table's place, the last run that wrote there, and
//! whose data it is.

use std::collections::BTreeMap;

use connector::Mark;
use pg::{Error, Failure, Ident, Qualified};
use protocol::{Place, Places};
use tokio_postgres::{
    GenericClient, Row,
    types::{ToSql, Type},
};
use uuid::Uuid;

use crate::schema::Table;

/// The table's name.
pub(crate) const META: &str = "_sync_meta";

/// What is noted of one stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Noted {
    pub(crate) place: Uuid,
    run: Option<String>,
    api_version: Option<String>,
    account: Option<String>,
    mode: Option<String>,
}

impl Noted {
    fn says(&self, place: Uuid, mark: &Mark) -> bool {
        self.place == place
            && self.api_version == mark.api_version
            && self.account == mark.account
            && self.mode == mark.mode
    }
}

pub(crate) fn table(schema: &Ident) -> Result<Qualified, Error> {
    Ok(schema.with(&Ident::new(META)?))
}

/// The statement that makes the table.
pub(crate) fn create(schema: &Ident) -> Result<String, Error> {
    let name = table(schema)?;
    Ok(format!(
        "CREATE TABLE {name} (stream text PRIMARY KEY, place uuid NOT NULL, run text, \
         tool text NOT NULL, api_version text, account text, mode text); \
         COMMENT ON TABLE {name} IS 'sync-engine; what each table holds'"
    ))
}

/// Everything noted, by stream.
pub(crate) async fn read(
    client: &impl GenericClient,
    schema: &Ident,
) -> Result<BTreeMap<String, Noted>, Error> {
    let name = table(schema)?;
    let asked = format!("SELECT stream, place, run, api_version, account, mode FROM {name}");
    let rows = client.query_typed(&asked, &[]).await;
    rows.and_then(|rows| rows.iter().map(|row| Ok((row.try_get(0)?, one(row)?))).collect())
        .map_err(|error| Error::query(format!("reading {name}"), &error))
}

fn one(row: &Row) -> Result<Noted, tokio_postgres::Error> {
    Ok(Noted {
        place: row.try_get(1)?,
        run: row.try_get(2)?,
        api_version: row.try_get(3)?,
        account: row.try_get(4)?,
        mode: row.try_get(5)?,
    })
}

/// Notes a table unless it is noted just so; another place forgets the run that wrote to the old.
pub(crate) async fn note(
    client: &impl GenericClient,
    table: &Table,
    place: Uuid,
    noted: Option<&Noted>,
) -> Result<(), Error> {
    if noted.is_some_and(|noted| noted.says(place, &table.mark)) {
        return Ok(());
    }
    let name = self::table(table.name.schema())?;
    let statement = format!(
        "INSERT INTO {name} AS m (stream, place, tool, api_version, account, mode) \
         VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (stream) DO UPDATE SET \
         run = CASE WHEN m.place = EXCLUDED.place THEN m.run END, place = EXCLUDED.place, \
         tool = EXCLUDED.tool, api_version = EXCLUDED.api_version, account = EXCLUDED.account, \
         mode = EXCLUDED.mode"
    );
    let tool = concat!("sync-engine ", env!("CARGO_PKG_VERSION"));
    let Mark { api_version, account, mode } = &table.mark;
    let values: [(&(dyn ToSql + Sync), Type); 6] = [
        (&table.stream, Type::TEXT),
        (&place, Type::UUID),
        (&tool, Type::TEXT),
        (api_version, Type::TEXT),
        (account, Type::TEXT),
        (mode, Type::TEXT),
    ];
    client.execute_typed(&statement, &values).await.map_err(|error| {
        Error::query(format!("noting stream `{}` in {name}", table.stream), &error)
    })?;
    Ok(())
}

/// The identity of each stream's table.
pub(crate) fn places(noted: &BTreeMap<String, Noted>, tables: &[Table]) -> Places {
    let place = |noted: &Noted| Place { id: noted.place.to_string(), run: noted.run.clone() };
    tables
        .iter()
        .filter_map(|table| Some((table.stream.clone(), place(noted.get(&table.stream)?))))
        .collect()
}

/// Why data of these tables may not come to where other data is. Where nothing is noted yet, or the
/// schema is not there, there is none.
pub(crate) async fn mixing<'t>(
    client: &impl GenericClient,
    schema: &Ident,
    tables: impl IntoIterator<Item = &'t Table>,
) -> Result<Option<String>, Error> {
    match read(client, schema).await {
        Ok(noted) => Ok(mixes_modes(&noted, tables)),
        Err(error) if error.failure() == Failure::Structure => Ok(None),
        Err(error) => Err(error),
    }
}

/// Live and test data never mix.
fn mixes_modes<'t>(
    noted: &BTreeMap<String, Noted>,
    tables: impl IntoIterator<Item = &'t Table>,
) -> Option<String> {
    tables.into_iter().find_map(|table| {
        let wanted = table.mark.mode.as_deref()?;
        let (stream, other) = noted
            .iter()
            .find(|(_, noted)| noted.mode.as_deref().is_some_and(|mode| mode != wanted))?;
        let (mode, account) = (other.mode.as_deref()?, other.account.as_deref());
        Some(format!(
            "schema {} holds {mode} data (stream `{stream}`, account `{}`), this is {wanted} data",
            table.name.schema(),
            account.unwrap_or("unknown")
        ))
    })
}

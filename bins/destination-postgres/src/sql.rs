//! The statements that write, as text. Pure; names come quoted, values are parameters.

use connector::StreamPlan;
use pg::{Error, Ident, Literal};

use crate::{
    schema::{Column, Columns, GATE, HASH, RAW, Table},
    tombstone,
};

/// The statements of one table. Arrays come as parameters: first those of the key, one for each of
/// its columns, then what the statement says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Statements {
    /// `$1` documents, `$2` stamps, `$3` hashes; returns how many were not there before, and the
    /// arrays of their keys.
    pub(crate) insert: String,
    /// Key arrays; returns one row of arrays: of the rows that are there the number among those
    /// asked for, from 1, stamp, hash and deleted mark.
    pub(crate) lookup: String,
    /// For each column of the key, the same where the keys differ in that column only: its array,
    /// then the values of the other columns. The number's place has what is in the column.
    pub(crate) lookup_by: Vec<String>,
    /// As `lookup`, and locks the rows, in the order of their keys so that writers never deadlock.
    pub(crate) lock: String,
    /// Key arrays, documents, stamps, hashes.
    pub(crate) replace: String,
    /// Key arrays, stamps, hashes.
    pub(crate) restamp: String,
    /// Key arrays, stamps, hashes; keeps the document and adds the deleted mark.
    pub(crate) mark: String,
    /// What is done where deleted rows are removed.
    pub(crate) graves: Graves,
    /// The row's deleted mark, as an expression.
    deleted: String,
}

/// Statements for rows that are removed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Graves {
    /// Key arrays; removes the rows.
    pub(crate) remove: String,
    /// Key arrays; returns the number among those asked for, from 1, and the stamp of each that was
    /// removed before.
    pub(crate) find: String,
    /// Key arrays, stamps; notes that they were removed.
    pub(crate) bury: String,
    /// Key arrays; forgets that they were.
    pub(crate) exhume: String,
}

impl Statements {
    pub(crate) fn of(table: &Table, plan: &StreamPlan) -> Result<Self, Error> {
        let name = &table.name;
        let keys = Keys::of(&table.key);
        let (list, join) = (&keys.list, &keys.join);
        let deleted = deleted(table, plan)?;
        let found = format!(
            "SELECT u.n AS n, t.{GATE} AS s, t.{HASH} AS h, {deleted} AS d \
             FROM {} JOIN {name} AS t ON {join}",
            keys.numbered(),
        );
        // One row for many: to send each by itself costs both sides more than to find it.
        let gathered = |rows: &str| {
            format!(
                "SELECT array_agg(f.n), array_agg(f.s), array_agg(f.h), array_agg(f.d) \
                 FROM ({rows}) AS f"
            )
        };
        let rule = "u.d::jsonb, to_timestamp(u.s), u.h";
        let stamps = format!("{GATE} = to_timestamp(u.s), {HASH} = u.h");
        let stamped = keys.arrays(&[("s", "bigint"), ("h", "bigint")]);
        let written = keys.arrays(&[("d", "text"), ("s", "bigint"), ("h", "bigint")]);
        let field = plan.stream().soft_delete_field.as_deref().unwrap_or("deleted");
        let field = Literal::new(field)?;
        // A document that keeps its stamp must not contradict the row's.
        let stamp_inside = match table.kind {
            Columns::Reference => {
                let name = Literal::new(&plan.stream().newer_than_field)?;
                format!(" || jsonb_build_object({name}, u.s)")
            }
            Columns::Typed | Columns::None => String::new(),
        };
        let restamped = match stamp_inside.as_str() {
            "" => stamps.clone(),
            inside => format!("{RAW} = t.{RAW}{inside}, {stamps}"),
        };
        Ok(Self {
            insert: format!(
                "WITH i AS (INSERT INTO {name} ({RAW}, {GATE}, {HASH}) SELECT {rule} \
                 FROM unnest($1::text[], $2::bigint[], $3::bigint[]) AS u(d, s, h) \
                 ON CONFLICT ({list}) DO NOTHING RETURNING {list}) SELECT count(*), {} FROM i",
                keys.gathered
            ),
            lock: gathered(&format!("{found} ORDER BY {} FOR UPDATE OF t", keys.order)),
            lookup: gathered(&found),
            lookup_by: (0..keys.count).map(|column| lookup_by(table, column, &deleted)).collect(),
            replace: format!(
                "UPDATE {name} AS t SET {RAW} = u.d::jsonb, {stamps} FROM {written} WHERE {join}"
            ),
            restamp: format!("UPDATE {name} AS t SET {restamped} FROM {stamped} WHERE {join}"),
            mark: format!(
                "UPDATE {name} AS t SET {RAW} = t.{RAW} || jsonb_build_object({field}, true)\
                 {stamp_inside}, {stamps} FROM {stamped} WHERE {join}"
            ),
            graves: graves(table, &keys)?,
            deleted,
        })
    }

    /// Locks and returns the rows that a prune concerns: as `lock` does, then the prune's number.
    ///
    /// `$1` numbers, `$2` stamps, `$3` the same where a row that is marked already is meant, else
    /// null, `$4` keys kept, as JSON arrays, then the values asked of each field.
    pub(crate) fn prune(&self, table: &Table, fields: &[String]) -> Result<String, Error> {
        let keys = Keys::of(&table.key);
        let arrays: String = (0..fields.len()).map(|n| format!(", ${}::text[]", n + 5)).collect();
        let names: String = (0..fields.len()).map(|n| format!(", v{n}")).collect();
        let asked = fields
            .iter()
            .enumerate()
            .map(|(number, field)| Ok(format!("{} = u.v{number}", text_of(table, field)?)))
            .collect::<Result<Vec<_>, Error>>()?;
        let id = table.key.first().map(ToString::to_string).unwrap_or_default();
        let (stored, order, deleted) = (&keys.stored, &keys.order, &self.deleted);
        Ok(format!(
            "SELECT {stored}, {STAMP}, t.{HASH}, {deleted}, u.n \
             FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::text[]{arrays}) \
             AS u(n, s, c, keep{names}) JOIN {} AS t ON {} \
             WHERE t.{GATE} < to_timestamp(u.s + 1) \
             AND (NOT {deleted} OR t.{GATE} < to_timestamp(u.c)) AND NOT u.keep::jsonb ? t.{id} \
             ORDER BY {order}, u.n FOR UPDATE OF t",
            table.name,
            asked.join(" AND "),
        ))
    }
}

/// A row's stamp in whole seconds. `extract` would count in decimals, which costs more.
const STAMP: &str = "floor(date_part('epoch', t._updated_at))::bigint";

/// The look-up by one column of the key. It costs the server two thirds of one that joins with the
/// keys. Behind `SELECT` their number is hidden from the planner, which would weigh each of them, and
/// read the whole table where it is small, and each time anew.
fn lookup_by(table: &Table, column: usize, deleted: &str) -> String {
    let mut asked = Vec::new();
    let mut others = 2..;
    let mut by = String::new();
    for (number, name) in table.key.iter().enumerate() {
        if number == column {
            asked.push(format!("t.{name} = ANY ((SELECT $1::text[])::text[])"));
            by = name.to_string();
        } else if let Some(parameter) = others.next() {
            asked.push(format!("t.{name} = ${parameter}::text"));
        }
    }
    format!(
        "SELECT array_agg(t.{by}), array_agg(t.{GATE}), array_agg(t.{HASH}), \
         array_agg({deleted}) FROM {} AS t WHERE {}",
        table.name,
        asked.join(" AND ")
    )
}

fn graves(table: &Table, keys: &Keys) -> Result<Graves, Error> {
    let (name, join) = (&table.name, &keys.join);
    let graves = tombstone::table(table.name.schema())?;
    let stream = Literal::new(&table.stream)?;
    let key = (0..keys.count).map(|number| format!("u.k{number}")).collect::<Vec<_>>().join(", ");
    let (arrays, numbered) = (keys.arrays(&[]), keys.numbered());
    let same = format!("g.stream = {stream} AND g.key = ARRAY[{key}]");
    Ok(Graves {
        remove: format!("DELETE FROM {name} AS t USING {arrays} WHERE {join}"),
        find: format!("SELECT u.n, g.stamp FROM {numbered} JOIN {graves} AS g ON {same}"),
        bury: format!(
            "INSERT INTO {graves} AS g (stream, key, stamp) SELECT {stream}, ARRAY[{key}], u.s \
             FROM {} ON CONFLICT (stream, key) DO UPDATE \
             SET stamp = greatest(g.stamp, EXCLUDED.stamp), at = now()",
            keys.arrays(&[("s", "bigint")]),
        ),
        exhume: format!("DELETE FROM {graves} AS g USING {arrays} WHERE {same}"),
    })
}

/// The text of a top-level field; of an object that stands in place of its id, the id. From its
/// column where there is one of that text, so that an index on it can serve.
fn text_of(table: &Table, field: &str) -> Result<String, Error> {
    let is_column = |name: &Ident| {
        let is_text = |column: &&Column| column.name == *name && column.data_type == "text";
        table.columns.iter().find(is_text).is_some()
    };
    let name = Ident::new(field)?;
    if is_column(&name) {
        return Ok(format!("t.{name}"));
    }
    let key = Literal::new(field)?;
    Ok(format!("COALESCE(t.{RAW}->{key}->>'id', t.{RAW}->>{key})"))
}

/// The key's columns in each form a statement needs.
struct Keys {
    count: usize,
    list: String,
    /// Arrays of all.
    gathered: String,
    stored: String,
    join: String,
    order: String,
}

impl Keys {
    fn of(key: &[Ident]) -> Self {
        let each = |render: fn(usize, &Ident) -> String, between: &str| {
            let parts: Vec<String> = key.iter().enumerate().map(|(n, k)| render(n, k)).collect();
            parts.join(between)
        };
        Self {
            count: key.len(),
            list: each(|_, name| name.to_string(), ", "),
            gathered: each(|_, name| format!("array_agg({name})"), ", "),
            stored: each(|_, name| format!("t.{name}"), ", "),
            join: each(|number, name| format!("t.{name} = u.k{number}"), " AND "),
            order: each(|_, name| format!("t.{name} COLLATE \"C\""), ", "),
        }
    }

    /// `unnest` of the key's arrays and these, each with name and type, as the relation `u`.
    fn arrays(&self, others: &[(&str, &str)]) -> String {
        let (arrays, names) = self.parameters(others);
        format!("unnest({arrays}) AS u({names})")
    }

    /// `unnest` of the key's arrays, with the place in them, from 1, as `n`.
    fn numbered(&self) -> String {
        let (arrays, names) = self.parameters(&[]);
        format!("unnest({arrays}) WITH ORDINALITY AS u({names}, n)")
    }

    fn parameters(&self, others: &[(&str, &str)]) -> (String, String) {
        let keys = (0..self.count).map(|number| (format!("k{number}"), "text"));
        let others = others.iter().map(|(name, data_type)| ((*name).to_owned(), *data_type));
        let all: Vec<(String, &str)> = keys.chain(others).collect();
        let parameters: Vec<String> = all
            .iter()
            .enumerate()
            .map(|(index, (_, data_type))| format!("${}::{data_type}[]", index + 1))
            .collect();
        let names: Vec<&str> = all.iter().map(|(name, _)| name.as_str()).collect();
        (parameters.join(", "), names.join(", "))
    }
}

/// The row's deleted mark; from its column where there is one, to leave the document unread.
fn deleted(table: &Table, plan: &StreamPlan) -> Result<String, Error> {
    let Some(field) = plan.stream().soft_delete_field.as_deref() else {
        return Ok("false".to_owned());
    };
    let name = Ident::new(field)?;
    if table.columns.iter().any(|column| column.name == name) {
        return Ok(format!("coalesce(t.{name}::text = 'true', false)"));
    }
    Ok(format!("coalesce(t.{RAW}->>{} = 'true', false)", Literal::new(field)?))
}

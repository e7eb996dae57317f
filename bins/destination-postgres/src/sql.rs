//! The statements that write, as text. Pure; names come quoted, values are parameters.

use connector::StreamPlan;
use pg::{Error, Ident, Literal};

use crate::schema::{GATE, HASH, RAW, Table};

/// The statements of one table. Arrays come as parameters: first those of the key, one for each of
/// its columns, then what the statement says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Statements {
    /// `$1` documents, `$2` stamps, `$3` hashes; returns the keys that were not there before.
    pub(crate) insert: String,
    /// Key arrays; returns key, stamp, hash and deleted mark of the rows that are there.
    pub(crate) lookup: String,
    /// The same, and locks the rows, in the order of their keys so that writers never deadlock.
    pub(crate) lock: String,
    /// Key arrays, documents, stamps, hashes.
    pub(crate) replace: String,
    /// Key arrays, stamps, hashes.
    pub(crate) restamp: String,
    /// Key arrays, stamps, hashes; keeps the document and adds the deleted mark.
    pub(crate) mark: String,
}

impl Statements {
    pub(crate) fn of(table: &Table, plan: &StreamPlan) -> Result<Self, Error> {
        let name = &table.name;
        let keys = Keys::of(&table.key);
        let (list, join) = (&keys.list, &keys.join);
        let found = format!(
            "SELECT {}, floor(extract(epoch FROM t.{GATE}))::bigint, t.{HASH}, {} \
             FROM {} JOIN {name} AS t ON {join}",
            keys.stored,
            deleted(table, plan)?,
            keys.arrays(&[]),
        );
        let rule = "u.d::jsonb, to_timestamp(u.s), u.h";
        let stamps = format!("{GATE} = to_timestamp(u.s), {HASH} = u.h");
        let stamped = keys.arrays(&[("s", "bigint"), ("h", "bigint")]);
        let written = keys.arrays(&[("d", "text"), ("s", "bigint"), ("h", "bigint")]);
        let field = plan.stream().soft_delete_field.as_deref().unwrap_or("deleted");
        let field = Literal::new(field)?;
        Ok(Self {
            insert: format!(
                "INSERT INTO {name} ({RAW}, {GATE}, {HASH}) SELECT {rule} \
                 FROM unnest($1::text[], $2::bigint[], $3::bigint[]) AS u(d, s, h) \
                 ON CONFLICT ({list}) DO NOTHING RETURNING {list}"
            ),
            lock: format!("{found} ORDER BY {} FOR UPDATE OF t", keys.order),
            lookup: found,
            replace: format!(
                "UPDATE {name} AS t SET {RAW} = u.d::jsonb, {stamps} FROM {written} WHERE {join}"
            ),
            restamp: format!("UPDATE {name} AS t SET {stamps} FROM {stamped} WHERE {join}"),
            mark: format!(
                "UPDATE {name} AS t SET {RAW} = t.{RAW} || jsonb_build_object({field}, true), \
                 {stamps} FROM {stamped} WHERE {join}"
            ),
        })
    }
}

/// The key's columns in each form a statement needs.
struct Keys {
    count: usize,
    list: String,
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
            stored: each(|_, name| format!("t.{name}"), ", "),
            join: each(|number, name| format!("t.{name} = u.k{number}"), " AND "),
            order: each(|_, name| format!("t.{name} COLLATE \"C\""), ", "),
        }
    }

    /// `unnest` of the key's arrays and these, each with name and type, as the relation `u`.
    fn arrays(&self, others: &[(&str, &str)]) -> String {
        let keys = (0..self.count).map(|number| (format!("k{number}"), "text"));
        let others = others.iter().map(|(name, data_type)| ((*name).to_owned(), *data_type));
        let all: Vec<(String, &str)> = keys.chain(others).collect();
        let parameters: Vec<String> = all
            .iter()
            .enumerate()
            .map(|(index, (_, data_type))| format!("${}::{data_type}[]", index + 1))
            .collect();
        let names: Vec<&str> = all.iter().map(|(name, _)| name.as_str()).collect();
        format!("unnest({}) AS u({})", parameters.join(", "), names.join(", "))
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

//! A pipeline's name, and what may be said about where it goes; pure.

use std::path::Path;

use protocol::{Catalog, ConnectorConfig, Spec};
use serde_json::Value;
use xxhash_rust::xxh3::xxh3_64;

use crate::config::is_secret;

/// Whose data a source gives.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Account {
    /// The account's id, when the source says it.
    pub id: Option<String>,
    /// Whether it is live data, when the source says it.
    pub live: Option<bool>,
}

impl Account {
    /// Read from the metadata of the first stream that has it.
    #[must_use]
    pub fn of(catalog: &Catalog) -> Self {
        let of_stream = |key: &str| {
            let metadata = catalog.streams.iter().filter_map(|stream| stream.metadata.as_ref());
            metadata.filter_map(|metadata| metadata.get(key)).find(|value| !value.is_null())
        };
        Self {
            id: of_stream("account_id").and_then(Value::as_str).map(str::to_owned),
            live: of_stream("live_mode").and_then(Value::as_bool),
        }
    }
}

/// A name made of what a pipeline joins: source type, account, destination type and place.
///
/// Hosts, users and passwords may change without making another pipeline; so may the folder of a
/// file, which carries its own state.
#[must_use]
pub fn name(
    source: &ConnectorConfig,
    account: &Account,
    destination: &ConnectorConfig,
    spec: &Spec,
) -> String {
    let account = account.id.as_deref().unwrap_or_default();
    let (from, to) = (&source.connector_type, &destination.connector_type);
    let identity = format!("{from}\0{account}\0{to}\0{}", place(destination, spec));
    format!("{from}-{to}-{:016x}", xxh3_64(identity.as_bytes()))
}

/// What tells this copy from another one of the same type.
fn place(destination: &ConnectorConfig, spec: &Spec) -> String {
    let text = |key: &str| destination.config.get(key).and_then(Value::as_str);
    if destination.connector_type == "postgres" {
        return text("schema").unwrap_or(DEFAULT_SCHEMA).to_owned();
    }
    if let Some(place) = text("schema").or_else(|| text("spreadsheet_id")) {
        return place.to_owned();
    }
    if let Some(path) = text("path") {
        let file = Path::new(path).file_name().map(|name| name.to_string_lossy().into_owned());
        return file.unwrap_or_else(|| path.to_owned());
    }
    let open = destination.config.iter().filter(|(key, _)| !is_secret(spec, key));
    open.map(|(key, value)| format!("{key}={value}\0")).collect()
}

/// Where a destination writes, in words that hold no secret.
#[must_use]
pub fn describe(destination: &ConnectorConfig) -> String {
    let text = |key: &str| destination.config.get(key).and_then(Value::as_str);
    match destination.connector_type.as_str() {
        "postgres" => {
            let url = text("url").or_else(|| text("connection_string")).unwrap_or_default();
            let target = pg::Settings::from_url(url).map_or_else(
                |_| "an unreadable address".to_owned(),
                |settings| {
                    let target = settings.target();
                    format!("database `{}` at {}:{}", target.database, target.host, target.port)
                },
            );
            format!("Postgres {target}, schema `{}`", text("schema").unwrap_or(DEFAULT_SCHEMA))
        }
        "sqlite" => format!("SQLite file `{}`", text("path").unwrap_or_default()),
        other => match text("spreadsheet_id") {
            Some(id) => format!("{other} `{id}`"),
            None => other.to_owned(),
        },
    }
}

/// Schema of a Postgres destination that was given none; `destination-postgres` has the same.
pub(crate) const DEFAULT_SCHEMA: &str = "stripe";

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn named(account: &str, destination: Value) -> String {
        let source = serde_json::from_value(json!({"type": "stripe"})).unwrap();
        let destination = serde_json::from_value(destination).unwrap();
        let account = Account { id: Some(account.to_owned()), live: None };
        let spec = Spec::new(json!({"properties": {"key": {"writeOnly": true}}}));
        name(&source, &account, &destination, &spec)
    }

    fn postgres(url: &str, schema: &str) -> Value {
        json!({"type": "postgres", "postgres": {"url": url, "schema": schema}})
    }

    #[test]
    fn a_new_password_or_host_is_the_same_pipeline() {
        let one = named("acct_1", postgres("postgres://a:x@one/db", "stripe"));
        assert_eq!(
            one,
            named("acct_1", postgres("postgres://b:y@two/db?sslmode=require", "stripe"))
        );
        assert_ne!(one, named("acct_1", postgres("postgres://a:x@one/db", "other")));
        assert_ne!(one, named("acct_2", postgres("postgres://a:x@one/db", "stripe")));
    }

    #[test]
    fn a_file_may_move_and_a_secret_is_never_part_of_the_name() {
        let file = |path: &str| named("a", json!({"type": "sqlite", "sqlite": {"path": path}}));
        assert_eq!(file("./x.db"), file("/data/x.db"));
        assert_ne!(file("x.db"), file("y.db"));
        let foreign = |key: &str| named("a", json!({"type": "f", "f": {"key": key, "b": "c"}}));
        assert_eq!(foreign("one"), foreign("two"));
    }

    #[test]
    fn a_description_holds_no_password() {
        let postgres = postgres("postgres://ann:s3cret@db:6543/shop", "stripe");
        let text = describe(&serde_json::from_value(postgres).unwrap());
        assert_eq!(text, "Postgres database `shop` at db:6543, schema `stripe`");
    }
}

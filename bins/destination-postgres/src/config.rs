//! What a user writes.

use connector::{BatchLimits, Deletes, Error, WriteConfig};
use pg::{Ident, Settings};
use protocol::{Secret, Spec};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::schema::Columns;

/// The configuration as written; see [`spec`] for what each key means.
#[derive(Debug, Clone, Deserialize)]
pub struct Config {
    url: Option<Secret>,
    connection_string: Option<Secret>,
    #[serde(default = "schema")]
    schema: String,
    #[serde(default = "connections")]
    connections: usize,
    #[serde(flatten)]
    writing: WriteConfig,
    columns: Option<Columns>,
    ssl_ca_pem: Option<String>,
    #[serde(default)]
    indexes: bool,
    prepared: Option<bool>,
}

fn schema() -> String {
    "stripe".to_owned()
}

fn connections() -> usize {
    2
}

/// The configuration checked and in the form that the rest uses.
#[derive(Debug)]
pub(crate) struct Options {
    pub(crate) settings: Settings,
    pub(crate) schema: Ident,
    pub(crate) connections: usize,
    pub(crate) limits: BatchLimits,
    pub(crate) echo_records: bool,
    pub(crate) run_id: Option<String>,
    pub(crate) deletes: Deletes,
    pub(crate) columns: Option<Columns>,
    pub(crate) indexes: bool,
    pub(crate) prepared: Option<bool>,
}

impl Options {
    pub(crate) fn of(config: Config) -> Result<Self, Error> {
        // The environment fills in the old name, so that `url` as written here comes first.
        let url = config.url.or(config.connection_string).ok_or_else(|| {
            Error::config("reading the configuration: `url` is missing").hint(
                "give `url` (postgres://user:password@host:port/database) in the configuration, \
                 or POSTGRES_URL or DATABASE_URL in the environment",
            )
        })?;
        let settings = Settings::from_url(url.expose()).map_err(invalid)?;
        Ok(Self {
            settings: match &config.ssl_ca_pem {
                Some(pem) => settings.with_root_certificates(pem),
                None => settings,
            },
            schema: schema_named(&config.schema)?,
            connections: config.connections.clamp(1, 64),
            limits: config.writing.limits(),
            echo_records: config.writing.echo_records,
            run_id: config.writing.run_id,
            deletes: config.writing.deletes,
            columns: config.columns,
            indexes: config.indexes,
            prepared: config.prepared,
        })
    }
}

fn schema_named(name: &str) -> Result<Ident, Error> {
    Ident::new(name).map_err(|error| {
        Error::config("reading the configuration: `schema`")
            .caused_by(error)
            .hint("give the name of a schema, such as stripe, or leave it out")
    })
}

fn invalid(error: pg::Error) -> Error {
    Error::config("reading the configuration").caused_by(error)
}

/// The JSON Schema of the configuration.
pub(crate) fn spec() -> Spec {
    let mut properties = connection_properties();
    properties.extend(writing_properties());
    Spec::new(json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "type": "object",
        "properties": properties,
        "additionalProperties": false,
    }))
}

fn connection_properties() -> Map<String, Value> {
    let mut properties = Map::new();
    let mut text = |name: &str, more: Value, description: &str| {
        let mut property = json!({"type": "string", "description": description});
        merge(&mut property, more);
        properties.insert(name.to_owned(), property);
    };
    text(
        "url",
        json!({"writeOnly": true}),
        "Where the database is: postgres://user:password@host:port/database, with libpq \
         parameters such as sslmode",
    );
    text(
        "connection_string",
        json!({"writeOnly": true}),
        "Older name of `url`, used when that is absent",
    );
    text(
        "schema",
        json!({"minLength": 1, "default": schema()}),
        "Schema that holds the tables; made if it is missing",
    );
    text(
        "ssl_ca_pem",
        json!({}),
        "Root certificates as PEM text, believed instead of the system's by sslmode verify-ca and \
         verify-full; with sslmode require the server's certificate is checked against them too",
    );
    text(
        "columns",
        json!({"enum": ["typed", "reference", "none"]}),
        "Columns of a table when it is made: each property with its own type (typed, the default), \
         with the types of the TypeScript connector (reference, the default beside its tables), or \
         the key only (none)",
    );
    properties
}

fn writing_properties() -> Map<String, Value> {
    let mut properties = WriteConfig::properties();
    let connections = json!({
        "type": "integer",
        "minimum": 1,
        "maximum": 64,
        "default": connections(),
        "description": "Connections that write at once",
    });
    properties.insert("connections".to_owned(), connections);
    let indexes = "Make indexes on times, foreign ids and system columns that ask for one, without \
                   stopping writers, when a stream is complete";
    let indexes = json!({"type": "boolean", "default": false, "description": indexes});
    properties.insert("indexes".to_owned(), indexes);
    let prepared = "Whether the server parses a statement once a connection; found out when absent, \
                    since it is not possible behind a pool in transaction mode";
    let prepared = json!({"type": "boolean", "description": prepared});
    properties.insert("prepared".to_owned(), prepared);
    properties
}

fn merge(property: &mut Value, more: Value) {
    if let (Value::Object(property), Value::Object(more)) = (property, more) {
        property.extend(more);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(config: serde_json::Value) -> Result<Options, Error> {
        Options::of(serde_json::from_value(config).unwrap())
    }

    #[test]
    fn defaults_need_no_more_than_a_url() {
        let options = options(json!({"url": "postgres://ann@h/d"})).unwrap();
        assert_eq!((options.schema.name(), options.connections), ("stripe", 2));
        assert_eq!(options.limits, BatchLimits::default());
    }

    #[test]
    fn old_names_are_understood() {
        let config = json!({"connection_string": "postgres://ann@h/d", "batch_size": 7});
        assert_eq!(options(config).unwrap().limits.rows, 7);
    }

    #[test]
    fn a_missing_url_says_everywhere_it_could_have_been() {
        let report = options(json!({})).unwrap_err().report();
        assert!(report.contains("POSTGRES_URL or DATABASE_URL"), "{report}");
    }

    #[test]
    fn no_debug_output_holds_the_password() {
        let config: Config =
            serde_json::from_value(json!({"url": "postgres://ann:s3cret@h/d"})).unwrap();
        let text = format!("{config:?} {:?}", Options::of(config.clone()));
        assert!(!text.contains("s3cret"), "{text}");
    }

    #[test]
    fn every_key_of_the_schema_is_read_and_no_other() {
        let spec = spec().config;
        let mut keys: Vec<&String> = spec["properties"].as_object().unwrap().keys().collect();
        keys.sort();
        let read = [
            "batch_bytes",
            "batch_rows",
            "batch_size",
            "columns",
            "connection_string",
            "connections",
            "deletes",
            "echo_records",
            "flush_ms",
            "indexes",
            "prepared",
            "run_id",
            "schema",
            "ssl_ca_pem",
            "url",
        ];
        assert_eq!(keys, read);
        for key in read {
            let of_no_type_that_any_has = json!({ key: {} });
            assert!(serde_json::from_value::<Config>(of_no_type_that_any_has).is_err(), "{key}");
        }
    }
}

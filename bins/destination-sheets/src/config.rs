//! What a user writes.

use std::path::Path;

use connector::{BatchLimits, Error};
use protocol::{Secret, Spec};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::auth::Credentials;
use crate::grant::ServiceAccount;
use crate::layout::ValueMode;

/// Where the Sheets API is; spreadsheets are deleted through the Drive API.
const SHEETS: &str = "https://sheets.googleapis.com";
const DRIVE: &str = "https://www.googleapis.com";
const TOKENS: &str = "https://oauth2.googleapis.com/token";
const TITLE: &str = "Stripe Sync";
/// Requests a minute that Google allows a user of a project, reads and writes apart
/// (<https://developers.google.com/workspace/sheets/api/limits>).
const REQUESTS_PER_MINUTE: u32 = 60;
/// A request costs quota, a row does not: batches are large and rare.
const LIMITS: BatchLimits = BatchLimits { bytes: 8 * 1024 * 1024, rows: 10_000, flush_ms: 5_000 };

/// The configuration as written; the spec's schema says what each key means.
#[derive(Clone, Deserialize)]
#[serde(try_from = "Map<String, Value>")]
pub struct Config {
    given: Given,
    /// All of it as it came, for the message that names a spreadsheet that was made.
    whole: Map<String, Value>,
}

impl std::fmt::Debug for Config {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Config").field("given", &self.given).finish_non_exhaustive()
    }
}

impl TryFrom<Map<String, Value>> for Config {
    type Error = serde_json::Error;

    fn try_from(whole: Map<String, Value>) -> Result<Self, Self::Error> {
        let given = serde_json::from_value(Value::Object(whole.clone()))?;
        Ok(Self { given, whole })
    }
}

#[derive(Debug, Clone, Deserialize)]
struct Given {
    spreadsheet_id: Option<String>,
    spreadsheet_title: Option<String>,
    service_account: Option<KeyFile>,
    client_id: Option<String>,
    client_secret: Option<Secret>,
    refresh_token: Option<Secret>,
    access_token: Option<Secret>,
    base_url: Option<String>,
    token_url: Option<String>,
    #[serde(default)]
    value_mode: ValueMode,
    requests_per_minute: Option<u32>,
    batch_rows: Option<usize>,
    flush_ms: Option<u64>,
    #[serde(default)]
    echo_records: bool,
    run_id: Option<String>,
}

/// What was given as the service account's key file; it does not print.
#[derive(Clone, Deserialize)]
struct KeyFile(Value);

impl std::fmt::Debug for KeyFile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("<key file>")
    }
}

/// The configuration checked and in the form that the rest uses.
#[derive(Clone)]
pub(crate) struct Options {
    /// None: setup makes a spreadsheet.
    pub(crate) spreadsheet: Option<String>,
    pub(crate) title: String,
    pub(crate) credentials: Credentials,
    pub(crate) sheets_url: String,
    pub(crate) drive_url: String,
    pub(crate) token_url: String,
    pub(crate) value_mode: ValueMode,
    pub(crate) requests_per_minute: u32,
    pub(crate) limits: BatchLimits,
    pub(crate) echo_records: bool,
    pub(crate) run_id: Option<String>,
    /// The configuration as it came, secrets included.
    pub(crate) whole: Map<String, Value>,
}

impl std::fmt::Debug for Options {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Options").field("spreadsheet", &self.spreadsheet).finish_non_exhaustive()
    }
}

impl Options {
    pub(crate) fn of(config: Config) -> Result<Self, Error> {
        let Config { given: config, whole } = config;
        let given = config.base_url.as_deref().map(|url| url.trim_end_matches('/').to_owned());
        Ok(Self {
            credentials: credentials(&config)?,
            spreadsheet: spreadsheet(config.spreadsheet_id)?,
            title: config.spreadsheet_title.unwrap_or_else(|| TITLE.to_owned()),
            sheets_url: given.clone().unwrap_or_else(|| SHEETS.to_owned()),
            drive_url: given.unwrap_or_else(|| DRIVE.to_owned()),
            token_url: config.token_url.unwrap_or_else(|| TOKENS.to_owned()),
            value_mode: config.value_mode,
            requests_per_minute: config.requests_per_minute.unwrap_or(REQUESTS_PER_MINUTE).max(1),
            limits: BatchLimits {
                rows: config.batch_rows.unwrap_or(LIMITS.rows).max(1),
                flush_ms: config.flush_ms.unwrap_or(LIMITS.flush_ms),
                ..LIMITS
            },
            echo_records: config.echo_records,
            run_id: config.run_id,
            whole,
        })
    }
}

/// People have the address at hand, of which the id is a part.
fn spreadsheet(id: Option<String>) -> Result<Option<String>, Error> {
    let id = id.filter(|id| !id.trim().is_empty());
    if let Some(address) = id.as_ref().filter(|id| id.contains('/')) {
        return Err(Error::config(format!("reading --config: `spreadsheet_id` is `{address}`"))
            .hint("give only what stands in the address between /d/ and /edit"));
    }
    Ok(id)
}

/// The first that is given: service account, refresh token, access token.
fn credentials(config: &Given) -> Result<Credentials, Error> {
    if let Some(KeyFile(account)) = &config.service_account {
        return Ok(Credentials::ServiceAccount(service_account(account)?));
    }
    if let Some(refresh_token) = config.refresh_token.clone() {
        let missing = |key: &str, variable: &str| {
            Error::config(format!("reading --config: `{key}` is missing"))
                .hint(format!("give it beside `refresh_token`, or set {variable}"))
        };
        let client_id =
            config.client_id.clone().ok_or_else(|| missing("client_id", "GOOGLE_CLIENT_ID"))?;
        let client_secret = config
            .client_secret
            .clone()
            .ok_or_else(|| missing("client_secret", "GOOGLE_CLIENT_SECRET"))?;
        return Ok(Credentials::Refresh { client_id, client_secret, refresh_token });
    }
    if let Some(token) = config.access_token.clone() {
        return Ok(Credentials::Token(token));
    }
    Err(Error::config("reading --config: `service_account` is missing").hint(
        "give the key file of a Google service account (JSON or its path), \
         or `refresh_token` with `client_id` and `client_secret`, or `access_token`",
    ))
}

/// The key file of a service account: the object itself, its text, or its path.
fn service_account(given: &Value) -> Result<ServiceAccount, Error> {
    let text = match given {
        Value::String(text) if text.trim_start().starts_with('{') => text.clone(),
        Value::String(path) => std::fs::read_to_string(Path::new(path)).map_err(|error| {
            Error::config(format!("reading the service account's key file {}", shown(path)))
                .caused_by(error)
                .hint("`service_account` is the JSON itself, or the path of its file")
        })?,
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => {
            given.to_string()
        }
    };
    // What serde says of a value would repeat it, and it may be the key.
    serde_json::from_str(&text).map_err(|_| {
        Error::config("reading `service_account`: no key file of a service account").hint(
            "it is the JSON file that Google gives once, with `client_email` and `private_key`",
        )
    })
}

/// A path, unless it is so long that it may be the key itself in some other form, such as base64.
fn shown(path: &str) -> String {
    const LONGEST_PATH_SHOWN: usize = 255;
    if path.len() > LONGEST_PATH_SHOWN {
        return format!("at a path of {} bytes", path.len());
    }
    format!("`{path}`")
}

/// The JSON Schema of the configuration.
pub(crate) fn spec() -> Spec {
    let mut spec = Spec::new(json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "type": "object",
        "properties": properties(),
        "additionalProperties": false,
    }));
    spec.soft_limit_fraction = Some(0.5);
    spec.setup_dry_run = true;
    spec
}

fn properties() -> Value {
    let text = |says: &str| json!({"type": "string", "description": says});
    let secret = |says: &str| json!({"type": "string", "writeOnly": true, "description": says});
    json!({
        "spreadsheet_id": text("The spreadsheet, as in its address between /d/ and /edit; setup makes one when absent"),
        "spreadsheet_title": {
            "type": "string",
            "default": TITLE,
            "description": "Title of a spreadsheet that setup makes",
        },
        "service_account": {
            "type": ["object", "string"],
            "writeOnly": true,
            "description": "Key file of a Google service account: the JSON, or its path. Share the spreadsheet with its client_email as an editor",
        },
        "client_id": text("OAuth client, beside refresh_token"),
        "client_secret": secret("Secret of the OAuth client"),
        "refresh_token": secret("OAuth refresh token of a person who may edit the spreadsheet"),
        "access_token": secret("OAuth access token, used as it is until it expires"),
        "base_url": text("Another address for the Sheets and Drive APIs"),
        "token_url": text("Another address for access tokens"),
        "value_mode": {
            "type": "string",
            "enum": ["typed", "text"],
            "default": "typed",
            "description": "typed: numbers, booleans and times as such; text: everything as text",
        },
        "batch_size": {
            "type": "integer",
            "minimum": 1,
            "description": "Accepted for compatibility, not used",
        },
        "batch_rows": {
            "type": "integer",
            "minimum": 1,
            "default": LIMITS.rows,
            "description": "Records of one stream gathered before they are written; fewer cost more requests",
        },
        "requests_per_minute": {
            "type": "integer",
            "minimum": 1,
            "default": REQUESTS_PER_MINUTE,
            "description": "Requests a minute, reads and writes apart; raise it where Google has granted a higher quota",
        },
        "flush_ms": {
            "type": "integer",
            "minimum": 0,
            "default": LIMITS.flush_ms,
            "description": "Shortest time in milliseconds between two writes of batches that are not full, and longest that a state waits to be among them",
        },
        "echo_records": {
            "type": "boolean",
            "default": false,
            "description": "Write each record back to stdout once it is stored, for engines that count them",
        },
        "run_id": text("Name of the engine's run, noted with each tab with the first rows it writes"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(config: Value) -> Result<Options, Error> {
        Options::of(serde_json::from_value(config).unwrap())
    }

    #[test]
    fn an_access_token_is_enough() {
        let options = options(json!({"access_token": "t", "spreadsheet_id": ""})).unwrap();
        assert_eq!((options.spreadsheet, options.limits), (None, LIMITS));
        assert_eq!(options.value_mode, ValueMode::Typed);
    }

    #[test]
    fn an_address_in_place_of_the_id_says_which_part_of_it_is_meant() {
        let address = "https://docs.google.com/spreadsheets/d/1AbC/edit#gid=0";
        let given = json!({"access_token": "t", "spreadsheet_id": address});
        let report = options(given).unwrap_err().report();
        assert!(report.ends_with("between /d/ and /edit"), "{report}");
    }

    #[test]
    fn without_credentials_it_says_what_to_give() {
        let report = options(json!({})).unwrap_err().report();
        assert!(report.contains("`service_account` is missing; give the key file"), "{report}");
        let report = options(json!({"refresh_token": "r"})).unwrap_err().report();
        assert!(report.ends_with("or set GOOGLE_CLIENT_ID"), "{report}");
    }

    #[test]
    fn a_service_account_comes_as_an_object_as_text_or_by_path() {
        let key = json!({"client_email": "a@b", "private_key": "k"});
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key.json");
        std::fs::write(&path, key.to_string()).unwrap();
        for given in [key.clone(), json!(key.to_string()), json!(path)] {
            let options = options(json!({"service_account": given})).unwrap();
            assert!(matches!(options.credentials, Credentials::ServiceAccount(_)));
        }
    }

    #[test]
    fn a_key_where_a_path_is_expected_is_not_repeated() {
        let report =
            |given: &str| options(json!({ "service_account": given })).unwrap_err().report();
        assert!(report("/no/such.json").contains("key file `/no/such.json`"));
        let encoded = "canary".repeat(100);
        assert!(!report(&encoded).contains("canary"), "{}", report(&encoded));
    }

    #[test]
    fn a_key_file_that_is_none_is_not_repeated() {
        let given = json!({"service_account": {"private_key": "canary"}});
        let report = options(given).unwrap_err().report();
        assert!(!report.contains("canary") && report.contains("client_email"), "{report}");
    }
}

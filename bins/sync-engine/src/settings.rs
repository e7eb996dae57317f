//! From what was typed, the environment and a file to what the engine is asked: flag over
//! environment over `.env` over file over default. Pure but for reading the files that are named.

use std::collections::BTreeMap;

use engine::resolve::Role;
use engine::{Failure, Given};
use protocol::{ConnectorConfig, SelectedStream, TimeRange, Timestamp};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::cli::ConnectionArgs;
use crate::given_keys::GivenKeys;
use crate::surroundings::Surroundings;

/// Both connectors, and what the file says about streams.
#[derive(Debug)]
pub(crate) struct Settings {
    pub(crate) source: Given,
    pub(crate) destination: Given,
    pub(crate) streams: Vec<SelectedStream>,
}

/// The SQLite file when no destination is given.
const DEFAULT_FILE: &str = "./stripe.db";

impl Settings {
    pub(crate) fn gather(
        args: &ConnectionArgs,
        keys: GivenKeys,
        surroundings: &Surroundings,
    ) -> Result<Self, Failure> {
        let file = match &args.config {
            Some(text) => Some(document::<FileConfig>("--config", text)?),
            None => None,
        };
        let file = file.unwrap_or_default();
        let source = match &args.source {
            Some(text) => document("--source", text)?,
            None => file.source.unwrap_or_else(|| connector("stripe", [])),
        };
        let mut destination = destination(args, file.destination, surroundings)?;
        refuse_unread(args, &source, &destination)?;
        if is_sheets(&destination) {
            complete_sheets(args, &mut destination.config, &keys.destination, surroundings);
        }
        Ok(Self {
            source: source_given(args, source, keys.source, surroundings),
            destination: Given { connector: destination, texts: keys.destination },
            streams: file.streams,
        })
    }
}

/// Flags of one connector beside another would be read by nobody.
fn refuse_unread(
    args: &ConnectionArgs,
    source: &ConnectorConfig,
    destination: &ConnectorConfig,
) -> Result<(), Failure> {
    let stripe = [
        ("--stripe-api-key", args.stripe_api_key.is_some()),
        ("--stripe-base-url", args.stripe_base_url.is_some()),
        ("--stripe-api-version", args.stripe_api_version.is_some()),
        ("--stripe-rate-limit", args.stripe_rate_limit.is_some()),
    ];
    let given = stripe.into_iter().find(|(_, is_given)| *is_given);
    let of_source = given.filter(|_| source.connector_type != "stripe");
    let is_schema = args.postgres_schema.is_some() && destination.connector_type != "postgres";
    let is_account = args.sheets_service_account.is_some() && !is_sheets(destination);
    let (flag, kind) = match (of_source, is_schema, is_account) {
        (Some((flag, _)), ..) => (flag, &source.connector_type),
        (None, true, _) => ("--postgres-schema", &destination.connector_type),
        (None, false, true) => ("--sheets-service-account", &destination.connector_type),
        (None, false, false) => return Ok(()),
    };
    Err(Failure::config(format!(
        "`{flag}` means nothing to `{kind}`; leave it out, or name the side that it belongs to"
    )))
}

/// The pipeline config of the protocol, each part of which may be given elsewhere.
#[derive(Debug, Default, serde::Deserialize)]
#[serde(deny_unknown_fields, default)]
struct FileConfig {
    source: Option<ConnectorConfig>,
    destination: Option<ConnectorConfig>,
    streams: Vec<SelectedStream>,
}

fn source_given(
    args: &ConnectionArgs,
    mut connector: ConnectorConfig,
    keys: BTreeMap<String, String>,
    surroundings: &Surroundings,
) -> Given {
    let mut texts = BTreeMap::new();
    if connector.connector_type == "stripe" {
        let is_flag = args.source.is_some() && connector.config.contains_key("api_key");
        let variable = surroundings.variable("STRIPE_API_KEY").filter(|_| !is_flag);
        if let Some(key) = variable {
            connector.config.insert("api_key".to_owned(), key.into());
        }
        let flags = [
            ("api_key", args.stripe_api_key.clone()),
            ("base_url", args.stripe_base_url.clone()),
            ("api_version", args.stripe_api_version.clone()),
            ("rate_limit", args.stripe_rate_limit.map(|limit| limit.to_string())),
        ];
        texts.extend(flags.into_iter().filter_map(|(key, value)| Some((key.to_owned(), value?))));
    }
    texts.extend(keys);
    Given { connector, texts }
}

/// A flag decides where it goes; else the file; else a variable; else a SQLite file is made.
fn destination(
    args: &ConnectionArgs,
    file: Option<ConnectorConfig>,
    surroundings: &Surroundings,
) -> Result<ConnectorConfig, Failure> {
    if let Some(path) = &args.sqlite {
        return Ok(connector("sqlite", [("path", path.as_str())]));
    }
    let variable =
        surroundings.variable("POSTGRES_URL").or_else(|| surroundings.variable("DATABASE_URL"));
    if args.sheets_id.is_some() {
        let file = file.filter(is_sheets);
        return Ok(file.unwrap_or_else(|| connector("sheets", [])));
    }
    let mut chosen = match &args.destination {
        Some(text) => document("--destination", text)?,
        None => match file {
            Some(file) => file,
            None if args.postgres_url.is_some()
                || args.postgres_schema.is_some()
                || variable.is_some() =>
            {
                connector("postgres", [])
            }
            None => connector("sqlite", [("path", DEFAULT_FILE)]),
        },
    };
    if args.postgres_url.is_some() && chosen.connector_type != "postgres" {
        chosen = connector("postgres", []);
    }
    match chosen.connector_type.as_str() {
        "postgres" => complete_postgres(args, &mut chosen.config, variable)?,
        "sqlite" => {
            chosen.config.entry("path").or_insert_with(|| DEFAULT_FILE.into());
        }
        _ => {}
    }
    Ok(chosen)
}

fn complete_postgres(
    args: &ConnectionArgs,
    config: &mut Map<String, Value>,
    variable: Option<String>,
) -> Result<(), Failure> {
    let is_named = ["url", "connection_string"].iter().any(|key| config.contains_key(*key));
    let variable = variable.filter(|_| !(args.destination.is_some() && is_named));
    if let Some(url) = args.postgres_url.clone().or(variable) {
        config.remove("connection_string");
        config.insert("url".to_owned(), url.into());
    }
    if let Some(schema) = &args.postgres_schema {
        config.insert("schema".to_owned(), schema.as_str().into());
    }
    config.entry("schema").or_insert_with(|| "stripe".into());
    if !config.contains_key("url") && !config.contains_key("connection_string") {
        return Err(Failure::config(format!(
            "missing `url` of `destination-postgres`; give it by {}",
            places_of_key(Role::Destination, "postgres", "url").join(", ")
        )));
    }
    Ok(())
}

fn is_sheets(connector: &ConnectorConfig) -> bool {
    matches!(connector.connector_type.as_str(), "sheets" | "google_sheets")
}

/// The service account of the environment counts only where nobody else is named.
fn complete_sheets(
    args: &ConnectionArgs,
    config: &mut Map<String, Value>,
    keys: &BTreeMap<String, String>,
    surroundings: &Surroundings,
) {
    if let Some(id) = &args.sheets_id {
        config.insert("spreadsheet_id".to_owned(), id.as_str().into());
    }
    let named = ["service_account", "refresh_token", "access_token"];
    let is_named = named.iter().any(|key| config.contains_key(*key) || keys.contains_key(*key));
    let variable = surroundings.variable("GOOGLE_APPLICATION_CREDENTIALS");
    let account = args.sheets_service_account.clone().or(variable.filter(|_| !is_named));
    if let Some(account) = account {
        config.insert("service_account".to_owned(), account.into());
    }
}

/// Every place where a key can be given.
pub(crate) fn places_of_key(role: Role, kind: &str, key: &str) -> Vec<String> {
    let mut places: Vec<String> = match (role, kind, key) {
        (Role::Source, "stripe", "api_key") => {
            vec![
                "`--stripe-api-key`".to_owned(),
                "the environment variable `STRIPE_API_KEY`".to_owned(),
                "the same name in `.env`".to_owned(),
            ]
        }
        (Role::Destination, "postgres", "url") => vec![
            "`--postgres-url`".to_owned(),
            "the environment variable `POSTGRES_URL` (also in `.env`) or `DATABASE_URL`".to_owned(),
        ],
        (Role::Destination, "sqlite", "path") => vec!["`--sqlite`".to_owned()],
        (Role::Destination, "sheets", "spreadsheet_id") => vec!["`--sheets-id`".to_owned()],
        (Role::Destination, "sheets", "service_account") => vec![
            "`--sheets-service-account`".to_owned(),
            "the environment variable `GOOGLE_APPLICATION_CREDENTIALS` (also in `.env`)".to_owned(),
        ],
        _ => Vec::new(),
    };
    places.push(format!("`--{role}.{key}`"));
    places.push(format!("`{role}.{kind}.{key}` in the file of `--config`"));
    places
}

/// A connector with some keys.
pub(crate) fn connector<const N: usize>(kind: &str, keys: [(&str, &str); N]) -> ConnectorConfig {
    let config = keys.map(|(key, value)| (key.to_owned(), Value::from(value)));
    ConnectorConfig { connector_type: kind.to_owned(), config: config.into_iter().collect() }
}

/// Streams selected by name.
pub(crate) fn selected(names: &[String]) -> Vec<SelectedStream> {
    let named = |name: &String| SelectedStream {
        name: name.trim().to_owned(),
        sync_mode: None,
        fields: None,
        backfill_limit: None,
        time_range: None,
    };
    names.iter().filter(|name| !name.trim().is_empty()).map(named).collect()
}

/// The span between two times, if either is given.
pub(crate) fn span(since: Option<&str>, until: Option<&str>) -> Result<Option<TimeRange>, Failure> {
    let gte = since.map(|text| time("--since", text)).transpose()?;
    let lt = until.map(|text| time("--until", text)).transpose()?;
    if let (Some(gte), Some(lt)) = (gte, lt)
        && gte >= lt
    {
        return Err(Failure::config("`--since` is not before `--until`; nothing lies between"));
    }
    Ok((gte.is_some() || lt.is_some()).then_some(TimeRange { gte, lt }))
}

fn time(flag: &str, text: &str) -> Result<Timestamp, Failure> {
    let day = chrono::NaiveDate::parse_from_str(text, "%Y-%m-%d").ok();
    if let Some(midnight) = day.and_then(|day| day.and_hms_opt(0, 0, 0)) {
        return Ok(Timestamp::from(midnight.and_utc()));
    }
    text.parse().map_err(|error| Failure::config(format!("reading `{flag}`: {error}")))
}

/// Inline JSON, a file, or `-` for stdin.
pub(crate) fn document<T: DeserializeOwned>(flag: &str, text: &str) -> Result<T, Failure> {
    let failed =
        |error: &dyn std::fmt::Display| Failure::config(format!("reading `{flag}`: {error}"));
    let read = if text.trim_start().starts_with('{') {
        text.to_owned()
    } else if text == "-" {
        std::io::read_to_string(std::io::stdin()).map_err(|error| failed(&error))?
    } else {
        std::fs::read_to_string(text).map_err(|error| failed(&format!("`{text}`: {error}")))?
    };
    serde_json::from_str(&read).map_err(|error| failed(&error))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn gathered(args: ConnectionArgs) -> Settings {
        Settings::gather(&args, GivenKeys::default(), &Surroundings::default()).unwrap()
    }

    #[test]
    fn without_a_word_it_goes_into_a_sqlite_file() {
        let settings = gathered(ConnectionArgs::default());
        assert_eq!(settings.source.connector.connector_type, "stripe");
        assert_eq!(settings.destination.connector, connector("sqlite", [("path", DEFAULT_FILE)]));
    }

    #[test]
    fn a_flag_wins_over_the_file() {
        let config = json!({"destination": {"type": "sqlite", "sqlite": {"path": "x.db"}},
            "streams": [{"name": "customers"}]});
        let args = |postgres_url: Option<&str>| ConnectionArgs {
            config: Some(config.to_string()),
            postgres_url: postgres_url.map(str::to_owned),
            ..ConnectionArgs::default()
        };
        let settings = gathered(args(None));
        assert_eq!(settings.destination.connector.config["path"], "x.db");
        assert_eq!(settings.streams.len(), 1);
        let settings = gathered(args(Some("postgres://me@h/db")));
        let expected = [("url", "postgres://me@h/db"), ("schema", "stripe")];
        assert_eq!(settings.destination.connector, connector("postgres", expected));
    }

    #[test]
    fn what_a_flag_describes_wins_over_the_environment_and_what_a_file_does_not() {
        let variables =
            [("STRIPE_API_KEY", "sk_test_environment"), ("DATABASE_URL", "postgres://h/other")];
        let variables = variables.map(|(name, value)| (name.into(), value.into())).into();
        let surroundings = Surroundings::read(&variables).unwrap();
        let gathered = |args: ConnectionArgs| {
            let settings = Settings::gather(&args, GivenKeys::default(), &surroundings).unwrap();
            let text = |given: &Given, key| given.connector.config[key].as_str().map(str::to_owned);
            (text(&settings.source, "api_key"), text(&settings.destination, "url"))
        };
        let source = json!({"type": "stripe", "stripe": {"api_key": "sk_test_named"}});
        let destination = json!({"type": "postgres", "postgres": {"url": "postgres://h/named"}});
        let flags = ConnectionArgs {
            source: Some(source.to_string()),
            destination: Some(destination.to_string()),
            ..ConnectionArgs::default()
        };
        let named = |key: &str, url: &str| (Some(key.to_owned()), Some(url.to_owned()));
        assert_eq!(gathered(flags), named("sk_test_named", "postgres://h/named"));
        let file = json!({"source": source, "destination": destination});
        let file = ConnectionArgs { config: Some(file.to_string()), ..ConnectionArgs::default() };
        assert_eq!(gathered(file), named("sk_test_environment", "postgres://h/other"));
        let open = json!({"type": "postgres", "postgres": {"connections": 1}}).to_string();
        let open = ConnectionArgs { destination: Some(open), ..ConnectionArgs::default() };
        assert_eq!(gathered(open), named("sk_test_environment", "postgres://h/other"));
    }

    #[test]
    fn a_flag_that_nobody_would_read_is_an_error_that_names_it() {
        let some = |text: &str| Some(text.to_owned());
        let sqlite = some(r#"{"destination":{"type":"sqlite"}}"#);
        let other = some(r#"{"type":"weekdays"}"#);
        let none = ConnectionArgs::default;
        for (args, flag) in [
            (
                ConnectionArgs { sheets_service_account: some("key.json"), ..none() },
                "--sheets-service-account",
            ),
            (
                ConnectionArgs { postgres_schema: some("s"), config: sqlite, ..none() },
                "--postgres-schema",
            ),
            (
                ConnectionArgs { stripe_api_key: some("k"), source: other, ..none() },
                "--stripe-api-key",
            ),
        ] {
            let gathered = Settings::gather(&args, GivenKeys::default(), &Surroundings::default());
            let error = gathered.unwrap_err().to_string();
            assert!(error.starts_with(&format!("`{flag}` means nothing to `")), "{error}");
        }
    }

    #[test]
    fn a_spreadsheet_is_an_id_and_somebody_who_may_edit_it() {
        let args = |config: Option<Value>| ConnectionArgs {
            sheets_id: Some("1AbC".to_owned()),
            config: config.map(|config| config.to_string()),
            ..ConnectionArgs::default()
        };
        let variables = [("GOOGLE_APPLICATION_CREDENTIALS", "env.json")];
        let variables = variables.map(|(name, value)| (name.into(), value.into())).into();
        let surroundings = Surroundings::read(&variables).unwrap();
        let gathered = |args: &ConnectionArgs, keys| {
            Settings::gather(args, keys, &surroundings).unwrap().destination.connector
        };
        let expected = [("spreadsheet_id", "1AbC"), ("service_account", "env.json")];
        assert_eq!(gathered(&args(None), GivenKeys::default()), connector("sheets", expected));
        let flag =
            ConnectionArgs { sheets_service_account: Some("flag.json".to_owned()), ..args(None) };
        assert_eq!(gathered(&flag, GivenKeys::default()).config["service_account"], "flag.json");
        let file = json!({"destination": {"type": "sheets", "sheets":
            {"spreadsheet_id": "other", "refresh_token": "r", "value_mode": "text"}}});
        let chosen = gathered(&args(Some(file)), GivenKeys::default()).config;
        assert_eq!(
            (&chosen["spreadsheet_id"], &chosen["value_mode"]),
            (&json!("1AbC"), &json!("text"))
        );
        assert!(!chosen.contains_key("service_account"), "the file names somebody");
        let keys = [("access_token".to_owned(), "t".to_owned())];
        let keys = GivenKeys { destination: keys.into(), ..GivenKeys::default() };
        assert!(!gathered(&args(None), keys).config.contains_key("service_account"));
    }

    #[test]
    fn a_schema_without_a_database_names_every_place_where_it_could_be_given() {
        let args =
            ConnectionArgs { postgres_schema: Some("s".to_owned()), ..ConnectionArgs::default() };
        let gathered = Settings::gather(&args, GivenKeys::default(), &Surroundings::default());
        let error = gathered.unwrap_err().to_string();
        for place in ["--postgres-url", "POSTGRES_URL", "DATABASE_URL", "--destination.url"] {
            assert!(error.contains(place), "{place} is not in: {error}");
        }
    }

    #[test]
    fn a_span_is_days_or_times_and_not_empty() {
        let range = span(Some("2024-01-01"), Some("2024-01-01T12:00:00Z")).unwrap().unwrap();
        assert_eq!(range.gte.unwrap().to_string(), "2024-01-01T00:00:00.000Z");
        assert_eq!(range.lt.unwrap().to_string(), "2024-01-01T12:00:00.000Z");
        assert_eq!(span(None, None).unwrap(), None);
        assert!(span(Some("2024-02-01"), Some("2024-01-01")).is_err());
        assert!(span(Some("yesterday"), None).unwrap_err().to_string().contains("--since"));
    }

    #[test]
    fn an_unknown_key_of_the_file_is_an_error() {
        let args = ConnectionArgs {
            config: Some(r#"{"sorce":{}}"#.to_owned()),
            ..ConnectionArgs::default()
        };
        let gathered = Settings::gather(&args, GivenKeys::default(), &Surroundings::default());
        assert!(gathered.unwrap_err().to_string().contains("`sorce`"));
    }
}

//! `sync-engine discover`: the streams of a source.

use engine::Failure;
use engine::pipeline::Account;
use protocol::{Catalog, Message, Stream};
use serde_json::Value;

use crate::cli::DiscoverArgs;
use crate::foresee::cost;
use crate::given_keys::GivenKeys;
use crate::session;
use crate::surroundings::Surroundings;
use crate::table;

/// Writes them to stdout.
pub(crate) async fn run(
    args: &DiscoverArgs,
    keys: GivenKeys,
    surroundings: &Surroundings,
) -> Result<u8, Failure> {
    let (settings, host) = session::open(&args.connection, keys, surroundings)?;
    let catalog = Box::pin(engine::discover(&host, &settings.source)).await?;
    if args.json {
        let mut line = Vec::new();
        Message::Catalog(catalog).encode(&mut line);
        return Ok(crate::print(&String::from_utf8_lossy(&line)));
    }
    Ok(crate::print(&shown(&catalog)))
}

fn shown(catalog: &Catalog) -> String {
    let rows: Vec<Vec<String>> = catalog.streams.iter().map(row).collect();
    let account = Account::of(catalog).id.map(|id| format!(" of {id}")).unwrap_or_default();
    let table = table::render(
        &["stream", "key", "fields", "freshness", "a later run reads", "selected"],
        &rows,
    );
    format!("{} streams{account}\n{table}", catalog.streams.len())
}

fn row(stream: &Stream) -> Vec<String> {
    let metadata = |key: &str| stream.metadata.as_ref().and_then(|metadata| metadata.get(key));
    let key: Vec<String> = stream.primary_key.iter().map(|path| path.join(".")).collect();
    let fields = stream.json_schema.as_ref().and_then(|schema| schema.get("properties"));
    let fields = fields.and_then(Value::as_object).map(|fields| fields.len().to_string());
    let selected = metadata("default_selected") != Some(&Value::Bool(false));
    vec![
        stream.name.clone(),
        key.join(", "),
        fields.unwrap_or_default(),
        metadata("freshness").and_then(Value::as_str).unwrap_or_default().to_owned(),
        cost(stream).to_owned(),
        if selected { "by default" } else { "when named" }.to_owned(),
    ]
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_stream_is_shown_with_key_freshness_and_whether_it_is_usual() {
        let catalog = json!({"streams": [
            {"name": "customers", "primary_key": [["id"]], "newer_than_field": "u",
                "metadata": {"freshness": "events", "account_id": "acct_1"},
                "json_schema": {"properties": {"id": {}, "u": {}}}},
            {"name": "tax_codes", "primary_key": [["id"]], "newer_than_field": "u",
                "metadata": {"default_selected": false}},
        ]});
        let expected = "\
2 streams of acct_1
  stream     key  fields  freshness  a later run reads  selected
  ---------  ---  ------  ---------  -----------------  ----------
  customers  id        2  events     what is new        by default
  tax_codes  id                                         when named
";
        assert_eq!(shown(&serde_json::from_value(catalog).unwrap()), expected);
    }
}

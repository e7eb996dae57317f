use connector::StreamPlan;
use protocol::{ConfiguredStream, Stream};
use serde_json::{Value, json};

use super::*;

fn configured(properties: &Value) -> ConfiguredStream {
    let stream: Stream = serde_json::from_value(json!({
        "name": "customers",
        "primary_key": [["id"], ["_account_id"]],
        "newer_than_field": "_updated_at",
        "json_schema": {"properties": properties},
        "metadata": {"live_mode": false, "account_id": "acct_1", "api_version": "v"},
    }))
    .unwrap();
    ConfiguredStream::new(stream)
}

fn table(properties: &Value) -> Table {
    let plan = StreamPlan::new(&configured(properties)).unwrap();
    Table::of(&Ident::new("stripe").unwrap(), &plan, Columns::Typed).unwrap()
}

/// What the server would say after a plan was carried out.
fn carried_out(table: &Table, place: Uuid) -> Existing {
    let column = |column: &super::super::column::Column| {
        let data_type = column.data_type.replace("timestamptz", "timestamp with time zone");
        let is_generated = column.definition.contains("GENERATED");
        (column.name.name().to_owned(), ExistingColumn { data_type, is_generated })
    };
    Existing {
        comment: Some(mark::comment(&table.mark, place, table.kind, false)),
        columns: table.columns.iter().map(column).collect(),
        key: table.key.iter().map(|name| name.name().to_owned()).collect(),
        check: table.check.as_ref().map(|check| {
            let list: Vec<_> = check.accounts.iter().map(|a| format!("'{a}'::text")).collect();
            let list = list.join(", ");
            format!("CHECK (((_raw_data ->> '_account_id'::text) IS NOT NULL) AND ((_raw_data ->> '_account_id'::text) = ANY (ARRAY[{list}])))")
        }),
    }
}

const PLACE: Uuid = Uuid::from_u128(1);

fn accounts(list: &[&str]) -> Value {
    json!({"_account_id": {"type": "string", "enum": list}, "name": {"type": "string"}})
}

#[test]
fn a_new_table_is_made_and_marked() {
    let statements = plan(&table(&accounts(&["acct_1"])), None, PLACE).unwrap();
    assert_eq!(
        statements.join(";\n"),
        r#"CREATE TABLE "stripe"."customers" (
  "_raw_data" jsonb NOT NULL,
  "_last_synced_at" timestamptz,
  "_updated_at" timestamptz NOT NULL DEFAULT now(),
  "_hash" bigint,
  "id" text GENERATED ALWAYS AS ((_raw_data->>'id')) STORED,
  "_account_id" text GENERATED ALWAYS AS ((_raw_data->>'_account_id')) STORED,
  "name" text GENERATED ALWAYS AS ((_raw_data->>'name')) STORED,
  CONSTRAINT "chk_customers__account_id" CHECK ((_raw_data->>'_account_id') IS NOT NULL AND (_raw_data->>'_account_id') IN ('acct_1')),
  PRIMARY KEY ("id", "_account_id")
);
COMMENT ON TABLE "stripe"."customers" IS 'sync-engine; api v; account acct_1; mode test; place 00000000-0000-0000-0000-000000000001'"#,
    );
}

#[test]
fn nothing_is_missing_the_second_time() {
    let table = table(&accounts(&["acct_1"]));
    assert!(plan(&table, Some(&carried_out(&table, PLACE)), Uuid::nil()).unwrap().is_empty());
}

#[test]
fn many_new_columns_are_one_statement_and_old_ones_stay() {
    let old = table(&json!({"gone": {"type": "string"}, "amount": {"type": "string"}}));
    let new = table(&json!({"amount": {"type": "integer"}, "a": {}, "b": {"type": "boolean"}}));
    let statements = plan(&new, Some(&carried_out(&old, PLACE)), Uuid::nil()).unwrap();
    assert_eq!(statements.len(), 1, "{statements:?}");
    assert_eq!(statements[0].matches("ADD COLUMN").count(), 2);
    assert!(!statements[0].contains("amount"), "{}", statements[0]);
}

#[test]
fn a_wider_list_of_accounts_replaces_the_check() {
    let old = carried_out(&table(&accounts(&["acct_1"])), PLACE);
    let statements = plan(&table(&accounts(&["acct_1", "acct_2"])), Some(&old), PLACE).unwrap();
    let verbs: Vec<bool> = ["DROP", "NOT VALID", "VALIDATE"]
        .iter()
        .zip(&statements)
        .map(|(verb, statement)| statement.contains(verb))
        .collect();
    assert_eq!(verbs, [true; 3], "{statements:?}");
}

#[test]
fn a_list_that_loses_an_account_is_an_error_with_the_statement() {
    let old = carried_out(&table(&accounts(&["acct_1"])), PLACE);
    let error = plan(&table(&accounts(&["acct_2"])), Some(&old), PLACE).unwrap_err();
    assert!(error.contains("data of account acct_1, the catalog is of acct_2"), "{error}");
    assert!(error.contains("DROP CONSTRAINT \"chk_customers__account_id\""), "{error}");
}

#[test]
fn another_key_is_an_error_that_says_how_to_migrate() {
    let table = table(&accounts(&["acct_1"]));
    let old = Existing { key: vec!["id".to_owned()], ..carried_out(&table, PLACE) };
    let error = plan(&table, Some(&old), PLACE).unwrap_err();
    assert!(error.contains("has the key (id), the catalog wants (id, _account_id)"), "{error}");
    assert!(error.contains("RENAME TO"), "{error}");
}

#[test]
fn a_table_of_somebody_else_is_left_alone() {
    let table = table(&accounts(&["acct_1"]));
    let old = Existing { comment: None, ..carried_out(&table, PLACE) };
    assert!(plan(&table, Some(&old), PLACE).unwrap_err().contains("not made by sync-engine"));
}

#[test]
fn a_table_that_the_typescript_connector_made_is_taken_over() {
    let table = Table { kind: Columns::Reference, ..table(&accounts(&["acct_1"])) };
    let mut old = Existing { comment: None, ..carried_out(&table, PLACE) };
    old.columns.remove(HASH);
    assert_eq!(old.made_with(), Some(Columns::Reference));
    let statements = plan(&table, Some(&old), PLACE).unwrap();
    assert_eq!(statements[0], r#"ALTER TABLE "stripe"."customers" ADD COLUMN "_hash" bigint"#);
    assert!(statements[1].contains("'sync-engine; taken over; columns reference;"));
    assert_eq!(statements.len(), 2, "{statements:?}");
}

#[test]
fn the_reference_types_are_text_for_whatever_may_be_null() {
    let column = |schema: Value| {
        let schema = json!({ "x": schema });
        let plan = StreamPlan::new(&configured(&schema)).unwrap();
        let table = Table::of(&Ident::new("s").unwrap(), &plan, Columns::Reference).unwrap();
        table.columns.last().unwrap().data_type
    };
    for (schema, expected) in [
        (json!({"type": "integer"}), "bigint"),
        (json!({"type": "number"}), "numeric"),
        (json!({"type": "boolean"}), "boolean"),
        (json!({"type": "object"}), "jsonb"),
        (json!({"type": "array"}), "jsonb"),
        (json!({"type": "string", "x-expandable-reference": true}), "jsonb"),
        (json!({"type": ["integer", "null"]}), "text"),
        (json!({"oneOf": [{"type": "object"}, {"type": "null"}]}), "text"),
        (
            json!({"oneOf": [{"type": "string"}, {"type": "null"}], "x-expandable-reference": true}),
            "text",
        ),
    ] {
        assert_eq!(column(schema.clone()), expected, "{schema}");
    }
}

#[test]
fn accounts_are_read_from_one_value_and_from_many() {
    let one = "CHECK ((((_raw_data ->> '_account_id'::text)) = 'it''s)'::text))";
    assert_eq!(accounts_of(one), BTreeSet::from(["it's)".to_owned()]));
    let two = "CHECK ((_raw_data ->> '_account_id'::text) = ANY (ARRAY['a]'::text, 'b'::text]))";
    assert_eq!(accounts_of(two), BTreeSet::from(["a]".to_owned(), "b".to_owned()]));
}

#[test]
fn two_columns_of_one_name_are_refused() {
    let mut configured = configured(&json!({"a": {}}));
    configured.stream.primary_key = vec![vec!["x".into(), "id".into()], vec!["id".into()]];
    let plan = StreamPlan::new(&configured).unwrap();
    let error = Table::of(&Ident::new("s").unwrap(), &plan, Columns::Typed).unwrap_err();
    assert!(error.contains("two columns named `id`"), "{error}");
}

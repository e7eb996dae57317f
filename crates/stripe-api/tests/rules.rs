//! Every rule of the compiler on a small document of our own, which says nothing about Stripe.

#![cfg(test)]

use proptest::prelude::*;
use serde_json::{Map, Value, json};
use stripe_api::{Catalogue, CompileError, Field, FieldKind, Freshness, Shape, StreamFacts};
use stripe_api::{compile, compile_shapes};

/// A `GET` whose answer is a v1 list of `items`.
fn list(items: &Value, parameters: &[Value]) -> Value {
    let answer = json!({"type": "object", "properties": {
        "data": {"type": "array", "items": items},
        "has_more": {"type": "boolean"},
        "object": {"type": "string", "enum": ["list"]},
    }});
    operation(&answer, parameters)
}

fn operation(answer: &Value, parameters: &[Value]) -> Value {
    let responses = json!({"200": {"content": {"application/json": {"schema": answer}}}});
    json!({"get": {"parameters": parameters, "responses": responses}})
}

fn to(schema: &str) -> Value {
    json!({"$ref": format!("#/components/schemas/{schema}")})
}

fn query(name: &str) -> Value {
    json!({"name": name, "in": "query", "required": false, "schema": {"type": "string"}})
}

fn needed(name: &str) -> Value {
    json!({"name": name, "in": "query", "required": true, "schema": {"type": "string"}})
}

fn paging() -> Vec<Value> {
    ["created", "ending_before", "expand", "limit", "starting_after"].map(query).into()
}

/// A schema with `id`, `object`, `created` and these properties besides.
fn resource(id: &str, properties: &Value) -> Value {
    let mut all = json!({
        "created": {"type": "integer", "format": "unix-time"},
        "id": {"type": "string"},
        "object": {"type": "string", "enum": [id]},
    });
    for (name, property) in properties.as_object().expect("properties") {
        all[name] = property.clone();
    }
    json!({
        "type": "object", "properties": all, "required": ["created", "id", "object"],
        "x-resourceId": id,
    })
}

fn document(paths: Value, schemas: Value) -> Value {
    json!({
        "openapi": "3.0.0",
        "info": {"version": "2031-01-01.test"},
        "paths": paths,
        "components": {"schemas": schemas},
    })
}

/// One schema `tree`, listed at `/v1/trees`, with these properties besides the usual ones.
fn orchard(properties: &Value) -> Value {
    document(
        json!({"/v1/trees": list(&to("tree"), &paging())}),
        json!({
            "tree": resource("tree", properties),
            "leaf": {"type": "object", "properties": {"color": {"type": "string"}}},
            "deleted_leaf": {"type": "object", "properties": {"deleted": {"type": "boolean"}}},
            "leaves": {"type": "object", "properties": {
                "data": {"type": "array", "items": to("leaf")},
                "object": {"type": "string", "enum": ["list"]},
            }},
        }),
    )
}

fn compiled(document: &Value) -> Catalogue {
    compile(&document.to_string()).expect("a document")
}

fn names(catalogue: &Catalogue) -> Vec<&str> {
    catalogue.streams.iter().map(|stream| stream.name.as_str()).collect()
}

fn tree(properties: &Value) -> StreamFacts {
    compiled(&orchard(properties)).streams.remove(0)
}

fn field(property: &Value) -> Field {
    let found = tree(&json!({"it": property})).fields.into_iter().find(|field| field.name == "it");
    found.expect("the field")
}

#[test]
fn a_list_becomes_a_stream_with_its_facts() {
    let mut document = orchard(&json!({}));
    document["paths"]["/v1/trees/{tree}"] = operation(&to("tree"), &[]);
    let mut parameters = paging();
    parameters.push(query("forest"));
    document["paths"]["/v1/trees"] = list(&to("tree"), &parameters);
    let catalogue = compiled(&document);
    assert_eq!(catalogue.api_version, "2031-01-01.test");
    let tree = catalogue.stream("trees").expect("the stream");
    assert_eq!((tree.resource.as_str(), tree.object.as_str()), ("tree", "tree"));
    assert_eq!(tree.path, "/v1/trees");
    assert_eq!(tree.retrieve_path.as_deref(), Some("/v1/trees/{id}"));
    assert!(tree.accepts.created && tree.accepts.limit);
    assert!(tree.accepts.starting_after && tree.accepts.ending_before);
    assert_eq!(tree.filters, ["forest"]);
    assert_eq!(tree.sort_field.as_deref(), Some("created"));
    assert_eq!(tree.freshness, Freshness::Relist);
    assert!(tree.fixed_params.is_empty() && !tree.v2);
}

#[test]
fn what_is_no_list_of_one_resource_is_no_stream() {
    let mut document = orchard(&json!({}));
    let paths = document["paths"].as_object_mut().expect("paths");
    let search = json!({"type": "object", "properties": {
        "data": {"type": "array", "items": to("tree")},
        "object": {"type": "string", "enum": ["search_result"]},
    }});
    paths.insert("/v1/trees/search".into(), operation(&search, &[]));
    paths.insert("/v1/mixed".into(), list(&json!({"anyOf": [to("tree"), to("leaf")]}), &[]));
    paths.insert("/v1/leaves".into(), list(&to("leaf"), &[]));
    paths.insert("/v1/lost".into(), list(&to("nowhere"), &[]));
    paths.insert("/v1/balance".into(), operation(&to("tree"), &[]));
    paths.insert("/v1/nothing".into(), json!({"post": {}}));
    assert_eq!(names(&compiled(&document)), ["trees"]);
}

#[test]
fn a_deprecated_list_is_left_out_however_it_is_said() {
    let marks = [
        json!({"deprecated": true}),
        json!({"description": "<p>[Deprecated] Use another.</p>"}),
        json!({"description": " <p> [DEPRECATED]</p>"}),
    ];
    for mark in marks {
        let mut document = orchard(&json!({}));
        let mut old = list(&to("tree"), &[]);
        for (key, value) in mark.as_object().expect("a mark") {
            old["get"][key] = value.clone();
        }
        document["paths"]["/v1/trees"] = old;
        document["paths"]["/v1/wood/trees"] = list(&to("tree"), &[]);
        assert_eq!(compiled(&document).streams[0].path, "/v1/wood/trees", "{mark}");
    }
    let mut document = orchard(&json!({}));
    document["paths"]["/v1/exchange_rates"] = list(&to("tree"), &[]);
    document["paths"]["/v1/invoices/upcoming/lines"] = list(&to("tree"), &[]);
    assert_eq!(compiled(&document).streams[0].path, "/v1/trees");
}

#[test]
fn of_several_paths_the_one_called_like_the_stream_wins_in_any_order() {
    let (named, short, long) = ("/v1/wood/trees", "/v1/x", "/v1/a/list/of/trees");
    for order in [[named, short, long], [long, short, named], [short, named, long]] {
        let paths: Map<String, Value> =
            order.iter().map(|path| ((*path).to_owned(), list(&to("tree"), &[]))).collect();
        let schemas = json!({"tree": resource("wood.tree", &json!({}))});
        let catalogue = compiled(&document(Value::Object(paths), schemas));
        assert_eq!(names(&catalogue), ["wood_trees"]);
        assert_eq!(catalogue.streams[0].path, named, "{order:?}");
    }
    let paths = json!({long: list(&to("tree"), &[]), short: list(&to("tree"), &[])});
    let catalogue = compiled(&document(paths, json!({"tree": resource("tree", &json!({}))})));
    assert_eq!(catalogue.streams[0].path, short);
}

#[test]
fn a_list_that_needs_a_parent_is_kept_apart() {
    let mut document = orchard(&json!({}));
    document["components"]["schemas"]["nest"] = resource("nest", &json!({}));
    document["paths"]["/v1/trees/{tree}/nests"] = list(&to("nest"), &[]);
    document["paths"]["/v1/nests"] = list(&to("nest"), &[needed("bird"), query("limit")]);
    let catalogue = compiled(&document);
    assert_eq!(names(&catalogue), ["trees"]);
    let kept: Vec<(&str, &[String])> = catalogue
        .parent_keyed
        .iter()
        .map(|list| (list.path.as_str(), list.required_params.as_slice()))
        .collect();
    let (tree, bird) = (["tree".to_owned()], ["bird".to_owned()]);
    assert_eq!(kept, [("/v1/nests", &bird[..]), ("/v1/trees/{tree}/nests", &tree[..])]);
}

#[test]
fn a_list_of_the_second_api_is_kept_apart() {
    let mut document = orchard(&json!({}));
    let answer = json!({"type": "object", "properties": {
        "data": {"type": "array", "items": to("v2.wood.nest")},
        "next_page_url": {"type": "string", "nullable": true},
    }});
    document["components"]["schemas"]["v2.wood.nest"] = json!({"type": "object", "properties": {
        "created": {"type": "string", "format": "date-time"},
        "id": {"type": "string"},
        "object": {"type": "string", "enum": ["v2.wood.nest"]},
    }});
    document["paths"]["/v2/wood/nests"] = operation(&answer, &[query("limit"), query("page")]);
    let catalogue = compiled(&document);
    assert_eq!(names(&catalogue), ["trees"]);
    let nests = &catalogue.v2_streams[0];
    assert_eq!((nests.name.as_str(), nests.v2), ("v2_wood_nests", true));
    assert_eq!(nests.sort_field.as_deref(), Some("created"));
}

#[test]
fn a_list_that_can_be_asked_for_all_is() {
    let mut document = orchard(&json!({}));
    let status = json!({"type": "string", "enum": ["alive", "all", "felled"]});
    let status = json!({"name": "status", "in": "query", "schema": status});
    document["paths"]["/v1/trees"] = list(&to("tree"), &[status]);
    let fixed = &compiled(&document).streams[0].fixed_params;
    assert_eq!(*fixed, [("status".to_owned(), "all".to_owned())]);
}

#[test]
fn lists_are_sorted_by_created_or_what_stands_for_it() {
    let sort_field = |schema: Value, parameters: &[Value]| {
        let paths = json!({"/v1/trees": list(&to("tree"), parameters)});
        compiled(&document(paths, json!({"tree": schema}))).streams.remove(0).sort_field
    };
    let time = json!({"type": "integer", "format": "unix-time"});
    let dated = json!({"type": "object", "x-resourceId": "tree", "properties": {"date": time}});
    assert_eq!(sort_field(dated.clone(), &[query("created")]).as_deref(), Some("date"));
    assert_eq!(sort_field(dated, &[]), None);
    let plain = resource("tree", &json!({}));
    assert_eq!(sort_field(plain, &[]).as_deref(), Some("created"));
}

#[test]
fn events_make_a_stream_fresh() {
    let mut document = orchard(&json!({}));
    let events = json!(["*", "forest.tree.felled", "tree.created", "treehouse.built"]);
    let items = json!({"items": {"enum": events}});
    document["paths"]["/v1/webhook_endpoints"] = json!({"post": {"requestBody": {"content": {
        "application/x-www-form-urlencoded": {"schema": {"properties": {"enabled_events": items}}}
    }}}});
    let tree = compiled(&document).streams.remove(0);
    assert_eq!(tree.event_types, ["forest.tree.felled", "tree.created"]);
    assert_eq!(tree.freshness, Freshness::Events);
}

#[test]
fn every_kind_of_property_is_recognised() {
    let kinds = [
        (json!({"type": "string"}), FieldKind::String),
        (json!({"type": "integer"}), FieldKind::Integer),
        (json!({"type": "number"}), FieldKind::Number),
        (json!({"type": "boolean"}), FieldKind::Boolean),
        (json!({"type": "array", "items": {}}), FieldKind::Array),
        (json!({"type": "object"}), FieldKind::Object),
        (json!({"properties": {}}), FieldKind::Object),
        (to("leaf"), FieldKind::Object),
        (json!({"anyOf": [to("leaf"), to("deleted_leaf")]}), FieldKind::Object),
        (json!({"oneOf": [{"type": "integer"}, {"type": "number"}]}), FieldKind::Number),
        (json!({"anyOf": [{"type": "integer"}, {"type": "string"}]}), FieldKind::String),
        (json!({"allOf": [to("leaf")]}), FieldKind::Object),
        (json!({}), FieldKind::String),
    ];
    for (property, kind) in kinds {
        assert_eq!(field(&property).kind, kind, "{property}");
    }
}

#[test]
fn null_and_time_and_references_are_told_from_the_rest() {
    assert!(field(&json!({"type": "string", "nullable": true})).nullable);
    assert!(field(&json!({"anyOf": [{"type": "string", "nullable": true}]})).nullable);
    assert!(!field(&json!({"type": "string"})).nullable);
    assert!(field(&json!({"type": "integer", "format": "unix-time"})).unix_time);
    assert!(!field(&json!({"type": "integer"})).unix_time);
    for union in ["anyOf", "oneOf"] {
        let reference = field(&json!({
            union: [{"type": "string"}, to("leaf")],
            "x-expansionResources": {"oneOf": [to("leaf")]},
        }));
        assert!(reference.expandable);
        assert_eq!(reference.kind, FieldKind::String, "an id, until it is expanded");
    }
    assert!(tree(&json!({})).fields.iter().find(|field| field.name == "id").expect("id").required);
}

#[test]
fn lists_inside_objects_are_found_where_they_are() {
    let inner = json!({"type": "object", "properties": {"twigs": to("leaves")}});
    let tree = tree(&json!({
        "leaves": to("leaves"),
        "branch": {"anyOf": [inner]},
        "many": {"type": "array", "items": to("leaves")},
        "expandable": {
            "anyOf": [{"type": "string"}, to("leaves")],
            "x-expansionResources": {"oneOf": [to("leaves")]},
        },
    }));
    assert_eq!(tree.nested_lists, ["branch.twigs", "leaves"]);
}

#[test]
fn a_schema_that_contains_itself_comes_to_an_end() {
    let mut document = orchard(&json!({"branch": to("branch"), "loop": to("loop")}));
    let schemas = &mut document["components"]["schemas"];
    schemas["branch"] = json!({"type": "object", "properties": {"branch": to("branch")}});
    schemas["loop"] = to("loop");
    schemas["tree"]["anyOf"] = json!([to("tree")]);
    compiled(&document);
    compile_shapes(&document.to_string()).expect("shapes");
}

#[test]
fn shapes_lead_from_the_lists_to_all_that_is_in_their_objects() {
    let document = orchard(&json!({
        "leaf": {"anyOf": [to("deleted_leaf"), to("leaf")], "nullable": true},
        "leaves": to("leaves"),
        "metadata": {"type": "object", "additionalProperties": {"type": "string"}},
        "size": {"type": "string", "enum": ["", "small", "tall"]},
        "owner": {
            "anyOf": [{"type": "string"}, to("tree")],
            "x-expansionResources": {"oneOf": [to("tree"), to("deleted_leaf")]},
        },
        "rings": {"type": "array", "items": {"type": "object", "properties": {"year": {"type": "integer"}}}},
    }));
    let shapes = compile_shapes(&document.to_string()).expect("shapes");
    assert_eq!(shapes.roots["trees"], "tree");
    let tree = &shapes.schemas["tree"];
    let object = |name: &str| Shape::Object(name.to_owned());
    assert_eq!(tree["leaf"].shape, object("leaf"));
    assert!(tree["leaf"].nullable && !tree["leaf"].required && tree["id"].required);
    assert_eq!(tree["leaves"].shape, Shape::List(Box::new(object("leaf"))));
    assert_eq!(tree["metadata"].shape, Shape::Map);
    assert_eq!(tree["size"].shape, Shape::Choice(vec!["small".to_owned(), "tall".to_owned()]));
    assert_eq!(tree["owner"].shape, Shape::Id(vec!["tree".to_owned()]));
    assert_eq!(tree["rings"].shape, Shape::Array(Box::new(object("tree.rings"))));
    assert_eq!(shapes.schemas["tree.rings"]["year"].shape, Shape::Integer);
    assert!(!shapes.schemas.contains_key("deleted_leaf"), "nothing leads there");
}

#[test]
fn shapes_lead_from_lists_under_a_parent_and_of_the_second_api_too() {
    let mut document = orchard(&json!({}));
    let eggs = json!({"type": "object", "properties": {"count": {"type": "integer"}}});
    let schemas = &mut document["components"]["schemas"];
    schemas["bird.nest"] = resource("wood.nest", &json!({"eggs": to("eggs")}));
    schemas["eggs"] = eggs;
    let constant = json!({"type": "string", "enum": ["v2.wood.owl"]});
    let wings = json!({"type": "object", "properties": {"span": {"type": "number"}}});
    let owl = json!({"id": {"type": "string"}, "object": constant, "wings": wings});
    schemas["v2.wood.owl"] = json!({"type": "object", "properties": owl});
    let owls = json!({"type": "object", "properties": {
        "data": {"type": "array", "items": to("v2.wood.owl")},
        "next_page_url": {"type": "string"},
    }});
    document["paths"]["/v1/trees/{tree}/nests"] = list(&to("bird.nest"), &[]);
    document["paths"]["/v2/wood/owls"] = operation(&owls, &[query("limit")]);
    let shapes = compile_shapes(&document.to_string()).expect("shapes");
    let expected =
        [("trees", "tree"), ("v2_wood_owls", "v2.wood.owl"), ("wood_nests", "bird.nest")];
    let roots = shapes.roots.iter().map(|(name, schema)| (name.as_str(), schema.as_str()));
    assert_eq!(roots.collect::<Vec<_>>(), expected);
    assert_eq!(shapes.schemas["eggs"]["count"].shape, Shape::Integer);
    let wings = &shapes.schemas["v2.wood.owl"]["wings"].shape;
    assert_eq!(*wings, Shape::Object("v2.wood.owl.wings".to_owned()));
    assert_eq!(shapes.schemas["v2.wood.owl.wings"]["span"].shape, Shape::Number);
}

#[test]
fn the_schema_of_a_record_is_true() {
    let tree = tree(&json!({
        "owner": {
            "anyOf": [{"type": "string"}, to("leaf")], "nullable": true,
            "x-expansionResources": {"oneOf": [to("leaf")]},
        },
        "felled": {"type": "integer", "format": "unix-time", "nullable": true},
        "rings": {"type": "array", "items": {"type": "integer"}},
    }));
    let schema = tree.json_schema(Some("acct_1"));
    let expected = json!({
        "id": {"type": "string"},
        "created": {"type": "integer", "format": "unix-time"},
        "deleted": {"oneOf": [{"type": "boolean"}, {"type": "null"}]},
        "felled": {"oneOf": [{"type": "integer", "format": "unix-time"}, {"type": "null"}]},
        "object": {"type": "string"},
        "owner": {"oneOf": [{"type": "string"}, {"type": "null"}], "x-expandable-reference": true},
        "rings": {"type": "array"},
        "_account_id": {"type": "string", "enum": ["acct_1"]},
        "_updated_at": {"type": "integer"},
    });
    assert_eq!(schema["properties"].to_string(), expected.to_string(), "order included");
    assert_eq!(
        schema["required"],
        json!(["id", "created", "object", "_account_id", "_updated_at"])
    );
    assert_eq!(tree.json_schema(None)["properties"]["_account_id"], json!({"type": "string"}));
}

#[test]
fn a_catalogue_reads_back_as_it_was_written() {
    let catalogue = compiled(&orchard(&json!({"it": {"type": "number", "nullable": true}})));
    let text = catalogue.to_json().expect("text");
    assert_eq!(Catalogue::from_json(&text).expect("a catalogue"), catalogue);
    assert!(Catalogue::from_json(&text.replace("number", "numbers")).is_err());
    assert!(Catalogue::from_json(text.trim_end().trim_end_matches('}')).is_err());
}

#[test]
fn what_is_no_openapi_file_is_named() {
    assert!(matches!(compile("<html>"), Err(CompileError::WebPage)));
    assert!(matches!(compile("[]"), Err(CompileError::Missing { part: "openapi" })));
    let mut document = orchard(&json!({}));
    document["paths"] = json!({});
    assert!(matches!(compile(&document.to_string()), Err(CompileError::NoStreams)));
    assert!(matches!(compile_shapes(&document.to_string()), Err(CompileError::NoStreams)));
    document["components"] = json!({});
    let error = compile(&document.to_string()).unwrap_err();
    assert!(error.to_string().contains("`components.schemas` is missing"), "{error}");
}

const WORDS: &str = "#/components/schemas/a 200 a all array data integer list object query string \
    unix-time <p>[Deprecated]é /v1/a/{b";

const KEYS: &str = "$ref 200 a additionalProperties anyOf application/json content data deprecated \
    description enum format get in items name nullable object oneOf parameters properties required \
    responses schema type x-expansionResources x-resourceId /v1/a /v1/a/{ /v1/{a}/b";

/// Documents made of the words that the compiler looks for, in places where they do not belong.
fn nonsense() -> impl Strategy<Value = Value> {
    let words: Vec<&str> = WORDS.split_whitespace().collect();
    let keys: Vec<&str> = KEYS.split_whitespace().collect();
    let leaf = prop_oneof![
        prop::sample::select(words).prop_map(Value::from),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        Just(Value::Null),
    ];
    leaf.prop_recursive(6, 60, 8, move |inner| {
        let key = prop::sample::select(keys.clone());
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::vec((key, inner), 0..8).prop_map(|entries| {
                let owned = entries.into_iter().map(|(key, value)| (key.to_owned(), value));
                Value::Object(owned.collect())
            }),
        ]
    })
}

proptest! {
    #[test]
    fn no_document_brings_the_compiler_down(paths in nonsense(), a in nonsense(), at in 0..4_usize) {
        let mut document = orchard(&json!({"a": to("a"), "it": a.clone()}));
        document["components"]["schemas"]["a"] = a.clone();
        match at {
            0 => document["paths"]["/v1/a"] = paths,
            1 => document["paths"]["/v1/a"] = list(&to("a"), &[paths]),
            2 => document["paths"]["/v1/a"] = operation(&paths, &[a]),
            _ => document["paths"] = paths,
        }
        let text = document.to_string();
        prop_assert_eq!(compile(&text).is_ok(), compile_shapes(&text).is_ok());
    }
}

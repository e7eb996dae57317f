//! Which `GET` operations are lists, and what each of them lists.

use serde_json::Value;

use super::document::{Document, enum_values, is_v1_list, reference};
use super::exceptions;

/// The parameters that page through a list; everything else filters it.
const PAGING: [&str; 6] = ["created", "ending_before", "expand", "limit", "page", "starting_after"];

/// One list of the document.
pub(crate) struct List<'a> {
    pub(crate) path: &'a str,
    /// The name of its objects' schema.
    pub(crate) schema_name: &'a str,
    /// Its objects' schema.
    pub(crate) schema: &'a Value,
    pub(crate) resource: &'a str,
    pub(crate) v2: bool,
    parameters: Vec<Parameter<'a>>,
}

struct Parameter<'a> {
    name: &'a str,
    required: bool,
    schema: &'a Value,
}

/// All lists, in the order of the document. Lists of unions are left out: their objects belong
/// to no one resource.
pub(crate) fn lists(document: &Document) -> Vec<List<'_>> {
    document.reads().filter_map(|(path, operation)| list(document, path, operation)).collect()
}

/// Whether an operation is on its way out: marked so, said so at the start of its description,
/// or known to be.
pub(crate) fn is_deprecated(path: &str, operation: &Value) -> bool {
    let marked = operation.get("deprecated").and_then(Value::as_bool).unwrap_or(false);
    let description = operation.get("description").and_then(Value::as_str).unwrap_or_default();
    let text = description.trim_start();
    let text = text.strip_prefix("<p>").unwrap_or(text).trim_start();
    let said = text.get(..12).is_some_and(|start| start.eq_ignore_ascii_case("[deprecated]"));
    marked || said || exceptions::is_retired(path)
}

fn list<'a>(document: &'a Document, path: &'a str, operation: &'a Value) -> Option<List<'a>> {
    if is_deprecated(path, operation) || exceptions::is_preview(path) {
        return None;
    }
    let answer = operation.pointer("/responses/200/content/application~1json/schema")?;
    let answer = document.resolve(answer);
    let data = answer.pointer("/properties/data")?;
    let is_v2_list = answer.pointer("/properties/next_page_url").is_some();
    if data.get("type").and_then(Value::as_str) != Some("array")
        || !(is_v1_list(answer) || is_v2_list)
    {
        return None;
    }
    let schema_name = reference(data.get("items")?)?;
    let schema = document.schema(schema_name)?;
    let resource = resource(schema)?;
    let parameters = parameters(operation);
    Some(List { path, schema_name, schema, resource, v2: path.starts_with("/v2/"), parameters })
}

/// The name of a schema's resource: `x-resourceId`; v2 has only the constant in `object`.
pub(crate) fn resource(schema: &Value) -> Option<&str> {
    schema.get("x-resourceId").and_then(Value::as_str).or_else(|| object_constant(schema))
}

/// The one value that `object` may have.
pub(crate) fn object_constant(schema: &Value) -> Option<&str> {
    enum_values(schema.pointer("/properties/object")?).next()
}

fn parameters(operation: &Value) -> Vec<Parameter<'_>> {
    let all = operation.get("parameters").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    all.iter().filter_map(query_parameter).collect()
}

fn query_parameter(parameter: &Value) -> Option<Parameter<'_>> {
    if parameter.get("in")?.as_str()? != "query" {
        return None;
    }
    let required = parameter.get("required").and_then(Value::as_bool).unwrap_or(false);
    let name = parameter.get("name")?.as_str()?;
    Some(Parameter { name, required, schema: parameter.get("schema").unwrap_or(&Value::Null) })
}

impl<'a> List<'a> {
    /// The value of its objects' `object`.
    pub(crate) fn object(&self) -> &'a str {
        object_constant(self.schema).unwrap_or(self.resource)
    }

    pub(crate) fn accepts(&self, name: &str) -> bool {
        self.parameters.iter().any(|parameter| parameter.name == name)
    }

    /// The parameters that are not for paging, by name.
    pub(crate) fn filters(&self) -> Vec<String> {
        let names = self.parameters.iter().map(|parameter| parameter.name);
        let mut filters: Vec<String> =
            names.filter(|name| !PAGING.contains(name)).map(str::to_owned).collect();
        filters.sort_unstable();
        filters
    }

    /// Parameters whose value `all` must be sent for the list to be whole: where `all` can be
    /// asked for, what is given without asking is not all.
    pub(crate) fn widening(&self) -> Vec<(String, String)> {
        let widens = |parameter: &&Parameter<'_>| enum_values(parameter.schema).any(|v| v == "all");
        let found = self.parameters.iter().filter(widens);
        found.map(|parameter| (parameter.name.to_owned(), "all".to_owned())).collect()
    }

    /// What a request for it must name: the parameters of the path, then of the query.
    pub(crate) fn required_params(&self) -> Vec<String> {
        let in_path = self.path.split('{').skip(1).filter_map(|rest| rest.split('}').next());
        let needed = |parameter: &&Parameter<'_>| {
            parameter.required && !PAGING.contains(&parameter.name)
                || exceptions::is_required_unsaid(self.resource, parameter.name)
        };
        let in_query = self.parameters.iter().filter(needed).map(|parameter| parameter.name);
        in_path.chain(in_query).map(str::to_owned).collect()
    }
}

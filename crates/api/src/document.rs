//! The OpenAPI document: what the types say, completed by what poem-openapi has no words for.
//!
//! It needs no database and no configuration, and it is the same each time.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use serde_json::{Map, Value, json};

use crate::routes::{TITLE, VERSION, api, root};

/// What an operation needs travels among its security schemes behind this mark.
pub(crate) const MARK: &str = "x-needs:";

/// Operations that anybody may call, and why.
const PUBLIC: &[(&str, &str)] = &[
    ("health_get", "tells only that the process runs"),
    ("health_ready", "tells only that the database answers"),
    ("sign_out", "ends the session whose cookie comes with it, and nothing else"),
    ("webhooks_generic", "the orchestrator verifies the sender"),
    ("webhooks_github", "the orchestrator verifies the sender"),
];

/// One operation of the document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Operation {
    /// `GET`, `POST`, …
    pub method: String,
    /// The path with its parameters in braces.
    pub path: String,
    /// Its name.
    pub id: String,
    /// What it needs, as `x-required-permission` has it.
    pub required_permission: String,
}

/// The document, pretty, sorted, with a line feed at the end.
#[must_use]
pub fn document() -> String {
    format!("{:#}\n", value())
}

/// All operations, in the order of the document.
#[must_use]
pub fn operations() -> Vec<Operation> {
    let text = |value: &Value, key: &str| {
        value.get(key).and_then(Value::as_str).unwrap_or_default().to_owned()
    };
    let document = value();
    let paths = document.get("paths").and_then(Value::as_object).into_iter().flatten();
    paths
        .flat_map(|(path, item)| item.as_object().into_iter().flatten().map(move |op| (path, op)))
        .map(|(path, (method, operation))| Operation {
            method: method.to_uppercase(),
            path: path.clone(),
            id: text(operation, "operationId"),
            required_permission: text(operation, "x-required-permission"),
        })
        .collect()
}

/// Each operation with the status that it has when it succeeds.
pub(crate) fn success_statuses() -> &'static [(String, u16)] {
    static STATUSES: LazyLock<Vec<(String, u16)>> = LazyLock::new(|| {
        let document = value();
        let paths = document.get("paths").and_then(Value::as_object).into_iter().flatten();
        let operations = paths.flat_map(|(_, item)| item.as_object().into_iter().flatten());
        let found = operations.filter_map(|(_, operation)| {
            let id = operation.get("operationId").and_then(Value::as_str)?;
            let responses = operation.get("responses").and_then(Value::as_object)?;
            Some((id.to_owned(), responses.keys().find_map(|status| status.parse().ok())?))
        });
        found.collect()
    });
    &STATUSES
}

/// The methods that work at `path`.
pub(crate) fn methods(path: &str) -> Vec<String> {
    static OPERATIONS: LazyLock<Vec<Operation>> = LazyLock::new(operations);
    let here = || OPERATIONS.iter().filter(|operation| matches(&operation.path, path));
    // `/roles/simulate` fits `/roles/{role}` as well, and goes where more of it is said.
    let parameters = |operation: &Operation| operation.path.matches('{').count();
    let fewest = here().map(parameters).min();
    let there = here().filter(|operation| Some(parameters(operation)) == fewest);
    there.map(|operation| operation.method.clone()).collect()
}

fn matches(template: &str, path: &str) -> bool {
    let (template, path) = (template.split('/'), path.trim_end_matches('/').split('/'));
    template.clone().count() == path.clone().count()
        && template.zip(path).all(|(part, segment)| part.starts_with('{') || part == segment)
}

/// The document on one line, for `/openapi.json`. Made once: each making leaves a few bytes behind.
pub(crate) fn text() -> &'static str {
    static TEXT: LazyLock<String> = LazyLock::new(|| value().to_string());
    &TEXT
}

/// A page that shows the document, without anything from elsewhere.
pub(crate) fn page() -> &'static str {
    static PAGE: LazyLock<String> = LazyLock::new(|| {
        let service = api();
        service.swagger_ui_html().replacen(&service.spec(), text(), 1)
    });
    &PAGE
}

fn value() -> Value {
    let mut document = parsed(&api().spec());
    let api_paths = take_object(&mut document, "paths");
    let mut rest = parsed(&root().spec());
    let root_paths = take_object(&mut rest, "paths");
    let mut paths = Map::new();
    for (path, item) in api_paths.into_iter().chain(root_paths) {
        paths.insert(braced(&path), item);
    }
    for (path, item) in &mut paths {
        complete(item);
        if path.starts_with("/api/v1") {
            name_requests(item);
        }
    }
    merge(&mut document, &mut rest);
    if let Some(object) = document.as_object_mut() {
        object.insert("paths".to_owned(), Value::Object(paths));
        object.insert("servers".to_owned(), json!([{ "url": "/" }]));
        object.insert(
            "info".to_owned(),
            json!({
                "title": TITLE,
                "version": VERSION,
                "description": "The control plane for CI. `x-required-permission` says what each \
                                operation needs.",
                "license": { "name": "Apache-2.0", "url": "https://www.apache.org/licenses/LICENSE-2.0" },
            }),
        );
    }
    tidy(&mut document);
    close_requests(&mut document);
    document
}

/// Unknown fields are refused in requests, and the document says so; in answers there may be new ones
/// one day, so what stands in both stays open.
fn close_requests(document: &mut Value) {
    let mut answered = BTreeSet::new();
    let paths = document.get("paths").and_then(Value::as_object).into_iter().flatten();
    for operation in paths.flat_map(|(_, item)| item.as_object().into_iter().flatten()) {
        references(document, operation.1.get("responses"), &mut answered);
    }
    let schemas = document.pointer_mut("/components/schemas").and_then(Value::as_object_mut);
    for (name, schema) in schemas.into_iter().flatten() {
        let Some(schema) = schema.as_object_mut() else { continue };
        if !answered.contains(name.as_str()) {
            schema.insert("additionalProperties".to_owned(), Value::Bool(false));
        }
    }
}

/// The names of all schemas that `value` refers to, directly or through others.
fn references(document: &Value, value: Option<&Value>, found: &mut BTreeSet<String>) {
    match value {
        Some(Value::Array(items)) => {
            items.iter().for_each(|item| references(document, Some(item), found));
        }
        Some(Value::Object(object)) => {
            for (key, value) in object {
                let name = value.as_str().and_then(|text| text.rsplit('/').next());
                match name.filter(|_| key == "$ref") {
                    Some(name) if found.insert(name.to_owned()) => {
                        let schema = document.pointer(&format!("/components/schemas/{name}"));
                        references(document, schema, found);
                    }
                    _ => references(document, Some(value), found),
                }
            }
        }
        _ => {}
    }
}

/// What serde_json wrote it reads; an empty document would fail every test.
fn parsed(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_default()
}

fn take_object(value: &mut Value, key: &str) -> Map<String, Value> {
    match value.get_mut(key).map(Value::take) {
        Some(Value::Object(object)) => object,
        _ => Map::new(),
    }
}

/// `:org` of a path prefix is `{org}` in a document; a path has no slash at its end.
fn braced(path: &str) -> String {
    let segments = path.trim_end_matches('/').split('/');
    let braced = segments.map(|segment| match segment.strip_prefix(':') {
        Some(name) => format!("{{{name}}}"),
        None => segment.to_owned(),
    });
    braced.collect::<Vec<_>>().join("/")
}

/// Schemas and tags of both services in one document.
fn merge(document: &mut Value, rest: &mut Value) {
    let more = rest.pointer_mut("/components/schemas").map(Value::take);
    if let (Some(Value::Object(schemas)), Some(Value::Object(more))) =
        (document.pointer_mut("/components/schemas"), more)
    {
        schemas.extend(more);
    }
    let tag = |value: &Value| value.get("name").and_then(Value::as_str).map(ToOwned::to_owned);
    let mut tags = BTreeMap::new();
    for value in [&*document, &*rest] {
        for found in value.get("tags").and_then(Value::as_array).into_iter().flatten() {
            tags.insert(tag(found), found.clone());
        }
    }
    if let Some(object) = document.as_object_mut() {
        object.insert("tags".to_owned(), tags.into_values().collect());
    }
}

/// Writes what each operation of a path needs, and which errors that brings.
fn complete(item: &mut Value) {
    for operation in item.as_object_mut().into_iter().flat_map(Map::values_mut) {
        let Some(operation) = operation.as_object_mut() else { continue };
        let id = operation.get("operationId").and_then(Value::as_str).unwrap_or_default();
        let public = PUBLIC.iter().find(|(public, _)| *public == id);
        let need = match (need(operation), public) {
            (Some(need), _) => need,
            (None, Some((_, why))) => format!("public: {why}"),
            (None, None) => continue,
        };
        let security = match need.as_str() {
            _ if public.is_some() => json!([]),
            "oidc" => json!([{ "bearer": [] }]),
            _ => json!([{ "bearer": [] }, { "session": [] }]),
        };
        operation.insert("security".to_owned(), security);
        operation.insert("x-required-permission".to_owned(), json!(need));
        let responses = operation.entry("responses").or_insert_with(|| json!({}));
        let Some(responses) = responses.as_object_mut() else { continue };
        // Generators take `default` for a success as well; a range is only ever an error.
        responses.remove("default");
        for status in ["4XX", "5XX"] {
            responses.insert(status.to_owned(), problem());
        }
    }
}

/// Every change may call itself something, so that a repetition is seen as one.
fn name_requests(item: &mut Value) {
    for (method, operation) in item.as_object_mut().into_iter().flatten() {
        let Some(operation) = operation.as_object_mut().filter(|_| method != "get") else {
            continue;
        };
        // Who signs in may be nobody yet, whose key it could be.
        if operation.get("x-required-permission").and_then(Value::as_str) == Some("oidc") {
            continue;
        }
        let parameters = operation.entry("parameters").or_insert_with(|| json!([]));
        parameters.as_array_mut().into_iter().for_each(|list| {
            list.push(json!({
                "name": "Idempotency-Key",
                "in": "header",
                "required": false,
                "description": "Draw one for each change; whoever repeats it within a day gets the \
                                same answer, and nothing is done twice.",
                "schema": { "type": "string", "minLength": 1, "maxLength": 128 },
            }));
        });
    }
}

/// What every error of every operation is.
fn problem() -> Value {
    let schema = json!({ "$ref": "#/components/schemas/Problem" });
    json!({
        "description": "What went wrong",
        "content": { "application/json": { "schema": schema } },
    })
}

fn need(operation: &Map<String, Value>) -> Option<String> {
    let schemes = operation.get("security")?.as_array()?;
    let names = schemes.iter().filter_map(Value::as_object).flat_map(Map::keys);
    names.filter_map(|name| name.strip_prefix(MARK)).map(ToOwned::to_owned).next()
}

/// Forms that generators stumble over.
fn tidy(value: &mut Value) {
    match value {
        Value::Array(values) => values.iter_mut().for_each(tidy),
        Value::Object(object) => {
            if let Some(json) = object.remove("application/json; charset=utf-8") {
                object.insert("application/json".to_owned(), json);
            }
            if object.get("type").and_then(Value::as_str) == Some("object") {
                null_where_optional(object);
            }
            // One of several is not an object each time, as poem-openapi has it.
            if object.contains_key("oneOf") {
                object.remove("type");
            }
            // A reference with nothing but a description or a default beside it.
            if let Some(Value::Array(parts)) = object.get_mut("allOf") {
                parts.truncate(1);
            }
            object.values_mut().for_each(tidy);
        }
        _ => {}
    }
}

/// What may be left out may be `null` as well, in both directions. Not so objects that have a name: the
/// document has no good word for a reference to nothing, and an answer leaves them out.
fn null_where_optional(schema: &mut Map<String, Value>) {
    let required: Vec<_> = schema
        .get("required")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .map(ToOwned::to_owned)
        .collect();
    let properties = schema.get_mut("properties").and_then(Value::as_object_mut);
    for (name, property) in properties.into_iter().flatten() {
        let Some(property) = property.as_object_mut() else { continue };
        if !required.contains(name) && property.contains_key("type") {
            property.insert("nullable".to_owned(), Value::Bool(true));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_operation_says_what_it_needs() {
        let silent: Vec<_> = operations()
            .into_iter()
            .filter(|operation| operation.required_permission.is_empty())
            .map(|operation| operation.id)
            .collect();
        assert_eq!(silent, [""; 0], "take `Org<P>` as first argument, or give a reason in PUBLIC");
    }

    #[test]
    fn the_public_list_names_operations_that_exist() {
        let ids: Vec<_> = operations().into_iter().map(|operation| operation.id).collect();
        for (id, _) in PUBLIC {
            assert!(ids.iter().any(|known| known == id), "{id}");
        }
        assert!(PUBLIC.len() <= 12);
    }

    #[test]
    fn no_mark_of_ours_and_no_colon_path_is_left() {
        let text = document();
        assert!(!text.contains(MARK), "{MARK}");
        assert!(!text.contains("/:"));
        assert!(text.contains("\"/api/v1/orgs/{org}/event-log\""));
        assert!(text.ends_with("}\n"));
    }

    #[test]
    fn the_page_shows_our_document_and_loads_nothing() {
        let page = page();
        assert!(page.contains("x-required-permission"));
        assert!(!page.contains("src=\"http"), "a script from elsewhere");
    }
}

//! The fields of a request's body, as the document has them.

use kici_api::Operation;
use serde_json::{Value, json};

/// A field, or an item of a list.
pub(crate) struct Field {
    /// The names on the way to it; [`ITEM`] for an item.
    pub(crate) place: Vec<String>,
    schema: Value,
}

/// What an item of a list is called.
const ITEM: &str = "[]";

impl Field {
    /// Its own name; an item has none.
    pub(crate) fn name(&self) -> Option<&str> {
        self.place.last().map(String::as_str).filter(|name| *name != ITEM)
    }

    pub(crate) fn is_id(&self) -> bool {
        self.schema["format"] == "id"
    }

    pub(crate) fn is_list(&self) -> bool {
        self.schema["type"] == "array"
    }

    /// Whether it is an id or a list of them.
    pub(crate) fn is_marked(&self) -> bool {
        self.is_id() || self.schema["items"]["format"] == "id"
    }
}

/// All fields of the operation's body, those in others and the items of lists too.
pub(crate) fn fields(operation: &Operation) -> Vec<Field> {
    let document: Value = serde_json::from_str(&kici_api::document()).unwrap();
    let method = operation.method.to_lowercase();
    let body = &document["paths"][&operation.path][method]["requestBody"];
    let mut found = Vec::new();
    collect(&document, &body["content"]["application/json"]["schema"], &[], &mut found);
    found
}

fn collect(document: &Value, schema: &Value, place: &[String], found: &mut Vec<Field>) {
    if let Some(name) = schema["$ref"].as_str() {
        let schema = document.pointer(name.trim_start_matches('#')).unwrap();
        return collect(document, schema, place, found);
    }
    for part in ["allOf", "anyOf", "oneOf"].into_iter().filter_map(|key| schema[key].as_array()) {
        part.iter().for_each(|schema| collect(document, schema, place, found));
    }
    let fields = schema["properties"].as_object().into_iter().flatten();
    let fields = fields.map(|(name, schema)| (name.as_str(), schema));
    for (name, schema) in fields.chain(schema.get("items").map(|item| (ITEM, item))) {
        let place = [place, &[name.to_owned()]].concat();
        collect(document, schema, &place, found);
        found.push(Field { place, schema: schema.clone() });
    }
}

/// Puts `id` at a place of a body; a list has nothing else in it then.
pub(crate) fn put(body: &mut Value, place: &[String], id: &str) {
    match place.split_first() {
        None => *body = id.into(),
        Some((item, rest)) if item == ITEM => {
            let mut first = body.get_mut(0).map(Value::take).unwrap_or_default();
            put(&mut first, rest, id);
            *body = json!([first]);
        }
        Some((name, rest)) => put(&mut body[name.as_str()], rest, id),
    }
}

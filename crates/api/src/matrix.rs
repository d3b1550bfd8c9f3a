//! A permission matrix in JSON: an object from resource to level. In answers all sixteen stand there.

use std::collections::BTreeMap;

use kici_rbac::{Level, Matrix, Resource};
use poem_openapi::registry::{MetaSchema, MetaSchemaRef, Registry};
use poem_openapi::types::{ToJSON, Type};
use serde_json::Value;

/// A matrix.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Permissions(pub(crate) Matrix);

impl Type for Permissions {
    const IS_REQUIRED: bool = true;
    type RawValueType = Self;
    type RawElementValueType = Self;

    fn name() -> std::borrow::Cow<'static, str> {
        "Permissions".into()
    }

    fn schema_ref() -> MetaSchemaRef {
        MetaSchemaRef::Reference("Permissions".to_owned())
    }

    fn register(registry: &mut Registry) {
        registry.create_schema::<Self, _>("Permissions".to_owned(), |_| {
            let levels = Level::ALL.iter().map(|level| Value::from(level.as_str())).collect();
            let level = MetaSchema { enum_items: levels, ..MetaSchema::new("string") };
            let property = |resource: &Resource| {
                (resource.as_str(), MetaSchemaRef::Inline(Box::new(level.clone())))
            };
            MetaSchema {
                description: Some("The level on each resource; one that is left out is `none`."),
                properties: Resource::ALL.iter().map(property).collect(),
                ..MetaSchema::new("object")
            }
        });
    }

    fn as_raw_value(&self) -> Option<&Self> {
        Some(self)
    }

    fn raw_element_iter<'a>(&'a self) -> Box<dyn Iterator<Item = &'a Self> + 'a> {
        Box::new(self.as_raw_value().into_iter())
    }
}

impl ToJSON for Permissions {
    fn to_json(&self) -> Option<Value> {
        let entries = self.0.iter().map(|(resource, level)| (resource.as_str(), level.as_str()));
        serde_json::to_value(entries.collect::<BTreeMap<_, _>>()).ok()
    }
}

/// Request objects are never read by their type, but by `Fields`; the derive asks for this all the
/// same.
impl poem_openapi::types::ParseFromJSON for Permissions {
    fn parse_from_json(value: Option<Value>) -> poem_openapi::types::ParseResult<Self> {
        let matrix = serde_json::from_value(value.unwrap_or_default());
        matrix.map(Self).map_err(poem_openapi::types::ParseError::custom)
    }
}

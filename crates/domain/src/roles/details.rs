//! What the audit log says of a role, and of a change of one.

use std::collections::BTreeSet;

use kici_model::roles::Role;
use kici_rbac::{Matrix, Resource};
use serde_json::{Map, Value, json};

/// A whole role, for one that was made or deleted.
pub(super) fn whole(role: &Role) -> Value {
    json!({
        "name": role.name.as_str(),
        "description": role.description.as_ref().map(|text| text.as_str()),
        "permissions": role.permissions,
        "repoPatterns": patterns(role),
    })
}

/// The fields that differ, before and after, and the patterns that were added and removed.
pub(super) fn difference(was: &Role, is: &Role) -> Value {
    let changed = Resource::ALL
        .into_iter()
        .filter(|resource| was.permissions.level(*resource) != is.permissions.level(*resource));
    let changed: Vec<_> = changed.collect();
    let fields = |role: &Role| {
        let mut fields = Map::new();
        if was.name != is.name {
            fields.insert("name".to_owned(), json!(role.name.as_str()));
        }
        if was.description != is.description {
            let text = role.description.as_ref().map(|text| text.as_str());
            fields.insert("description".to_owned(), json!(text));
        }
        if !changed.is_empty() {
            fields.insert("permissions".to_owned(), levels(role.permissions, &changed));
        }
        fields
    };
    let mut details = json!({"before": fields(was), "after": fields(is)});
    let (before, after) = (patterns(was), patterns(is));
    if before != after
        && let Some(details) = details.as_object_mut()
    {
        let added: Vec<_> = after.difference(&before).collect();
        let removed: Vec<_> = before.difference(&after).collect();
        details.insert("repoPatterns".to_owned(), json!({"added": added, "removed": removed}));
    }
    details
}

/// Only these resources, `none` included.
fn levels(permissions: Matrix, resources: &[Resource]) -> Value {
    let level = |resource: &Resource| {
        (resource.to_string(), Value::String(permissions.level(*resource).to_string()))
    };
    resources.iter().map(level).collect::<Map<_, _>>().into()
}

fn patterns(role: &Role) -> BTreeSet<String> {
    role.patterns.iter().map(ToString::to_string).collect()
}

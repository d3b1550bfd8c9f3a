//! The OpenAPI document: checked in as it is made, and of a shape that generators take.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::bodies::{self, Field};

fn document() -> Value {
    serde_json::from_str(&kici_api::document()).unwrap()
}

#[test]
fn the_checked_in_document_is_the_one_that_is_made() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../openapi/platform.json");
    let checked_in = std::fs::read_to_string(path).unwrap();
    assert!(checked_in == kici_api::document(), "run `cargo xtask generate`");
}

#[test]
fn every_operation_has_one_success_and_one_kind_of_error() {
    let document = document();
    let mut ids = BTreeSet::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let id = operation["operationId"].as_str().unwrap_or_else(|| panic!("{method} {path}"));
            assert!(ids.insert(id.to_owned()), "{id} twice");
            let responses = operation["responses"].as_object().unwrap();
            let successes = responses.keys().filter(|status| status.starts_with('2')).count();
            assert_eq!(successes, 1, "{id}");
            assert!(!responses.contains_key("default"), "{id}: a generator takes it for a success");
            assert!(responses.contains_key("4XX") && responses.contains_key("5XX"), "{id}");
            for (status, response) in
                responses.iter().filter(|(status, _)| !status.starts_with('2'))
            {
                let schema = &response["content"]["application/json"]["schema"]["$ref"];
                assert_eq!(schema, "#/components/schemas/Problem", "{id} {status}");
            }
            for parameter in path.split('/').filter_map(|part| part.strip_prefix('{')) {
                let name = parameter.trim_end_matches('}');
                let named = operation["parameters"].as_array().unwrap().iter().any(|known| {
                    known["name"] == name && known["in"] == "path" && known["required"] == true
                });
                assert!(named, "{id} `{name}`: {}", operation["parameters"]);
            }
        }
    }
    assert!(ids.contains("orchestrator_keys_revoke"));
}

#[test]
fn requests_are_closed_and_answers_are_open() {
    let document = document();
    let is_closed = |name: &str| {
        document["components"]["schemas"][name]["additionalProperties"] == Value::Bool(false)
    };
    for request in ["RoleCreate", "RoleUpdate", "RoleSimulateChange", "OrchestratorKeyCreate"] {
        assert!(is_closed(request), "{request}");
    }
    for answer in ["Role", "Problem", "FieldError", "Permissions", "EventLogItem"] {
        assert!(!is_closed(answer), "{answer}");
    }
}

/// Without its mark nobody tries a foreign id there.
#[test]
fn what_is_named_like_an_id_is_marked_as_one() {
    let operations = kici_api::operations();
    let parts = operations.iter().flat_map(|operation| operation.path.split(['{', '}']));
    // `user` of `/members/{user}`, and so on.
    let words: BTreeSet<_> = parts.filter(|part| !part.contains('/') && !part.is_empty()).collect();
    assert!(words.contains("user") && words.contains("role"), "{words:?}");
    let names_one = |field: &Field, name: &str| {
        let ends = |word: &str| {
            let (first, rest) = word.split_at(1);
            name == word || name.ends_with(&format!("{}{rest}", first.to_uppercase()))
        };
        let singular = name.strip_suffix('s').filter(|_| field.is_list());
        ["assign", "unassign", "id", "ids"].contains(&name)
            || name.ends_with("Id")
            || name.ends_with("Ids")
            || words.iter().any(|word| ends(word) || singular == Some(word))
    };
    for operation in &operations {
        for field in bodies::fields(operation) {
            let Some(name) = field.name().filter(|name| names_one(&field, name)) else { continue };
            let id = &operation.id;
            assert!(field.is_marked(), "`{name}` of `{id}` is an id: make its type `Txt<…Id>`");
        }
    }
}

//! Cedar: a policy per permission, and entities that say who holds which. A level is an entity in
//! all below it.

use std::collections::HashSet;
use std::fmt::Write;

use cedar_policy::{
    Authorizer, Context, Decision, Entities, Entity, EntityId, EntityTypeName, EntityUid,
    PolicySet, Request,
};
use serde_json::{Map, Value};

use crate::data::{LEVEL, LEVELS, RESOURCE, RESOURCES, Row};

#[derive(Debug)]
pub(crate) struct Cedar {
    authorizer: Authorizer,
    policies: PolicySet,
    levels: Vec<Entity>,
    request: Request,
}

fn uid(kind: &str, id: &str) -> EntityUid {
    let kind: EntityTypeName = kind.parse().expect("a type");
    EntityUid::from_type_name_and_id(kind, EntityId::new(id))
}

impl Cedar {
    pub(crate) fn new() -> Self {
        let (mut policies, mut levels) = (String::new(), Vec::new());
        for resource in RESOURCES {
            for (n, level) in LEVELS.iter().enumerate().skip(1) {
                let _ = write!(
                    policies,
                    "permit(principal in Level::\"{resource}:{level}\", \
                     action == Action::\"{resource}:{level}\", resource);"
                );
                let below = LEVELS[1..n].last().map(|l| uid("Level", &format!("{resource}:{l}")));
                let id = uid("Level", &format!("{resource}:{level}"));
                levels.push(Entity::new_no_attrs(id, below.into_iter().collect()));
            }
        }
        let request = Request::new(
            uid("User", "alice"),
            uid("Action", &format!("{RESOURCE}:{LEVEL}")),
            uid("Org", "acme"),
            Context::empty(),
            None,
        );
        Self {
            authorizer: Authorizer::new(),
            policies: policies.parse().expect("policies"),
            levels,
            request: request.expect("a request"),
        }
    }

    /// What is known with these roles, all of them alice's.
    pub(crate) fn entities(&self, rows: &[Row]) -> Entities {
        let roles = rows.iter().enumerate().map(|(n, row)| {
            let matrix: Map<String, Value> =
                serde_json::from_str(&row.permissions).expect("a matrix");
            let held = matrix.iter().map(|(resource, level)| {
                uid("Level", &format!("{resource}:{}", level.as_str().unwrap_or_default()))
            });
            Entity::new_no_attrs(uid("Role", &format!("r{n}")), held.collect())
        });
        let parents: HashSet<_> = (0..rows.len()).map(|n| uid("Role", &format!("r{n}"))).collect();
        let alice = Entity::new_no_attrs(uid("User", "alice"), parents);
        let all = self.levels.iter().cloned().chain(roles).chain([alice]);
        Entities::from_entities(all, None).expect("entities")
    }

    pub(crate) fn check(&self, entities: &Entities) -> bool {
        let answer = self.authorizer.is_authorized(&self.request, &self.policies, entities);
        answer.decision() == Decision::Allow
    }
}

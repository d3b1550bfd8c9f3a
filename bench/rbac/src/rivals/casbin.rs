//! casbin: a table of (role, resource, level, pattern) and a matcher over all of it. A level is a
//! line for itself and for each below it.

use casbin::{CoreApi, DefaultModel, Enforcer, MemoryAdapter, MgmtApi, RbacApi};
use serde_json::{Map, Value};
use tokio::runtime::{Builder, Runtime};

use crate::data::{self, LEVEL, LEVELS, RESOURCE, Row};

const MODEL: &str = "\
[request_definition]
r = sub, obj, act
[policy_definition]
p = sub, obj, act, repo
[role_definition]
g = _, _
[policy_effect]
e = some(where (p.eft == allow))
[matchers]
m = g(r.sub, p.sub) && r.obj == p.obj && r.act == p.act";

const MODEL_OF_REPOS: &str = "\
[request_definition]
r = sub, obj, act, repo
[policy_definition]
p = sub, obj, act, repo
[role_definition]
g = _, _
[policy_effect]
e = some(where (p.eft == allow))
[matchers]
m = g(r.sub, p.sub) && r.obj == p.obj && r.act == p.act && globMatch(r.repo, p.repo)";

/// casbin is made by async functions, which wait for nothing when everything is in memory.
fn runtime() -> Runtime {
    Builder::new_current_thread().build().expect("a runtime")
}

pub(crate) struct Casbin {
    runtime: Runtime,
    model: DefaultModel,
    with_repo: bool,
}

impl Casbin {
    pub(crate) fn new(with_repo: bool) -> Self {
        let runtime = runtime();
        let text = if with_repo { MODEL_OF_REPOS } else { MODEL };
        let model = runtime.block_on(DefaultModel::from_str(text)).expect("a model");
        Self { runtime, model, with_repo }
    }

    /// One with these roles, all of them alice's.
    pub(crate) fn with(&self, rows: &[Row]) -> Enforcer {
        let mut policies = Vec::new();
        for (n, row) in rows.iter().enumerate() {
            let matrix: Map<String, Value> =
                serde_json::from_str(&row.permissions).expect("a matrix");
            let patterns: Vec<String> = serde_json::from_str(&row.patterns).expect("a list");
            let patterns = if self.with_repo { patterns } else { vec!["*".to_owned()] };
            for (resource, level) in &matrix {
                let below = LEVELS.iter().take_while(|known| Some(**known) != level.as_str());
                let held = below.skip(1).map(ToString::to_string);
                for level in held.chain(level.as_str().map(ToOwned::to_owned)) {
                    policies.extend(patterns.iter().map(|pattern| {
                        vec![format!("r{n}"), resource.clone(), level.clone(), pattern.clone()]
                    }));
                }
            }
        }
        let roles = (0..rows.len()).map(|n| format!("r{n}")).collect();
        self.runtime.block_on(async {
            let made = Enforcer::new(self.model.clone(), MemoryAdapter::default()).await;
            let mut enforcer = made.expect("an enforcer");
            enforcer.add_policies(policies).await.expect("policies");
            enforcer.add_roles_for_user("alice", roles, None).await.expect("roles");
            enforcer
        })
    }
}

pub(crate) fn check(enforcer: &Enforcer) -> bool {
    enforcer.enforce(("alice", RESOURCE, LEVEL)).expect("a decision")
}

pub(crate) fn check_in(enforcer: &Enforcer, repo: &str) -> bool {
    enforcer.enforce(("alice", RESOURCE, LEVEL, repo)).expect("a decision")
}

/// One role with the ten patterns.
pub(crate) fn filter() -> Enforcer {
    let row = Row {
        permissions: format!("{{{RESOURCE:?}:{LEVEL:?}}}"),
        patterns: serde_json::to_string(&data::PATTERNS).expect("a list"),
    };
    Casbin::new(true).with(&[row])
}

//! A sample for each operation: ids and a body of a request that succeeds. An operation without one
//! fails the tests that try everybody.

use kici_model::{OsEntropy, entropy};
use kici_rbac::Matrix;
use kici_testkit::{TestMember, TestOrg, TestPlatform};
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{Post, json as body};
use crate::visitor::{Browser, access_token, call, exchange};

/// What stands in the path, and the body.
pub(crate) struct Sample {
    pub(crate) ids: Vec<(&'static str, String)>,
    pub(crate) body: Option<Value>,
}

/// Makes what a request needs to be there, anew each time, with the owner's token.
struct Maker<'a> {
    platform: &'a TestPlatform,
    org: &'a TestOrg,
    caller: &'a str,
    name: String,
}

impl Maker<'_> {
    async fn send(&self, method: Method, path: &str, sent: Value) -> reqwest::Response {
        let request = self.org.request(self.platform, method, path).json(&sent);
        let answer = request.send().await.unwrap();
        assert!(answer.status().is_success(), "{path}: {}", answer.text().await.unwrap());
        answer
    }

    async fn made(&self, path: &str, sent: Value, at: &str) -> String {
        let made = body(self.send(Method::POST, path, sent).await).await;
        made.pointer(at).and_then(Value::as_str).unwrap().to_owned()
    }

    fn named(&self) -> Value {
        json!({"name": self.name})
    }

    fn role_body(&self) -> Value {
        json!({"name": self.name, "permissions": {}})
    }

    async fn role(&self) -> String {
        self.made("/roles", self.role_body(), "/id").await
    }

    async fn team(&self) -> String {
        self.made("/teams", self.named(), "/id").await
    }

    async fn account(&self) -> String {
        self.made("/service-accounts", self.role_body(), "/id").await
    }

    async fn member(&self) -> TestMember {
        self.org.member(self.platform, Matrix::NONE).await.unwrap()
    }

    /// Made by the caller, where they may: so that it is theirs.
    async fn own(&self, url: &str, sent: &Value, at: &str) -> Option<String> {
        let request = self.platform.http().post(self.platform.url(url)).bearer_auth(self.caller);
        let made = request.json(sent).send().await.unwrap();
        let made: Value = made.json().await.unwrap();
        made.pointer(at).and_then(Value::as_str).map(ToOwned::to_owned)
    }
}

impl Sample {
    /// A request to the operation `id` of `org` that succeeds for whoever may do it; `caller` is the
    /// token of who will send it.
    pub(crate) async fn of(id: &str, platform: &TestPlatform, org: &TestOrg, caller: &str) -> Self {
        let name = format!("sample {}", entropy::uuid(&OsEntropy::default()).unwrap());
        let make = Maker { platform, org, caller, name };
        let (ids, body) = match id {
            "api_keys_list"
            | "audit_list"
            | "ci_trust_get"
            | "event_log_list"
            | "health_get"
            | "health_ready"
            | "identity_links_list"
            | "invites_list"
            | "invites_pending"
            | "members_leave"
            | "members_list"
            | "orchestrator_keys_list"
            | "orchestrators_list"
            | "orgs_get"
            | "permissions_get"
            | "personal_tokens_list"
            | "sessions_list"
            | "sign_out"
            | "roles_list"
            | "roles_templates"
            | "service_accounts_list"
            | "sources_list"
            | "teams_list"
            | "user_get"
            | "user_orgs" => (vec![], None),
            "sign_in_exchange" => (vec![], Some(json!({"machineName": "laptop"}))),
            "sessions_revoke" => {
                let mut browser = Browser::signed_in(platform, "elsewhere").await;
                let listed = body(browser.get(platform, "/api/v1/sessions").await).await;
                let session = listed["sessions"][0]["id"].as_str().unwrap().to_owned();
                (vec![("session", session)], None)
            }
            "identity_links_remove" => {
                let token = access_token(platform, "elsewhere").await;
                assert_eq!(exchange(platform, &token).await.status(), 201);
                let listed = call(platform, Method::GET, "/identity-links", &token, Value::Null);
                let listed = body(listed.await).await;
                let link = listed["identityLinks"][0]["id"].as_str().unwrap().to_owned();
                (vec![("link", link)], None)
            }
            "ci_trust_set" => {
                let policy = json!({
                    "forkPolicy": "hold",
                    "unknownContributorPolicy": "reject",
                    "workflowChangePolicy": "allow",
                    "approvalExpiryHours": 24,
                });
                (vec![], Some(policy))
            }
            "orgs_rename" | "orgs_create" => (vec![], Some(json!({"displayName": "Acme"}))),
            "permissions_batch" => {
                let check = json!({"resource": "runs", "level": "read"});
                (vec![], Some(json!({"checks": [check]})))
            }
            "permissions_explain" => (vec![], Some(json!({"resource": "runs", "level": "read"}))),
            "event_log_get" => {
                let post = Post::new("{}");
                let delivery = post.id.clone();
                post.to(platform, org).await;
                (vec![("delivery", delivery)], None)
            }
            "invites_create" => {
                let email = format!("{}@example.org", make.name.replace(' ', "-"));
                (vec![], Some(json!({"email": email, "roleIds": [make.role().await]})))
            }
            "invites_accept" | "invites_decline" => {
                // To the address of the one who signs in, into an organization of its own.
                let inviting = TestOrg::create(platform, &make.name).await.unwrap();
                let sent = json!({"email": "owner@umbrella.example"});
                let made = inviting.request(platform, Method::POST, "/invites").json(&sent);
                let made = body(made.send().await.unwrap()).await;
                (vec![("invite", made["invite"]["id"].as_str().unwrap().to_owned())], None)
            }
            "invites_resend" | "invites_revoke" => {
                let email = format!("{}@example.org", make.name.replace(' ', "-"));
                let sent = json!({"email": email, "roleIds": [make.role().await]});
                (vec![("invite", make.made("/invites", sent, "/invite/id").await)], None)
            }
            "members_remove" | "members_suspend" | "members_unsuspend" => {
                (vec![("user", make.member().await.id.to_string())], None)
            }
            "members_set_roles" => {
                let user = make.member().await.id.to_string();
                (vec![("user", user)], Some(json!({"roleIds": [make.role().await]})))
            }
            "members_set_ci_trust" => {
                let user = make.member().await.id.to_string();
                (vec![("user", user)], Some(json!({"level": "write"})))
            }
            "teams_create" => (vec![], Some(make.named())),
            "teams_delete" => (vec![("team", make.team().await)], None),
            "teams_rename" => {
                let team = make.team().await;
                (vec![("team", team)], Some(json!({"name": format!("{} too", make.name)})))
            }
            "teams_add_member" | "teams_remove_member" => {
                let (team, user) = (make.team().await, make.member().await.id.to_string());
                let path = format!("/teams/{team}/members/{user}");
                if id == "teams_remove_member" {
                    make.send(Method::PUT, &path, Value::Null).await;
                }
                (vec![("team", team), ("user", user)], None)
            }
            "teams_grant_role" | "teams_revoke_role" => {
                let (team, role) = (make.team().await, make.role().await);
                let path = format!("/teams/{team}/roles/{role}");
                if id == "teams_revoke_role" {
                    make.send(Method::PUT, &path, Value::Null).await;
                }
                (vec![("team", team), ("role", role)], None)
            }
            "roles_create" => (vec![], Some(make.role_body())),
            "roles_get" | "roles_delete" => (vec![("role", make.role().await)], None),
            "roles_clone" => (
                vec![("role", make.role().await)],
                Some(json!({"name": format!("{} too", make.name)})),
            ),
            "roles_update" => {
                (vec![("role", make.role().await)], Some(json!({"description": "changed"})))
            }
            "roles_simulate" => {
                let role = make.role().await;
                (vec![], Some(json!({"role": role, "change": {"delete": true}})))
            }
            "api_keys_create" => (vec![], Some(make.role_body())),
            "api_keys_revoke" | "api_keys_rotate" => {
                let url = format!("/api/v1/orgs/{}/api-keys", org.id);
                let own = make.own(&url, &make.role_body(), "/key/id").await;
                let key = match own {
                    Some(own) => own,
                    None => make.made("/api-keys", make.role_body(), "/key/id").await,
                };
                let body = (id == "api_keys_rotate").then(|| json!({"overlapDays": 1}));
                (vec![("key", key)], body)
            }
            "service_accounts_create" => (vec![], Some(make.role_body())),
            "service_accounts_update" => {
                (vec![("account", make.account().await)], Some(json!({"description": "changed"})))
            }
            "service_accounts_delete" | "service_accounts_keys" => {
                (vec![("account", make.account().await)], None)
            }
            "service_accounts_create_key" => {
                (vec![("account", make.account().await)], Some(make.named()))
            }
            "service_accounts_revoke_key" | "service_accounts_rotate_key" => {
                let account = make.account().await;
                let path = format!("/service-accounts/{account}/keys");
                let key = make.made(&path, make.named(), "/key/id").await;
                (vec![("account", account), ("key", key)], None)
            }
            "orchestrator_keys_create" | "personal_tokens_create" => (vec![], Some(make.named())),
            "orchestrator_keys_revoke" | "orchestrator_keys_rotate" => {
                let key = make.made("/orchestrator-keys", make.named(), "/key/id").await;
                (vec![("key", key)], None)
            }
            "orchestrator_keys_create_own" => (vec![], Some(json!({"label": make.name}))),
            "orchestrator_keys_add_pattern" => {
                let sent = json!({"name": make.name, "routingPatterns": ["github:1"]});
                let key = make.made("/orchestrator-keys", sent, "/key/id").await;
                (vec![("key", key)], Some(json!({"pattern": "github:*"})))
            }
            "personal_tokens_revoke" => {
                let own = make.own("/api/v1/pats", &make.named(), "/id").await;
                (vec![("pat", own.unwrap_or("key_0nothere".to_owned()))], None)
            }
            other => panic!("`{other}` has no sample: add a request that succeeds"),
        };
        Self { ids, body }
    }
}

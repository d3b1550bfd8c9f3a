//! One story, as TypeScript and Python tell it too (`clients/typescript/story.ts`,
//! `clients/python/story.py`).

use kici_client::types::{
    ApiKeyCreate, ApiKeyCreated, AuditItem, ExplainQuestion, InviteCreate, Permissions,
    PermissionsAudit, PermissionsMembers, PermissionsSecrets, Role, RoleCreate, RoleSimulate,
    RoleSimulateChange, Rotation, TeamCreate, TokenExchange, Via,
};
use kici_client::{Client, ErrorExt};
use kici_platform::Person;
use kici_testkit::{Database, TestOrg, TestPlatform, on_both_databases};

use crate::{check, client, with_token};

async fn create_role(owner: &Client, org: &str) -> Role {
    let create = || {
        let permissions = Permissions {
            audit: Some(PermissionsAudit::Read),
            members: Some(PermissionsMembers::Read),
            ..Permissions::default()
        };
        let name = "Rust auditor".to_owned();
        let body = RoleCreate { name, permissions, description: None, repo_patterns: None };
        owner.roles_create().org(org).idempotency_key("story-rust").body(body).send()
    };
    let role = create().await.unwrap().into_inner();
    assert_eq!(role.permissions.audit, Some(PermissionsAudit::Read));
    assert_eq!(role.permissions.secrets, Some(PermissionsSecrets::None));
    // As after a lost connection: nothing is made twice.
    let again = create().await.unwrap();
    assert_eq!(again.headers()["idempotency-replayed"], "true");
    assert_eq!(again.id, role.id);
    role
}

async fn is_no_member(person: &Client, org: &str) {
    check(&person.orgs_get().org(org).send().await.unwrap_err(), 404, "not_found");
}

async fn invite(owner: &Client, org: &str, email: &str, role: &Role) {
    let body = InviteCreate { email: email.to_owned(), role_ids: Some(vec![role.id.clone()]) };
    let sent = owner.invites_create().org(org).body(body).send().await.unwrap();
    assert_eq!(sent.invite.email, email);
    assert_eq!(sent.invite.role_ids, [role.id.as_str()]);
}

/// As somebody who has just signed in, with the provider's own token.
async fn accept(person: &Client, org: &str, role: &Role) {
    let pending = person.invites_pending().send().await.unwrap();
    let invite = pending.invites.iter().find(|invite| invite.org_id == org).unwrap();
    let accepted = person.invites_accept().invite(&invite.id).send().await.unwrap();
    assert_eq!(accepted.org_id, org);
    let own = person.permissions_get().org(org).send().await.unwrap();
    assert_eq!(own.roles.iter().map(|role| &role.id).collect::<Vec<_>>(), [&role.id]);
}

async fn create_key(owner: &Client, org: &str) -> ApiKeyCreated {
    let body = ApiKeyCreate {
        name: "Rust".to_owned(),
        permissions: Permissions {
            members: Some(PermissionsMembers::Read),
            ..Permissions::default()
        },
        description: None,
        expires_in_days: None,
    };
    let made = owner.api_keys_create().org(org).body(body).send().await.unwrap().into_inner();
    assert!(made.token.starts_with(&made.key.prefix));
    made
}

async fn is_denied(program: &Client, org: &str) {
    program.roles_list().org(org).send().await.unwrap();
    let body = TeamCreate { name: "Rust".to_owned() };
    let refused = program.teams_create().org(org).body(body).send().await.unwrap_err();
    check(&refused, 403, "insufficient_permission");
    let problem = refused.problem().unwrap();
    let required = problem.required.as_ref().unwrap();
    assert_eq!((required.resource.as_str(), required.level.as_str()), ("teams", "admin"));
    assert_eq!(problem.held.as_deref(), Some("none"));
}

async fn learns_why(program: &Client, org: &str) {
    let (resource, level) = ("teams".to_owned(), "admin".to_owned());
    let body = ExplainQuestion { resource, level, repo: None, user: None };
    let answer = program.permissions_explain().org(org).body(body).send().await.unwrap();
    assert_eq!((answer.allowed, answer.held.as_str()), (false, "none"));
    assert!(answer.granted_by.is_empty());
    assert_eq!(answer.summary, "denied: `teams: admin` needed, `teams: none` held");
}

async fn knows_own_roles(owner: &Client, org: &str) {
    let own = owner.permissions_get().org(org).send().await.unwrap();
    let roles: Vec<_> = own.roles.iter().map(|role| role.name.as_str()).collect();
    assert_eq!(roles, ["Owner"]);
    assert!(own.roles.iter().all(|role| matches!(role.via, Via::Direct(_))));
}

async fn rotate_key(platform: &TestPlatform, owner: &Client, org: &str, old: &ApiKeyCreated) {
    let body = Rotation { overlap_days: Some(0) };
    let rotate = owner.api_keys_rotate().org(org).key(&old.key.id).body(body);
    let made = rotate.send().await.unwrap();
    with_token(platform, &made.token).roles_list().org(org).send().await.unwrap();
    let gone = with_token(platform, &old.token);
    check(&gone.roles_list().org(org).send().await.unwrap_err(), 401, "invalid_token");
}

async fn simulate(owner: &Client, org: &str, role: &Role) {
    let secrets = Some(PermissionsSecrets::Admin);
    let change = RoleSimulateChange {
        permissions: Some(Permissions { secrets, ..Permissions::default() }),
        ..RoleSimulateChange::default()
    };
    let body = RoleSimulate { role: Some(role.id.clone()), change };
    let answer = owner.roles_simulate().org(org).body(body).send().await.unwrap();
    // Whoever has accepted has the role.
    assert!(answer.people.len() == 1 && answer.keys_narrowed == 0 && answer.refused.is_none());
}

/// The whole log, by pages, newest first.
async fn audit_log(owner: &Client, org: &str) -> Vec<AuditItem> {
    let mut items = Vec::new();
    let mut cursor: Option<String> = None;
    loop {
        let mut list = owner.audit_list().org(org).limit(2_u64);
        if let Some(cursor) = cursor {
            list = list.cursor(cursor);
        }
        let page = list.send().await.unwrap().into_inner();
        items.extend(page.items);
        cursor = page.next_cursor;
        if cursor.is_none() {
            return items;
        }
    }
}

on_both_databases! {
    async fn the_story_that_every_client_tells(database: Database) {
        let grace = Person::new("grace", "grace@demo.localhost", "Grace Hopper");
        let options = TestPlatform::options(&database);
        let platform = TestPlatform::start_with_issuer(options, vec![grace]).await.unwrap();
        let acme = TestOrg::create(&platform, "Acme").await.unwrap();
        let (owner, org) = (client(&platform, &acme), acme.id.as_str());
        let person = with_token(&platform, &platform.sign_in("grace").await.unwrap());
        let machine = TokenExchange { machine_name: "Rust".to_owned() };
        let exchanged = person.sign_in_exchange().body(machine).send().await.unwrap();
        assert!(exchanged.token.starts_with("kici_pat_"));

        let role = create_role(&owner, org).await;
        is_no_member(&person, org).await;
        invite(&owner, org, "grace@demo.localhost", &role).await;
        is_no_member(&person, org).await; // as long as they have not accepted
        accept(&person, org, &role).await;
        let made = create_key(&owner, org).await;
        let program = with_token(&platform, &made.token);
        is_denied(&program, org).await;
        learns_why(&program, org).await;
        knows_own_roles(&owner, org).await;
        rotate_key(&platform, &owner, org, &made).await;
        simulate(&owner, org, &role).await;

        platform.app().write_notes().await.unwrap();
        let log = audit_log(&owner, org).await;
        let found = |action: &str, of: &str| {
            log.iter().any(|item| item.action == action && (item.target == of || item.actor_id == of))
        };
        assert!(found("role.created", &role.id), "{log:?}");
        for action in ["api_key.created", "access.denied", "api_key.rotated"] {
            assert!(found(action, &made.key.id), "{action}: {log:?}");
        }
        platform.stop().await.unwrap();
    }
}

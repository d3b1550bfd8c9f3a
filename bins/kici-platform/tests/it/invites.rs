//! Invitations: made within what one holds, sent again, taken back.

use kici_rbac::{Level, Matrix, Resource};
use kici_testkit::{Database, TestOrg, TestPlatform, on_both_databases};
use reqwest::{Method, Response};
use serde_json::{Value, json};

use crate::oidc::Scene;
use crate::provider::Key;
use crate::support::{json as body, problem, send};
use crate::visitor::{access_token, exchange, person};

/// Signs in at the issuer.
async fn signed_in(platform: &TestPlatform, name: &str) -> String {
    let token = access_token(platform, name).await;
    assert!(exchange(platform, &token).await.status().is_success());
    token
}

async fn ask(platform: &TestPlatform, token: &str, method: Method, path: &str) -> Response {
    let url = platform.url(&format!("/api/v1/invites/{path}"));
    platform.http().request(method, url).bearer_auth(token).send().await.unwrap()
}

on_both_databases! {
    async fn only_the_owner_of_the_address_answers_and_within_a_week(database: Database) {
        let (platform, clock) = crate::visitor::platform(&database, vec![person("ada"), person("bob")]).await;
        let org = TestOrg::create(&platform, "Acme").await.unwrap();
        let (ada, bob) = (signed_in(&platform, "ada").await, signed_in(&platform, "bob").await);
        let invite = async || {
            let sent = send(&platform, &org, Method::POST, "/invites", json!({"email": "ada@example.org"})).await;
            body(sent).await["invite"]["id"].as_str().unwrap().to_owned()
        };
        let id = invite().await;
        let pending = async |who: &str| body(ask(&platform, who, Method::GET, "pending").await).await["invites"].clone();
        assert_eq!(pending(&bob).await, json!([]));
        let listed = pending(&ada).await;
        assert_eq!((&listed[0]["id"], &listed[0]["orgName"]), (&json!(id), &json!("Acme")));
        for answer in ["accept", "decline"] {
            let others = ask(&platform, &bob, Method::POST, &format!("{id}/{answer}")).await;
            problem(others, 404, "not_found").await;
        }
        let home = platform.url(&format!("/api/v1/orgs/{}", org.id));
        let outside = platform.http().get(&home).bearer_auth(&ada).send().await.unwrap();
        assert_eq!(outside.status(), 404);
        assert_eq!(ask(&platform, &ada, Method::POST, &format!("{id}/decline")).await.status(), 204);
        problem(ask(&platform, &ada, Method::POST, &format!("{id}/accept")).await, 404, "not_found").await;
        let id = invite().await;
        clock.forward(7 * 24 * 60 * 60);
        let ada = signed_in(&platform, "ada").await;
        problem(ask(&platform, &ada, Method::POST, &format!("{id}/accept")).await, 410, "invite_expired").await;
        let again = send(&platform, &org, Method::POST, &format!("/invites/{id}/resend"), Value::Null).await;
        assert_eq!(again.status(), 200);
        let accepted = body(ask(&platform, &ada, Method::POST, &format!("{id}/accept")).await).await;
        assert_eq!(accepted["orgId"], org.id.as_str());
        let own = platform.http().get(format!("{home}/permissions")).bearer_auth(&ada).send().await.unwrap();
        assert_eq!(body(own).await["roles"][0]["name"], "Member");
    }

    async fn whoever_sends_an_invitation_again_answers_for_it(database: Database) {
        let (platform, _) = crate::visitor::platform(&database, vec![person("ada")]).await;
        let org = TestOrg::create(&platform, "Acme").await.unwrap();
        let ada = signed_in(&platform, "ada").await;
        let deputy = org.member(&platform, Matrix::MEMBER.with(Resource::Members, Level::Write)).await.unwrap();
        let as_deputy = TestOrg { token: deputy.token.clone(), ..org.clone() };
        let sent = send(&platform, &as_deputy, Method::POST, "/invites", json!({"email": "ada@example.org"})).await;
        let id = body(sent).await["invite"]["id"].as_str().unwrap().to_owned();
        let gone = send(&platform, &org, Method::DELETE, &format!("/members/{}", deputy.id), Value::Null).await;
        assert_eq!(gone.status(), 204);
        problem(ask(&platform, &ada, Method::POST, &format!("{id}/accept")).await, 409, "invite_void").await;
        let again = body(send(&platform, &org, Method::POST, &format!("/invites/{id}/resend"), Value::Null).await).await;
        assert_eq!(again["invite"]["invitedBy"], org.owner.as_str());
        body(ask(&platform, &ada, Method::POST, &format!("{id}/accept")).await).await;
    }

    async fn an_address_that_can_not_be_verified_is_not_invited(database: Database) {
        let platform = TestPlatform::start(&database).await.unwrap();
        let org = TestOrg::create(&platform, "Acme").await.unwrap();
        let sent = send(&platform, &org, Method::POST, "/invites", json!({"email": "jörg@example.org"})).await;
        let refused = problem(sent, 422, "invalid_fields").await;
        assert!(refused["error"].as_str().unwrap().contains("ASCII"), "{refused}");
    }

    async fn an_address_that_went_to_another_person_is_invited_as_theirs(database: Database) {
        let scene = Scene::over(&database, |_| {}).await;
        let platform = &scene.platform;
        let key = Key::p256();
        scene.provider.publish(&[key.jwk("e")]);
        let token = |sub: &str, email: Value| {
            let claims = json!({"sub": sub, "email": email, "email_verified": true});
            key.token(&key.header("e"), &scene.claims(claims))
        };
        let sign_in = async |token: &str| assert_eq!(scene.exchange(token).await.status(), 201);
        let pending = async |token: &str| {
            let listed = body(ask(platform, token, Method::GET, "pending").await).await;
            listed["invites"].as_array().unwrap().len()
        };
        let org = TestOrg::create(platform, "Acme").await.unwrap();
        let sent = send(platform, &org, Method::POST, "/invites", json!({"email": "ada@corp.example"})).await;
        let id = body(sent).await["invite"]["id"].as_str().unwrap().to_owned();
        let old = token("old", json!("ada@corp.example"));
        sign_in(&old).await;
        assert_eq!(pending(&old).await, 1);
        // What says nothing of the address, leaves it.
        let silent = token("old", Value::Null);
        sign_in(&silent).await;
        assert_eq!(pending(&silent).await, 1);
        // The provider gives it to somebody who was here before.
        let new = token("new", json!("ada@home.example"));
        sign_in(&new).await;
        assert_eq!(pending(&new).await, 0);
        sign_in(&token("new", json!("ada@corp.example"))).await;
        let new = token("new", json!("ada@corp.example"));
        assert_eq!((pending(&new).await, pending(&old).await, pending(&silent).await), (1, 0, 0));
        // Nor does it go back to who says otherwise by now, not even before the other one comes.
        sign_in(&old).await;
        assert_eq!(pending(&old).await, 1);
        let moved = token("old", json!("old@home.example"));
        assert_eq!((pending(&moved).await, pending(&silent).await), (0, 0));
        let accept = format!("{id}/accept");
        for other in [&moved, &silent] {
            problem(ask(platform, other, Method::POST, &accept).await, 404, "not_found").await;
        }
        assert_eq!(ask(platform, &new, Method::POST, &accept).await.status(), 200);
    }

    async fn who_can_not_give_any_more_has_invited_in_vain(database: Database) {
        let (platform, _) = crate::visitor::platform(&database, vec![person("ada")]).await;
        let org = TestOrg::create(&platform, "Acme").await.unwrap();
        let deputy = org.member(&platform, Matrix::OWNER).await.unwrap();
        let theirs = TestOrg { token: deputy.token, ..org.clone() };
        let sent = json!({"email": "ada@example.org"});
        let sent = body(send(&platform, &theirs, Method::POST, "/invites", sent).await).await;
        let path = format!("{}/accept", sent["invite"]["id"].as_str().unwrap());
        let suspend = format!("/members/{}/suspend", deputy.id);
        assert_eq!(send(&platform, &org, Method::POST, &suspend, Value::Null).await.status(), 204);
        let ada = signed_in(&platform, "ada").await;
        problem(ask(&platform, &ada, Method::POST, &path).await, 409, "invite_void").await;
        let unsuspend = format!("/members/{}/unsuspend", deputy.id);
        assert_eq!(send(&platform, &org, Method::POST, &unsuspend, Value::Null).await.status(), 204);
        assert_eq!(ask(&platform, &ada, Method::POST, &path).await.status(), 200);
    }

    async fn an_address_is_invited_once_and_again_after_it_was_taken_back(database: Database) {
        let platform = TestPlatform::start(&database).await.unwrap();
        let org = TestOrg::create(&platform, "Acme").await.unwrap();
        let invite = async |email: &str| send(&platform, &org, Method::POST, "/invites", json!({"email": email})).await;
        let sent = body(invite("Ada@Example.org").await).await;
        let id = sent["invite"]["id"].as_str().unwrap().to_owned();
        assert_eq!(sent["invite"]["email"], "ada@example.org");
        assert_eq!(sent["mailed"], false);
        assert!(sent["link"].as_str().unwrap().ends_with(&format!("/invites/{id}")), "{sent}");
        problem(invite("ada@example.org").await, 409, "already_invited").await;
        problem(invite("owner@acme.example").await, 409, "already").await;
        for bad in ["ada", "", "a b@c"] {
            problem(invite(bad).await, 422, "invalid_fields").await;
        }
        let path = format!("/invites/{id}");
        let again = body(send(&platform, &org, Method::POST, &format!("{path}/resend"), Value::Null).await).await;
        assert!(again["invite"]["expiresAt"].as_str() > sent["invite"]["expiresAt"].as_str());
        let listed = body(send(&platform, &org, Method::GET, "/invites", Value::Null).await).await;
        assert_eq!(listed["invites"], json!([again["invite"]]));
        assert_eq!(send(&platform, &org, Method::DELETE, &path, Value::Null).await.status(), 204);
        problem(send(&platform, &org, Method::DELETE, &path, Value::Null).await, 404, "not_found").await;
        problem(send(&platform, &org, Method::POST, &format!("{path}/resend"), Value::Null).await, 404, "not_found").await;
        assert_eq!(invite("ada@example.org").await.status(), 201);
    }

    async fn nobody_invites_to_more_than_they_have(database: Database) {
        let platform = TestPlatform::start(&database).await.unwrap();
        let org = TestOrg::create(&platform, "Acme").await.unwrap();
        let held = Matrix::only(Resource::Members, Level::Write).with(Resource::EventLog, Level::Read);
        let deputy = org.member(&platform, held).await.unwrap();
        let deputy = TestOrg { token: deputy.token, ..org.clone() };
        let role = async |name: &str, permissions: Value| {
            let sent = json!({"name": name, "permissions": permissions});
            body(send(&platform, &org, Method::POST, "/roles", sent).await).await["id"].clone()
        };
        let (within, beyond) = (role("Within", json!({"event_log": "read"})).await, role("Beyond", json!({"audit": "read"})).await);
        let roles = body(send(&platform, &org, Method::GET, "/roles", Value::Null).await).await;
        let owner = roles["roles"].as_array().unwrap().iter().find(|role| role["isOwner"] == true).unwrap()["id"].clone();
        let invite = async |who: &TestOrg, email: &str, roles: Value| {
            send(&platform, who, Method::POST, "/invites", json!({"email": email, "roleIds": roles})).await
        };
        assert_eq!(invite(&deputy, "a@example.org", json!([within])).await.status(), 201);
        problem(invite(&deputy, "b@example.org", json!([within, beyond])).await, 403, "escalation").await;
        problem(invite(&deputy, "b@example.org", json!([owner])).await, 403, "escalation").await;
        // Without roles it would be Member, which reads more than the deputy.
        problem(invite(&deputy, "b@example.org", json!([])).await, 403, "escalation").await;
        let strong = body(invite(&org, "c@example.org", json!([beyond])).await).await;
        let path = format!("/invites/{}/resend", strong["invite"]["id"].as_str().unwrap());
        problem(send(&platform, &deputy, Method::POST, &path, Value::Null).await, 403, "escalation").await;
        problem(invite(&org, "d@example.org", json!(["rol_0nothing"])).await, 422, "not_there").await;
    }

    async fn nobody_gives_to_the_invited_by_a_role_what_they_do_not_have(database: Database) {
        let (platform, _) = crate::visitor::platform(&database, vec![person("ada")]).await;
        let org = TestOrg::create(&platform, "Acme").await.unwrap();
        let held = Matrix::only(Resource::Members, Level::Admin);
        let deputy = org.member(&platform, held).await.unwrap();
        let deputy = TestOrg { token: deputy.token, ..org.clone() };
        let role = async |who: &TestOrg, name: &str, permissions: Value| {
            let sent = json!({"name": name, "permissions": permissions});
            send(&platform, who, Method::POST, "/roles", sent).await
        };
        let strong = body(role(&deputy, "Empty", json!({})).await).await["id"].as_str().unwrap().to_owned();
        let roles = body(send(&platform, &org, Method::GET, "/roles", Value::Null).await).await;
        let id = |name: &str| {
            let role = roles["roles"].as_array().unwrap().iter().find(|role| role["name"] == name).unwrap();
            role["id"].as_str().unwrap().to_owned()
        };
        let sent = json!({"email": "grace@example.org", "roleIds": [strong]});
        body(send(&platform, &org, Method::POST, "/invites", sent).await).await;
        // The role reaches nobody, but will.
        let path = format!("/roles/{strong}");
        let patch = async |path: &str, sent: Value| send(&platform, &deputy, Method::PATCH, path, sent).await;
        problem(patch(&path, json!({"permissions": {"secrets": "admin"}})).await, 403, "escalation").await;
        assert_eq!(patch(&path, json!({"permissions": {"members": "read"}})).await.status(), 200);
        body(send(&platform, &org, Method::POST, "/invites", json!({"email": "ada@example.org"})).await).await;
        // Another role of the name is what an invitation without roles means from then on.
        let member = format!("/roles/{}", id("Member"));
        assert_eq!(patch(&member, json!({"name": "Members"})).await.status(), 200);
        problem(role(&deputy, "Member", json!({"secrets": "admin"})).await, 403, "escalation").await;
        problem(send(&platform, &deputy, Method::POST, &format!("/roles/{}/clone", id("Owner")), json!({"name": "member"})).await, 403, "escalation").await;
        problem(patch(&member, json!({"name": "Member"})).await, 403, "escalation").await;
        body(role(&org, "Strong", json!({"secrets": "admin"})).await).await;
        let roles = body(send(&platform, &org, Method::GET, "/roles", Value::Null).await).await;
        let strong = roles["roles"].as_array().unwrap().iter().find(|role| role["name"] == "Strong").unwrap()["id"].as_str().unwrap().to_owned();
        problem(patch(&format!("/roles/{strong}"), json!({"name": "Member"})).await, 403, "escalation").await;
        let token = signed_in(&platform, "ada").await;
        let pending = body(ask(&platform, &token, Method::GET, "pending").await).await;
        let accept = format!("{}/accept", pending["invites"][0]["id"].as_str().unwrap());
        body(ask(&platform, &token, Method::POST, &accept).await).await;
        let home = platform.url(&format!("/api/v1/orgs/{}/permissions", org.id));
        let own = body(platform.http().get(home).bearer_auth(&token).send().await.unwrap()).await;
        assert_eq!(own["roles"], json!([]));
    }

    async fn one_invitation_among_hundreds_is_accepted(database: Database) {
        let (platform, _) = crate::visitor::platform(&database, vec![person("ada")]).await;
        let first = TestOrg::create(&platform, "First").await.unwrap();
        let sent = json!({"email": "ada@example.org"});
        let sent = body(send(&platform, &first, Method::POST, "/invites", sent).await).await;
        let accept = format!("{}/accept", sent["invite"]["id"].as_str().unwrap());
        for n in 0..201 {
            let org = TestOrg::create(&platform, &format!("Spam {n}")).await.unwrap();
            let sent = json!({"email": "ada@example.org"});
            assert_eq!(send(&platform, &org, Method::POST, "/invites", sent).await.status(), 201);
        }
        let ada = signed_in(&platform, "ada").await;
        let pending = body(ask(&platform, &ada, Method::GET, "pending").await).await;
        assert_eq!(pending["invites"].as_array().unwrap().len(), 200);
        assert_eq!(body(ask(&platform, &ada, Method::POST, &accept).await).await["orgId"], first.id.as_str());
    }
}

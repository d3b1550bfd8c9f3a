//! Who gets in, and what the others are told.

use kici_rbac::{Level, Matrix, Resource};
use kici_testkit::{Database, TestOrg, TestPlatform, on_both_databases};
use reqwest::{Method, Response};

use crate::support::{json, problem};

/// Every operation under an organisation, with a path that reaches it.
fn operations(org: &str) -> Vec<(Method, String, String)> {
    kici_api::operations()
        .into_iter()
        .filter(|operation| operation.path.contains("/orgs/{org}"))
        .map(|operation| {
            let path = operation.path.replace("{org}", org).replace("{key}", "key_0nothere");
            (operation.method.parse().unwrap(), path, operation.required_permission)
        })
        .collect()
}

async fn call(
    platform: &TestPlatform,
    method: &Method,
    path: &str,
    token: Option<&str>,
) -> Response {
    let request = platform.http().request(method.clone(), platform.url(path));
    let request = match token {
        Some(token) => request.bearer_auth(token),
        None => request,
    };
    request.header("x-request-id", "same").send().await.unwrap()
}

/// Status, headers and body, but for the time.
async fn whole(response: Response) -> (u16, Vec<(String, String)>, String) {
    let status = response.status().as_u16();
    let headers = response.headers().iter().filter(|(name, _)| *name != "date");
    let headers = headers.map(|(n, v)| (n.to_string(), v.to_str().unwrap().to_owned())).collect();
    (status, headers, response.text().await.unwrap())
}

on_both_databases! {
    async fn nobody_and_wrong_tokens_get_401_everywhere(database: Database) {
        let platform = TestPlatform::start(&database).await.unwrap();
        let org = TestOrg::create(&platform, "Acme").await.unwrap();
        let (_, link_key) = org.orchestrator_key(&platform).await.unwrap();
        let unknown = kici_model::Token::new(kici_model::TokenKind::Personal, &kici_model::OsEntropy::default()).unwrap();
        let mut typo = org.token.clone();
        typo.replace_range(12..13, if &typo[12..13] == "x" { "y" } else { "x" });
        let listed = operations(org.id.as_str());
        assert!(listed.len() >= 7, "the document has lost its operations");
        for (method, path, _) in listed {
            let answer = call(&platform, &method, &path, None).await;
            assert_eq!(answer.headers()["www-authenticate"], "Bearer");
            problem(answer, 401, "unauthenticated").await;
            for bad in [unknown.reveal(), &typo, "kici_pat_", "eyJhbGciOiJub25lIn0.e30."] {
                problem(call(&platform, &method, &path, Some(bad)).await, 401, "invalid_token").await;
            }
            let answer = call(&platform, &method, &path, Some(&link_key)).await;
            problem(answer, 401, "wrong_kind_of_token").await;
        }
    }

    async fn to_a_stranger_an_organisation_looks_like_none(database: Database) {
        let platform = TestPlatform::start(&database).await.unwrap();
        let org = TestOrg::create(&platform, "Acme").await.unwrap();
        let stranger = TestOrg::create(&platform, "Umbrella").await.unwrap();
        let strangers_key = stranger.api_key(&platform, Matrix::only(Resource::ApiKeys, Level::Admin)).await.unwrap();
        for token in [&stranger.token, &strangers_key] {
            let there = operations(org.id.as_str());
            let nowhere = operations("org_nothere12345");
            for ((method, path, _), (_, none, _)) in there.iter().zip(&nowhere) {
                let real = whole(call(&platform, method, path, Some(token)).await).await;
                let missing = whole(call(&platform, method, none, Some(token)).await).await;
                assert_eq!(real, missing, "{method} {path}");
                assert_eq!(real.0, 404);
                assert!(real.2.contains("Organization not found"), "{}", real.2);
            }
        }
        for odd in ["org_%00", "%2e%2e", "org_a%20b", "nonsense"] {
            let answer = call(&platform, &Method::GET, &format!("/api/v1/orgs/{odd}"), Some(&org.token)).await;
            problem(answer, 404, "not_found").await;
        }
    }

    async fn a_level_too_little_is_told_with_what_would_do(database: Database) {
        let platform = TestPlatform::start(&database).await.unwrap();
        let org = TestOrg::create(&platform, "Acme").await.unwrap();
        for (method, path, needs) in operations(org.id.as_str()) {
            let Some((resource, level)) = needs.split_once(':') else {
                assert!(["member", "owner"].contains(&needs.as_str()), "{needs}");
                continue;
            };
            let (resource, level): (Resource, Level) = (resource.parse().unwrap(), level.parse().unwrap());
            let lower = *Level::ALL.iter().rev().find(|lower| **lower < level).unwrap();
            let all = Resource::ALL.iter().fold(Matrix::NONE, |all, other| all.with(*other, Level::Admin));
            let key = org.api_key(&platform, all.with(resource, lower)).await.unwrap();
            let body = problem(call(&platform, &method, &path, Some(&key)).await, 403, "insufficient_permission").await;
            assert_eq!(body["error"], format!("Insufficient permission: {resource}.{level} needed"));
            assert_eq!(body["required"]["resource"], resource.as_str());
            assert_eq!(body["required"]["level"], level.as_str());
            assert_eq!(body["held"], lower.as_str());
            let exactly = org.api_key(&platform, Matrix::only(resource, level)).await.unwrap();
            let status = call(&platform, &method, &path, Some(&exactly)).await.status().as_u16();
            assert!(![401, 403].contains(&status), "{method} {path} {status}");
        }
    }

    async fn members_see_their_organisation_and_a_double_slash_is_forgiven(database: Database) {
        let platform = TestPlatform::start(&database).await.unwrap();
        let org = TestOrg::create(&platform, "Acme").await.unwrap();
        let key = org.api_key(&platform, Matrix::NONE).await.unwrap();
        for prefix in ["/api/v1", "//api/v1"] {
            let path = format!("{prefix}/orgs/{}", org.id);
            let body = json(call(&platform, &Method::GET, &path, Some(&key)).await).await;
            assert_eq!(body["id"], org.id.as_str());
            assert_eq!(body["displayName"], "Acme");
        }
    }
}

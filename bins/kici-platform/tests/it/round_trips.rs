//! How often the database is asked on behalf of a request, counted on its wire.

use kici_platform::Options;
use kici_rbac::{Matrix, Resource};
use kici_testkit::{Database, TestOrg, TestPlatform};
use reqwest::Method;
use serde_json::json;

use crate::support::json as body;
use crate::wire::Wire;

#[tokio::test(flavor = "multi_thread")]
async fn authorization_is_one_round_trip_whoever_comes() {
    let Some(database) = Database::postgres().await.unwrap() else { return };
    let wire = Wire::tap(database.url()).await;
    let options = TestPlatform::options(&database);
    let options = Options { database_url: wire.url.clone(), connections: 1, ..options };
    let platform = TestPlatform::start_with(options).await.unwrap();
    let org = TestOrg::create(&platform, "Acme").await.unwrap();
    let member = org.member(&platform, Matrix::MEMBER).await.unwrap();
    let team = org.request(&platform, Method::POST, "/teams").json(&json!({"name": "Crew"}));
    let team = body(team.send().await.unwrap()).await["id"].as_str().unwrap().to_owned();
    let joins = format!("/teams/{team}/members/{}", member.id);
    let joined = org.request(&platform, Method::PUT, &joins).send().await.unwrap();
    assert!(joined.status().is_success());
    let reads = Matrix::only(Resource::Runs, kici_rbac::Level::Read);
    let key = org.api_key(&platform, reads).await.unwrap();
    let account = json!({"name": "Deployer", "permissions": {"runs": "read"}});
    let account = org.request(&platform, Method::POST, "/service-accounts").json(&account);
    let account = body(account.send().await.unwrap()).await["id"].as_str().unwrap().to_owned();
    let made = org.request(&platform, Method::POST, &format!("/service-accounts/{account}/keys"));
    let made = body(made.json(&json!({"name": "one"})).send().await.unwrap()).await;
    let account = made["token"].as_str().unwrap().to_owned();
    for (who, token) in
        [("owner", &org.token), ("member", &member.token), ("key", &key), ("account", &account)]
    {
        let caller = TestOrg { token: token.clone(), ..org.clone() };
        // `/permissions` says what authorization has found, and asks nothing more; the organization
        // itself is one more question.
        for (path, expected) in [("/permissions", 1), ("", 2)] {
            let mut least = usize::MAX;
            // The first prepares the statement; now and then something else is written down.
            for _ in 0..6 {
                let before = wire.asked();
                let answer = caller.request(&platform, Method::GET, path).send().await.unwrap();
                assert_eq!(answer.status(), 200, "{who} {path}");
                least = least.min(wire.asked() - before);
            }
            assert_eq!(least, expected, "{who} {path}");
        }
    }
}

//! The organisation itself.

use kici_testkit::{Database, TestOrg, TestPlatform, on_both_databases};
use reqwest::Method;
use serde_json::json;

use crate::support::{json as body, problem};

on_both_databases! {
    async fn two_owners_can_not_rename_over_each_other_unseen(database: Database) {
        let platform = TestPlatform::start(&database).await.unwrap();
        let org = TestOrg::create(&platform, "Acme").await.unwrap();
        let tag = |answer: &reqwest::Response| answer.headers()["etag"].to_str().unwrap().to_owned();
        let seen = tag(&org.request(&platform, Method::GET, "").send().await.unwrap());
        let rename = async |name: &str, if_match: Option<&str>| {
            let mut request = org.request(&platform, Method::PATCH, "").json(&json!({"displayName": name}));
            if let Some(tag) = if_match {
                request = request.header("if-match", tag);
            }
            request.send().await.unwrap()
        };
        let renamed = rename("Ajax", Some(&seen)).await;
        let next = tag(&renamed);
        assert_ne!(next, seen);
        assert_eq!(body(renamed).await["displayName"], "Ajax");
        problem(rename("Argo", Some(&seen)).await, 412, "stale").await;
        let now = org.request(&platform, Method::GET, "").send().await.unwrap();
        assert_eq!((tag(&now), body(now).await["displayName"].clone()), (next.clone(), json!("Ajax")));
        assert_eq!(rename("Argo", Some(&next)).await.status(), 200);
        assert_eq!(rename("Ares", None).await.status(), 200);
    }
}

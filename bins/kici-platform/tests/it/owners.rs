//! An organisation always has an owner who is not suspended, whatever is tried at the same time.

use futures_util::future::join_all;
use kici_domain::members::{self, MembersError};
use kici_model::UserId;
use kici_rbac::{Level, Matrix, Resource};
use kici_testkit::{Database, TestOrg, TestPlatform, on_both_databases};
use reqwest::Method;

use crate::support::json;

async fn owner_role(platform: &TestPlatform, org: &TestOrg) -> kici_model::RoleId {
    let listed = org.request(platform, Method::GET, "/roles").send().await.unwrap();
    let listed = json(listed).await;
    let owner = listed["roles"].as_array().unwrap().iter().find(|role| role["isOwner"] == true);
    owner.unwrap()["id"].as_str().unwrap().parse().unwrap()
}

on_both_databases! {
    async fn a_hundred_tries_at_once_never_leave_an_organisation_without_an_owner(database: Database) {
        let platform = TestPlatform::start(&database).await.unwrap();
        let app = platform.app();
        for round in 0..4 {
            let org = TestOrg::create(&platform, &format!("Acme {round}")).await.unwrap();
            let second = org.member(&platform, Matrix::NONE).await.unwrap();
            let role = owner_role(&platform, &org).await;
            let as_owner = org.enter(&platform).await.unwrap();
            let ownership = [role.clone()].into();
            members::set_roles(app, &as_owner, &second.id, &ownership).await.unwrap();
            let as_second = TestOrg { token: second.token.clone(), ..org.clone() };
            let actors = [as_owner, as_second.enter(&platform).await.unwrap()];
            let both: [&UserId; 2] = [&org.owner, &second.id];
            let tries = (0..100).map(|n| {
                let (actor, user) = (&actors[n / 2 % 2], both[n % 2]);
                async move {
                    match n / 4 % 3 {
                        0 => members::suspend(app, actor, user).await,
                        1 => members::set_roles(app, actor, user, &[].into()).await,
                        _ => members::remove(app, actor, user).await,
                    }
                }
            });
            let outcomes = join_all(tries).await;
            let refused = outcomes.iter().filter(|o| matches!(o, Err(MembersError::LastOwner))).count();
            assert!(refused > 0, "{outcomes:?}");
            // Whoever lost the right while they waited did nothing more.
            let late = outcomes.iter().filter(|o| matches!(o, Err(MembersError::Enter(_)))).count();
            assert!(late > 0, "{outcomes:?}");
            // Whoever is left can still let themselves in and see that they are owner.
            let mut owners = 0;
            for token in [&org.token, &second.token] {
                let url = platform.url(&format!("/api/v1/orgs/{}/permissions", org.id));
                let answer = platform.http().get(url).bearer_auth(token).send().await.unwrap();
                if answer.status().is_success() {
                    owners += usize::from(json(answer).await["isOwner"] == true);
                }
            }
            assert_eq!(owners, 1);
        }
    }

    async fn only_an_owner_acts_on_an_owner(database: Database) {
        let platform = TestPlatform::start(&database).await.unwrap();
        let org = TestOrg::create(&platform, "Acme").await.unwrap();
        let all = Resource::ALL.into_iter().fold(Matrix::NONE, |all, r| all.with(r, Level::Admin));
        let deputy = org.member(&platform, all).await.unwrap();
        let as_deputy = TestOrg { token: deputy.token.clone(), ..org.clone() }.enter(&platform).await.unwrap();
        let app = platform.app();
        let role = owner_role(&platform, &org).await;
        for refused in [
            members::suspend(app, &as_deputy, &org.owner).await,
            members::remove(app, &as_deputy, &org.owner).await,
            members::set_roles(app, &as_deputy, &org.owner, &[].into()).await,
        ] {
            assert!(matches!(refused, Err(MembersError::OwnersOnly)), "{refused:?}");
        }
        let promoted = members::set_roles(app, &as_deputy, &deputy.id, &[role].into()).await;
        assert!(matches!(promoted, Err(MembersError::Escalation(_))), "{promoted:?}");
    }

    async fn a_removed_or_suspended_makers_key_ends_and_a_demoted_ones_is_narrowed(database: Database) {
        let platform = TestPlatform::start(&database).await.unwrap();
        let org = TestOrg::create(&platform, "Acme").await.unwrap();
        let app = platform.app();
        let held = Matrix::only(Resource::ApiKeys, Level::Write).with(Resource::EventLog, Level::Read);
        let maker = org.member(&platform, held).await.unwrap();
        let as_maker = TestOrg { token: maker.token.clone(), ..org.clone() };
        let key = as_maker.api_key(&platform, Matrix::only(Resource::EventLog, Level::Read)).await.unwrap();
        let with_key = TestOrg { token: key, ..org.clone() };
        let status = async || {
            with_key.request(&platform, Method::GET, "/event-log").send().await.unwrap().status().as_u16()
        };
        assert_eq!(status().await, 200);
        let as_owner = org.enter(&platform).await.unwrap();
        members::suspend(app, &as_owner, &maker.id).await.unwrap();
        assert_eq!(status().await, 403);
        members::unsuspend(app, &as_owner, &maker.id).await.unwrap();
        assert_eq!(status().await, 200);
        let listed = json(org.request(&platform, Method::GET, "/roles").send().await.unwrap()).await;
        let own = format!("Role of {}", maker.id);
        let role = listed["roles"].as_array().unwrap().iter().find(|role| role["name"] == own).unwrap();
        let path = format!("/roles/{}", role["id"].as_str().unwrap());
        let demoted = org.request(&platform, Method::PATCH, &path)
            .json(&serde_json::json!({"permissions": {"api_keys": "write"}}));
        json(demoted.send().await.unwrap()).await;
        assert_eq!(status().await, 403);
        members::remove(app, &as_owner, &maker.id).await.unwrap();
        assert_eq!(status().await, 401);
    }
}

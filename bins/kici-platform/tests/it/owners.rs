//! An organisation always has an owner who is not suspended, whatever is tried at the same time.

use futures_util::future::join_all;
use kici_domain::members::{self, MembersError};
use kici_rbac::{Level, Matrix, Resource, perm};
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
    async fn a_thousand_tries_at_once_never_leave_an_organisation_without_an_owner(database: Database) {
        let platform = TestPlatform::start(&database).await.unwrap();
        let app = platform.app();
        let org = TestOrg::create(&platform, "Acme").await.unwrap();
        let ownership = [owner_role(&platform, &org).await].into();
        let mut owners = vec![org.clone()];
        let mut ids = vec![org.owner.clone()];
        for _ in 1..8 {
            let member = org.member(&platform, Matrix::NONE).await.unwrap();
            let as_owner = org.enter(&platform).await.unwrap();
            members::set_roles(app, &as_owner, &member.id, &ownership).await.unwrap();
            owners.push(TestOrg { token: member.token, ..org.clone() });
            ids.push(member.id);
        }
        let (mut acting, mut leaving) = (Vec::new(), Vec::new());
        for owner in &owners {
            acting.push(owner.enter::<perm::MembersAdmin>(&platform).await.unwrap());
            leaving.push(owner.enter::<perm::Membership>(&platform).await.unwrap());
        }
        let tries = (0..1000).map(|n| {
            let (actor, leaver, user) = (&acting[n % 8], &leaving[n % 8], &ids[n / 8 % 8]);
            async move {
                match n / 64 % 4 {
                    0 => members::suspend(app, actor, user).await,
                    1 => members::set_roles(app, actor, user, &[].into()).await,
                    2 => members::leave(app, leaver).await,
                    _ => members::remove(app, actor, user).await,
                }
            }
        });
        let outcomes = join_all(tries).await;
        let count = |is: fn(&MembersError) -> bool| {
            outcomes.iter().filter(|outcome| outcome.as_ref().is_err_and(is)).count()
        };
        assert!(outcomes.iter().any(Result::is_ok), "{outcomes:?}");
        assert!(count(|error| matches!(error, MembersError::LastOwner)) > 0, "{outcomes:?}");
        // Whoever lost the right while they waited did nothing more.
        assert!(count(|error| matches!(error, MembersError::Enter(_))) > 0, "{outcomes:?}");
        // Nobody was turned away for want of room, which would prove nothing.
        assert_eq!(count(|error| matches!(error, MembersError::Trouble(_))), 0, "{outcomes:?}");
        // Whoever is left can still let themselves in and see that they are owner.
        let mut left = 0;
        for owner in &owners {
            let answer = owner.request(&platform, Method::GET, "/permissions").send().await.unwrap();
            if answer.status().is_success() {
                left += usize::from(json(answer).await["isOwner"] == true);
            }
        }
        assert!(left >= 1, "{outcomes:?}");
    }

    async fn only_an_owner_acts_on_an_owner(database: Database) {
        let platform = TestPlatform::start(&database).await.unwrap();
        let org = TestOrg::create(&platform, "Acme").await.unwrap();
        let all = Resource::ALL.into_iter().fold(Matrix::NONE, |all, r| all.with(r, Level::Admin));
        let deputy = org.member(&platform, all).await.unwrap();
        let as_deputy = TestOrg { token: deputy.token.clone(), ..org.clone() }.enter(&platform).await.unwrap();
        let deputy_of_ci = TestOrg { token: deputy.token.clone(), ..org.clone() }.enter(&platform).await.unwrap();
        let app = platform.app();
        let role = owner_role(&platform, &org).await;
        for refused in [
            members::suspend(app, &as_deputy, &org.owner).await,
            members::remove(app, &as_deputy, &org.owner).await,
            members::set_roles(app, &as_deputy, &org.owner, &[].into()).await,
            members::unsuspend(app, &as_deputy, &org.owner).await,
            members::set_ci_trust(app, &deputy_of_ci, &org.owner, None).await,
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

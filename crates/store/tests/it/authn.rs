//! The read that proofs are made from.

use kici_model::credentials::Bearer;
use kici_model::{OrgId, Token, TokenKind};
use kici_rbac::{Effective, Level, Matrix, Resource, Via, perm};
use kici_testkit::{Database, on_both_databases};

use crate::world::{World, entropy, now, owner};

on_both_databases! {
    async fn roles_reach_a_person_directly_and_by_team_each_with_its_way(database: Database) {
        let world = World::new(&database).await;
        let (user, token) = world.member().await;
        let reader = world.role("Reader", Matrix::only(Resource::Runs, Level::Read), "acme/*").await;
        let deployer = world.role("Deployer", Matrix::only(Resource::Runs, Level::Write), "acme/web").await;
        world.role("Unused", Matrix::OWNER, "*").await;
        world.assign(&user, &reader).await;
        let team = world.team("Release", &[&user], &[&deployer, &reader]).await;
        world.team("Others", &[], &[&deployer]).await;

        let known = world.store.known(&token.hash().into(), Some(&world.org)).await.unwrap().unwrap();
        assert_eq!(known.credential.bearer, Bearer::Person { user, scopes: None, agent: None });
        let membership = known.org.unwrap().membership.unwrap();
        assert_eq!(membership.suspended_at, None);
        let mut ways: Vec<_> = membership.roles.iter().map(|role| (role.name.as_str(), &role.via)).collect();
        ways.sort_by_key(|(name, via)| (*name, **via != Via::Direct));
        let by_team = Via::Team { id: team.to_string(), name: "Release".to_owned() };
        assert_eq!(ways, [("Deployer", &by_team), ("Reader", &Via::Direct), ("Reader", &by_team)]);
        let effective = Effective::from_roles(&membership.roles);
        assert_eq!(effective.matrix(), Matrix::only(Resource::Runs, Level::Write));
        assert!(effective.scope().allows("acme/api") && !effective.scope().allows("other/web"));
        assert!(!effective.is_owner());
    }

    async fn strangers_and_unknown_tokens_find_nothing_of_an_organisation(database: Database) {
        let world = World::new(&database).await;
        let (_, stranger) = world.person().await;
        let (zero, zero_token) = world.member().await;
        let known = async |token: &Token, org: Option<&OrgId>| world.store.known(&token.hash().into(), org).await.unwrap();
        let org = known(&stranger, Some(&world.org)).await.unwrap().org.unwrap();
        assert_eq!(org.membership, None);
        assert_eq!(known(&stranger, None).await.unwrap().org, None);
        let nowhere = "org_nothere12345".parse().unwrap();
        assert_eq!(known(&stranger, Some(&nowhere)).await.unwrap().org, None);
        let roles = known(&zero_token, Some(&world.org)).await.unwrap().org.unwrap().membership.unwrap().roles;
        assert_eq!(roles, [], "{zero}");
        let unknown = Token::new(TokenKind::Personal, &entropy()).unwrap();
        assert_eq!(known(&unknown, Some(&world.org)).await, None);
    }

    async fn another_organisations_roles_and_teams_do_not_reach_in(database: Database) {
        let world = World::new(&database).await;
        let (user, token) = world.member().await;
        let other = World::within(world.store.clone()).await;
        let grant = owner(&other.org).require::<perm::MembersAdmin>().unwrap();
        let mut tx = other.store.write().await.unwrap();
        tx.add_member(&grant, kici_store::NewMember { user: &user, joined_at: now() }).await.unwrap();
        other.commit(tx).await;
        let everything = other.role("Everything", Matrix::OWNER, "*").await;
        other.assign(&user, &everything).await;
        other.team("All", &[&user], &[&everything]).await;
        let roles = async |org: &OrgId| {
            let known = world.store.known(&token.hash().into(), Some(org)).await.unwrap().unwrap();
            known.org.unwrap().membership.unwrap().roles.len()
        };
        assert_eq!((roles(&world.org).await, roles(&other.org).await), (0, 2));
    }

    async fn suspension_is_seen_by_the_next_read_and_lifted_by_the_one_after(database: Database) {
        let world = World::new(&database).await;
        let (user, token) = world.member().await;
        let since = now();
        for wanted in [Some(since), None] {
            let grant = owner(&world.org).require::<perm::MembersAdmin>().unwrap();
            let mut tx = world.store.write().await.unwrap();
            assert!(tx.suspend_member(&grant, &user, wanted).await.unwrap());
            world.commit(tx).await;
            let known = world.store.known(&token.hash().into(), Some(&world.org)).await.unwrap().unwrap();
            assert_eq!(known.org.unwrap().membership.unwrap().suspended_at, wanted);
        }
    }
}

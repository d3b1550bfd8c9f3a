//! What the schema itself holds, and what a transaction that is not committed leaves behind.

use kici_rbac::{Matrix, perm};
use kici_store::{NewMember, StoreError};
use kici_testkit::{Database, on_both_databases};

use crate::world::{World, now, owner};

on_both_databases! {
    async fn an_assignment_can_not_cross_organisations(database: Database) {
        let world = World::new(&database).await;
        let other = World::within(world.store.clone()).await;
        let (user, _) = world.member().await;
        let foreign = other.role("Foreign", Matrix::OWNER, "*").await;
        let grant = owner(&world.org).require::<perm::MembersAdmin>().unwrap();
        let mut tx = world.store.write().await.unwrap();
        let refused = tx.assign_role(&grant, &user, &foreign).await;
        assert!(matches!(refused, Err(StoreError::Conflict(_))), "{refused:?}");
        drop(tx);
        let team = other.team("Theirs", &[], &[&foreign]).await;
        let grant = owner(&world.org).require::<perm::TeamsAdmin>().unwrap();
        let mut tx = world.store.write().await.unwrap();
        let refused = tx.add_to_team(&grant, &team, &user).await;
        assert!(matches!(refused, Err(StoreError::Conflict(_))), "{refused:?}");
    }

    async fn a_role_name_is_taken_in_any_case_but_only_in_its_organisation(database: Database) {
        let world = World::new(&database).await;
        let other = World::within(world.store.clone()).await;
        world.role("Déployer", Matrix::NONE, "*").await;
        other.role("DÉPLOYER", Matrix::NONE, "*").await;
        let grant = owner(&world.org).require::<perm::MembersAdmin>().unwrap();
        let mut tx = world.store.write().await.unwrap();
        let role = kici_model::roles::Role {
            id: "rol_x".parse().unwrap(),
            name: "dÉPLOYER".parse().unwrap(),
            description: None,
            is_owner: false,
            permissions: Matrix::NONE,
            patterns: vec![kici_rbac::RepoPattern::parse("*").unwrap()],
            created_at: now(),
        };
        let taken = tx.create_role(&grant, &role).await;
        assert!(matches!(taken, Err(StoreError::Conflict(_))), "{taken:?}");
    }

    async fn what_is_not_committed_never_was(database: Database) {
        let world = World::new(&database).await;
        let (user, token) = world.person().await;
        let grant = owner(&world.org).require::<perm::MembersAdmin>().unwrap();
        let mut tx = world.store.write().await.unwrap();
        tx.add_member(&grant, NewMember { user: &user, joined_at: now() }).await.unwrap();
        drop(tx);
        let known = world.store.known(&token.hash().into(), Some(&world.org)).await.unwrap().unwrap();
        assert_eq!(known.org.unwrap().membership, None);
    }
}

//! The part of the chart that a page of members needs.

use kici_rbac::{Matrix, perm};
use kici_testkit::{Database, on_both_databases};

use crate::world::{World, owner};

on_both_databases! {
    async fn a_part_of_the_chart_has_what_reaches_its_people_and_nobody_else(database: Database) {
        let world = World::new(&database).await;
        let [(ada, _), (bob, _), (eve, _)] =
            [world.member().await, world.member().await, world.member().await];
        let direct = world.role("Direct", Matrix::MEMBER, "*").await;
        let by_team = world.role("By team", Matrix::MEMBER, "a/*").await;
        world.assign(&ada, &direct).await;
        world.assign(&eve, &direct).await;
        let crew = world.team("Crew", &[&ada, &bob, &eve], &[&by_team]).await;
        world.team("Others", &[&eve], &[&by_team]).await;
        let grant = owner(&world.org).require::<perm::MembersRead>().unwrap();
        let whole = world.store.org_chart(&grant).await.unwrap();
        let part = world.store.org_chart_of(&grant, [&ada, &bob]).await.unwrap();
        for user in [&ada, &bob] {
            assert_eq!(part.roles_of(user.as_str()), whole.roles_of(user.as_str()));
            assert!(!part.roles_of(user.as_str()).is_empty());
        }
        let people: Vec<_> = part.people.iter().map(|person| person.id.as_str()).collect();
        assert_eq!(people, [ada.as_str(), bob.as_str()]);
        let [team] = part.teams.as_slice() else { panic!("{:?}", part.teams) };
        assert_eq!(team.id, crew.as_str());
        assert_eq!(team.members.len(), 2);
        assert_eq!(part.roles, whole.roles);
        let nobody = world.store.org_chart_of(&grant, []).await.unwrap();
        assert!(nobody.people.is_empty() && nobody.teams.is_empty());
    }
}

//! The gate: who passes which permission, and what the refused are told.

use std::collections::HashSet;

use kici_rbac::perm::{self, AnyOf};
use kici_rbac::{
    Access, Denied, Effective, Level, Matrix, Need, Permission, RepoScope, Resource, SystemTask,
};

fn member(effective: Effective) -> Access<&'static str> {
    Access::new("acme", effective)
}

fn holding(matrix: Matrix) -> Access<&'static str> {
    member(Effective::new(matrix, RepoScope::Everything, false))
}

fn passes<P: Permission>(access: &Access<&'static str>) -> bool {
    access.require::<P>().is_ok()
}

#[track_caller]
fn denied<P: Permission>(access: &Access<&'static str>) -> Denied {
    access.require::<P>().err().expect("a refusal")
}

#[test]
fn the_level_decides_and_the_proof_carries_the_tenant() {
    let access = holding(Matrix::only(Resource::Members, Level::Write));
    assert_eq!(access.require::<perm::MembersWrite>().unwrap().tenant(), &"acme");
    assert!(passes::<perm::MembersRead>(&access));
    assert!(!passes::<perm::MembersAdmin>(&access));
    assert!(!passes::<perm::TeamsRead>(&access));
}

#[test]
fn a_repo_scoped_proof_carries_the_repositories() {
    let scope = RepoScope::of(["acme/api".parse().unwrap()]);
    let access = member(Effective::new(Matrix::OWNER, scope.clone(), false));
    let proof = access.require::<perm::RunsRead>().unwrap();
    assert_eq!((proof.tenant(), proof.scope()), (&"acme", &scope));
    let proof = access.require::<AnyOf<(perm::RunsWrite, perm::TeamsRead)>>().unwrap();
    assert_eq!((proof.tenant(), proof.scope()), (&"acme", &scope));
}

#[test]
fn a_refusal_names_what_is_needed_and_what_is_held() {
    let refusal = denied::<perm::RunsWrite>(&holding(Matrix::MEMBER));
    assert_eq!(refusal.to_string(), "Insufficient permission: runs.write needed");
    assert_eq!(refusal.need(), Need::Level(Resource::Runs, Level::Write));
    assert_eq!(refusal.required(), [(Resource::Runs, Level::Write)]);
    assert_eq!(refusal.held(), Some(Level::Read));
}

#[test]
fn a_refusal_of_several_names_them_all() {
    type Either = AnyOf<(perm::RunsWrite, perm::OrgSettingsAdmin)>;
    let refusal = denied::<Either>(&holding(Matrix::only(Resource::Runs, Level::Read)));
    assert_eq!(
        refusal.to_string(),
        "Insufficient permission: one of runs.write, org_settings.admin needed"
    );
    let required = [(Resource::Runs, Level::Write), (Resource::OrgSettings, Level::Admin)];
    assert_eq!(refusal.required(), required);
    assert_eq!(refusal.held_levels(), [Level::Read, Level::None]);
    assert_eq!(refusal.held(), None);

    type Three = AnyOf<(perm::RunsWrite, perm::Ownership, AnyOf<(perm::Link, perm::TeamsRead)>)>;
    assert_eq!(
        denied::<Three>(&holding(Matrix::NONE)).to_string(),
        "Insufficient permission: one of runs.write, ownership, an orchestrator key, teams.read needed"
    );
}

#[test]
fn a_refusal_without_a_level_says_who_may() {
    let stranger = Access::for_link("acme");
    let says = |refusal: Denied| {
        assert_eq!((refusal.required(), refusal.held()), (&[][..], None));
        refusal.to_string()
    };
    let text = |rest: &str| format!("Insufficient permission: only {rest} may do this");
    assert_eq!(says(denied::<perm::Ownership>(&stranger)), text("an owner"));
    assert_eq!(says(denied::<perm::Membership>(&stranger)), text("a member of the organization"));
    assert_eq!(says(denied::<perm::Person>(&stranger)), text("a signed-in person"));
    assert_eq!(says(denied::<perm::Setup>(&stranger)), text("the setup of the installation"));
    assert_eq!(says(denied::<perm::Link>(&holding(Matrix::OWNER))), text("an orchestrator"));
}

#[test]
fn one_of_several_is_enough() {
    type Either = AnyOf<(perm::RunsWrite, perm::OrgSettingsAdmin)>;
    assert!(passes::<Either>(&holding(Matrix::only(Resource::Runs, Level::Write))));
    assert!(passes::<Either>(&holding(Matrix::only(Resource::OrgSettings, Level::Admin))));
    assert!(!passes::<Either>(&holding(Matrix::only(Resource::OrgSettings, Level::Write))));
    type Three = AnyOf<(perm::RunsWrite, perm::TeamsRead, perm::Membership)>;
    assert!(passes::<Three>(&holding(Matrix::NONE)));
}

#[test]
fn ownership_is_not_a_level() {
    assert!(!passes::<perm::Ownership>(&holding(Matrix::OWNER)));
    let owner = Effective::new(Matrix::NONE, RepoScope::Everything, true);
    assert!(passes::<perm::Ownership>(&member(owner)));
}

#[test]
fn a_member_without_roles_is_a_member_and_no_more() {
    let access = member(Effective::none());
    assert!(passes::<perm::Membership>(&access));
    let levels: HashSet<_> = access.effective().matrix().iter().map(|(_, level)| level).collect();
    assert_eq!(levels, HashSet::from([Level::None]));
    assert!(!passes::<perm::Ownership>(&access) && !passes::<perm::OrgSettingsRead>(&access));
}

/// Which of the permissions that are no level the access passes.
fn doors(access: &Access<&'static str>) -> Vec<Need> {
    let tried = [
        passes::<perm::Membership>(access).then_some(Need::Membership),
        passes::<perm::Ownership>(access).then_some(Need::Ownership),
        passes::<perm::Link>(access).then_some(Need::Link),
        passes::<perm::Person>(access).then_some(Need::Person),
        passes::<perm::Setup>(access).then_some(Need::Setup),
    ];
    tried.into_iter().flatten().collect()
}

#[test]
fn each_door_leads_to_its_own_room() {
    assert_eq!(doors(&holding(Matrix::OWNER)), [Need::Membership]);
    assert_eq!(doors(&Access::for_link("acme")), [Need::Link]);
    assert_eq!(doors(&Access::for_person("zoe")), [Need::Person]);
    assert_eq!(doors(&Access::for_task("acme", SystemTask::RelayWebhooks)), []);
    assert_eq!(doors(&Access::for_task("acme", SystemTask::Setup)), [Need::Setup]);
}

#[test]
fn a_link_and_a_person_hold_no_level() {
    for access in [Access::for_link("acme"), Access::for_person("zoe")] {
        assert_eq!(access.effective(), &Effective::none());
        assert!(!passes::<perm::RunsRead>(&access));
    }
}

#[test]
fn a_task_holds_its_own_matrix() {
    let relay = Access::for_task("acme", SystemTask::RelayWebhooks);
    assert!(passes::<perm::WebhookSourcesRead>(&relay) && passes::<perm::EventLogWrite>(&relay));
    assert!(!passes::<perm::WebhookSourcesWrite>(&relay) && !passes::<perm::EventLogAdmin>(&relay));
    assert!(!passes::<perm::RunsRead>(&relay));
}

#[test]
fn proofs_and_accesses_can_be_printed() {
    let access = member(Effective::new(Matrix::MEMBER, RepoScope::Everything, false));
    let granted = access.require::<perm::TeamsRead>().unwrap();
    assert_eq!(format!("{granted:?}"), r#"Granted { tenant: "acme", .. }"#);
    let granted = access.require::<perm::RunsRead>().unwrap();
    assert_eq!(format!("{granted:?}"), r#"GrantedIn { tenant: "acme", scope: Everything, .. }"#);
    assert!(format!("{access:?}").contains("Member"));
}

#[test]
fn what_changes_something_is_known() {
    assert!(!perm::EventLogReadPayload::NEED.is_mutating());
    assert!(perm::EventLogWrite::NEED.is_mutating());
    assert!(perm::TeamsAdmin::NEED.is_mutating());
    assert!(perm::Ownership::NEED.is_mutating() && perm::Setup::NEED.is_mutating());
    assert!(!perm::Membership::NEED.is_mutating() && !perm::Link::NEED.is_mutating());
    assert!(!perm::Person::NEED.is_mutating());
    assert!(AnyOf::<(perm::TeamsRead, perm::TeamsWrite)>::NEED.is_mutating());
    assert!(!AnyOf::<(perm::TeamsRead, perm::Membership)>::NEED.is_mutating());
}

#[test]
fn a_need_is_written_as_in_the_documents() {
    assert_eq!(perm::MembersAdmin::NEED.to_string(), "members:admin");
    assert_eq!(
        AnyOf::<(perm::RunsRead, perm::MembersWrite)>::NEED.to_string(),
        "any: runs:read|members:write"
    );
}

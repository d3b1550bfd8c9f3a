//! An organisation, people, roles and teams, put straight into the store.

use kici_model::audit::{Action, Actor, AuditEntry};
use kici_model::credentials::NewCredential;
use kici_model::orgs::{Org, OrgState};
use kici_model::roles::Role;
use kici_model::teams::Team;
use kici_model::users::User;
use kici_model::{
    AuditId, Clock, CredentialId, Entropy, OrgAlias, OrgId, OsEntropy, RoleId, SystemClock, TeamId,
    Timestamp, Token, TokenKind, UserId,
};
use kici_rbac::{Access, Effective, Granted, Matrix, RepoPattern, RepoScope, SystemTask, perm};
use kici_store::{NewMember, Store, WriteTx};
use kici_testkit::Database;

pub(crate) struct World {
    pub(crate) store: Store,
    pub(crate) org: OrgId,
}

/// Proofs for a test that needs people and roles to be there, not to be allowed.
#[expect(clippy::disallowed_methods, reason = "this is the test's own door")]
pub(crate) fn owner(org: &OrgId) -> Access<OrgId> {
    Access::new(org.clone(), Effective::new(Matrix::OWNER, RepoScope::Everything, true))
}

#[expect(clippy::disallowed_methods, reason = "this is the test's own door")]
pub(crate) fn setup(org: &OrgId) -> Granted<perm::Setup, OrgId> {
    Access::for_task(org.clone(), SystemTask::Setup).require::<perm::Setup>().unwrap()
}

pub(crate) fn now() -> Timestamp {
    SystemClock.now()
}

pub(crate) fn entropy() -> impl Entropy {
    OsEntropy::default()
}

impl World {
    pub(crate) async fn new(database: &Database) -> Self {
        let store = Store::open(database.url(), 4).await.unwrap();
        Self::within(store).await
    }

    /// Another organisation in the same database.
    pub(crate) async fn within(store: Store) -> Self {
        let org = OrgId::random(&entropy()).unwrap();
        let world = Self { store, org };
        let mut tx = world.store.write().await.unwrap();
        let new = Org {
            id: world.org.clone(),
            alias: OrgAlias::random(&entropy()).unwrap(),
            name: "Acme".parse().unwrap(),
            state: OrgState::Active,
            created_at: now(),
        };
        tx.create_org(&setup(&world.org), &new).await.unwrap();
        world.commit(tx).await;
        world
    }

    pub(crate) async fn commit(&self, tx: WriteTx) {
        let entry = AuditEntry {
            id: AuditId::new(&SystemClock, &entropy()).unwrap(),
            org: Some(self.org.clone()),
            actor: Actor::System { component: "test" },
            action: Action::OrgCreated,
            details: None,
            target: self.org.to_string(),
            request_id: "test".to_owned(),
            at: now(),
        };
        tx.commit(entry).await.unwrap();
    }

    /// A person outside of every organisation, with a token.
    pub(crate) async fn person(&self) -> (UserId, Token) {
        let id = UserId::new(&SystemClock, &entropy()).unwrap();
        let user = User {
            id: id.clone(),
            email: format!("{id}@example.org").parse().unwrap(),
            name: "Ada".parse().unwrap(),
            created_at: now(),
        };
        let token = Token::new(TokenKind::Personal, &entropy()).unwrap();
        let new = NewCredential {
            id: &CredentialId::new(&SystemClock, &entropy()).unwrap(),
            name: &"laptop".parse().unwrap(),
            description: None,
            token: &token,
            made_by: &id,
            expires_at: None,
            created_at: now(),
        };
        let mut tx = self.store.write().await.unwrap();
        tx.create_user(&setup(&self.org), &user).await.unwrap();
        tx.create_first_personal_token(&setup(&self.org), &new).await.unwrap();
        self.commit(tx).await;
        (id, token)
    }

    pub(crate) async fn member(&self) -> (UserId, Token) {
        let (user, token) = self.person().await;
        let grant = owner(&self.org).require::<perm::MembersAdmin>().unwrap();
        let mut tx = self.store.write().await.unwrap();
        tx.add_member(&grant, NewMember { user: &user, joined_at: now() }).await.unwrap();
        self.commit(tx).await;
        (user, token)
    }

    pub(crate) async fn role(&self, name: &str, permissions: Matrix, pattern: &str) -> RoleId {
        let role = Role {
            id: RoleId::new(&SystemClock, &entropy()).unwrap(),
            name: name.parse().unwrap(),
            description: None,
            is_owner: false,
            permissions,
            patterns: vec![RepoPattern::parse(pattern).unwrap()],
            created_at: now(),
        };
        let mut tx = self.store.write().await.unwrap();
        let grant = owner(&self.org).require::<perm::MembersAdmin>().unwrap();
        tx.create_role(&grant, &role).await.unwrap();
        self.commit(tx).await;
        role.id
    }

    pub(crate) async fn assign(&self, user: &UserId, role: &RoleId) {
        let mut tx = self.store.write().await.unwrap();
        let grant = owner(&self.org).require::<perm::MembersAdmin>().unwrap();
        tx.assign_role(&grant, user, role).await.unwrap();
        self.commit(tx).await;
    }

    /// A team with these members and roles.
    pub(crate) async fn team(&self, name: &str, users: &[&UserId], roles: &[&RoleId]) -> TeamId {
        let team = Team {
            id: TeamId::new(&SystemClock, &entropy()).unwrap(),
            name: name.parse().unwrap(),
            created_at: now(),
        };
        let grant = owner(&self.org).require::<perm::TeamsAdmin>().unwrap();
        let mut tx = self.store.write().await.unwrap();
        tx.create_team(&grant, &team).await.unwrap();
        for user in users {
            tx.add_to_team(&grant, &team.id, user).await.unwrap();
        }
        for role in roles {
            tx.grant_to_team(&grant, &team.id, role).await.unwrap();
        }
        self.commit(tx).await;
        team.id
    }
}

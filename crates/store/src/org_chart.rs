//! Who has which role by which way, for a whole organisation: what a change of roles is compared on.

use std::collections::BTreeMap;

use kici_model::OrgId;
use kici_rbac::simulate::{Assignments, Person, Team};
use kici_rbac::{Granted, Role, perm};
use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder};

use crate::members::{memberships, role_assignments};
use crate::teams::{row as team_row, team_members, team_roles};
use crate::{Store, StoreError, WriteTx, roles};

impl Store {
    /// The whole chart.
    ///
    /// # Errors
    /// The database fails.
    pub async fn org_chart(
        &self,
        grant: &Granted<perm::MembersRead, OrgId>,
    ) -> Result<Assignments, StoreError> {
        read(&self.read, grant.tenant()).await
    }
}

/// The proofs with which somebody changes who has which role, and so must compare before and after.
pub trait MayCompare: Sync {
    /// The organisation that the proof is for.
    fn org(&self) -> &OrgId;
}

impl MayCompare for Granted<perm::MembersAdmin, OrgId> {
    fn org(&self) -> &OrgId {
        self.tenant()
    }
}

impl MayCompare for Granted<perm::MembersWrite, OrgId> {
    fn org(&self) -> &OrgId {
        self.tenant()
    }
}

impl MayCompare for Granted<perm::TeamsAdmin, OrgId> {
    fn org(&self) -> &OrgId {
        self.tenant()
    }
}

impl WriteTx {
    /// The whole chart, as this transaction sees it.
    ///
    /// # Errors
    /// The database fails.
    pub async fn org_chart(&mut self, grant: &impl MayCompare) -> Result<Assignments, StoreError> {
        read(&self.tx, grant.org()).await
    }
}

pub(crate) async fn read(
    db: &impl ConnectionTrait,
    org: &OrgId,
) -> Result<Assignments, StoreError> {
    let roles = roles::all(db, org).await?;
    let mut people: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let members = memberships::Entity::find()
        .filter(memberships::Column::OrgId.eq(org.as_str()))
        .all(db)
        .await?;
    people.extend(members.into_iter().map(|row| (row.user_id, Vec::new())));
    let assigned = role_assignments::Entity::find()
        .filter(role_assignments::Column::OrgId.eq(org.as_str()))
        .all(db)
        .await?;
    for row in assigned {
        people.entry(row.user_id).or_default().push(row.role_id);
    }
    Ok(Assignments {
        roles: roles
            .into_iter()
            .map(|role| Role {
                id: role.id.to_string(),
                name: role.name.to_string(),
                is_owner: role.is_owner,
                permissions: role.permissions,
                patterns: role.patterns,
            })
            .collect(),
        people: people.into_iter().map(|(id, roles)| Person { id, roles }).collect(),
        teams: teams(db, org).await?,
    })
}

async fn teams(db: &impl ConnectionTrait, org: &OrgId) -> Result<Vec<Team>, StoreError> {
    let rows = team_row::Entity::find()
        .filter(team_row::Column::OrgId.eq(org.as_str()))
        .order_by_asc(team_row::Column::Id)
        .all(db)
        .await?;
    let mut teams: BTreeMap<String, Team> = rows
        .into_iter()
        .map(|row| {
            let team =
                Team { id: row.id.clone(), name: row.name, members: Vec::new(), roles: Vec::new() };
            (row.id, team)
        })
        .collect();
    let members = team_members::Entity::find()
        .filter(team_members::Column::OrgId.eq(org.as_str()))
        .all(db)
        .await?;
    for row in members {
        if let Some(team) = teams.get_mut(&row.team_id) {
            team.members.push(row.user_id);
        }
    }
    let granted = team_roles::Entity::find()
        .filter(team_roles::Column::OrgId.eq(org.as_str()))
        .all(db)
        .await?;
    for row in granted {
        if let Some(team) = teams.get_mut(&row.team_id) {
            team.roles.push(row.role_id);
        }
    }
    Ok(teams.into_values().collect())
}

//! Who has which role by which way, for a whole organisation: what a change of roles is compared on.

use std::collections::{BTreeMap, BTreeSet};

use kici_model::{OrgId, UserId};
use kici_rbac::simulate::{Assignments, Person, Team};
use kici_rbac::{Granted, Role, perm};
use sea_orm::{ColumnTrait, Condition, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder};

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

    /// The part of the chart that reaches these people: all roles, these people among the members, and
    /// the teams with these people alone in them. It costs the same however large the organization is.
    ///
    /// # Errors
    /// The database fails.
    pub async fn org_chart_of(
        &self,
        grant: &Granted<perm::MembersRead, OrgId>,
        people: impl IntoIterator<Item = &UserId>,
    ) -> Result<Assignments, StoreError> {
        let people: Vec<_> = people.into_iter().map(UserId::as_str).collect();
        read_of(&self.read, grant.tenant(), Some(&people)).await
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
    read_of(db, org, None).await
}

/// Of `only`, or of everybody.
async fn read_of(
    db: &impl ConnectionTrait,
    org: &OrgId,
    only: Option<&[&str]>,
) -> Result<Assignments, StoreError> {
    let roles = roles::all(db, org).await?;
    let mut people: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let members = memberships::Entity::find()
        .filter(memberships::Column::OrgId.eq(org.as_str()))
        .filter(among(memberships::Column::UserId, only))
        .all(db)
        .await?;
    people.extend(members.into_iter().map(|row| (row.user_id, Vec::new())));
    let assigned = role_assignments::Entity::find()
        .filter(role_assignments::Column::OrgId.eq(org.as_str()))
        .filter(among(role_assignments::Column::UserId, only))
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
        teams: teams(db, org, only).await?,
    })
}

fn among(column: impl ColumnTrait, only: Option<&[&str]>) -> Condition {
    Condition::all().add_option(only.map(|ids| column.is_in(ids.iter().copied())))
}

async fn teams(
    db: &impl ConnectionTrait,
    org: &OrgId,
    only: Option<&[&str]>,
) -> Result<Vec<Team>, StoreError> {
    let members = team_members::Entity::find()
        .filter(team_members::Column::OrgId.eq(org.as_str()))
        .filter(among(team_members::Column::UserId, only))
        .all(db)
        .await?;
    let reached: BTreeSet<_> = members.iter().map(|row| row.team_id.as_str()).collect();
    let reached: Option<Vec<_>> = only.map(|_| reached.into_iter().collect());
    let rows = team_row::Entity::find()
        .filter(team_row::Column::OrgId.eq(org.as_str()))
        .filter(among(team_row::Column::Id, reached.as_deref()))
        .order_by_asc(team_row::Column::Id)
        .all(db)
        .await?;
    let granted = team_roles::Entity::find()
        .filter(team_roles::Column::OrgId.eq(org.as_str()))
        .filter(among(team_roles::Column::TeamId, reached.as_deref()))
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
    for row in members {
        if let Some(team) = teams.get_mut(&row.team_id) {
            team.members.push(row.user_id);
        }
    }
    for row in granted {
        if let Some(team) = teams.get_mut(&row.team_id) {
            team.roles.push(row.role_id);
        }
    }
    Ok(teams.into_values().collect())
}

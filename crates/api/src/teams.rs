//! `/orgs/{org}/teams`

use std::sync::Arc;

use kici_domain::{App, teams};
use kici_model::teams::{self as model, FullTeam};
use kici_model::text::TeamName;
use kici_model::{RoleId, TeamId, UserId};
use kici_rbac::perm;
use poem::web::Data;
use poem_openapi::param::{Path, Query};
use poem_openapi::payload::Json;
use poem_openapi::{ApiResponse, Object, OpenApi};

use crate::body::{Body, Fields, Form};
use crate::org::Org;
use crate::page;
use crate::problem::ApiError;
use crate::routes::Tag;
use crate::text::Txt;

/// People who share roles.
#[derive(Debug, Object)]
#[oai(rename_all = "camelCase")]
pub(crate) struct Team {
    /// Its id.
    id: String,
    /// Its name, unique in the organization without regard to case.
    name: String,
    /// The ids of its members.
    member_ids: Vec<String>,
    /// The ids of the roles that they inherit.
    role_ids: Vec<String>,
    /// When it was made.
    created_at: String,
}

/// All teams.
#[derive(Debug, Object)]
#[oai(rename_all = "camelCase")]
pub(crate) struct TeamList {
    /// By name.
    teams: Vec<Team>,
    /// Where the next page begins; `null` on the last.
    next_cursor: Option<String>,
}

/// A team to be made, or another name for one.
#[derive(Debug, Object)]
pub(crate) struct TeamCreate {
    /// Its name: 1 to 100 characters.
    name: String,
}

#[derive(ApiResponse)]
pub(crate) enum Created {
    /// The team was made.
    #[oai(status = 201)]
    Created(Json<Team>),
}

#[derive(ApiResponse)]
pub(crate) enum Changed {
    /// It is so now.
    #[oai(status = 204)]
    Changed,
}

impl Form for TeamCreate {
    type Command = TeamName;

    fn read(fields: &mut Fields) -> Option<TeamName> {
        fields.required("name")
    }
}

pub(crate) struct Teams;

#[OpenApi(prefix_path = "/orgs/:org", tag = "Tag::Teams")]
impl Teams {
    /// All teams, with their members and roles.
    #[oai(path = "/teams", method = "get", operation_id = "teams_list")]
    async fn list(
        &self,
        org: Org<perm::TeamsRead>,
        app: Data<&Arc<App>>,
        /// How many at most: 1 to 200, 200 if left out.
        limit: Query<Option<page::Size>>,
        /// The `nextCursor` of the page before.
        cursor: Query<Option<String>>,
    ) -> Result<Json<TeamList>, ApiError> {
        let limit = page::limit_or_most(limit.0)?;
        let page = teams::list(&app, &org, limit, cursor.0.as_deref()).await?;
        Ok(Json(TeamList {
            teams: page.items.into_iter().map(Team::from).collect(),
            next_cursor: page.next,
        }))
    }

    /// Make a team without members and roles.
    #[oai(path = "/teams", method = "post", operation_id = "teams_create")]
    async fn create(
        &self,
        org: Org<perm::TeamsAdmin>,
        app: Data<&Arc<App>>,
        body: Body<TeamCreate>,
    ) -> Result<Created, ApiError> {
        let team = teams::create(&app, &org, &body.0).await?;
        Ok(Created::Created(Json(team.into())))
    }

    /// Give a team another name.
    #[oai(path = "/teams/:team", method = "patch", operation_id = "teams_rename")]
    async fn rename(
        &self,
        org: Org<perm::TeamsAdmin>,
        team: Path<Txt<TeamId>>,
        app: Data<&Arc<App>>,
        body: Body<TeamCreate>,
    ) -> Result<Changed, ApiError> {
        teams::rename(&app, &org, &team.0.0, &body.0).await?;
        Ok(Changed::Changed)
    }

    /// Delete a team. Its members lose what it granted.
    #[oai(path = "/teams/:team", method = "delete", operation_id = "teams_delete")]
    async fn delete(
        &self,
        org: Org<perm::TeamsAdmin>,
        team: Path<Txt<TeamId>>,
        app: Data<&Arc<App>>,
    ) -> Result<Changed, ApiError> {
        teams::delete(&app, &org, &team.0.0).await?;
        Ok(Changed::Changed)
    }

    /// Put a member into a team. They may not gain what you don't have.
    #[oai(path = "/teams/:team/members/:user", method = "put", operation_id = "teams_add_member")]
    async fn add_member(
        &self,
        org: Org<perm::TeamsAdmin>,
        team: Path<Txt<TeamId>>,
        user: Path<Txt<UserId>>,
        app: Data<&Arc<App>>,
    ) -> Result<Changed, ApiError> {
        teams::add_member(&app, &org, &team.0.0, &user.0.0).await?;
        Ok(Changed::Changed)
    }

    /// Take a member out of a team.
    #[oai(
        path = "/teams/:team/members/:user",
        method = "delete",
        operation_id = "teams_remove_member"
    )]
    async fn remove_member(
        &self,
        org: Org<perm::TeamsAdmin>,
        team: Path<Txt<TeamId>>,
        user: Path<Txt<UserId>>,
        app: Data<&Arc<App>>,
    ) -> Result<Changed, ApiError> {
        teams::remove_member(&app, &org, &team.0.0, &user.0.0).await?;
        Ok(Changed::Changed)
    }

    /// Grant a role to a team. None of its members may gain what you don't have.
    #[oai(path = "/teams/:team/roles/:role", method = "put", operation_id = "teams_grant_role")]
    async fn grant_role(
        &self,
        org: Org<perm::TeamsAdmin>,
        team: Path<Txt<TeamId>>,
        role: Path<Txt<RoleId>>,
        app: Data<&Arc<App>>,
    ) -> Result<Changed, ApiError> {
        teams::grant_role(&app, &org, &team.0.0, &role.0.0).await?;
        Ok(Changed::Changed)
    }

    /// Take a role from a team.
    #[oai(path = "/teams/:team/roles/:role", method = "delete", operation_id = "teams_revoke_role")]
    async fn revoke_role(
        &self,
        org: Org<perm::TeamsAdmin>,
        team: Path<Txt<TeamId>>,
        role: Path<Txt<RoleId>>,
        app: Data<&Arc<App>>,
    ) -> Result<Changed, ApiError> {
        teams::revoke_role(&app, &org, &team.0.0, &role.0.0).await?;
        Ok(Changed::Changed)
    }
}

impl From<model::Team> for Team {
    fn from(team: model::Team) -> Self {
        FullTeam { team, members: Vec::new(), roles: Vec::new() }.into()
    }
}

impl From<FullTeam> for Team {
    fn from(full: FullTeam) -> Self {
        Self {
            id: full.team.id.to_string(),
            name: full.team.name.to_string(),
            member_ids: full.members.iter().map(ToString::to_string).collect(),
            role_ids: full.roles.iter().map(ToString::to_string).collect(),
            created_at: full.team.created_at.to_string(),
        }
    }
}

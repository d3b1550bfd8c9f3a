//! `/pats`

use std::sync::Arc;

use kici_domain::App;
use kici_domain::personal_tokens::{self, MOST_DAYS, NewPersonalToken};
use kici_model::{CredentialId, personal_tokens as model};
use poem::web::Data;
use poem_openapi::param::{Path, Query};
use poem_openapi::payload::Json;
use poem_openapi::{ApiResponse, Object, OpenApi};

use crate::body::{Body, Fields, Form};
use crate::matrix::Permissions;
use crate::me::Me;
use crate::page;
use crate::problem::ApiError;
use crate::routes::Tag;
use crate::text::Txt;

/// A personal access token, without the token itself.
#[derive(Debug, Object)]
#[oai(rename_all = "camelCase")]
pub(crate) struct PersonalToken {
    /// Its id.
    id: String,
    /// What it is called.
    name: String,
    /// `user`, or `agent` for a program that acts for the person.
    kind: String,
    /// The name of that program.
    agent_label: Option<String>,
    /// The first 16 characters of the token.
    prefix: String,
    /// The most that it can do; left out where that is all that the person can.
    #[oai(skip_serializing_if_is_none)]
    scopes: Option<Permissions>,
    /// When it was made.
    created_at: String,
    /// When it stops working by itself.
    expires_at: Option<String>,
    /// When it was last used, exact to the minute.
    last_used_at: Option<String>,
}

/// The person's tokens in use.
#[derive(Debug, Object)]
#[oai(rename_all = "camelCase")]
pub(crate) struct PersonalTokenList {
    /// Oldest first.
    pats: Vec<PersonalToken>,
    /// Where the next page begins; `null` on the last.
    next_cursor: Option<String>,
}

/// What to make.
#[derive(Debug, Object)]
#[oai(rename_all = "camelCase")]
pub(crate) struct PersonalTokenCreate {
    /// What it is called: 1 to 100 characters.
    name: String,
    /// `user`, or `agent` for a program that acts for the person; `user` if left out.
    kind: Option<String>,
    /// The name of that program; for `agent` only, and needed there.
    agent_label: Option<String>,
    /// After how many days it stops working: 1 to 3650; 120 if left out.
    expires_in_days: Option<u32>,
    /// The most that it can do; all that the person can, if left out.
    scopes: Option<Permissions>,
}

/// A token that was just made.
#[derive(Object)]
#[oai(rename_all = "camelCase")]
pub(crate) struct PersonalTokenCreated {
    /// Its id.
    id: String,
    /// The token: shown now and never again.
    token: String,
    /// What it is called.
    name: String,
    /// When it stops working by itself.
    expires_at: Option<String>,
    /// `user`, or `agent` for a program that acts for the person.
    kind: String,
    /// The most that it can do; left out where that is all that the person can.
    #[oai(skip_serializing_if_is_none)]
    scopes: Option<Permissions>,
}

#[derive(ApiResponse)]
pub(crate) enum Created {
    /// The token was made.
    #[oai(status = 201)]
    Created(Json<PersonalTokenCreated>),
}

#[derive(ApiResponse)]
pub(crate) enum Revoked {
    /// The token is revoked.
    #[oai(status = 204)]
    Revoked,
}

impl Form for PersonalTokenCreate {
    type Command = NewPersonalToken;
    const IS_LENIENT: bool = true;

    fn read(fields: &mut Fields) -> Option<NewPersonalToken> {
        let (name, days) = (fields.required("name"), fields.number("expiresInDays", 1..=MOST_DAYS));
        // Newer command lines call them so; left unread, they would get a token without bounds. So would
        // whoever mistypes the word, on a route that passes over what it does not know.
        for near in ["scope", "permission"] {
            if fields.has(near) {
                fields.refuse(
                    near,
                    "is not known; the bounds of a token are called `scopes`".to_owned(),
                );
            }
        }
        let (scopes, permissions) = (fields.matrix("scopes"), fields.matrix("permissions"));
        let agent = fields.optional("agentLabel");
        let is_agent =
            fields.choice("kind", "user", &["user", "agent"]).map(|kind| kind == "agent");
        let (agent, is_agent) = (agent?, is_agent?);
        if is_agent != agent.is_some() {
            let message = "goes with the kind `agent`, and only with it".to_owned();
            fields.refuse("agentLabel", message);
        }
        let (scopes, permissions) = (scopes?, permissions?);
        if scopes.is_some() && permissions.is_some() {
            fields.refuse("permissions", "is another name of `scopes`: send one".to_owned());
        }
        Some(NewPersonalToken { name: name?, scopes: scopes.or(permissions), agent, days: days? })
    }
}

pub(crate) struct PersonalTokens;

#[OpenApi(tag = "Tag::PersonalTokens")]
impl PersonalTokens {
    /// Your personal access tokens in use.
    #[oai(path = "/pats", method = "get", operation_id = "personal_tokens_list")]
    async fn list(
        &self,
        me: Me,
        app: Data<&Arc<App>>,
        /// How many at most: 1 to 200, 200 if left out.
        limit: Query<Option<page::Size>>,
        /// The `nextCursor` of the page before.
        cursor: Query<Option<String>>,
    ) -> Result<Json<PersonalTokenList>, ApiError> {
        let limit = page::limit_or_most(limit.0)?;
        let page = personal_tokens::list(&app, &me, limit, cursor.0.as_deref()).await?;
        Ok(Json(PersonalTokenList {
            pats: page.items.into_iter().map(PersonalToken::from).collect(),
            next_cursor: page.next,
        }))
    }

    /// Make a personal access token, which can do no more than the one that you use.
    #[oai(path = "/pats", method = "post", operation_id = "personal_tokens_create")]
    async fn create(
        &self,
        me: Me,
        app: Data<&Arc<App>>,
        body: Body<PersonalTokenCreate>,
    ) -> Result<Created, ApiError> {
        let (made, pat) = personal_tokens::create(&app, &me, &body.0).await?;
        Ok(Created::Created(Json(PersonalTokenCreated {
            id: pat.id.to_string(),
            token: made.token.reveal().to_owned(),
            name: pat.name.to_string(),
            expires_at: pat.expires_at.map(|at| at.to_string()),
            kind: kind(&pat),
            scopes: pat.scopes.map(Permissions),
        })))
    }

    /// Revoke one of your personal access tokens, be it the one that you use.
    #[oai(path = "/pats/:pat", method = "delete", operation_id = "personal_tokens_revoke")]
    async fn revoke(
        &self,
        me: Me,
        pat: Path<Txt<CredentialId>>,
        app: Data<&Arc<App>>,
    ) -> Result<Revoked, ApiError> {
        personal_tokens::revoke(&app, &me, &pat.0.0).await?;
        Ok(Revoked::Revoked)
    }
}

fn kind(pat: &model::PersonalToken) -> String {
    if pat.agent.is_some() { "agent" } else { "user" }.to_owned()
}

impl From<model::PersonalToken> for PersonalToken {
    fn from(pat: model::PersonalToken) -> Self {
        Self {
            id: pat.id.to_string(),
            name: pat.name.to_string(),
            kind: kind(&pat),
            agent_label: pat.agent.map(|label| label.to_string()),
            prefix: pat.shown,
            scopes: pat.scopes.map(Permissions),
            created_at: pat.created_at.to_string(),
            expires_at: pat.expires_at.map(|at| at.to_string()),
            last_used_at: pat.last_used_at.map(|at| at.to_string()),
        }
    }
}

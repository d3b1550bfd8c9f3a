//! Personal access tokens. One that is made with another never does more than that one.

use kici_model::audit::Action;
use kici_model::credentials::{Means, NewCredential};
use kici_model::page::{Limit, Page};
use kici_model::personal_tokens::PersonalToken;
use kici_model::text::{AgentLabel, KeyName};
use kici_model::{CredentialId, TokenKind};
use kici_rbac::{Matrix, Resource};
use kici_store::StoreError;

use crate::access::Me;
use crate::credentials::{Made, days};
use crate::quotas::{self, Full};
use crate::{App, EnterError, Fault, Kind, ListError, Trouble};

const LIST: &str = "pats";

/// How long a token works whose maker does not say, in days.
pub const DEFAULT_DAYS: u32 = 120;
/// The longest that one can work, in days.
pub const MOST_DAYS: u32 = 3_650;

/// Why something could not be done with a personal access token.
#[derive(Debug, thiserror::Error)]
pub enum PersonalTokensError {
    /// The person has no such token in use.
    #[error("You have no personal access token with this id, or it is revoked already")]
    Missing,
    /// It would do more than the token that it is made with.
    #[error(
        "The new token can't hold `{resource}: {level}`: the token that you use holds `{held}`"
    )]
    Scopes {
        /// On what.
        resource: Resource,
        /// What was asked for.
        level: kici_rbac::Level,
        /// What there is.
        held: kici_rbac::Level,
    },
    /// It would work without any bound, made with a token that has some.
    #[error("Say `scopes`: the token that you use is limited by its own")]
    Unscoped,
    /// It would work longer than the token that it is made with.
    #[error("The new token can't work longer than the one that you use; ask for fewer days")]
    Expiry,
    /// A token with bounds has no say over the others.
    #[error("A token with scopes, or of an agent, can revoke itself and no other")]
    Limited,
    /// It would be of another kind than the token that it is made with.
    #[error("A token of an agent makes tokens of that agent only")]
    AgentKind,
    /// What they came with has ended meanwhile.
    #[error(transparent)]
    Enter(#[from] EnterError),
    /// There are as many as can be.
    #[error(transparent)]
    Full(#[from] Full),
    /// The server did not do its part.
    #[error(transparent)]
    Trouble(#[from] Trouble),
}

impl From<StoreError> for PersonalTokensError {
    fn from(error: StoreError) -> Self {
        Self::Trouble(error.into())
    }
}

impl Fault for PersonalTokensError {
    fn kind(&self) -> Kind {
        match self {
            Self::Missing => Kind::Missing,
            Self::Scopes { .. }
            | Self::Unscoped
            | Self::Expiry
            | Self::AgentKind
            | Self::Limited => Kind::Denied,
            Self::Enter(error) => error.kind(),
            Self::Full(full) => full.kind(),
            Self::Trouble(trouble) => trouble.kind(),
        }
    }

    fn code(&self) -> &'static str {
        match self {
            Self::Missing => "not_found",
            Self::Scopes { .. }
            | Self::Unscoped
            | Self::Expiry
            | Self::AgentKind
            | Self::Limited => "escalation",
            Self::Enter(error) => error.code(),
            Self::Full(full) => full.code(),
            Self::Trouble(trouble) => trouble.code(),
        }
    }
}

/// What a person wants to make.
#[derive(Debug, Clone)]
pub struct NewPersonalToken {
    /// What it is called.
    pub name: KeyName,
    /// The most that it can do; `None` is all that the person can.
    pub scopes: Option<Matrix>,
    /// The program that it is for, where it is not for the person themselves.
    pub agent: Option<AgentLabel>,
    /// How many days it works; `None` is [`DEFAULT_DAYS`], or fewer where the token that it is made
    /// with has fewer left.
    pub days: Option<u32>,
}

/// A page of the person's tokens in use, oldest first. One with bounds sees itself and no other.
///
/// # Errors
/// A tampered cursor, or the database fails.
pub async fn list(
    app: &App,
    me: &Me,
    limit: Limit,
    cursor: Option<&str>,
) -> Result<Page<PersonalToken, String>, ListError> {
    let after = app.after(me.id().as_str(), LIST, cursor)?;
    let only = match me.means() {
        Means::Token(id) if me.is_limited() => Some(id),
        _ => None,
    };
    let page = app.store.personal_tokens(me.grant(), only, after.as_ref(), limit).await?;
    Ok(app.page(me.id().as_str(), LIST, page))
}

/// Makes a token.
///
/// # Errors
/// It would do more than the one that it is made with, or the server did not do its part.
pub async fn create(
    app: &App,
    me: &Me,
    wanted: &NewPersonalToken,
) -> Result<(Made, PersonalToken), PersonalTokensError> {
    let created_at = app.clock.now();
    let mut expires_at = created_at + days(wanted.days.unwrap_or(DEFAULT_DAYS));
    check(me, wanted)?;
    if let Some(end) = me.bounds().expires_at {
        // A life that was asked for is not cut in silence.
        if wanted.days.is_none() {
            expires_at = expires_at.min(end);
        } else if expires_at > end {
            return Err(PersonalTokensError::Expiry);
        }
    }
    let made = Made::draw(app, TokenKind::Personal)?;
    let new = NewCredential {
        id: &made.id,
        name: &wanted.name,
        description: None,
        token: &made.token,
        made_by: me.id(),
        expires_at: Some(expires_at),
        created_at,
    };
    let entry = me.audit(app, Action::PersonalTokenCreated, &made.id)?;
    let mut tx = me.begin(app).await?;
    quotas::PERSONAL_TOKENS.room(tx.count_personal_tokens(me.grant(), created_at).await?)?;
    tx.create_personal_token(me.grant(), new, wanted.scopes, wanted.agent.as_ref()).await?;
    tx.commit(entry).await?;
    let token = PersonalToken {
        id: made.id.clone(),
        name: wanted.name.clone(),
        shown: made.token.shown(),
        scopes: wanted.scopes,
        agent: wanted.agent.clone(),
        created_at,
        expires_at: Some(expires_at),
        last_used_at: None,
    };
    Ok((made, token))
}

/// Revokes a token of the person, be it the one that they use.
///
/// # Errors
/// They have no such token in use, or the server did not do its part.
pub async fn revoke(app: &App, me: &Me, id: &CredentialId) -> Result<(), PersonalTokensError> {
    if me.is_limited() && *me.means() != Means::Token(id.clone()) {
        return Err(PersonalTokensError::Limited);
    }
    let entry = me.audit(app, Action::PersonalTokenRevoked, id)?;
    let mut tx = me.begin(app).await?;
    if !tx.revoke_personal_token(me.grant(), id, app.clock.now()).await? {
        return Err(PersonalTokensError::Missing);
    }
    Ok(tx.commit(entry).await?)
}

/// Never more scopes and never another kind than the token that it is made with.
fn check(me: &Me, wanted: &NewPersonalToken) -> Result<(), PersonalTokensError> {
    let own = me.bounds();
    if own.agent.is_some() && wanted.agent != own.agent {
        return Err(PersonalTokensError::AgentKind);
    }
    let Some(limit) = own.scopes else { return Ok(()) };
    let scopes = wanted.scopes.ok_or(PersonalTokensError::Unscoped)?;
    let beyond = scopes.held().find(|(resource, level)| !limit.allows(*resource, *level));
    beyond.map_or(Ok(()), |(resource, level)| {
        Err(PersonalTokensError::Scopes { resource, level, held: limit.level(resource) })
    })
}

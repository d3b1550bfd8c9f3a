//! Sessions of browsers: begun by signing in, listed and ended by their person alone.

use kici_model::SessionId;
use kici_model::audit::Action;
use kici_model::credentials::Means;
use kici_model::page::{Limit, Page};
use kici_model::sessions::{IDLE, LONGEST, Session, SessionToken};
use kici_store::StoreError;

use crate::access::{Me, Presents};
use crate::{App, Caller, EnterError, Fault, Kind, ListError, Trouble, access};

const LIST: &str = "sessions";

/// How much is kept of what a browser says that it is, in characters.
const USER_AGENT: usize = 200;

/// Why something could not be done with a session.
#[derive(Debug, thiserror::Error)]
pub enum SessionsError {
    /// The person has no such session.
    #[error("You have no session with this id, or it is over already")]
    Missing,
    /// A token with bounds has no say over sessions.
    #[error("A token with scopes, or of an agent, can't end sessions")]
    Limited,
    /// What they came with has ended meanwhile.
    #[error(transparent)]
    Enter(#[from] EnterError),
    /// The server did not do its part.
    #[error(transparent)]
    Trouble(#[from] Trouble),
}

impl From<StoreError> for SessionsError {
    fn from(error: StoreError) -> Self {
        Self::Trouble(error.into())
    }
}

impl Fault for SessionsError {
    fn kind(&self) -> Kind {
        match self {
            Self::Missing => Kind::Missing,
            Self::Limited => Kind::Denied,
            Self::Enter(error) => error.kind(),
            Self::Trouble(trouble) => trouble.kind(),
        }
    }

    fn code(&self) -> &'static str {
        match self {
            Self::Missing => "not_found",
            Self::Limited => "escalation",
            Self::Enter(error) => error.code(),
            Self::Trouble(trouble) => trouble.code(),
        }
    }
}

/// The person's sessions, newest first, and which of them they are using. A token with bounds sees
/// none.
///
/// # Errors
/// The database fails.
pub async fn list(
    app: &App,
    me: &Me,
    limit: Limit,
    cursor: Option<&str>,
) -> Result<Page<(Session, bool), String>, ListError> {
    let after = app.after(me.id().as_str(), LIST, cursor)?;
    if me.is_limited() {
        return Ok(Page { items: Vec::new(), next: None });
    }
    let now = app.clock.now();
    let page = app.store.sessions(me.grant(), now - IDLE, now, after.as_ref(), limit).await?;
    let Page { items, next } = app.page(me.id().as_str(), LIST, page);
    let with_own = |session: Session| {
        let is_own = *me.means() == Means::Session(session.id.clone());
        (session, is_own)
    };
    Ok(Page { items: items.into_iter().map(with_own).collect(), next })
}

/// Ends a session of the person, be it the one that they use.
///
/// # Errors
/// They have no such session, or the server did not do its part.
pub async fn revoke(app: &App, me: &Me, id: &SessionId) -> Result<(), SessionsError> {
    if me.is_limited() {
        return Err(SessionsError::Limited);
    }
    let entry = me.audit(app, Action::SessionRevoked, id)?;
    let mut tx = me.begin(app).await?;
    if !tx.revoke_session(me.grant(), id, app.clock.now()).await? {
        return Err(SessionsError::Missing);
    }
    Ok(tx.commit(entry).await?)
}

/// Begins a session of somebody who has just signed in.
pub(crate) async fn begin(
    app: &App,
    me: &Me,
    user_agent: Option<&str>,
) -> Result<SessionToken, Trouble> {
    let now = app.clock.now();
    let token = SessionToken::new(&*app.entropy)?;
    let session = Session {
        id: SessionId::new(&*app.clock, &*app.entropy)?,
        created_at: now,
        seen_at: now,
        expires_at: now + LONGEST,
        user_agent: user_agent.map(|text| crate::shorten(text, USER_AGENT)),
    };
    let entry = me.audit(app, Action::SessionCreated, &session.id)?;
    let mut tx = app.store.write().await?;
    tx.create_session(me.grant(), &session, &token).await?;
    tx.commit(entry).await?;
    Ok(token)
}

/// Forgets the sessions that are over, and says how many they were.
///
/// # Errors
/// The database fails.
pub async fn forget(app: &App) -> Result<u64, Trouble> {
    let now = app.clock.now();
    let mut tx = app.store.record().await?;
    let forgotten = tx.forget_sessions(now - IDLE, now).await?;
    tx.commit().await?;
    Ok(forgotten)
}

/// Ends the session that a browser presents; one that is over already, or none at all, is fine. `false`
/// where it presents one that opens nothing.
///
/// # Errors
/// The server did not do its part.
pub async fn end(app: &App, caller: Caller<'_>) -> Result<bool, EnterError> {
    if !matches!(caller.presents, Some(Presents::Cookie(_))) {
        return Ok(true);
    }
    let me = match access::enter_person(app, caller).await {
        Err(EnterError::SessionOver) => return Ok(false),
        entered => entered?,
    };
    let Means::Session(id) = me.means() else { return Ok(true) };
    match revoke(app, &me, id).await {
        Err(SessionsError::Trouble(trouble)) => Err(trouble.into()),
        // Whatever else is wrong with it, it is over.
        _ => Ok(true),
    }
}

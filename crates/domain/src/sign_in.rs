//! Signing in: whom the identity provider vouches for becomes, or is, a person here.
//!
//! A person is one issuer's one subject. An address makes nobody anybody else, but for those whom
//! the operator has made by their address alone: the first who comes with it, verified, is them.

mod browser;
mod seals;

use kici_model::TextError;
use kici_model::audit::Action;
use kici_model::identities::Identity;
use kici_model::personal_tokens::PersonalToken;
use kici_model::text::{Email, KeyName, MachineName, OrgName};
use kici_model::users::User;
use kici_rbac::perm;
use kici_store::StoreError;

use crate::access::{self, Arrival};
use crate::credentials::Made;
use crate::founding::{self, FoundingError};
use crate::personal_tokens::{self, NewPersonalToken, PersonalTokensError};
use crate::ports::IdentityError;
use crate::{App, EnterError, Fault, Kind, Trouble, identity_links, shorten};

pub use browser::{Begun, Callback, Finished, begin, finish};
pub(crate) use seals::Seals;

/// Why somebody is not signed in.
#[derive(Debug, thiserror::Error)]
pub enum SignInError {
    /// The address is that of somebody else, or of themselves by another identity: nobody can tell.
    #[error(
        "Another account has the e-mail address `{0}` already; sign in as you did then, or ask \
         whoever runs this server"
    )]
    Taken(Email),
    /// Nobody can sign in here.
    #[error("Nobody can sign in on this server: it has no identity provider")]
    NoProvider,
    /// What comes back fits nothing that this browser has begun.
    #[error(
        "This sign-in was not begun in this browser, or more than 10 minutes ago: begin again at \
         `/auth/login`, and let this site keep cookies"
    )]
    Unbegun,
    /// The provider, or the person there, has said no.
    #[error("The identity provider did not let you in: `{0}`")]
    Declined(String),
    /// Where to go afterwards is not on this server.
    #[error("`return_to` must be a path on this server, such as `/docs`")]
    ReturnTo,
    /// The provider does not vouch for them, or can't be asked.
    #[error(transparent)]
    Identity(#[from] IdentityError),
    /// They don't get through the door.
    #[error(transparent)]
    Enter(#[from] EnterError),
    /// Their token was not made.
    #[error(transparent)]
    PersonalTokens(#[from] PersonalTokensError),
    /// They, or their organisation, were not made.
    #[error(transparent)]
    Founding(#[from] FoundingError),
    /// The server did not do its part.
    #[error(transparent)]
    Trouble(#[from] Trouble),
}

impl From<StoreError> for SignInError {
    fn from(error: StoreError) -> Self {
        Self::Trouble(error.into())
    }
}

impl From<TextError> for SignInError {
    fn from(error: TextError) -> Self {
        Self::Founding(error.into())
    }
}

impl Fault for SignInError {
    fn kind(&self) -> Kind {
        match self {
            Self::Taken(_) => Kind::Conflict,
            Self::NoProvider => Kind::Missing,
            Self::Unbegun | Self::ReturnTo => Kind::Malformed,
            Self::Declined(_) => Kind::Denied,
            Self::Identity(error) => error.kind(),
            Self::Enter(error) => error.kind(),
            Self::PersonalTokens(error) => error.kind(),
            Self::Founding(error) => error.kind(),
            Self::Trouble(trouble) => trouble.kind(),
        }
    }

    fn code(&self) -> &'static str {
        match self {
            Self::Taken(_) => "email_taken",
            Self::NoProvider => "not_found",
            Self::Unbegun => "sign_in_expired",
            Self::ReturnTo => "bad_request",
            Self::Declined(_) => "sign_in_declined",
            Self::Identity(error) => error.code(),
            Self::Enter(error) => error.code(),
            Self::PersonalTokens(error) => error.code(),
            Self::Founding(error) => error.code(),
            Self::Trouble(trouble) => trouble.code(),
        }
    }
}

/// A personal access token for somebody who has signed in, named after their machine.
///
/// # Errors
/// They may not be here, or the server did not do its part.
pub async fn exchange_token(
    app: &App,
    arrival: &Arrival,
    machine: &MachineName,
) -> Result<(Made, PersonalToken), SignInError> {
    welcome(app, arrival).await?;
    let me = access::settle(app, arrival).await?;
    let name: KeyName = shorten(machine.as_str(), 100).parse()?;
    let wanted = NewPersonalToken { name, scopes: None, agent: None, days: None };
    Ok(personal_tokens::create(app, &me, &wanted).await?)
}

/// Makes sure that somebody who has arrived is a person here: found, adopted, or made together with
/// an organisation of their own.
pub(crate) async fn welcome(app: &App, arrival: &Arrival) -> Result<(), SignInError> {
    match welcome_once(app, arrival).await {
        // Somebody else has come in between, mostly they themselves in another window.
        Err(error) if is_conflict(&error) => welcome_once(app, arrival).await,
        done => done,
    }
}

fn is_conflict(error: &SignInError) -> bool {
    matches!(
        error,
        SignInError::Trouble(Trouble::Store(StoreError::Conflict(_)))
            | SignInError::Founding(FoundingError::Trouble(Trouble::Store(StoreError::Conflict(
                _
            ))))
    )
}

async fn welcome_once(app: &App, arrival: &Arrival) -> Result<(), SignInError> {
    match access::settle(app, arrival).await {
        Ok(me) => {
            let user = app.store.person(me.grant()).await?.ok_or(EnterError::Unknown)?;
            recognise(app, arrival, &user).await
        }
        Err(EnterError::NeverSignedIn) => meet(app, arrival).await,
        Err(error) => Err(error.into()),
    }
}

/// Writes down that somebody was here again, and which accounts they have elsewhere. Their address
/// follows the one that the provider has verified, be the old one made up or theirs no longer, unless
/// it is somebody else's.
async fn recognise(app: &App, arrival: &Arrival, user: &User) -> Result<(), SignInError> {
    let (now, identity) = (app.clock.now(), arrival.identity());
    let mut record = app.store.record().await?;
    record.identity_seen(identity, now).await?;
    record.commit().await?;
    let access = founding::access(app)?;
    let grant = access.require::<perm::Setup>().map_err(FoundingError::from)?;
    let mut tx = app.store.write().await?;
    let mut entries = Vec::new();
    let own = identity.verified_email().filter(|email| **email != user.email);
    if let Some(email) = own
        && tx.find_user(&grant, email).await?.is_none()
    {
        tx.change_email(&grant, &user.id, email).await?;
        entries.push(arrival.audit(app, None, &user.id, Action::UserEmailChanged, &user.id)?);
    }
    entries.extend(identity_links::follow(app, &mut tx, &grant, arrival, &user.id).await?);
    Ok(tx.commit_told(entries).await?)
}

/// Takes in somebody who was never here. Who has the address already is them only if the provider
/// has verified it and nobody has ever come with it before.
async fn meet(app: &App, arrival: &Arrival) -> Result<(), SignInError> {
    let Identity { email, name, .. } = arrival.identity();
    let access = founding::access(app)?;
    let grant = access.require::<perm::Setup>().map_err(FoundingError::from)?;
    let now = app.clock.now();
    let mut tx = app.store.write().await?;
    let namesake = match email {
        Some(email) => tx.find_user(&grant, email).await?,
        None => None,
    };
    let verified = arrival.identity().verified_email();
    if let Some(user) = namesake {
        match tx.identity_of(&grant, &user.id).await? {
            // They were taken in while this was waiting.
            Some(key) if key == arrival.identity().key => return Ok(()),
            None if verified.is_some() => {}
            _ => return Err(SignInError::Taken(user.email)),
        }
        tx.create_identity(&grant, &user.id, arrival.identity(), now).await?;
        let mut entries =
            vec![arrival.audit(app, None, &user.id, Action::UserAdopted, &user.id)?];
        entries.extend(identity_links::follow(app, &mut tx, &grant, arrival, &user.id).await?);
        return Ok(tx.commit_told(entries).await?);
    }
    let user = founding::new_user(app, &mut tx, &access, verified, name.as_ref()).await?;
    tx.create_identity(&grant, &user.id, arrival.identity(), now).await?;
    let org = user.name.as_str().parse::<OrgName>()?;
    let org = founding::found(app, &mut tx, &access, &org, &user.id).await?;
    let mut entries = vec![
        arrival.audit(app, None, &user.id, Action::UserCreated, &user.id)?,
        arrival.audit(app, Some(&org.id), &user.id, Action::OrgCreated, &org.id)?,
    ];
    entries.extend(identity_links::follow(app, &mut tx, &grant, arrival, &user.id).await?);
    Ok(tx.commit_told(entries).await?)
}

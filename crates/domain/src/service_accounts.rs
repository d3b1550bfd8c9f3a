//! Service accounts: programs that belong to the organisation and outlive whoever made them. Nobody
//! gives one more than they have, nor gets a token of one that does more than they.

use kici_model::audit::Action;
use kici_model::credentials::NewCredential;
use kici_model::page::{Limit, Page};
use kici_model::service_accounts::{ServiceAccount, ServiceAccountKey};
use kici_model::text::{AccountName, Description, KeyName};
use kici_model::{CredentialId, ServiceAccountId, TokenKind};
use kici_rbac::escalation::{self, Escalation};
use kici_rbac::{Effective, Matrix, RepoScope, perm};
use kici_store::{StoreError, WriteTx};
use serde_json::json;

use crate::credentials::{Made, days, days_between};
use crate::quotas::{self, Full};
use crate::{App, EnterError, Fault, InvalidCursor, Kind, ListError, Org, Trouble};

const LIST: &str = "service-accounts";
const KEYS: &str = "service-account-keys";

/// Why something could not be done with a service account.
#[derive(Debug, thiserror::Error)]
pub enum ServiceAccountsError {
    /// The organisation has no such account.
    #[error("This organization has no service account with this id")]
    Missing,
    /// The account has no such key in use.
    #[error("This service account has no key with this id, or it is revoked already")]
    NoKey,
    /// The key has a successor.
    #[error("This key was rotated already; rotate the one that follows it, or make a new one")]
    Rotated,
    /// Another account has the name.
    #[error(
        "Another service account has the name `{0}`; names differ by more than upper and lower case"
    )]
    NameTaken(AccountName),
    /// It would do more than the caller.
    #[error(transparent)]
    Escalation(#[from] Escalation),
    /// It would have been made by nobody.
    #[error("Only a person, or the key of one, can make service accounts and their keys")]
    NoPerson,
    /// What the caller held has ended meanwhile.
    #[error(transparent)]
    Enter(#[from] EnterError),
    /// The cursor was not made by this server for this list.
    #[error(transparent)]
    Cursor(#[from] InvalidCursor),
    /// There are as many as can be.
    #[error(transparent)]
    Full(#[from] Full),
    /// The server did not do its part.
    #[error(transparent)]
    Trouble(#[from] Trouble),
}

impl From<StoreError> for ServiceAccountsError {
    fn from(error: StoreError) -> Self {
        Self::Trouble(error.into())
    }
}

impl Fault for ServiceAccountsError {
    fn kind(&self) -> Kind {
        match self {
            Self::Missing | Self::NoKey => Kind::Missing,
            Self::NameTaken(_) | Self::Rotated => Kind::Conflict,
            Self::Escalation(_) | Self::NoPerson => Kind::Denied,
            Self::Enter(error) => error.kind(),
            Self::Cursor(error) => error.kind(),
            Self::Full(full) => full.kind(),
            Self::Trouble(trouble) => trouble.kind(),
        }
    }

    fn code(&self) -> &'static str {
        match self {
            Self::Missing | Self::NoKey => "not_found",
            Self::NameTaken(_) => "name_taken",
            Self::Rotated => "already_rotated",
            Self::Escalation(_) => "escalation",
            Self::NoPerson => "person_required",
            Self::Enter(error) => error.code(),
            Self::Cursor(error) => error.code(),
            Self::Full(full) => full.code(),
            Self::Trouble(trouble) => trouble.code(),
        }
    }
}

/// An account to be made.
#[derive(Debug, Clone)]
pub struct NewServiceAccount {
    /// Its name.
    pub name: AccountName,
    /// What it is for.
    pub description: Option<Description>,
    /// What it may do.
    pub permissions: Matrix,
}

/// What is to be changed about an account; `None` stays as it is.
#[derive(Debug, Clone, Default)]
pub struct ServiceAccountChange {
    /// Another name.
    pub name: Option<AccountName>,
    /// Another description, or none.
    pub description: Option<Option<Description>>,
    /// Other permissions.
    pub permissions: Option<Matrix>,
}

/// A key to be made.
#[derive(Debug, Clone)]
pub struct NewServiceAccountKey {
    /// What it is called.
    pub name: KeyName,
    /// After how many days it stops working; `None` is never.
    pub days: Option<u32>,
}

/// A page of the service accounts, by name.
///
/// # Errors
/// A tampered cursor, or the database fails.
pub async fn list(
    app: &App,
    org: &Org<perm::ApiKeysRead>,
    limit: Limit,
    cursor: Option<&str>,
) -> Result<Page<ServiceAccount, String>, ListError> {
    let after: Option<String> = app.after(org.id().as_str(), LIST, cursor)?;
    let page = app.store.service_accounts(org.grant(), after.as_deref(), limit).await?;
    Ok(app.page(org.id().as_str(), LIST, page))
}

/// Makes an account, without any key yet.
///
/// # Errors
/// It would do more than the caller, the name is taken, or the server did not do its part.
pub async fn create(
    app: &App,
    org: &Org<perm::ApiKeysAdmin>,
    wanted: NewServiceAccount,
) -> Result<ServiceAccount, ServiceAccountsError> {
    let (mut tx, org) = org.begin(app).await?;
    escalation::check(org.effective(), &Effective::none(), &may(wanted.permissions))?;
    let made_by = org.actor().person().ok_or(ServiceAccountsError::NoPerson)?;
    let account = ServiceAccount {
        id: ServiceAccountId::new(&*app.clock, &*app.entropy).map_err(Trouble::from)?,
        name: wanted.name,
        description: wanted.description,
        permissions: wanted.permissions,
        created_by: made_by.clone(),
        created_at: app.clock.now(),
    };
    quotas::SERVICE_ACCOUNTS.room(tx.count_service_accounts(org.grant()).await?)?;
    let made = tx.create_service_account(org.grant(), &account).await;
    made.map_err(|error| taken(error, &account.name))?;
    let entry = org.audit(app, Action::ServiceAccountCreated, &account.id)?;
    tx.commit(entry.with(told(&account))).await?;
    Ok(account)
}

/// What the audit log tells of an account.
fn told(account: &ServiceAccount) -> serde_json::Value {
    json!({
        "name": account.name.as_str(),
        "description": account.description.as_ref().map(|text| text.as_str()),
        "permissions": account.permissions,
    })
}

/// Changes an account.
///
/// # Errors
/// It would gain, or lose, what the caller does not have, the name is taken, there is no such account, or the
/// server did not do its part.
pub async fn update(
    app: &App,
    org: &Org<perm::ApiKeysAdmin>,
    id: &ServiceAccountId,
    change: ServiceAccountChange,
) -> Result<ServiceAccount, ServiceAccountsError> {
    let entry = org.audit(app, Action::ServiceAccountUpdated, id)?;
    let (mut tx, org) = org.begin(app).await?;
    let old = find(&mut tx, &org, id).await?;
    let changed = ServiceAccount {
        name: change.name.unwrap_or_else(|| old.name.clone()),
        description: change.description.unwrap_or_else(|| old.description.clone()),
        permissions: change.permissions.unwrap_or(old.permissions),
        ..old.clone()
    };
    escalation::check(org.effective(), &may(old.permissions), &may(changed.permissions))?;
    // Who takes from an account what they do not have themselves could add a key to it now, and be
    // more once somebody has mended it.
    if changed.permissions != old.permissions {
        escalation::check(org.effective(), &Effective::none(), &may(old.permissions))?;
    }
    let written = tx.update_service_account(org.grant(), &changed).await;
    written.map_err(|error| taken(error, &changed.name))?;
    let details = json!({"before": told(&old), "after": told(&changed)});
    tx.commit(entry.with(details)).await?;
    Ok(changed)
}

/// Deletes an account together with its keys.
///
/// # Errors
/// There is no such account, or the server did not do its part.
pub async fn delete(
    app: &App,
    org: &Org<perm::ApiKeysAdmin>,
    id: &ServiceAccountId,
) -> Result<(), ServiceAccountsError> {
    let entry = org.audit(app, Action::ServiceAccountDeleted, id)?;
    let (mut tx, org) = org.begin(app).await?;
    if !tx.delete_service_account(org.grant(), id).await? {
        return Err(ServiceAccountsError::Missing);
    }
    Ok(tx.commit(entry).await?)
}

/// A page of the keys in use of an account, oldest first.
///
/// # Errors
/// There is no such account, or the database fails.
pub async fn keys(
    app: &App,
    org: &Org<perm::ApiKeysRead>,
    id: &ServiceAccountId,
    limit: Limit,
    cursor: Option<&str>,
) -> Result<Page<ServiceAccountKey, String>, ServiceAccountsError> {
    let after = app.after(id.as_str(), KEYS, cursor)?;
    let page = app.store.service_account_keys(org.grant(), id, after.as_ref(), limit).await?;
    Ok(app.page(id.as_str(), KEYS, page.ok_or(ServiceAccountsError::Missing)?))
}

/// Adds a key to an account.
///
/// # Errors
/// The account does more than the caller, there is no such account, or the server did not do its
/// part.
pub async fn create_key(
    app: &App,
    org: &Org<perm::ApiKeysAdmin>,
    id: &ServiceAccountId,
    wanted: &NewServiceAccountKey,
) -> Result<(Made, ServiceAccountKey), ServiceAccountsError> {
    let (mut tx, org) = org.begin(app).await?;
    let made = add_key(app, &org, &mut tx, id, wanted).await?;
    let count = tx.count_keys(org.grant(), TokenKind::ServiceAccount, app.clock.now()).await?;
    quotas::SERVICE_ACCOUNT_KEYS.keeps(count)?;
    let entry = org.audit(app, Action::ServiceAccountKeyCreated, id)?;
    tx.commit(entry.with(json!({"key": made.0.id.as_str()}))).await?;
    Ok(made)
}

/// Gives a key a new token. The old one works for `overlap_days` more.
///
/// # Errors
/// The account does more than the caller, there is no such key in use, it has a successor, or the
/// server did not do its part.
pub async fn rotate_key(
    app: &App,
    org: &Org<perm::ApiKeysAdmin>,
    id: &ServiceAccountId,
    key: &CredentialId,
    overlap_days: u32,
) -> Result<(Made, ServiceAccountKey), ServiceAccountsError> {
    let (mut tx, org) = org.begin(app).await?;
    let old = tx.service_account_key(org.grant(), id, key).await?;
    let old = old.ok_or(ServiceAccountsError::NoKey)?;
    let life = old.expires_at.map(|end| days_between(old.created_at, end));
    let wanted = NewServiceAccountKey { name: old.name, days: life };
    let made = add_key(app, &org, &mut tx, id, &wanted).await?;
    let now = app.clock.now();
    let until = now + days(overlap_days);
    let successor = &made.0.id;
    if !tx.retire_service_account_key(org.grant(), id, key, successor, (now, until)).await? {
        return Err(ServiceAccountsError::Rotated);
    }
    // Who rotates without an overlap needs no room for it.
    let count = tx.count_keys(org.grant(), TokenKind::ServiceAccount, app.clock.now()).await?;
    quotas::SERVICE_ACCOUNT_KEYS.keeps(count)?;
    let entry = org.audit(app, Action::ServiceAccountKeyRotated, id)?;
    let details = json!({
        "key": key.as_str(), "successor": made.0.id.as_str(), "overlapDays": overlap_days,
    });
    tx.commit(entry.with(details)).await?;
    Ok(made)
}

/// Revokes a key of an account.
///
/// # Errors
/// There is no such key in use, or the server did not do its part.
pub async fn revoke_key(
    app: &App,
    org: &Org<perm::ApiKeysAdmin>,
    id: &ServiceAccountId,
    key: &CredentialId,
) -> Result<(), ServiceAccountsError> {
    let entry = org.audit(app, Action::ServiceAccountKeyRevoked, id)?;
    let (mut tx, org) = org.begin(app).await?;
    let now = app.clock.now();
    if !tx.revoke_service_account_key(org.grant(), id, key, now).await? {
        return Err(ServiceAccountsError::NoKey);
    }
    Ok(tx.commit(entry.with(json!({"key": key.as_str()}))).await?)
}

async fn add_key(
    app: &App,
    org: &Org<perm::ApiKeysAdmin>,
    tx: &mut WriteTx,
    id: &ServiceAccountId,
    wanted: &NewServiceAccountKey,
) -> Result<(Made, ServiceAccountKey), ServiceAccountsError> {
    let account =
        tx.service_account(org.grant(), id).await?.ok_or(ServiceAccountsError::Missing)?;
    // Whoever holds the token can do what the account can.
    escalation::check(org.effective(), &Effective::none(), &may(account.permissions))?;
    let made_by = org.actor().person().ok_or(ServiceAccountsError::NoPerson)?;
    let made = Made::draw(app, TokenKind::ServiceAccount)?;
    let created_at = app.clock.now();
    let new = NewCredential {
        id: &made.id,
        name: &wanted.name,
        description: None,
        token: &made.token,
        made_by,
        expires_at: wanted.days.map(|count| created_at + days(count)),
        created_at,
    };
    tx.create_service_account_key(org.grant(), id, &new).await?;
    let key = ServiceAccountKey {
        id: made.id.clone(),
        name: wanted.name.clone(),
        shown: made.token.shown(),
        created_by: made_by.clone(),
        created_at,
        expires_at: new.expires_at,
        last_used_at: None,
    };
    Ok((made, key))
}

/// What an account with this matrix may do: accounts are not bound to repositories.
fn may(permissions: Matrix) -> Effective {
    Effective::new(permissions, RepoScope::Everything, false)
}

async fn find(
    tx: &mut WriteTx,
    org: &Org<perm::ApiKeysAdmin>,
    id: &ServiceAccountId,
) -> Result<ServiceAccount, ServiceAccountsError> {
    tx.service_account(org.grant(), id).await?.ok_or(ServiceAccountsError::Missing)
}

fn taken(error: StoreError, name: &AccountName) -> ServiceAccountsError {
    match error {
        StoreError::Conflict(_) => ServiceAccountsError::NameTaken(name.clone()),
        other => other.into(),
    }
}

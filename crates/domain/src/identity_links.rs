//! Accounts that people have at other providers, such as GitHub. The identity provider tells them
//! when somebody signs in; nobody claims one for themselves.

use kici_model::audit::{Action, AuditEntry};
use kici_model::identity_links::{Account, IdentityLink, LinkMethod};
use kici_model::page::{Limit, Page};
use kici_model::text::LinkedId;
use kici_model::{IdentityLinkId, OrgId, UserId};
use kici_rbac::{Granted, perm};
use kici_store::{StoreError, WriteTx};
use serde_json::{Value, json};

use crate::access::{Arrival, Interactive, Me};
use crate::{App, EnterError, Fault, Kind, ListError, Trouble};

const LIST: &str = "identity-links";

/// Why something could not be done with a link.
#[derive(Debug, thiserror::Error)]
pub enum IdentityLinksError {
    /// The person has no such link.
    #[error("You have no identity link with this id")]
    Missing,
    /// What they came with has ended meanwhile.
    #[error(transparent)]
    Enter(#[from] EnterError),
    /// The server did not do its part.
    #[error(transparent)]
    Trouble(#[from] Trouble),
}

impl From<StoreError> for IdentityLinksError {
    fn from(error: StoreError) -> Self {
        Self::Trouble(error.into())
    }
}

impl Fault for IdentityLinksError {
    fn kind(&self) -> Kind {
        match self {
            Self::Missing => Kind::Missing,
            Self::Enter(error) => error.kind(),
            Self::Trouble(trouble) => trouble.kind(),
        }
    }

    fn code(&self) -> &'static str {
        match self {
            Self::Missing => "not_found",
            Self::Enter(error) => error.code(),
            Self::Trouble(trouble) => trouble.code(),
        }
    }
}

/// A page of the person's accounts, by provider.
///
/// # Errors
/// A tampered cursor, or the database fails.
pub async fn list(
    app: &App,
    me: &Me,
    limit: Limit,
    cursor: Option<&str>,
) -> Result<Page<IdentityLink, String>, ListError> {
    let after: Option<String> = app.after(me.id().as_str(), LIST, cursor)?;
    let page = app.store.identity_links(me.grant(), after.as_deref(), limit).await?;
    Ok(app.page(me.id().as_str(), LIST, page))
}

/// Ends a link of the person. It is made anew when they sign in, as long as the identity provider
/// tells the account.
///
/// # Errors
/// They have no such link, or the server did not do its part.
pub async fn remove(
    app: &App,
    me: &Interactive,
    id: &IdentityLinkId,
) -> Result<(), IdentityLinksError> {
    let entry = me.audit(app, Action::IdentityLinkRemoved, id)?;
    let mut tx = me.begin(app).await?;
    let removed = tx.remove_identity_link(me.grant(), id).await?;
    let removed = removed.ok_or(IdentityLinksError::Missing)?;
    Ok(tx.commit(entry.with(details(&removed.account, me.id()))).await?)
}

/// Makes the links of `user`, who has just arrived, those that the provider tells; gives what there
/// is to say of it in the audit log.
///
/// An account is one person's: whom it was told of last. Another one's link to it ends, so that nobody
/// goes on acting under a name that is somebody else's by now. Call it last: it may lock all links.
pub(crate) async fn follow(
    app: &App,
    tx: &mut WriteTx,
    grant: &Granted<perm::Setup, OrgId>,
    arrival: &Arrival,
    user: &UserId,
) -> Result<Vec<AuditEntry>, Trouble> {
    let identity = arrival.identity();
    let audit = |action, id: &IdentityLinkId, account: &Account, whose: &UserId| {
        let entry = arrival.audit(app, None, user, action, id)?;
        Ok::<_, Trouble>(entry.with(details(account, whose)))
    };
    if !identity.accounts.is_empty() {
        tx.lock_identity_links(grant).await?;
    }
    let had = tx.identity_links_of(grant, user).await?;
    let mut entries = Vec::new();
    for account in &identity.accounts {
        for (other, link) in tx.identity_links_to(grant, account).await? {
            if other != *user {
                tx.delete_identity_link(grant, &other, &link.id).await?;
                entries.push(audit(Action::IdentityLinkRemoved, &link.id, &link.account, &other)?);
            }
        }
        let known = had.iter().find(|link| link.account.provider == account.provider);
        if known.is_some_and(|link| link.account == *account) {
            continue;
        }
        let id = match known {
            Some(link) => link.id.clone(),
            None => IdentityLinkId::new(&*app.clock, &*app.entropy)?,
        };
        let (account, linked_at) = (account.clone(), app.clock.now());
        let link = IdentityLink { id, account, method: LinkMethod::Oidc, linked_at };
        let action = match known {
            Some(_) => {
                tx.change_identity_link(grant, user, &link).await?;
                Action::IdentityLinkChanged
            }
            None => {
                tx.create_identity_link(grant, user, &link).await?;
                Action::IdentityLinkCreated
            }
        };
        entries.push(audit(action, &link.id, &link.account, user)?);
    }
    if identity.has_all_accounts {
        let is_told = |link: &&IdentityLink| {
            identity.accounts.iter().any(|account| account.provider == link.account.provider)
        };
        for link in had.iter().filter(|link| link.method == LinkMethod::Oidc && !is_told(link)) {
            tx.delete_identity_link(grant, user, &link.id).await?;
            entries.push(audit(Action::IdentityLinkRemoved, &link.id, &link.account, user)?);
        }
    }
    Ok(entries)
}

fn details(account: &Account, whose: &UserId) -> Value {
    json!({
        "user": whose.as_str(),
        "provider": account.provider.as_str(),
        "providerUsername": account.name.as_str(),
        "providerUserId": account.id.as_ref().map(LinkedId::as_str),
    })
}

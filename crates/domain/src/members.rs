//! Who belongs to an organisation, and with which roles. Nobody gives what they do not have, only an
//! owner acts on an owner, and an organisation always has an owner who is not suspended.

mod ci_trust;
mod list;
mod remove;
mod roles;
mod suspend;

use kici_model::{OrgId, RoleId, UserId};
use kici_rbac::escalation::Escalation;
use kici_rbac::{Granted, Permission};
use kici_store::{StoreError, WriteTx};

pub use ci_trust::set_ci_trust;
pub use list::{Assigned, Listed, list};
pub use remove::{leave, remove};
pub use roles::{add, set_roles};
pub use suspend::{suspend, unsuspend};

use crate::quotas::Full;
use crate::{EnterError, Fault, Kind, Org, Trouble};

/// Why something could not be done with a member.
#[derive(Debug, thiserror::Error)]
pub enum MembersError {
    /// They are a member already, or have the role already.
    #[error("That is so already")]
    Already,
    /// There is no such role.
    #[error("This organization has no role `{0}`")]
    NoRole(RoleId),
    /// There is no such member.
    #[error("This organization has no member `{0}`")]
    NoMember(UserId),
    /// Somebody acts for them, and they have to do it themselves.
    #[error("Only people leave: use a personal access token (`kici_pat_`)")]
    PersonRequired,
    /// A token with bounds has no say over a membership.
    #[error("A token with scopes, or of an agent, can't leave an organization")]
    Limited,
    /// They are the last one.
    #[error("An organization keeps at least one owner who is not suspended, and this is the last")]
    LastOwner,
    /// They are an owner and the caller is not.
    #[error("Only an owner can do this to an owner")]
    OwnersOnly,
    /// They would gain what the caller does not have.
    #[error(transparent)]
    Escalation(#[from] Escalation),
    /// They would have too many roles.
    #[error(transparent)]
    Full(#[from] Full),
    /// What the caller held has ended meanwhile.
    #[error(transparent)]
    Enter(#[from] EnterError),
    /// The server did not do its part.
    #[error(transparent)]
    Trouble(#[from] Trouble),
}

impl From<StoreError> for MembersError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Conflict(_) => Self::Already,
            other => Self::Trouble(other.into()),
        }
    }
}

impl Fault for MembersError {
    fn kind(&self) -> Kind {
        match self {
            Self::Already | Self::LastOwner => Kind::Conflict,
            Self::NoRole(_) => Kind::Invalid,
            Self::NoMember(_) => Kind::Missing,
            Self::OwnersOnly | Self::PersonRequired | Self::Limited | Self::Escalation(_) => {
                Kind::Denied
            }
            Self::Full(full) => full.kind(),
            Self::Enter(error) => error.kind(),
            Self::Trouble(trouble) => trouble.kind(),
        }
    }

    fn code(&self) -> &'static str {
        match self {
            Self::Already => "already",
            Self::NoRole(_) => "not_there",
            Self::NoMember(_) => "not_found",
            Self::LastOwner => "last_owner",
            Self::OwnersOnly => "owners_only",
            Self::PersonRequired => "person_required",
            Self::Limited | Self::Escalation(_) => "escalation",
            Self::Full(full) => full.code(),
            Self::Enter(error) => error.code(),
            Self::Trouble(trouble) => trouble.code(),
        }
    }
}

/// Only an owner acts on an owner.
async fn may_act_on<P: Permission<Proof<OrgId> = Granted<P, OrgId>>>(
    tx: &mut WriteTx,
    org: &Org<P>,
    user: &UserId,
) -> Result<(), MembersError> {
    let is_owner = tx.owners(org.grant()).await?.iter().any(|owner| owner.user == *user);
    if is_owner && !org.effective().is_owner() {
        return Err(MembersError::OwnersOnly);
    }
    Ok(())
}

/// Looked at after the change and before the commit: whatever the way, an owner must be left.
async fn still_owned<P>(tx: &mut WriteTx, grant: &Granted<P, OrgId>) -> Result<(), MembersError> {
    if tx.owners(grant).await?.iter().any(|owner| !owner.is_suspended) {
        Ok(())
    } else {
        Err(MembersError::LastOwner)
    }
}

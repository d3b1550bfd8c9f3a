//! The second layer: who may do what on an orchestrator. Three fixed roles, nineteen permissions,
//! nothing per resource. It knows nothing of the first layer, as an orchestrator must go on
//! working when it can't reach anybody.

use std::fmt;
use std::str::FromStr;

/// The role of an orchestrator's token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// Everything, tokens and keys included.
    Owner,
    /// Everything but tokens and keys.
    Admin,
    /// Look, but neither change anything nor see a secret or a payload.
    Auditor,
}

/// Declares the permissions from one table: variant, name, and the roles that hold it.
macro_rules! permissions {
    ($($(#[$doc:meta])* $variant:ident = $name:literal: $($role:ident)+;)+) => {
        /// Something that can be done on an orchestrator.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Permission {
            $($(#[$doc])* $variant,)+
        }

        impl Permission {
            /// All nineteen.
            pub const ALL: [Self; 19] = [$(Self::$variant),+];

            /// The name on the wire.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $name),+ }
            }

            /// The roles that hold it.
            #[must_use]
            pub const fn holders(self) -> &'static [Role] {
                match self { $(Self::$variant => &[$(Role::$role),+]),+ }
            }
        }
    };
}

permissions! {
    /// Make a context.
    ContextCreate = "context.create": Owner Admin;
    /// See contexts.
    ContextRead = "context.read": Owner Admin Auditor;
    /// Change a context.
    ContextUpdate = "context.update": Owner Admin;
    /// Delete a context.
    ContextDelete = "context.delete": Owner Admin;
    /// See which secrets there are.
    SecretRead = "secret.read": Owner Admin;
    /// Set a secret.
    SecretWrite = "secret.write": Owner Admin;
    /// Delete a secret.
    SecretDelete = "secret.delete": Owner Admin;
    /// See the value of a secret.
    SecretReveal = "secret.reveal": Owner Admin;
    /// See the audit log.
    AuditRead = "audit.read": Owner Admin Auditor;
    /// See runs.
    RunRead = "run.read": Owner Admin Auditor;
    /// Cancel a run.
    RunCancel = "run.cancel": Owner Admin;
    /// See the metadata of webhook events.
    EventLogRead = "event_log.read": Owner Admin Auditor;
    /// See the bodies of webhook events.
    EventLogReadPayload = "event_log.read_payload": Owner Admin;
    /// See who has read what.
    AccessLogRead = "access_log.read": Owner Admin Auditor;
    /// Start a scheduled job now.
    ScheduledJobTrigger = "scheduled_job.trigger": Owner Admin;
    /// See the dead-letter queue.
    EventDlqRead = "event_dlq.read": Owner Admin Auditor;
    /// Requeue or discard what is in it.
    EventDlqManage = "event_dlq.manage": Owner Admin;
    /// Make and revoke tokens.
    TokenManage = "token.manage": Owner;
    /// Rotate the encryption key.
    KeyRotate = "key.rotate": Owner;
}

impl Role {
    /// All three, strongest first.
    pub const ALL: [Self; 3] = [Self::Owner, Self::Admin, Self::Auditor];

    /// The name on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Owner => "owner",
            Self::Admin => "admin",
            Self::Auditor => "auditor",
        }
    }

    /// Whether the role holds the permission.
    ///
    /// ```
    /// use kici_rbac::operator::{Permission, Role};
    ///
    /// assert!(Role::Admin.allows(Permission::SecretReveal));
    /// assert!(!Role::Auditor.allows(Permission::SecretReveal));
    /// ```
    #[must_use]
    pub fn allows(self, permission: Permission) -> bool {
        permission.holders().contains(&self)
    }

    /// Checks for the permission.
    ///
    /// # Errors
    ///
    /// [`Denied`] when the role does not hold it.
    pub fn require(self, permission: Permission) -> Result<(), Denied> {
        if self.allows(permission) { Ok(()) } else { Err(Denied { role: self, permission }) }
    }
}

/// A role that does not hold what was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("Insufficient permission: {permission} needed, the role {role} does not have it")]
pub struct Denied {
    /// The role of the token.
    pub role: Role,
    /// What was asked for.
    pub permission: Permission,
}

/// A text that names no role of an orchestrator.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown role `{text}`, expected one of {}", Role::ALL.map(Role::as_str).join(", "))]
pub struct ParseRoleError {
    text: String,
}

/// A text that names no permission of an orchestrator.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "unknown permission `{text}`, expected one of {}",
    Permission::ALL.map(Permission::as_str).join(", ")
)]
pub struct ParsePermissionError {
    text: String,
}

impl FromStr for Role {
    type Err = ParseRoleError;

    fn from_str(text: &str) -> Result<Self, ParseRoleError> {
        Self::ALL
            .into_iter()
            .find(|role| role.as_str() == text)
            .ok_or_else(|| ParseRoleError { text: text.to_owned() })
    }
}

impl FromStr for Permission {
    type Err = ParsePermissionError;

    fn from_str(text: &str) -> Result<Self, ParsePermissionError> {
        Self::ALL
            .into_iter()
            .find(|permission| permission.as_str() == text)
            .ok_or_else(|| ParsePermissionError { text: text.to_owned() })
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl fmt::Display for Permission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

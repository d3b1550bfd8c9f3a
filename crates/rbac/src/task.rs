//! Background work has no bypass: each task holds a matrix of its own, as small as its work.

use std::fmt;

use crate::{Level, Matrix, Resource};

/// Work that nobody signed in for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SystemTask {
    /// Takes received webhooks to the orchestrators and keeps the log of it.
    RelayWebhooks,
    /// Somebody who has accepted an invitation becomes a member, within what its maker can give.
    AcceptInvites,
    /// An organization is made with its first owner: by whoever runs the program, or by somebody who
    /// has signed in.
    Setup,
}

impl SystemTask {
    /// All tasks.
    pub const ALL: [Self; 3] = [Self::RelayWebhooks, Self::AcceptInvites, Self::Setup];

    /// The name in logs and in the audit trail.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::RelayWebhooks => "relay-webhooks",
            Self::AcceptInvites => "accept-invites",
            Self::Setup => "setup",
        }
    }

    /// What the task holds, and no more.
    #[must_use]
    pub const fn matrix(self) -> Matrix {
        match self {
            Self::RelayWebhooks => Matrix::only(Resource::WebhookSources, Level::Read)
                .with(Resource::EventLog, Level::Write),
            Self::AcceptInvites | Self::Setup => Matrix::only(Resource::Members, Level::Admin),
        }
    }
}

impl fmt::Display for SystemTask {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

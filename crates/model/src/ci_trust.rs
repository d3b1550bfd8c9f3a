//! How far CI trusts people, and what it does with changes by those whom it does not.

use std::fmt;
use std::str::FromStr;

use kici_rbac::Level;
use serde::{Deserialize, Serialize};

use crate::sources::words;
use crate::{Text, TextError};

words! {
    /// What becomes of a run for a pull request from a fork.
    ForkPolicy, "a policy on forks" {
        /// It waits until somebody approves it.
        Hold = "hold",
        /// It is not started.
        Reject = "reject",
        /// It is started.
        Allow = "allow",
    }
}

words! {
    /// What becomes of a run by somebody who is not known.
    UnknownContributorPolicy, "a policy on unknown contributors" {
        /// It waits until somebody approves it.
        Hold = "hold",
        /// It is not started.
        Reject = "reject",
    }
}

words! {
    /// What becomes of a run whose change touches a workflow.
    WorkflowChangePolicy, "a policy on changed workflows" {
        /// It waits until somebody approves it.
        Hold = "hold",
        /// It is not started.
        Reject = "reject",
        /// It is started.
        Allow = "allow",
    }
}

words! {
    /// How far CI trusts a member.
    CiTrustLevel, "a level of CI trust" {
        /// Like anybody else.
        None = "none",
        /// Known.
        Read = "read",
        /// Trusted.
        Write = "write",
        /// Trusted.
        Admin = "admin",
    }
}

/// A level between two of them counts as the lower one.
impl From<Level> for CiTrustLevel {
    fn from(level: Level) -> Self {
        match level {
            Level::None => Self::None,
            Level::Read | Level::ReadPayload => Self::Read,
            Level::Write => Self::Write,
            Level::Admin => Self::Admin,
        }
    }
}

/// What an organisation has decided about changes by those whom it does not trust.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CiTrustPolicy {
    /// On pull requests from forks.
    pub fork_policy: ForkPolicy,
    /// On people who are not known.
    pub unknown_contributor_policy: UnknownContributorPolicy,
    /// On changes of workflows.
    pub workflow_change_policy: WorkflowChangePolicy,
    /// After how many hours a run that nobody has approved is given up: 1 to 720.
    pub approval_expiry_hours: u16,
}

impl CiTrustPolicy {
    /// The bounds of [`approval_expiry_hours`](Self::approval_expiry_hours).
    pub const EXPIRY_HOURS: std::ops::RangeInclusive<u16> = 1..=720;

    /// Stands for this state: another one has another tag.
    #[must_use]
    pub fn tag(&self) -> String {
        let Self { fork_policy: fork, unknown_contributor_policy: unknown, .. } = self;
        let Self { workflow_change_policy: workflow, approval_expiry_hours: hours, .. } = self;
        format!("{fork}-{unknown}-{workflow}-{hours}")
    }
}

/// Everything waits for three days.
impl Default for CiTrustPolicy {
    fn default() -> Self {
        Self {
            fork_policy: ForkPolicy::Hold,
            unknown_contributor_policy: UnknownContributorPolicy::Hold,
            workflow_change_policy: WorkflowChangePolicy::Hold,
            approval_expiry_hours: 72,
        }
    }
}

//! Accounts that people have at other providers, such as GitHub, and by whose word they are theirs.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::sources::words;
use crate::text::{LinkedId, LinkedName, ProviderName};
use crate::{IdentityLinkId, Text, TextError, Timestamp};

/// An account at a provider.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// Such as `github`.
    pub provider: ProviderName,
    /// What it is called there. Providers let people take another name, and others take theirs.
    pub name: LinkedName,
    /// The provider's own id of it, which stays.
    pub id: Option<LinkedId>,
}

words! {
    /// By whose word an account is somebody's.
    LinkMethod, "a link method" {
        /// The identity provider has told it.
        Oidc = "oidc",
    }
}

/// An account that is somebody's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdentityLink {
    /// The link's id.
    pub id: IdentityLinkId,
    /// The account.
    pub account: Account,
    /// By whose word.
    pub method: LinkMethod,
    /// Since when.
    pub linked_at: Timestamp,
}

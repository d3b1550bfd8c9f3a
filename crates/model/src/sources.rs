//! Webhook sources, as orchestrators register them. They outlive the connection.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::{RoutingKey, SourceId, Text, TextError, Timestamp};

/// A registered source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// Its id.
    pub id: SourceId,
    /// What the orchestrator told of it.
    pub registered: Registration,
    /// When it was first registered.
    pub registered_at: Timestamp,
}

/// What an orchestrator tells of a source. It carries no secret: the orchestrator verifies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Registration {
    /// Which deliveries are for it.
    pub routing_key: RoutingKey,
    /// What its operator calls it: at most 200 characters.
    pub name: String,
    /// The kind of provider.
    pub provider: Provider,
    /// The kind of source.
    pub subtype: Subtype,
    /// The provider's own short name, if any: at most 200 characters.
    pub slug: Option<String>,
}

macro_rules! words {
    ($(#[$doc:meta])* $type:ident, $name:literal { $($(#[$vdoc:meta])* $variant:ident = $word:literal,)* }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
        pub enum $type {
            $($(#[$vdoc])* #[serde(rename = $word)] $variant,)*
        }
        impl $type {
            /// The word on the wire and in the database.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word,)* }
            }
        }
        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }
        impl FromStr for $type {
            type Err = TextError;
            fn from_str(text: &str) -> Result<Self, TextError> {
                match text {
                    $($word => Ok(Self::$variant),)*
                    _ => Err(TextError::new(concat!($name, " is one of", $(" `", $word, "`",)*))),
                }
            }
        }
        impl Text for $type {
            const NAME: &'static str = $name;
        }
    };
}
pub(crate) use words;

words! {
    /// Where deliveries come from.
    Provider, "a provider" {
        /// GitHub.
        GitHub = "github",
        /// GitLab.
        GitLab = "gitlab",
        /// Bitbucket.
        Bitbucket = "bitbucket",
        /// Anything else that posts webhooks.
        Generic = "generic",
    }
}

words! {
    /// What kind of source it is for its orchestrator.
    Subtype, "a source subtype" {
        /// A GitHub App.
        GitHubApp = "github_app",
        /// A plain webhook with a configurable way of verification.
        GenericWebhook = "generic_webhook",
        /// A plain git server.
        UniversalGit = "universal_git",
        /// A working tree on the orchestrator's own machine.
        Local = "local",
    }
}

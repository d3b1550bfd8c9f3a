//! The nouns of the control plane: ids, parsed names, entities and their states, and the three
//! things that make a program hard to test when they are ambient: time, randomness and secrets.
//!
//! Nothing here does I/O, and nothing here knows a database or HTTP. Past a constructor of this
//! crate nobody checks a value again.

pub mod api_keys;
pub mod audit;
pub mod ci_trust;
pub mod clock;
pub mod credentials;
pub mod delivery;
pub mod entropy;
pub mod event_log;
pub mod id;
pub mod idempotency;
pub mod identities;
pub mod identity_links;
pub mod invites;
pub mod master_key;
pub mod members;
pub mod orchestrator_keys;
pub mod orchestrators;
pub mod orgs;
pub mod page;
pub mod personal_tokens;
pub mod roles;
pub mod routing_key;
pub mod secret;
pub mod service_accounts;
pub mod sessions;
pub mod sources;
mod tag;
pub mod teams;
pub mod text;
pub mod token;
pub mod users;

pub use clock::{Clock, SystemClock, Timestamp};
pub use entropy::{Entropy, EntropyError, OsEntropy};
pub use id::{
    AuditId, ConnectionId, CredentialId, EventId, Id, IdentityLinkId, InviteId, OrgAlias, OrgId,
    RoleId, ServiceAccountId, SessionId, SourceId, TeamId, UserId,
};
pub use master_key::{MasterKey, MasterKeyId, MasterKeys};
pub use routing_key::{RoutingKey, RoutingPattern};
pub use secret::Secret;
pub use text::{Text, TextError};
pub use token::{Token, TokenHash, TokenKind};

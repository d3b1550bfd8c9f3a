//! One function for each thing that somebody can do.
//!
//! Whoever acts comes through [`access`]: it makes the values ([`Org`], [`Link`]) that every other
//! function asks for in its signature, so that a forgotten check does not compile. Nothing here
//! knows HTTP or SQL.

pub mod access;
pub mod api_keys;
mod app;
pub mod audit;
mod change;
pub mod ci_trust;
pub mod credentials;
mod cursor;
mod digest;
pub mod event_log;
mod expiry;
mod fault;
pub mod founding;
pub mod idempotency;
pub mod identity_links;
pub mod invites;
mod mails;
pub mod master_key;
pub mod members;
pub mod metrics;
pub mod notes;
pub mod orchestrator_keys;
pub mod orchestrators;
pub mod orgs;
pub mod permissions;
pub mod personal_tokens;
pub mod ports;
mod quotas;
mod readiness;
mod retry;
pub mod roles;
pub mod service_accounts;
pub mod sessions;
pub mod setup;
pub mod sign_in;
pub mod sources;
pub mod teams;
pub mod users;
pub mod webhooks;

pub use access::{Caller, EnterError, Link, Me, Org};
pub use app::{App, Settings};
pub use change::ChangeError;
pub use cursor::{InvalidCursor, ListError};
pub use digest::sha256;
pub use fault::{Fault, Kind, OUTCOME_UNKNOWN, Trouble};
pub use kici_store::Attempt;
pub use kici_wire::shorten;

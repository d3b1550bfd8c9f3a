//! Every SQL statement, on SQLite and PostgreSQL. What goes in and out are `model`'s types; no type
//! of the ORM leaves this crate.
//!
//! A tenant's rows are reached only with a proof of permission, and the organisation is taken out
//! of the proof: there is no parameter that could name another one. The one exception is [`authn`],
//! the read that a proof is made from.

mod api_keys;
mod attempt;
mod audit;
pub mod authn;
mod availability;
mod changes;
mod check;
mod ci_trust;
mod connection;
mod counts;
mod credentials;
mod db;
mod deliveries;
mod error;
mod event_log;
mod health;
mod idempotency;
mod identities;
mod identity_links;
mod invites;
mod master_keys;
mod members;
mod orchestrator_keys;
mod orchestrators;
mod org_chart;
mod orgs;
mod page;
mod personal_tokens;
mod pools;
mod prepare;
mod readiness;
mod roles;
mod search;
mod server_keys;
mod service_accounts;
mod sessions;
mod sources;
mod sqlite_file;
mod teams;
mod tx;
mod url;
mod users;

pub use self::url::{DatabaseUrl, UrlError};
pub use attempt::Attempt;
pub use ci_trust::{CiTrust, TrustedMember};
pub use db::{Backend, Store};
pub use error::StoreError;
pub use master_keys::RegisteredKey;
pub use members::{NewMember, Owner, Removed};
pub use org_chart::MayCompare;
pub use pools::PoolStats;
pub use prepare::UnusableDatabase;
pub use roles::Lost;
pub use search::SearchError;
pub use server_keys::{ServerKey, StoredSecret};
pub use tx::{RecordTx, WriteTx};

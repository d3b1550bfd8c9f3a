//! HTTP: routes, JSON types, the one error body, the OpenAPI document, and the upgrade to a
//! WebSocket. A handler extracts, calls the domain and translates; it decides nothing.

mod api_keys;
mod audit;
mod body;
mod client_ip;
mod cookies;
mod credentials;
mod declared;
mod document;
mod error_codes;
mod event_log;
mod health;
mod idempotency;
mod identity_links;
mod invites;
mod link;
mod matrix;
mod me;
mod members;
mod metrics;
mod orchestrator_keys;
mod orchestrators;
mod org;
mod orgs;
mod page;
mod permissions;
mod personal_tokens;
mod problem;
mod rate_limits;
mod request_id;
mod roles;
mod rotation;
mod routes;
mod service_accounts;
mod sessions;
mod sign_in;
mod sources;
mod teams;
mod text;
mod users;
mod webhooks;

pub use document::{Operation, document, operations};
pub use error_codes::ERROR_CODES;
pub use metrics::metrics;
pub use rate_limits::RateLimits;
pub use routes::{Platform, routes};

//! HTTP: routes, JSON types, the one error body, the OpenAPI document, and the upgrade to a
//! WebSocket. A handler extracts, calls the domain and translates; it decides nothing.

mod body;
mod client_ip;
mod document;
mod error_codes;
mod event_log;
mod health;
mod link;
mod orchestrator_keys;
mod orchestrators;
mod org;
mod orgs;
mod problem;
mod request_id;
mod routes;
mod sources;
mod text;
mod webhooks;

pub use document::{Operation, document, operations};
pub use error_codes::ERROR_CODES;
pub use routes::{Platform, routes};

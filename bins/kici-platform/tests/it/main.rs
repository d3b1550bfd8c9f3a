//! The platform at its borders: HTTP on one side, orchestrators on the other.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::print_stdout,
    reason = "tests fail by panicking"
)]

mod api_keys;
mod audit;
mod authorization;
mod bodies;
mod body_budget;
mod ci_trust;
mod commands;
mod cors;
mod database_down;
mod database_file;
mod database_states;
mod delivery;
mod dev;
mod disabled;
mod document;
mod event_log;
mod everybody;
mod expiry;
mod idempotency;
mod identity_links;
mod invites;
mod join;
mod link;
mod link_bounds;
mod lists;
mod lost_writes;
mod mail;
mod master_key;
mod members;
mod metrics;
mod metrics_text;
mod node_server;
mod offers;
mod oidc;
mod orchestrator_keys;
mod orgs;
mod owners;
mod peers;
mod personal_tokens;
mod pooler;
mod provider;
mod rate_limits;
mod raw;
mod real_provider;
mod rejected_deliveries;
mod relay;
mod request_head;
mod restart;
mod roles;
mod round_trips;
mod samples;
mod searches;
mod secrets;
mod service;
mod service_accounts;
mod sessions;
mod sign_in;
mod slow_database;
mod small_disk;
mod smtp;
mod sockets;
mod sources;
mod support;
mod teams;
mod visitor;
mod webhooks;
mod wire;

//! Each query's contract, on both databases.

#![expect(clippy::unwrap_used, clippy::panic, reason = "tests fail by panicking")]

mod authn;
mod master_keys;
mod org_chart;
mod plan;
mod pools;
mod schema;
mod tenancy;
mod transactions;
mod world;

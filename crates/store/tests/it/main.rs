//! Each query's contract, on both databases.

#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

mod authn;
mod plan;
mod pools;
mod schema;
mod tenancy;
mod transactions;
mod world;

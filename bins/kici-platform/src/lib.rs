//! The platform as a program: configuration, wiring and commands. What it does is decided in the
//! crates below; tests start the same [`Server`] in process.

pub mod cli;
mod config;
mod descriptors;
mod dev;
mod http;
mod master_key;
mod notify;
mod org;
mod print;
mod reference;
mod serve;
mod server;
mod telemetry;

pub use config::Config;
pub use dev::{Issuer, Person};
pub use http::Bounds;
pub use master_key::MasterKeySource;
pub use server::{Options, Server};

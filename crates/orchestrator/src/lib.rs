//! The small orchestrator: the other end of the platform's link.
//!
//! It dials out, says which sources it serves, puts relayed webhooks together again, verifies them
//! with secrets that never leave this process, and hands each accepted delivery to a [`Handler`].
//! What the handler does with it is not decided here: nothing is stored and no job is run.
//!
//! ```no_run
//! use std::sync::Arc;
//! use kici_model::Secret;
//! use kici_orchestrator_core::{Config, Log, Orchestrator, Source};
//!
//! # async fn example() {
//! let source = Source::github(884_211, "Acme CI", Secret::new("webhook secret".to_owned()));
//! let config = Config::new("ws://127.0.0.1:8080/ws", Secret::new("kici_ok_…".to_owned()))
//!     .with_sources([source])
//!     .with_handler(Arc::new(Log));
//! let orchestrator = Orchestrator::start(config);
//! orchestrator.wait_until_registered(std::time::Duration::from_secs(5)).await.unwrap();
//! orchestrator.stop().await;
//! # }
//! ```

mod client;
mod collect;
mod config;
mod handler;
mod judge;
mod orchestrator;
mod outbox;
mod recent;
mod registry;
mod relay;
mod session;
mod shared;
pub mod sign;
mod socket;
mod state;
mod verify;

pub use collect::Collect;
pub use config::{Config, Source};
pub use handler::{Delivered, Handler, Log};
pub use orchestrator::{LinkError, Orchestrator};
pub use state::{Close, State, Status, TimedOut};
pub use verify::Verification;

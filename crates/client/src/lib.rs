//! The client of the platform's API. Operations and types are generated from the OpenAPI document
//! while this crate is built, so it knows what the document knows and nothing beside it; it imports
//! no other crate of this workspace.
//!
//! Each operation is a method of [`Client`], called as the document calls it. It gives a builder:
//! parameters are set by name, and `send` asks the server.
//!
//! ```no_run
//! use kici_client::{Client, ErrorExt, types::OrchestratorKeyCreate};
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! // Which cryptography TLS works with is for the program to say, once.
//! rustls::crypto::ring::default_provider().install_default().ok();
//!
//! let client = Client::new("https://kici.example.com", &std::env::var("KICI_TOKEN")?)?;
//! let wanted = OrchestratorKeyCreate {
//!     name: "eu-west".into(),
//!     description: None,
//!     routing_patterns: Some(vec!["github:*".into()]),
//! };
//! match client.orchestrator_keys_create().org("org_…").body(wanted).send().await {
//!     Ok(made) => println!("{}", made.token),
//!     Err(error) if error.code() == Some("invalid_fields") => {
//!         for field in error.fields() {
//!             println!("`{}` {}", field.path, field.message);
//!         }
//!     }
//!     Err(error) => return Err(error.into()),
//! }
//!
//! let page = client.event_log_list().org("org_…").limit(20_u64).send().await?.into_inner();
//! if let Some(cursor) = page.next_cursor {
//!     let older = client.event_log_list().org("org_…").limit(20_u64).cursor(cursor);
//!     println!("{} more", older.send().await?.items.len());
//! }
//! # Ok(())
//! # }
//! ```
//!
//! Whatever the server refuses is an [`Error`] with a [`Problem`](types::Problem) in it, which
//! [`ErrorExt`] finds.

#![warn(missing_docs)]

mod auth;
mod path;
mod problem;

#[expect(
    clippy::allow_attributes,
    clippy::allow_attributes_without_reason,
    clippy::doc_lazy_continuation,
    missing_docs,
    unreachable_pub,
    unused_imports,
    unused_qualifications,
    reason = "generated; what is of use in it is exported below"
)]
mod generated {
    include!(concat!(env!("OUT_DIR"), "/client.rs"));
}

pub use auth::{Credential, SetupError};
pub use generated::{Client, ClientInfo, ResponseValue, builder, types};
pub use problem::ErrorExt;

/// What can go wrong with a request.
pub type Error = generated::Error<types::Problem>;

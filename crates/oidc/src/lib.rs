//! The identity provider, asked over OpenID Connect: whose a token is, and who has signed in.
//!
//! Nothing is believed that was not verified: signatures by the provider's published keys, issuer,
//! audience and time each time anew. What somebody may do is not decided here, and nothing is stored.

mod address;
mod claims;
mod code;
mod discovery;
mod http;
mod introspection;
mod jwk;
mod jwt;
mod keys;
mod link_claim;
mod provider;

pub use address::{AddressError, is_loopback, parse_address};
pub use link_claim::{LinkClaim, LinkClaimError};
pub use provider::{Config, Provider, ProviderError};

use kici_domain::ports::IdentityError;

/// A token, or an answer of the provider, that is not good.
pub(crate) fn refused<T>(why: &'static str) -> Result<T, IdentityError> {
    Err(IdentityError::Refused(why))
}

//! Live connections of orchestrators: who is there, what they serve, and the relay of deliveries
//! to them in interleaved chunks.
//!
//! A socket is a stream of [`Received`] and a sink of [`Frame`]; who upgrades HTTP to that is not
//! known here, and neither is SQL.

mod answers;
mod connection;
mod hub;
mod limits;
mod news;
mod outbox;
mod rate;
mod session;
mod socket;

pub use hub::Hub;
pub use limits::Limits;
pub use session::{LARGEST_FRAME, TokenCheck, Unauthenticated, serve};
pub use socket::{Frame, Received};

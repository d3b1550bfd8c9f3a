//! The frames of the orchestrator link, protocol version 1, as serde types with their bounds.
//!
//! One JSON object a text frame, told apart by `type`. Unknown keys are ignored, unknown types are
//! [`FromOrchestrator::Unknown`]: a newer peer must not be cut off for knowing more. No socket and
//! no timer lives here.

mod auth;
mod chunk;
mod ci_trust;
mod frame;
mod join;
mod peers;
mod sources;
mod text;
mod webhook;

pub use auth::{AuthFailure, AuthRequest, AuthSuccess, Capabilities};
pub use chunk::{Chunks, Reassembly, ReassemblyError, chunk_count};
pub use ci_trust::{LinkedAccount, TeamMembership, TrustPolicyUpdate};
pub use frame::{FrameError, FromOrchestrator, Heartbeat, ToOrchestrator};
pub use join::{JoinRequest, JoinResponse, JoinRoute, NoJoinToken};
pub use peers::{OrchRole, Peer, PeerUpdate};
pub use sources::{
    Accepted, Known, RegisteredSource, Rejected, SourceDeregister, SourceDeregisterAck,
    SourceRegister, SourceRegisterAck,
};
pub use text::shorten;
pub use webhook::{AckResult, WebhookAck, WebhookRelayChunk, WebhookRelayStart};

/// The only protocol version there is.
pub const PROTOCOL_VERSION: u32 = 1;
/// The largest frame that either side takes, in bytes.
pub const MAX_FRAME: usize = 26_214_400;
/// The raw bytes that one chunk of a relayed body carries.
pub const CHUNK: usize = 65_536;
/// The longest message id, in characters.
pub const MAX_MESSAGE_ID: usize = 128;

/// Why a server closes the link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u16)]
pub enum CloseCode {
    /// The server shuts down, so come back soon; or a newer connection of the same process is there.
    GoingAway = 1001,
    /// The token is unknown, or was revoked while connected.
    Unauthorized = 4001,
    /// No `auth.request` came in time.
    AuthTimeout = 4002,
    /// What came was not a message, or nothing valid came for too long.
    InvalidMessage = 4003,
    /// Nothing came for too long, or nothing was read.
    HeartbeatTimeout = 4004,
    /// The peer speaks another version.
    ProtocolError = 4005,
    /// The server could not do its part.
    Internal = 4006,
    /// The organization has as many connections as it may.
    LimitReached = 4020,
}

impl CloseCode {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::GoingAway,
        Self::Unauthorized,
        Self::AuthTimeout,
        Self::InvalidMessage,
        Self::HeartbeatTimeout,
        Self::ProtocolError,
        Self::Internal,
        Self::LimitReached,
    ];

    /// The reason in words, for the other side's log.
    #[must_use]
    pub const fn reason(self) -> &'static str {
        match self {
            Self::GoingAway => "the server shuts down, or a newer connection has come",
            Self::Unauthorized => "the key was revoked or is over, or the organization is disabled",
            Self::AuthTimeout => "no `auth.request` came in time",
            Self::InvalidMessage => "a frame is no text of 25 MiB at most, or nothing valid came",
            Self::HeartbeatTimeout => "nothing came for too long, or nothing was read",
            Self::ProtocolError => "another version of the protocol",
            Self::Internal => "the server could not do its part",
            Self::LimitReached => "the organization has as many connections as it may",
        }
    }

    /// The number on the wire.
    #[must_use]
    pub const fn code(self) -> u16 {
        self as u16
    }
}

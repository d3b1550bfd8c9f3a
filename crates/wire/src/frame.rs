//! Whole frames in both directions: from text, to text.

use std::borrow::Cow;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::{
    AuthFailure, AuthRequest, AuthSuccess, Capabilities, JoinRequest, JoinResponse, PeerUpdate,
    SourceDeregister, SourceDeregisterAck, SourceRegister, SourceRegisterAck, TrustPolicyUpdate,
    WebhookAck, WebhookRelayChunk, WebhookRelayStart,
};

/// A frame that an orchestrator sends.
#[derive(Debug, Clone)]
pub enum FromOrchestrator {
    /// `auth.request`
    AuthRequest(AuthRequest),
    /// `heartbeat`
    Heartbeat(Heartbeat),
    /// `orch.capabilities.update`: replaces what was known, as a whole.
    CapabilitiesUpdate(Capabilities),
    /// `source.register`
    SourceRegister(SourceRegister),
    /// `source.deregister`
    SourceDeregister(SourceDeregister),
    /// `webhook.ack`
    WebhookAck(WebhookAck),
    /// `join.request`: from an orchestrator that wants to come into a cluster.
    JoinRequest(JoinRequest),
    /// `join.response`: from one that is in it.
    JoinResponse(JoinResponse),
    /// A type that this version does not know: to be counted and ignored.
    Unknown {
        /// Its `type`.
        kind: String,
    },
}

/// A sign of life.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Heartbeat {
    /// The orchestrator's clock, in milliseconds since the Unix epoch.
    pub timestamp: f64,
}

/// A frame that the platform sends.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type")]
pub enum ToOrchestrator {
    /// The token opens the link.
    #[serde(rename = "auth.success")]
    AuthSuccess(AuthSuccess),
    /// The token opens nothing.
    #[serde(rename = "auth.failure")]
    AuthFailure(AuthFailure),
    /// The answer to a registration.
    #[serde(rename = "source.register.ack")]
    SourceRegisterAck(SourceRegisterAck),
    /// The answer to a deregistration.
    #[serde(rename = "source.deregister.ack")]
    SourceDeregisterAck(SourceDeregisterAck),
    /// Announces a delivery.
    #[serde(rename = "webhook.relay.start")]
    WebhookRelayStart(WebhookRelayStart),
    /// A piece of a delivery.
    #[serde(rename = "webhook.relay.chunk")]
    WebhookRelayChunk(WebhookRelayChunk),
    /// Whom CI trusts, from now on.
    #[serde(rename = "trust_policy.update")]
    TrustPolicyUpdate(TrustPolicyUpdate),
    /// Who else serves the same sources, from now on.
    #[serde(rename = "peer.update")]
    PeerUpdate(PeerUpdate),
    /// Somebody wants to come into the cluster.
    #[serde(rename = "join.request")]
    JoinRequest(JoinRequest),
    /// What the cluster says to that.
    #[serde(rename = "join.response")]
    JoinResponse(JoinResponse),
}

/// Why a text is not a frame.
#[derive(Debug, thiserror::Error)]
pub enum FrameError {
    /// It is no JSON object with a string `type`.
    #[error("a frame is a JSON object with a string `type`")]
    NotAFrame(#[source] serde_json::Error),
    /// It holds more than a frame of its type may.
    #[error("`{kind}` with more than 256 KiB")]
    TooLarge {
        /// The `type`.
        kind: &'static str,
    },
    /// Its type is known, but its content does not fit.
    #[error("malformed `{kind}`")]
    Malformed {
        /// The `type`.
        kind: &'static str,
        /// What does not fit, and where.
        #[source]
        source: serde_json::Error,
    },
}

/// The type alone: everything else is passed over without being built, since a frame of 25 MiB makes
/// a tree of gigabytes.
#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(rename = "type", borrow)]
    kind: Cow<'a, str>,
}

/// The largest frame whose content is kept as it is, whatever it holds.
const OPEN_CONTENT: usize = 256 * 1024;

#[derive(Deserialize)]
struct CapabilitiesUpdate {
    capabilities: Capabilities,
}

impl FromOrchestrator {
    /// Reads one text frame.
    ///
    /// # Errors
    /// [`FrameError`]; the connection stays, the frame is dropped.
    pub fn parse(text: &str) -> Result<Self, FrameError> {
        Ok(match &*kind(text)? {
            "auth.request" => Self::AuthRequest(open_content("auth.request", text)?),
            "heartbeat" => Self::Heartbeat(content("heartbeat", text)?),
            "orch.capabilities.update" => Self::CapabilitiesUpdate(
                open_content::<CapabilitiesUpdate>("orch.capabilities.update", text)?.capabilities,
            ),
            "source.register" => Self::SourceRegister(content("source.register", text)?),
            "source.deregister" => Self::SourceDeregister(content("source.deregister", text)?),
            "webhook.ack" => Self::WebhookAck(content("webhook.ack", text)?),
            "join.request" => Self::JoinRequest(open_content("join.request", text)?),
            "join.response" => Self::JoinResponse(open_content("join.response", text)?),
            kind => Self::Unknown { kind: crate::shorten(kind, 100) },
        })
    }

    /// The text frame for it. [`Self::Unknown`] has none and gives an empty object.
    #[must_use]
    pub fn to_text(&self) -> String {
        match self {
            Self::AuthRequest(body) => tagged("auth.request", body),
            Self::Heartbeat(body) => tagged("heartbeat", body),
            Self::CapabilitiesUpdate(capabilities) => tagged(
                "orch.capabilities.update",
                &serde_json::json!({ "capabilities": capabilities }),
            ),
            Self::SourceRegister(body) => tagged("source.register", body),
            Self::SourceDeregister(body) => tagged("source.deregister", body),
            Self::WebhookAck(body) => tagged("webhook.ack", body),
            Self::JoinRequest(body) => tagged("join.request", body),
            Self::JoinResponse(body) => tagged("join.response", body),
            Self::Unknown { .. } => "{}".to_owned(),
        }
    }
}

impl ToOrchestrator {
    /// Reads one text frame; `None` for a type that this version does not know.
    ///
    /// # Errors
    /// [`FrameError`]; the connection stays, the frame is dropped.
    pub fn parse(text: &str) -> Result<Option<Self>, FrameError> {
        Ok(Some(match &*kind(text)? {
            "auth.success" => Self::AuthSuccess(content("auth.success", text)?),
            "auth.failure" => Self::AuthFailure(content("auth.failure", text)?),
            "source.register.ack" => Self::SourceRegisterAck(content("source.register.ack", text)?),
            "source.deregister.ack" => {
                Self::SourceDeregisterAck(content("source.deregister.ack", text)?)
            }
            "webhook.relay.start" => Self::WebhookRelayStart(content("webhook.relay.start", text)?),
            "webhook.relay.chunk" => Self::WebhookRelayChunk(content("webhook.relay.chunk", text)?),
            "trust_policy.update" => Self::TrustPolicyUpdate(content("trust_policy.update", text)?),
            "peer.update" => Self::PeerUpdate(content("peer.update", text)?),
            "join.request" => Self::JoinRequest(content("join.request", text)?),
            "join.response" => Self::JoinResponse(content("join.response", text)?),
            _ => return Ok(None),
        }))
    }

    /// The text frame for it.
    #[must_use]
    pub fn to_text(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }
}

/// The frame's type. An object it must be: serde would take an array as well.
fn kind(text: &str) -> Result<Cow<'_, str>, FrameError> {
    let object = if text.trim_start().starts_with('{') { text } else { "" };
    let Envelope { kind } = serde_json::from_str(object).map_err(FrameError::NotAFrame)?;
    Ok(kind)
}

fn content<T: DeserializeOwned>(kind: &'static str, text: &str) -> Result<T, FrameError> {
    serde_json::from_str(text).map_err(|source| FrameError::Malformed { kind, source })
}

/// The content of a frame that may hold anything, and so only so much.
fn open_content<T: DeserializeOwned>(kind: &'static str, text: &str) -> Result<T, FrameError> {
    if text.len() > OPEN_CONTENT { Err(FrameError::TooLarge { kind }) } else { content(kind, text) }
}

/// Serialising these types can't fail: their keys are strings and their numbers finite.
fn tagged(kind: &str, body: &impl Serialize) -> String {
    #[derive(Serialize)]
    struct Tagged<'a, T> {
        r#type: &'a str,
        #[serde(flatten)]
        body: &'a T,
    }
    serde_json::to_string(&Tagged { r#type: kind, body }).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    #[test]
    fn the_orchestrators_own_frames_are_read() {
        let frame = r#"{"type":"source.register","messageId":"m","sources":[{"provider":"github",
            "routingKey":"github:884211","name":"Acme CI","subtype":"github_app","slug":"acme-ci"}],
            "instanceId":"i","clusterName":"prod-eu","address":null,"mode":"platform",
            "deployment":{"mode":"systemd"},"s3LogAccess":true,"queueTimeoutMs":3600000}"#;
        let FromOrchestrator::SourceRegister(register) = FromOrchestrator::parse(frame).unwrap()
        else {
            panic!("another frame");
        };
        assert_eq!(register.sources[0].routing_key, "github:884211");
        assert_eq!(register.cluster_name.as_deref(), Some("prod-eu"));
    }

    #[test]
    fn unknown_types_pass_and_malformed_ones_say_what_is_wrong() {
        let frame = FromOrchestrator::parse(r#"{"type":"orch.metrics","cpu":1}"#).unwrap();
        assert!(matches!(frame, FromOrchestrator::Unknown { kind } if kind == "orch.metrics"));
        for bad in ["", "[]", "{}", r#"{"type":7}"#, "not json"] {
            assert!(matches!(FromOrchestrator::parse(bad), Err(FrameError::NotAFrame(_))), "{bad}");
        }
        let error = FromOrchestrator::parse(r#"{"type":"webhook.ack","messageId":1}"#).unwrap_err();
        assert_eq!(error.to_string(), "malformed `webhook.ack`");
        assert!(ToOrchestrator::parse(r#"{"type":"run.cancel.request"}"#).unwrap().is_none());
    }

    #[test]
    fn capabilities_keep_keys_that_nobody_knows_here() {
        let frame =
            r#"{"type":"orch.capabilities.update","capabilities":{"orchRole":"worker","x":[1]}}"#;
        let parsed = FromOrchestrator::parse(frame).unwrap();
        assert_eq!(
            serde_json::from_str::<Value>(&parsed.to_text()).unwrap(),
            serde_json::from_str::<Value>(frame).unwrap()
        );
    }

    #[test]
    fn frames_to_orchestrators_carry_their_type_and_camel_case_keys() {
        let frame = ToOrchestrator::WebhookRelayChunk(WebhookRelayChunk {
            message_id: "m".into(),
            sequence: 1,
            data: "eA==".into(),
            is_final: true,
        });
        let text = frame.to_text();
        assert_eq!(
            text,
            r#"{"type":"webhook.relay.chunk","messageId":"m","sequence":1,"data":"eA==","final":true}"#
        );
        assert_eq!(ToOrchestrator::parse(&text).unwrap(), Some(frame));
    }
}

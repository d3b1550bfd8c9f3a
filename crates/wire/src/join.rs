//! A new orchestrator asks one that is there already to let it into its cluster (protocol §9). The
//! platform passes both on and can read neither the secret nor the bundle.

use std::fmt;
use std::str::FromStr;

use data_encoding::BASE64URL_NOPAD;
use kici_model::OrgId;
use serde::{Deserialize, Serialize};

/// `join.request`
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct JoinRequest {
    /// Comes back in the response.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message_id: Option<String>,
    /// A join token, made by an orchestrator of the cluster.
    pub token: String,
}

/// Hides the token.
impl fmt::Debug for JoinRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JoinRequest").field("message_id", &self.message_id).finish_non_exhaustive()
    }
}

/// `join.response`
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct JoinResponse {
    /// That of the request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message_id: Option<String>,
    /// Whether the new one is in.
    pub success: bool,
    /// What it needs for that, encrypted with the token's secret.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub encrypted_bundle: Option<String>,
    /// Why it is not in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// Hides the bundle.
impl fmt::Debug for JoinResponse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JoinResponse")
            .field("message_id", &self.message_id)
            .field("success", &self.success)
            .field("error", &self.error)
            .finish_non_exhaustive()
    }
}

/// What a join token tells everybody: `kici_join_v1.<base64url of JSON>.<secret>`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JoinRoute {
    /// The organisation whose cluster it is for.
    pub org: OrgId,
    /// A source that the cluster serves, as the token has it.
    pub routing_key: Option<String>,
}

/// Why a text is no join token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a join token is `kici_join_v1.`, its route and its secret, as `kici-admin` prints it")]
pub struct NoJoinToken;

impl FromStr for JoinRoute {
    type Err = NoJoinToken;

    fn from_str(token: &str) -> Result<Self, NoJoinToken> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Route {
            org_id: String,
            #[serde(default)]
            routing_key: Option<String>,
        }
        // No token that is made anywhere is a quarter as long.
        let parts = token.strip_prefix("kici_join_v1.").filter(|_| token.len() <= 4096);
        let (route, _) = parts.and_then(|parts| parts.split_once('.')).ok_or(NoJoinToken)?;
        let json = BASE64URL_NOPAD.decode(route.trim_end_matches('=').as_bytes());
        let json = json.map_err(|_| NoJoinToken)?;
        let route: Route = serde_json::from_slice(&json).map_err(|_| NoJoinToken)?;
        let org = route.org_id.parse().map_err(|_| NoJoinToken)?;
        Ok(Self { org, routing_key: route.routing_key })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(route: &str) -> String {
        format!("kici_join_v1.{}.{}", BASE64URL_NOPAD.encode(route.as_bytes()), "ab".repeat(32))
    }

    #[test]
    fn the_public_part_of_a_token_is_read() {
        let org = "org_k3m9p2x7q1zz";
        let text = format!(r#"{{"orgId":"{org}","routingKey":"github:1","expiry":1}}"#);
        let route: JoinRoute = token(&text).parse().unwrap();
        assert_eq!(
            route,
            JoinRoute { org: org.parse().unwrap(), routing_key: Some("github:1".to_owned()) }
        );
        for bad in [
            String::new(),
            "kici_join_v1.".to_owned(),
            "kici_join_v1.x".to_owned(),
            "kici_join_v1.*.x".to_owned(),
            token(""),
            token("[]"),
            token(r#"{"orgId":"x"}"#),
            token(&format!(r#"{{"orgId":"{org}","x":"{}"}}"#, "y".repeat(4096))),
        ] {
            assert!(bad.parse::<JoinRoute>().is_err(), "{bad}");
        }
    }

    #[test]
    fn nothing_secret_is_printed() {
        let request = JoinRequest { message_id: None, token: "s3cret".to_owned() };
        let response = JoinResponse {
            message_id: None,
            success: true,
            encrypted_bundle: Some("s3cret".to_owned()),
            error: None,
        };
        assert!(!format!("{request:?}{response:?}").contains("s3cret"));
    }
}

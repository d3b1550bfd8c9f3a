//! What the headers of a delivery say about it: which App, which event, which id.

use std::collections::BTreeMap;

use kici_model::RoutingKey;
use kici_model::text::DeliveryId;

use super::WebhookError;
use crate::digest::sha256;
use crate::{App, Trouble};

/// The header by which GitHub tells which App a delivery is for.
pub const GITHUB_APP: &str = "x-github-hook-installation-target-id";
const GITHUB_TARGET: &str = "x-github-hook-installation-target-type";
const GITHUB_DELIVERY: &str = "x-github-delivery";
const GITHUB_EVENT: &str = "x-github-event";
const GITHUB_SIGNATURE: &str = "x-hub-signature-256";

/// Where generic senders put an id, the first that is there.
const GENERIC_DELIVERY: [&str; 3] = ["x-delivery-id", "x-request-id", "x-idempotency-key"];
/// Where they put the kind of event, the first that is there.
const GENERIC_EVENT: [&str; 5] =
    ["x-event-type", "x-gitea-event", "x-gogs-event", "x-gitlab-event", GITHUB_EVENT];

/// What is known of a delivery without its body.
pub(super) struct Described {
    pub(super) id: DeliveryId,
    pub(super) event: String,
    pub(super) signature_header: Option<&'static str>,
}

/// The routing key of the GitHub App that a delivery names.
pub(super) fn github_app(headers: &BTreeMap<String, String>) -> Result<RoutingKey, WebhookError> {
    let target = required(headers, GITHUB_TARGET)?;
    if target != "integration" {
        return Err(WebhookError::Header(format!(
            "`{GITHUB_TARGET}` is `{target}`; only the webhook of a GitHub App, `integration`, is \
             taken here"
        )));
    }
    let app = required(headers, GITHUB_APP)?;
    format!("github:{app}").parse().map_err(|_| {
        WebhookError::Header(format!("`{GITHUB_APP}` must be the number of a GitHub App"))
    })
}

/// Id and event of a delivery to the source `key`.
pub(super) fn describe(
    app: &App,
    key: &RoutingKey,
    headers: &BTreeMap<String, String>,
) -> Result<Described, WebhookError> {
    match key {
        RoutingKey::GitHub { .. } => Ok(Described {
            id: required(headers, GITHUB_DELIVERY)?
                .parse()
                .map_err(|error| WebhookError::Header(format!("`{GITHUB_DELIVERY}`: {error}")))?,
            event: required(headers, GITHUB_EVENT)?.to_owned(),
            signature_header: Some(GITHUB_SIGNATURE),
        }),
        RoutingKey::Generic { .. } => {
            let given = GENERIC_DELIVERY.iter().find_map(|name| present(headers, name));
            let given = match given {
                Some(id) => id.to_owned(),
                None => kici_model::entropy::uuid(&*app.entropy).map_err(Trouble::from)?,
            };
            let event = GENERIC_EVENT.iter().find_map(|name| present(headers, name));
            Ok(Described {
                id: prefixed(key, &given)?,
                event: event.unwrap_or("webhook").to_owned(),
                signature_header: None,
            })
        }
    }
}

/// Orchestrators tell deliveries apart by their id alone, over all sources; so the source goes
/// before it. An id that has a form of its own stands there as its hash: the same for a repetition.
fn prefixed(key: &RoutingKey, id: &str) -> Result<DeliveryId, WebhookError> {
    format!("{key}:{id}")
        .parse()
        .or_else(|_| format!("{key}:{}", sha256(&[id.as_bytes()])).parse())
        .map_err(|error| WebhookError::Header(format!("{error}")))
}

fn required<'a>(
    headers: &'a BTreeMap<String, String>,
    name: &str,
) -> Result<&'a str, WebhookError> {
    present(headers, name).ok_or_else(|| {
        WebhookError::Header(format!("The header `{name}` is missing; GitHub always sends it"))
    })
}

fn present<'a>(headers: &'a BTreeMap<String, String>, name: &str) -> Option<&'a str> {
    headers.get(name).map(|value| value.trim()).filter(|value| !value.is_empty())
}

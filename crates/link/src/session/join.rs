//! A new orchestrator wants to come into a cluster (protocol §9): what it says is passed on to one
//! that is in it, and the answer comes back. Neither can be read here.

use std::convert::Infallible;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use kici_wire::{JoinRequest, JoinResponse, JoinRoute, MAX_MESSAGE_ID, ToOrchestrator, shorten};
use tokio::sync::Notify;
use tokio::time::{Instant, timeout_at};

use crate::Hub;
use crate::connection::Connection;

/// The joining side gives up after 30 s; by then it has been told why.
const ALL: Duration = Duration::from_secs(25);
/// How long one cluster has.
const EACH: Duration = Duration::from_secs(10);

/// What a connection has asked for and was not answered yet. One at a time: a second question takes
/// the place of the first.
#[derive(Debug, Default)]
pub(crate) struct Joining {
    request: Mutex<Option<JoinRequest>>,
    asked: Notify,
}

impl Joining {
    pub(crate) fn ask(&self, request: JoinRequest) {
        *self.request.lock().unwrap_or_else(PoisonError::into_inner) = Some(request);
        self.asked.notify_one();
    }

    async fn next(&self) -> JoinRequest {
        loop {
            let asked = self.asked.notified();
            let request = self.request.lock().unwrap_or_else(PoisonError::into_inner).take();
            match request {
                Some(request) => return request,
                None => asked.await,
            }
        }
    }
}

/// Answers what the connection asks for.
pub(super) async fn serve(hub: &Hub, connection: &Connection) -> Infallible {
    loop {
        let JoinRequest { message_id, token } = connection.joining.next().await;
        let own_id = message_id.filter(|id| id.chars().count() <= MAX_MESSAGE_ID);
        let response = match pass_on(hub, connection, &token).await {
            Ok(response) => JoinResponse {
                message_id: own_id.or_else(|| response.message_id.clone()),
                ..response
            },
            Err(error) => JoinResponse {
                message_id: own_id,
                success: false,
                encrypted_bundle: None,
                error: Some(error),
            },
        };
        tracing::info!(
            org = %connection.org, connection = %connection.id, success = response.success,
            error = response.error, "join request answered"
        );
        connection.outbox.answer(&ToOrchestrator::JoinResponse(response)).await;
    }
}

/// Asks one cluster after the other: only that which has made the token knows it.
async fn pass_on(hub: &Hub, from: &Connection, token: &str) -> Result<JoinResponse, String> {
    let route: JoinRoute = token.parse().map_err(|error| format!("{error}"))?;
    if route.org != from.org {
        return Err("this join token is for another organization than the key".to_owned());
    }
    let end = Instant::now() + ALL;
    let mut last =
        Err("no orchestrator of the organization is connected that could let you in".to_owned());
    for connection in hub.clusters(from, route.routing_key.as_deref()) {
        let Ok(message_id) = hub.message_id() else { break };
        let answer = connection.joins.expect(message_id.clone());
        let request = JoinRequest { message_id: Some(message_id), token: token.to_owned() };
        let deadline = end.min(Instant::now() + EACH);
        let asked = async {
            connection.outbox.answer(&ToOrchestrator::JoinRequest(request)).await;
            answer.answer().await
        };
        match timeout_at(deadline, asked).await {
            Ok(Some(mut response)) => {
                response.error = response.error.map(|error| shorten(&error, 500));
                if response.success {
                    return Ok(response);
                }
                last = Ok(response);
            }
            Ok(None) | Err(_) if last.is_err() => {
                last = Err("no orchestrator of the organization has answered in time".to_owned());
            }
            Ok(None) | Err(_) => {}
        }
        if Instant::now() >= end {
            break;
        }
    }
    last
}

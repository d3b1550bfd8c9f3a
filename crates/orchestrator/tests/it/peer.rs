//! The least that a platform can be: accepts sockets, speaks frames, decides nothing.

use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use kici_model::Secret;
use kici_orchestrator_core::Config;
use kici_wire::{
    Accepted, AuthSuccess, Chunks, FromOrchestrator, SourceRegister, SourceRegisterAck,
    ToOrchestrator, WebhookAck, WebhookRelayStart, chunk_count,
};
use serde_json::Value;
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::{WebSocketStream, accept_async};

/// Far longer than anything takes; only a failing test waits for it.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) struct Peer(TcpListener);

impl Peer {
    pub(crate) async fn bind() -> Self {
        Self(TcpListener::bind("127.0.0.1:0").await.unwrap())
    }

    pub(crate) fn config(&self) -> Config {
        let url = format!("ws://{}/ws", self.0.local_addr().unwrap());
        Config {
            reconnect_base: Duration::from_millis(5),
            ..Config::new(url, Secret::new("kici_ok_test".to_owned()))
        }
    }

    /// The next connection, before its first frame.
    pub(crate) async fn accept(&self) -> Conn {
        Conn(accept_async(self.socket().await).await.unwrap())
    }

    /// The next connection before any WebSocket is spoken.
    pub(crate) async fn socket(&self) -> TcpStream {
        let (socket, _) = timeout(PATIENCE, self.0.accept()).await.expect("nobody dials").unwrap();
        // Else the chunk after each small start waits for the other side's delayed acknowledgement.
        socket.set_nodelay(true).unwrap();
        socket
    }

    /// The next connection, its token accepted and its sources registered.
    pub(crate) async fn welcome(&self) -> Conn {
        let mut conn = self.accept().await;
        conn.authenticate().await;
        let register = conn.register().await;
        conn.send(accept_all(&register)).await;
        conn.expect("orch.capabilities.update").await;
        conn
    }
}

pub(crate) struct Conn(WebSocketStream<TcpStream>);

impl Conn {
    /// The next frame's text; `None` when the connection is gone.
    pub(crate) async fn text(&mut self) -> Option<String> {
        loop {
            match timeout(PATIENCE, self.0.next()).await.expect("nothing comes")? {
                Ok(Message::Text(text)) => return Some(text.to_string()),
                Ok(_) => {}
                Err(_) => return None,
            }
        }
    }

    /// The next frame, which has to be of this type.
    pub(crate) async fn expect(&mut self, kind: &str) -> Value {
        let text = self.text().await.expect("the connection is gone");
        let frame: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(frame["type"], kind, "{frame}");
        frame
    }

    pub(crate) async fn frame(&mut self) -> FromOrchestrator {
        FromOrchestrator::parse(&self.text().await.expect("the connection is gone")).unwrap()
    }

    pub(crate) async fn authenticate(&mut self) -> Value {
        let request = self.expect("auth.request").await;
        self.send(ToOrchestrator::AuthSuccess(AuthSuccess {
            connection_id: "con_1".into(),
            org_public_alias: None,
            org_id: Some("org_a".into()),
            provenance_issuer: None,
        }))
        .await;
        request
    }

    pub(crate) async fn register(&mut self) -> SourceRegister {
        match self.frame().await {
            FromOrchestrator::SourceRegister(register) => register,
            other => panic!("{other:?}"),
        }
    }

    pub(crate) async fn ack(&mut self) -> WebhookAck {
        match self.frame().await {
            FromOrchestrator::WebhookAck(ack) => ack,
            other => panic!("{other:?}"),
        }
    }

    pub(crate) async fn send(&mut self, frame: ToOrchestrator) {
        self.raw(frame.to_text()).await;
    }

    pub(crate) async fn raw(&mut self, text: impl Into<String>) {
        self.0.send(Message::text(text.into())).await.unwrap();
    }

    /// Sends `text`, and does not mind if the other side hangs up.
    pub(crate) async fn risk(&mut self, text: String) {
        let _ = self.0.send(Message::text(text)).await;
    }

    /// Announces `body` and sends it whole.
    pub(crate) async fn relay(&mut self, start: WebhookRelayStart, body: &[u8]) {
        let chunks = Chunks::new(start.message_id.clone(), body.to_vec().into());
        self.send(ToOrchestrator::WebhookRelayStart(start)).await;
        for chunk in chunks {
            self.send(ToOrchestrator::WebhookRelayChunk(chunk)).await;
        }
    }

    /// Closes as a platform does, and waits for the other side.
    pub(crate) async fn close(mut self, code: u16, reason: &'static str) {
        let frame = CloseFrame { code: code.into(), reason: reason.into() };
        self.0.close(Some(frame)).await.unwrap();
        assert_eq!(self.text().await, None);
    }

    /// What the other side says when it closes.
    pub(crate) async fn goodbye(mut self) -> (u16, String) {
        loop {
            match timeout(PATIENCE, self.0.next()).await.expect("nothing comes") {
                Some(Ok(Message::Close(Some(frame)))) => {
                    return (frame.code.into(), frame.reason.to_string());
                }
                Some(Ok(_)) => {}
                other => panic!("{other:?}"),
            }
        }
    }
}

pub(crate) fn accept_all(register: &SourceRegister) -> ToOrchestrator {
    let accepted = |key: &String| Accepted { routing_key: key.clone(), webhook_url: None };
    ToOrchestrator::SourceRegisterAck(SourceRegisterAck {
        message_id: register.message_id.clone(),
        accepted: register.sources.iter().map(|source| accepted(&source.routing_key)).collect(),
        rejected: vec![],
    })
}

/// A start for `body` to `github:1`, without any header.
pub(crate) fn start(message: &str, delivery: &str, body: &[u8]) -> WebhookRelayStart {
    WebhookRelayStart {
        message_id: message.into(),
        routing_key: "github:1".into(),
        delivery_id: delivery.into(),
        event: "push".into(),
        action: None,
        signature_header_name: None,
        signature_header: None,
        client_ip: None,
        headers: std::collections::BTreeMap::new(),
        total_size: body.len(),
        chunk_count: chunk_count(body.len()),
        request_id: None,
    }
}

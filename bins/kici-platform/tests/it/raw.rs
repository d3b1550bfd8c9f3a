//! An orchestrator by hand: frame by frame, to be as slow and as wrong as a test wants.

use futures_util::{SinkExt, StreamExt};
use kici_testkit::{PATIENCE, TestOrg, TestPlatform};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

use crate::support::app_source;

/// What a connection is told without asking.
const NEWS: [&str; 2] = ["trust_policy.update", "peer.update"];

pub(crate) struct Raw(pub(crate) WebSocketStream<MaybeTlsStream<TcpStream>>);

impl Raw {
    pub(crate) async fn connect(platform: &TestPlatform) -> Self {
        Self(connect_async(platform.link_url()).await.unwrap().0)
    }

    /// As a trusted proxy connects on behalf of `address`.
    pub(crate) async fn connect_from(platform: &TestPlatform, address: &str) -> Self {
        let mut request = platform.link_url().into_client_request().unwrap();
        request.headers_mut().insert("x-forwarded-for", address.parse().unwrap());
        Self(connect_async(request).await.unwrap().0)
    }

    /// Presents `key`, and gives the answer.
    pub(crate) async fn present(&mut self, key: &str) -> Value {
        self.send(json!({"type": "auth.request", "token": key, "protocolVersion": 1})).await;
        self.next().await
    }

    /// With a key of its own.
    pub(crate) async fn authenticated(platform: &TestPlatform, org: &TestOrg) -> Self {
        let (_, key) = org.orchestrator_key(platform).await.unwrap();
        let mut raw = Self::connect(platform).await;
        raw.send(json!({"type": "auth.request", "token": key, "protocolVersion": 1})).await;
        let success = raw.next().await;
        assert_eq!(success["type"], "auth.success", "{success}");
        assert_eq!(success["orgId"], org.id.as_str());
        assert!(success["orgPublicAlias"].as_str().unwrap().starts_with("oal_"));
        raw
    }

    /// Authenticated, and serving the App.
    pub(crate) async fn serving(platform: &TestPlatform, org: &TestOrg) -> Self {
        let mut raw = Self::authenticated(platform, org).await;
        let source = serde_json::to_value(app_source().registration).unwrap();
        raw.send(
            json!({"type": "source.register", "messageId": "m1", "sources": [source], "x": 1}),
        )
        .await;
        let ack = raw.next().await;
        assert_eq!(ack["type"], "source.register.ack");
        assert_eq!(ack["messageId"], "m1");
        assert_eq!(ack["rejected"], json!([]));
        let url = ack["accepted"][0]["webhookUrl"].as_str().unwrap();
        assert!(url.ends_with(&format!("/webhook/{}/github", org.id)), "{url}");
        raw
    }

    pub(crate) async fn send(&mut self, frame: Value) {
        self.0.send(Message::text(frame.to_string())).await.unwrap();
    }

    pub(crate) async fn message(&mut self) -> Message {
        tokio::time::timeout(PATIENCE, self.0.next()).await.unwrap().unwrap().unwrap()
    }

    /// The next frame that answers something, or brings a delivery.
    pub(crate) async fn next(&mut self) -> Value {
        loop {
            let frame = self.any().await;
            if !NEWS.contains(&frame["type"].as_str().unwrap()) {
                return frame;
            }
        }
    }

    /// The next frame of this type; those before it are left aside.
    pub(crate) async fn next_of(&mut self, kind: &str) -> Value {
        loop {
            let frame = self.any().await;
            if frame["type"] == kind {
                return frame;
            }
        }
    }

    pub(crate) async fn close(&mut self) {
        let bye = CloseFrame { code: 1000.into(), reason: "".into() };
        self.0.close(Some(bye)).await.unwrap();
    }

    pub(crate) async fn any(&mut self) -> Value {
        match self.message().await {
            Message::Text(text) => serde_json::from_str(&text).unwrap(),
            other => panic!("{other:?}"),
        }
    }

    /// Says that a delivery is good.
    pub(crate) async fn ack(&mut self, message_id: &str) {
        self.send(json!({"type": "webhook.ack", "messageId": message_id, "deliveryId": "x", "result": "accepted"})).await;
    }

    /// The code of the close, with whatever came before it left aside.
    pub(crate) async fn closed(&mut self) -> u16 {
        loop {
            match tokio::time::timeout(PATIENCE, self.0.next()).await.unwrap() {
                Some(Ok(Message::Close(Some(CloseFrame { code, .. })))) => return code.into(),
                Some(Ok(_)) => {}
                other => panic!("{other:?}"),
            }
        }
    }
}

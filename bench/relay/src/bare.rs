//! Whoever takes the same webhook without a platform: a handler that verifies the signature. What
//! a delivery takes here, it would take anywhere.

use data_encoding::HEXLOWER;
use kici_bench_stage::parts::say;
use kici_bench_stage::servers::{block_on, until_let_go};
use poem::http::StatusCode;
use poem::listener::{Acceptor, Listener, TcpListener};
use poem::web::Json;
use poem::{Body, Error, Request, Result, Route, Server, handler, post};
use ring::hmac;
use serde_json::{Value, json};

use crate::SECRET;

pub(crate) fn run() -> anyhow::Result<()> {
    block_on(async {
        let acceptor = TcpListener::bind("127.0.0.1:0").into_acceptor().await?;
        let address = acceptor.local_addr().remove(0).0;
        say(&address.as_socket_addr().map(ToString::to_string))?;
        let routes = Route::new().at("/webhook", post(take));
        tokio::select! {
            served = Server::new_with_acceptor(acceptor).run(routes) => Ok(served?),
            ended = until_let_go() => ended,
        }
    })
}

#[handler]
async fn take(request: &Request, body: Body) -> Result<Json<Value>> {
    let body = body.into_bytes().await?;
    let signature = request.header("x-hub-signature-256");
    let signature = signature.and_then(|text| text.strip_prefix("sha256=")).unwrap_or_default();
    let signature = HEXLOWER.decode(signature.as_bytes()).unwrap_or_default();
    let key = hmac::Key::new(hmac::HMAC_SHA256, SECRET.as_bytes());
    hmac::verify(&key, &body, &signature)
        .map_err(|_| Error::from_status(StatusCode::UNAUTHORIZED))?;
    let delivery = request.header("x-github-delivery").unwrap_or_default();
    Ok(Json(json!({ "status": "accepted", "deliveryId": delivery })))
}

//! The code flow: a browser comes, its person says who they are, and it goes back with a code.

use std::net::IpAddr;
use std::sync::Arc;

use poem::http::{StatusCode, header};
use poem::web::Data;
use poem::{Body, Request, Response, handler};
use serde::Deserialize;
use url::{Host, Url};

use super::grants::Code;
use super::{CLI, Issuer, SERVER, draw_or_refuse, fields, form, is_cross_site, pages};

/// How long a code works, in seconds.
const LIFE: i64 = 60;

/// What a client asks for.
#[derive(Deserialize)]
struct Asked {
    client_id: String,
    redirect_uri: String,
    response_type: String,
    code_challenge: String,
    code_challenge_method: String,
    scope: Option<String>,
    state: Option<String>,
    nonce: Option<String>,
}

#[derive(Deserialize)]
struct Picked {
    person: String,
}

/// Asks who somebody is.
#[handler]
pub(super) fn ask(request: &Request, issuer: Data<&Arc<Issuer>>) -> Response {
    match asked(request, &issuer) {
        Err(why) => refuse(why),
        Ok(_) => {
            let query = request.uri().query().unwrap_or_default();
            pages::pick(&format!("{}/authorize?{query}", issuer.url), "", &issuer.people)
        }
    }
}

/// Sends them back as whom they have picked.
#[handler]
pub(super) async fn answer(request: &Request, body: Body, issuer: Data<&Arc<Issuer>>) -> Response {
    if is_cross_site(request, &issuer) {
        return refuse("This form was sent by another site.");
    }
    let (client, asked) = match asked(request, &issuer) {
        Ok(asked) => asked,
        Err(why) => return refuse(why),
    };
    let picked = match form::<Picked>(request, body).await {
        Ok(picked) => picked,
        Err(refusal) => return refuse(refusal.why),
    };
    if issuer.person(&picked.person).is_none() {
        return refuse("There is nobody of that name.");
    }
    let Ok(mut url) = Url::parse(&asked.redirect_uri) else { return refuse("No way back.") };
    let Ok(code) = draw_or_refuse() else { return refuse("No randomness.") };
    let now = issuer.now();
    let grant = Code {
        client,
        redirect_uri: asked.redirect_uri,
        challenge: asked.code_challenge,
        nonce: asked.nonce,
        subject: picked.person,
        until: now + LIFE,
    };
    if !issuer.grants().add_code(code.clone(), grant, now) {
        return refuse("Too many are signing in at once.");
    }
    url.query_pairs_mut().append_pair("code", &code).append_pair("iss", &issuer.url);
    if let Some(state) = &asked.state {
        url.query_pairs_mut().append_pair("state", state);
    }
    Response::builder()
        .status(StatusCode::SEE_OTHER)
        .header(header::LOCATION, String::from(url))
        .header(header::CACHE_CONTROL, "no-store")
        .finish()
}

/// Nobody is sent back to an address that was not checked.
fn refuse(why: &str) -> Response {
    pages::say(StatusCode::BAD_REQUEST, "This can't be done", why)
}

fn asked(request: &Request, issuer: &Issuer) -> Result<(&'static str, Asked), &'static str> {
    let query = request.uri().query().unwrap_or_default();
    let asked: Asked = fields(query.as_bytes()).ok_or(
        "client_id, redirect_uri, response_type and a code_challenge are needed, once each.",
    )?;
    let (client, is_back) = match asked.client_id.as_str() {
        SERVER => (SERVER, asked.redirect_uri == issuer.callback),
        CLI => (CLI, is_cli(&asked.redirect_uri)),
        _ => return Err("There is no such client."),
    };
    if !is_back {
        return Err("The client has no such redirect_uri.");
    }
    if asked.response_type != "code" {
        return Err("Only the response_type `code` works.");
    }
    if asked.code_challenge_method != "S256" || asked.code_challenge.len() != 43 {
        return Err("Only the code_challenge_method `S256` works.");
    }
    let mut scopes = asked.scope.as_deref().unwrap_or_default().split(' ');
    if !scopes.any(|scope| scope == "openid") {
        return Err("The scope `openid` is needed.");
    }
    Ok((client, asked))
}

/// The command line listens on whatever port is free (RFC 8252, 7.3).
fn is_cli(text: &str) -> bool {
    let Ok(url) = Url::parse(text) else { return false };
    let is_here = match url.host() {
        Some(Host::Ipv4(address)) => IpAddr::from(address).is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        Some(Host::Domain(name)) => name == "localhost",
        None => false,
    };
    is_here
        && url.scheme() == "http"
        && url.path() == "/callback"
        && url.query().is_none()
        && url.fragment().is_none()
        && url.username().is_empty()
        && url.password().is_none()
}

#[cfg(test)]
mod tests {
    use super::is_cli;

    #[test]
    fn the_command_line_is_called_back_on_this_machine_alone() {
        for good in ["http://127.0.0.1:5000/callback", "http://[::1]:1/callback"] {
            assert!(is_cli(good), "{good}");
        }
        for bad in [
            "https://127.0.0.1/callback",
            "http://127.0.0.1:5000/",
            "http://127.0.0.1:5000/callback?a=b",
            "http://127.0.0.1.evil.example/callback",
            "http://127.0.0.1@evil.example/callback",
            "http://evil.example/callback",
            "callback",
        ] {
            assert!(!is_cli(bad), "{bad}");
        }
    }
}

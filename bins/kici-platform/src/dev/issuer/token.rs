//! The token endpoint: codes of browsers and of devices become tokens.

use std::sync::Arc;

use data_encoding::{BASE64, BASE64URL_NOPAD};
use poem::http::{StatusCode, header};
use poem::web::Data;
use poem::{Body, Request, Response, handler};
use ring::digest::{SHA256, digest};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{CLI, Issuer, Person, Refusal, SERVER, TOKEN_LIFE, device, form};

#[derive(Deserialize)]
struct Asked {
    grant_type: String,
    client_id: Option<String>,
    code: Option<String>,
    device_code: Option<String>,
    redirect_uri: Option<String>,
    code_verifier: Option<String>,
}

/// Gives tokens.
#[handler]
pub(super) async fn give(request: &Request, body: Body, issuer: Data<&Arc<Issuer>>) -> Response {
    let given = match form::<Asked>(request, body).await {
        Ok(asked) => tokens(&issuer, request, &asked),
        Err(refusal) => Err(refusal),
    };
    match given {
        Ok(body) => super::answer(StatusCode::OK, &body),
        Err(refusal) => refusal.into(),
    }
}

fn tokens(issuer: &Issuer, request: &Request, asked: &Asked) -> Result<Value, Refusal> {
    let client = client(issuer, request, asked)?;
    match asked.grant_type.as_str() {
        "authorization_code" => of_code(issuer, client, asked),
        device::GRANT if client == CLI => of_device(issuer, asked),
        device::GRANT => Err(Refusal::new("unauthorized_client", "not for this client")),
        _ => Err(Refusal::new("unsupported_grant_type", "codes and device codes work")),
    }
}

/// Which client asks: the command line says so, this server proves it.
fn client(issuer: &Issuer, request: &Request, asked: &Asked) -> Result<&'static str, Refusal> {
    let unknown = Refusal {
        status: StatusCode::UNAUTHORIZED,
        ..Refusal::new("invalid_client", "no such client, or its secret is wrong")
    };
    let Some(basic) = request.header(header::AUTHORIZATION) else {
        return if asked.client_id.as_deref() == Some(CLI) { Ok(CLI) } else { Err(unknown) };
    };
    let pair = basic.strip_prefix("Basic ").and_then(|text| BASE64.decode(text.as_bytes()).ok());
    let wanted = format!("{SERVER}:{}", issuer.secret.expose());
    // Hashes are compared, so that the time says nothing of the secret.
    let is_ours = pair.is_some_and(|pair| {
        digest(&SHA256, &pair).as_ref() == digest(&SHA256, wanted.as_bytes()).as_ref()
    });
    if is_ours { Ok(SERVER) } else { Err(unknown) }
}

fn of_code(issuer: &Issuer, client: &'static str, asked: &Asked) -> Result<Value, Refusal> {
    let bad =
        || Refusal::new("invalid_grant", "the code is used up, too old, or not of this client");
    let code = asked.code.as_deref().ok_or_else(bad)?;
    let grant = issuer.grants().take_code(code, issuer.now()).ok_or_else(bad)?;
    let is_same = grant.client == client
        && asked.redirect_uri.as_ref() == Some(&grant.redirect_uri)
        && proves(asked, &grant.challenge);
    if !is_same {
        return Err(bad());
    }
    let person = issuer.person(&grant.subject).ok_or_else(bad)?;
    make(issuer, client, person, grant.nonce.as_deref())
}

fn of_device(issuer: &Issuer, asked: &Asked) -> Result<Value, Refusal> {
    let bad = || Refusal::new("invalid_grant", "there is no such device code");
    let code = asked.device_code.as_deref().ok_or_else(bad)?;
    let now = issuer.now();
    let subject = {
        let mut grants = issuer.grants();
        let device = grants.device(code).ok_or_else(bad)?;
        if !proves(asked, &device.challenge) {
            return Err(Refusal::new("invalid_grant", "the code_verifier is wrong"));
        }
        if now >= device.until {
            grants.take_device(code);
            return Err(Refusal::new("expired_token", "nobody has come in time"));
        }
        if now < device.next {
            device.interval += 5;
            device.next = now + device.interval;
            return Err(Refusal::new("slow_down", "this was too early; wait 5 s longer"));
        }
        device.next = now + device.interval;
        let Some(subject) = device.subject.clone() else {
            return Err(Refusal::new("authorization_pending", "nobody has come yet"));
        };
        grants.take_device(code);
        subject
    };
    let person = issuer.person(&subject).ok_or_else(bad)?;
    make(issuer, CLI, person, None)
}

/// Whether whoever asks is who has begun (RFC 7636).
fn proves(asked: &Asked, challenge: &str) -> bool {
    let verifier = asked.code_verifier.as_deref().unwrap_or_default();
    (43..=128).contains(&verifier.len())
        && BASE64URL_NOPAD.encode(digest(&SHA256, verifier.as_bytes()).as_ref()) == challenge
}

fn make(
    issuer: &Issuer,
    client: &str,
    person: &Person,
    nonce: Option<&str>,
) -> Result<Value, Refusal> {
    let now = issuer.now();
    let mut claims = json!({
        "iss": issuer.url,
        "sub": person.subject,
        "azp": client,
        "iat": now,
        "exp": now + TOKEN_LIFE,
        "email": person.email,
        "email_verified": person.is_verified,
        "name": person.name,
    });
    if let (Some((login, id)), Value::Object(claims)) = (&person.github, &mut claims) {
        claims.insert("github_login".to_owned(), login.as_str().into());
        claims.insert("github_id".to_owned(), (*id).into());
    }
    let with = |more: Value| match (claims.clone(), more) {
        (Value::Object(mut claims), Value::Object(more)) => {
            claims.extend(more);
            Value::Object(claims)
        }
        (claims, _) => claims,
    };
    let access = with(json!({
        "aud": SERVER,
        "client_id": client,
        "jti": super::draw_or_refuse()?,
        "scope": "openid profile email",
    }));
    let access = issuer.sign("at+jwt", &access)?;
    let half = digest(&SHA256, access.as_bytes());
    let half = half.as_ref().get(..16).unwrap_or_default();
    let mut id = json!({"aud": client, "at_hash": BASE64URL_NOPAD.encode(half)});
    if let (Some(nonce), Value::Object(id)) = (nonce, &mut id) {
        id.insert("nonce".to_owned(), nonce.into());
    }
    Ok(json!({
        "access_token": access,
        "token_type": "Bearer",
        "expires_in": TOKEN_LIFE,
        "scope": "openid profile email",
        "id_token": issuer.sign("JWT", &with(id))?,
    }))
}

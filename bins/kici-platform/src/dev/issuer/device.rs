//! The device flow (RFC 8628), with PKCE: a program shows a code, and its person types it here.

use std::sync::Arc;

use kici_model::{Entropy, OsEntropy};
use poem::http::StatusCode;
use poem::web::Data;
use poem::{Body, Request, Response, handler};
use serde::Deserialize;
use serde_json::json;

use super::grants::Device;
use super::{CLI, Issuer, Refusal, fields, form, is_cross_site, pages};

/// What a client says at the token endpoint.
pub(super) const GRANT: &str = "urn:ietf:params:oauth:grant-type:device_code";
/// How long a person may take, in seconds.
pub(super) const LIFE: i64 = 10 * 60;
/// How long a program waits between two questions, in seconds.
const INTERVAL: i64 = 2;
/// Letters that are not mistaken for others, and make no words (RFC 8628, 6.1).
const LETTERS: &[u8; 20] = b"BCDFGHJKLMNPQRSTVWXZ";

#[derive(Deserialize)]
struct Asked {
    client_id: String,
    code_challenge: String,
    code_challenge_method: String,
}

#[derive(Deserialize)]
struct Shown {
    user_code: Option<String>,
}

#[derive(Deserialize)]
struct Picked {
    user_code: String,
    person: String,
}

/// A program begins.
#[handler]
pub(super) async fn begin(request: &Request, body: Body, issuer: Data<&Arc<Issuer>>) -> Response {
    let begun = match form::<Asked>(request, body).await {
        Ok(asked) => start(&issuer, asked),
        Err(refusal) => Err(refusal),
    };
    match begun {
        Ok(body) => super::answer(StatusCode::OK, &body),
        Err(refusal) => refusal.into(),
    }
}

fn start(issuer: &Issuer, asked: Asked) -> Result<serde_json::Value, Refusal> {
    if asked.client_id != CLI {
        return Err(Refusal::new("invalid_client", "there is no such client"));
    }
    if asked.code_challenge_method != "S256" || asked.code_challenge.len() != 43 {
        return Err(Refusal::new("invalid_request", "a code_challenge by S256 is needed"));
    }
    let (code, user_code) = (super::draw_or_refuse()?, user_code()?);
    let now = issuer.now();
    let device = Device {
        user_code: user_code.clone(),
        challenge: asked.code_challenge,
        subject: None,
        until: now + LIFE,
        interval: INTERVAL,
        next: now,
    };
    if !issuer.grants().add_device(code.clone(), device, now) {
        return Err(Refusal::server("too many are signing in at once"));
    }
    let page = format!("{}/device", issuer.url);
    Ok(json!({
        "device_code": code,
        "user_code": user_code,
        "verification_uri": page,
        "verification_uri_complete": format!("{page}?user_code={user_code}"),
        "expires_in": LIFE,
        "interval": INTERVAL,
    }))
}

/// Asks for the code and who somebody is.
#[handler]
pub(super) fn ask(request: &Request, issuer: Data<&Arc<Issuer>>) -> Response {
    let query = request.uri().query().unwrap_or_default();
    let shown: Option<Shown> = fields(query.as_bytes());
    let code = shown.and_then(|shown| shown.user_code).unwrap_or_default();
    let field = format!(
        "<p><label>The code that your program shows<input name=\"user_code\" required \
         autocomplete=\"off\" value=\"{}\"></label></p>",
        pages::escape(&code)
    );
    pages::pick(&format!("{}/device", issuer.url), &field, &issuer.people)
}

/// The program is let in as whom they have picked.
#[handler]
pub(super) async fn answer(request: &Request, body: Body, issuer: Data<&Arc<Issuer>>) -> Response {
    let refuse = |why| pages::say(StatusCode::BAD_REQUEST, "This can't be done", why);
    if is_cross_site(request, &issuer) {
        return refuse("This form was sent by another site.");
    }
    let picked = match form::<Picked>(request, body).await {
        Ok(picked) => picked,
        Err(refusal) => return refuse(refusal.why),
    };
    if issuer.person(&picked.person).is_none() {
        return refuse("There is nobody of that name.");
    }
    let typed = picked.user_code.trim().to_ascii_uppercase();
    let now = issuer.now();
    let mut grants = issuer.grants();
    let Some(device) = grants.waiting(&typed, now) else {
        return refuse("No program waits with this code, or it has waited too long.");
    };
    device.subject = Some(picked.person);
    pages::say(StatusCode::OK, "You are signed in", "Go back to your program.")
}

/// Eight letters in two halves.
fn user_code() -> Result<String, Refusal> {
    let mut letters = Vec::new();
    while letters.len() < 8 {
        let mut bytes = [0; 32];
        let filled = OsEntropy::default().fill(&mut bytes);
        filled.map_err(|_| Refusal::server("no randomness"))?;
        // What is left beyond the alphabet is thrown away, which keeps the draw even.
        let drawn = bytes.iter().filter_map(|byte| LETTERS.get(usize::from(byte & 31)));
        letters.extend(drawn.map(|c| char::from(*c)));
    }
    let letters: String = letters.into_iter().take(8).collect();
    let (one, other) = letters.split_at_checked(4).unwrap_or_default();
    Ok(format!("{one}-{other}"))
}

#[cfg(test)]
mod tests {
    use super::user_code;

    #[test]
    fn a_code_is_short_and_without_vowels() {
        let code = user_code().unwrap();
        assert_eq!((code.len(), code.as_bytes()[4]), (9, b'-'));
        assert!(!code.contains(['A', 'E', 'I', 'O', 'U']), "{code}");
    }
}

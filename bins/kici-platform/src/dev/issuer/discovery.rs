//! What the issuer says of itself.

use std::sync::Arc;

use poem::http::StatusCode;
use poem::web::Data;
use poem::{Response, handler};
use serde_json::json;

use super::{Issuer, answer};

#[handler]
pub(super) fn metadata(issuer: Data<&Arc<Issuer>>) -> Response {
    let url = &issuer.url;
    let body = json!({
        "issuer": url,
        "authorization_endpoint": format!("{url}/authorize"),
        "token_endpoint": format!("{url}/token"),
        "device_authorization_endpoint": format!("{url}/device_authorization"),
        "jwks_uri": format!("{url}/jwks"),
        "response_types_supported": ["code"],
        "response_modes_supported": ["query"],
        "grant_types_supported": ["authorization_code", super::device::GRANT],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["ES256"],
        "scopes_supported": ["openid", "profile", "email", "offline_access"],
        "token_endpoint_auth_methods_supported": ["client_secret_basic", "none"],
        "code_challenge_methods_supported": ["S256"],
        "authorization_response_iss_parameter_supported": true,
    });
    answer(StatusCode::OK, &body)
}

#[handler]
pub(super) fn jwks(issuer: Data<&Arc<Issuer>>) -> Response {
    answer(StatusCode::OK, &json!({"keys": [issuer.jwk()]}))
}

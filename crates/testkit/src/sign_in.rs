//! Signing in at the issuer of a platform that has one of its own.

use anyhow::{Context, ensure};
use data_encoding::BASE64URL_NOPAD;
use reqwest::Response;
use serde_json::Value;

use crate::TestPlatform;

impl TestPlatform {
    /// An access token, by the device flow, just as the command line asks for it; `who` is whom to
    /// pick on the issuer's page.
    ///
    /// # Errors
    /// The platform has no issuer of its own, or it does not let them in.
    pub async fn sign_in(&self, who: &str) -> anyhow::Result<String> {
        let verifier = "v".repeat(43);
        let challenge = ring::digest::digest(&ring::digest::SHA256, verifier.as_bytes());
        let begun = self
            .form(
                "device_authorization",
                &[
                    ("client_id", "kici-cli"),
                    ("scope", "openid profile email offline_access"),
                    ("code_challenge", &BASE64URL_NOPAD.encode(challenge.as_ref())),
                    ("code_challenge_method", "S256"),
                ],
            )
            .await?;
        let begun: Value = begun.json().await?;
        let code = |name: &str| begun.get(name).and_then(Value::as_str).context("no device code");
        let picked = [("user_code", code("user_code")?), ("person", who)];
        ensure!(self.form("device", &picked).await?.status().is_success(), "{who} was not let in");
        let asked = [
            ("client_id", "kici-cli"),
            ("grant_type", "urn:ietf:params:oauth:grant-type:device_code"),
            ("device_code", code("device_code")?),
            ("code_verifier", &verifier),
        ];
        let given: Value = self.form("token", &asked).await?.json().await?;
        let token = given.get("access_token").and_then(Value::as_str).context("no token")?;
        Ok(token.to_owned())
    }

    async fn form(&self, path: &str, fields: &[(&str, &str)]) -> anyhow::Result<Response> {
        let mut text = url::form_urlencoded::Serializer::new(String::new());
        let text = text.extend_pairs(fields).finish();
        let request = self.http().post(self.url(&format!("/dev/oidc/{path}")));
        let request = request.header("content-type", "application/x-www-form-urlencoded");
        Ok(request.body(text).send().await?)
    }
}

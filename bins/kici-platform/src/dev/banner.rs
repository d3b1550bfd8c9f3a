//! What the terminal shows once everything is ready.

use std::net::SocketAddr;
use std::path::Path;

use kici_orchestrator_core::sign;

use super::demo::APP;
use super::secrets::Secrets;
use crate::print;

/// Such as GitHub sends, with the fields that the event log shows. No quote that a shell minds.
const PUSH: &str = r#"{"ref":"refs/heads/main","after":"6113728f27ae82c7b1a177c8d03f9e96e0adf246","repository":{"full_name":"demo/hello","private":false},"pusher":{"name":"ada"},"commits":[{"message":"Say hello"}]}"#;

/// Prints addresses, tokens, and two lines to paste.
pub(super) fn print(
    secrets: &Secrets,
    address: SocketAddr,
    folder: &Path,
    ephemeral: bool,
) -> anyhow::Result<()> {
    let base = format!("http://{address}");
    let Secrets { org, personal_token, api_key, issuer, .. } = secrets;
    let kept = if ephemeral { "removed at the end" } else { "kept for the next start" };
    print::text(&format!(
        "\
KiCI Platform is ready.

  address         {base}
  API docs        {base}/docs
  sign in         {base}/auth/login
  issuer          {issuer}
  organization    {org}
  personal token  {personal_token}   (owner)
  API key         {api_key}   (read only)
  data            {}   ({kept})

Post a signed GitHub push, as often as you like:

{}

See it in the event log:

{}

Sign in with KiCI's own command line, as anybody:

kici login --device --platform-endpoint {base} --oidc-issuer {issuer}

Ctrl-C ends it.
",
        folder.display(),
        post(secrets, &base),
        list(secrets, &base),
    ))
}

/// The signature covers the body alone, so that each paste can bring an id of its own.
fn post(secrets: &Secrets, base: &str) -> String {
    let signature = sign::github(&secrets.github_secret, PUSH.as_bytes());
    format!(
        "curl -sS -X POST '{base}/webhook/{}/github' \
         -H 'Content-Type: application/json' -H 'X-GitHub-Event: push' \
         -H \"X-GitHub-Delivery: $(od -An -N16 -tx1 /dev/urandom | tr -d ' \\n')\" \
         -H 'X-GitHub-Hook-Installation-Target-Type: integration' \
         -H 'X-GitHub-Hook-Installation-Target-ID: {APP}' \
         -H 'X-Hub-Signature-256: {signature}' -d '{PUSH}'",
        secrets.org
    )
}

fn list(secrets: &Secrets, base: &str) -> String {
    format!(
        "curl -sS '{base}/api/v1/orgs/{}/event-log?limit=5' -H 'Authorization: Bearer {}'",
        secrets.org, secrets.personal_token
    )
}

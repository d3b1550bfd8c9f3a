//! Where the server is and who asks it: an address and a token. Which cryptography TLS works with
//! is left to the program.

use std::time::Duration;

use progenitor_client::{ClientHooks, OperationInfo};
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use reqwest::redirect::Policy;
use reqwest::{Request, Response, Url};

use crate::Client;
use crate::generated::Error;
use crate::path;

/// The operations that need no token, by their names.
const PUBLIC: &[&str] = include!(concat!(env!("OUT_DIR"), "/public.rs"));

/// How long it may take to reach the server.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a request and its answer may take in all.
const TIMEOUT: Duration = Duration::from_secs(30);

/// Who asks. Its `Debug` shows no token.
#[derive(Debug, Clone)]
pub struct Credential(HeaderValue);

/// Why there is no client.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SetupError {
    /// Nothing can be asked there.
    #[error("`{0}` is no address of a server; `https://kici.example.com` would be one")]
    Address(String),
    /// The address holds a user name or a password, which would turn up in logs.
    #[error("an address has no `@` in it: the token alone says who asks")]
    UserInAddress,
    /// No token has such characters, or there are none at all.
    #[error("the token is empty, or has characters in it that no token has")]
    Token,
    /// The program has not said which cryptography TLS works with.
    #[error(
        "no crypto provider is installed: call \
         `rustls::crypto::ring::default_provider().install_default()` at the start of the program"
    )]
    NoCryptoProvider,
    /// Nothing can be asked from here, such as for want of root certificates.
    #[error("no HTTP client can be made")]
    Http(#[source] reqwest::Error),
}

impl Client {
    /// A client for the server at `address`, who calls with `token`: a personal access token or an
    /// API key. It follows no redirection, since that might carry the request elsewhere.
    ///
    /// # Errors
    /// The address or the token is none, or the program has installed no crypto provider.
    pub fn new(address: &str, token: &str) -> Result<Self, SetupError> {
        // Without one, reqwest panics.
        if rustls::crypto::CryptoProvider::get_default().is_none() {
            return Err(SetupError::NoCryptoProvider);
        }
        let http = reqwest::Client::builder()
            .redirect(Policy::none())
            .connect_timeout(CONNECT_TIMEOUT)
            .timeout(TIMEOUT)
            .user_agent(concat!(env!("CARGO_PKG_NAME"), "/", env!("CARGO_PKG_VERSION")));
        Self::with_http(address, token, http.build().map_err(SetupError::Http)?)
    }

    /// The same over an HTTP client of the caller's, with its certificates, proxies and timeouts.
    ///
    /// # Errors
    /// The address or the token is none.
    pub fn with_http(
        address: &str,
        token: &str,
        http: reqwest::Client,
    ) -> Result<Self, SetupError> {
        Ok(Self { baseurl: base(address)?, client: http, inner: Credential::bearer(token)? })
    }
}

/// The address as paths are appended to it: without a slash at its end.
fn base(address: &str) -> Result<String, SetupError> {
    if address.contains('@') {
        return Err(SetupError::UserInAddress);
    }
    let is_base = |url: &Url| {
        matches!(url.scheme(), "http" | "https")
            && url.query().is_none()
            && url.fragment().is_none()
    };
    match Url::parse(address).ok().filter(is_base) {
        Some(url) => Ok(url.as_str().trim_end_matches('/').to_owned()),
        None => Err(SetupError::Address(address.to_owned())),
    }
}

impl Credential {
    fn bearer(token: &str) -> Result<Self, SetupError> {
        if token.is_empty() || !token.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(SetupError::Token);
        }
        let mut value =
            HeaderValue::try_from(format!("Bearer {token}")).map_err(|_| SetupError::Token)?;
        value.set_sensitive(true);
        Ok(Self(value))
    }
}

/// What happens around each request.
impl ClientHooks<Credential> for Client {
    /// Adds the token, but not where nobody asks for one: what is posted to a webhook goes on to an
    /// orchestrator with all its headers.
    async fn pre<E>(&self, request: &mut Request, info: &OperationInfo) -> Result<(), Error<E>> {
        if !path::is_sound(request.url()) {
            let text = "an id that is empty, `.` or `..` names nothing";
            return Err(Error::InvalidRequest(text.to_owned()));
        }
        if !PUBLIC.contains(&info.operation_id) {
            request.headers_mut().insert(AUTHORIZATION, self.inner.0.clone());
        }
        Ok(())
    }

    /// Tells the errors of proxies from those of the server, whose errors are all JSON.
    async fn post<E>(
        &self,
        result: &reqwest::Result<Response>,
        _: &OperationInfo,
    ) -> Result<(), Error<E>> {
        let Ok(response) = result else { return Ok(()) };
        let kind = response.headers().get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
        if response.status().is_success() || kind.is_some_and(|kind| kind.contains("json")) {
            return Ok(());
        }
        let status = response.status();
        Err(Error::Custom(format!(
            "`{status}`, but not as the platform answers: is it at this address?"
        )))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_taken_with_or_without_a_slash() {
        for (address, want) in [
            ("https://kici.example", "https://kici.example"),
            ("https://kici.example/", "https://kici.example"),
            ("http://127.0.0.1:8080/kici//", "http://127.0.0.1:8080/kici"),
        ] {
            assert_eq!(base(address).unwrap(), want);
        }
    }

    #[test]
    fn what_is_no_address_is_refused() {
        for address in ["", "kici.example", "ftp://a", "https://", "https://a?b", "https://a#b"] {
            let error = base(address).unwrap_err().to_string();
            assert!(error.starts_with(&format!("`{address}` is no address")), "{error}");
        }
        let error = base("https://me:secret@kici.example").unwrap_err();
        assert!(
            matches!(error, SetupError::UserInAddress) && !error.to_string().contains("secret")
        );
    }

    #[test]
    fn a_token_that_can_not_be_one_is_refused() {
        for token in ["", "a b", "a\n", "ä"] {
            assert!(matches!(Credential::bearer(token), Err(SetupError::Token)), "{token:?}");
        }
    }

    #[test]
    fn without_a_crypto_provider_there_is_no_panic() {
        let refused = Client::new("https://kici.example", "kici_pat_secret");
        assert!(matches!(refused, Err(SetupError::NoCryptoProvider)));
    }

    #[test]
    fn the_token_is_never_shown() {
        let credential = Credential::bearer("kici_pat_secret").unwrap();
        assert!(!format!("{credential:?}").contains("secret"));
    }

    #[test]
    fn public_operations_are_known() {
        assert!(PUBLIC.contains(&"health_get") && !PUBLIC.contains(&"orgs_get"), "{PUBLIC:?}");
    }
}

//! An identity provider for tests: it publishes what it is told to, and signs whatever it is given.

use std::sync::{Arc, Mutex};

use data_encoding::{BASE64, BASE64URL_NOPAD};
use kici_model::Secret;
use kici_testkit::TestPlatform;
use poem::listener::TcpAcceptor;
use poem::web::{Data, Path};
use poem::{EndpointExt, Response, Route, Server, get, handler, post};
use ring::rand::SystemRandom;
use ring::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair, RSA_PKCS1_SHA256,
    RsaKeyPair,
};
use serde_json::{Value, json};
use tokio::sync::Semaphore;

use crate::visitor::{Browser, location};

/// A key of the provider.
#[derive(Debug)]
pub(crate) enum Key {
    Rsa(RsaKeyPair),
    P256(EcdsaKeyPair),
    Ed25519(Ed25519KeyPair),
}

impl Key {
    pub(crate) fn rsa() -> Self {
        let text = include_str!("rsa-2048.pkcs8.txt").replace('\n', "");
        Self::Rsa(RsaKeyPair::from_pkcs8(&BASE64.decode(text.as_bytes()).unwrap()).unwrap())
    }

    pub(crate) fn p256() -> Self {
        let (random, algorithm) = (SystemRandom::new(), &ECDSA_P256_SHA256_FIXED_SIGNING);
        let pkcs8 = EcdsaKeyPair::generate_pkcs8(algorithm, &random).unwrap();
        Self::P256(EcdsaKeyPair::from_pkcs8(algorithm, pkcs8.as_ref(), &random).unwrap())
    }

    pub(crate) fn ed25519() -> Self {
        let pkcs8 = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).unwrap();
        Self::Ed25519(Ed25519KeyPair::from_pkcs8(pkcs8.as_ref()).unwrap())
    }

    pub(crate) fn algorithm(&self) -> &'static str {
        match self {
            Self::Rsa(_) => "RS256",
            Self::P256(_) => "ES256",
            Self::Ed25519(_) => "EdDSA",
        }
    }

    pub(crate) fn jwk(&self, kid: &str) -> Value {
        let encode = |bytes: &[u8]| BASE64URL_NOPAD.encode(bytes);
        let mut jwk = match self {
            Self::Rsa(key) => {
                let public = ring::signature::RsaPublicKeyComponents::<Vec<u8>>::from(key.public());
                json!({"kty": "RSA", "n": encode(&public.n), "e": encode(&public.e)})
            }
            Self::P256(key) => {
                let point = key.public_key().as_ref();
                json!({"kty": "EC", "crv": "P-256", "x": encode(&point[1..33]), "y": encode(&point[33..])})
            }
            Self::Ed25519(key) => {
                json!({"kty": "OKP", "crv": "Ed25519", "x": encode(key.public_key().as_ref())})
            }
        };
        jwk["kid"] = kid.into();
        jwk
    }

    fn sign(&self, text: &[u8]) -> Vec<u8> {
        let random = SystemRandom::new();
        match self {
            Self::Rsa(key) => {
                let mut signature = vec![0; key.public().modulus_len()];
                key.sign(&RSA_PKCS1_SHA256, &random, text, &mut signature).unwrap();
                signature
            }
            Self::P256(key) => key.sign(&random, text).unwrap().as_ref().to_vec(),
            Self::Ed25519(key) => key.sign(text).as_ref().to_vec(),
        }
    }

    /// A token with this header and these claims.
    pub(crate) fn token(&self, header: &Value, claims: &Value) -> String {
        self.signed(&unsigned(header, claims))
    }

    /// A token of these two parts.
    pub(crate) fn signed(&self, parts: &str) -> String {
        format!("{parts}.{}", BASE64URL_NOPAD.encode(&self.sign(parts.as_bytes())))
    }

    pub(crate) fn header(&self, kid: &str) -> Value {
        json!({"alg": self.algorithm(), "kid": kid, "typ": "JWT"})
    }
}

pub(crate) fn unsigned(header: &Value, claims: &Value) -> String {
    let encode = |value: &Value| BASE64URL_NOPAD.encode(value.to_string().as_bytes());
    format!("{}.{}", encode(header), encode(claims))
}

/// What it answers, by the last part of the path.
#[derive(Debug, Default)]
pub(crate) struct Answers {
    pub(crate) metadata: Value,
    pub(crate) jwks: Value,
    pub(crate) introspection: Value,
    pub(crate) userinfo: Value,
    /// The token endpoint's status and answer.
    pub(crate) tokens: (u16, Value),
    /// How often it was asked for its keys.
    pub(crate) asked: usize,
    /// Where its keys, and its answers about tokens, are held up.
    pub(crate) publishes: Option<Arc<Gate>>,
    pub(crate) introspects: Option<Arc<Gate>>,
    /// The last `Authorization` header and form that introspection was asked with.
    pub(crate) question: Option<(String, String)>,
}

/// Holds answers up until it is opened.
#[derive(Debug)]
pub(crate) struct Gate {
    come: Semaphore,
    open: Semaphore,
}

impl Default for Gate {
    fn default() -> Self {
        Self { come: Semaphore::new(0), open: Semaphore::new(0) }
    }
}

impl Gate {
    async fn pass(gate: Option<Arc<Self>>) {
        if let Some(gate) = gate {
            gate.come.add_permits(1);
            drop(gate.open.acquire().await.unwrap());
        }
    }

    /// Waits until so many stand before it.
    pub(crate) async fn arrived(&self, count: u32) {
        self.come.acquire_many(count).await.unwrap().forget();
    }

    pub(crate) fn open(&self) {
        self.open.add_permits(1);
    }
}

#[derive(Debug)]
pub(crate) struct Provider {
    pub(crate) url: String,
    pub(crate) answers: Arc<Mutex<Answers>>,
}

impl Provider {
    pub(crate) async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let metadata = json!({
            "issuer": url,
            "jwks_uri": format!("{url}/jwks"),
            "authorization_endpoint": format!("{url}/authorize"),
            "token_endpoint": format!("{url}/token"),
            "introspection_endpoint": format!("{url}/introspection"),
            "userinfo_endpoint": format!("{url}/userinfo"),
        });
        let answers = Arc::new(Mutex::new(Answers { metadata, ..Answers::default() }));
        let routes = Route::new()
            .at("/.well-known/openid-configuration", get(metadata_of))
            .at("/introspection", post(introspect))
            .at("/token", post(token))
            .at("/:what", get(of))
            .data(answers.clone());
        let acceptor = TcpAcceptor::from_tokio(listener).unwrap();
        tokio::spawn(Server::new_with_acceptor(acceptor).run(routes));
        Self { url, answers }
    }

    /// Publishes these keys, and no others.
    pub(crate) fn publish(&self, keys: &[Value]) {
        self.answers.lock().unwrap().jwks = json!({"keys": keys});
    }

    /// A browser that goes to the provider and comes back with a code. What the token endpoint says to
    /// that is made from the nonce.
    pub(crate) async fn visit(
        &self,
        platform: &TestPlatform,
        browser: &mut Browser,
        tokens: impl FnOnce(&str) -> (u16, Value),
    ) -> reqwest::Response {
        let begun = location(&browser.get(platform, "/auth/login").await);
        let begun = url::Url::parse(&begun).unwrap();
        let part = |name| begun.query_pairs().find(|(key, _)| key == name).unwrap().1.into_owned();
        self.answers.lock().unwrap().tokens = tokens(&part("nonce"));
        let back = format!("/auth/callback?code=x&state={}", part("state"));
        browser.get(platform, &back).await
    }

    pub(crate) fn config(&self) -> kici_oidc::Config {
        kici_oidc::Config {
            issuer: self.url.clone(),
            client_id: "platform".to_owned(),
            client_secret: Some(Secret::new("hush hush".to_owned())),
            audiences: vec!["platform".to_owned(), "kici-cli".to_owned()],
            introspection: false,
            link_claims: Vec::new(),
        }
    }
}

fn json_of(value: &Value) -> Response {
    Response::builder().content_type("application/json").body(value.to_string())
}

#[handler]
async fn metadata_of(answers: Data<&Arc<Mutex<Answers>>>) -> Response {
    let gate = answers.lock().unwrap().publishes.clone();
    Gate::pass(gate).await;
    json_of(&answers.lock().unwrap().metadata)
}

#[handler]
fn of(what: Path<String>, answers: Data<&Arc<Mutex<Answers>>>) -> Response {
    let mut answers = answers.lock().unwrap();
    match what.0.as_str() {
        "jwks" => {
            answers.asked += 1;
            json_of(&answers.jwks)
        }
        _ => json_of(&answers.userinfo),
    }
}

#[handler]
fn token(answers: Data<&Arc<Mutex<Answers>>>) -> Response {
    let (status, answer) = answers.lock().unwrap().tokens.clone();
    let status = poem::http::StatusCode::from_u16(status).unwrap();
    Response::builder().status(status).content_type("application/json").body(answer.to_string())
}

#[handler]
async fn introspect(
    request: &poem::Request,
    form: String,
    answers: Data<&Arc<Mutex<Answers>>>,
) -> Response {
    let gate = answers.lock().unwrap().introspects.clone();
    Gate::pass(gate).await;
    let mut answers = answers.lock().unwrap();
    answers.question = Some((request.header("authorization").unwrap_or_default().to_owned(), form));
    json_of(&answers.introspection)
}

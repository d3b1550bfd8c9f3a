//! The provider's public keys (RFC 7517), and signatures by them. Asymmetric ones alone: a public
//! key that is taken for a shared secret would let anybody sign.

use data_encoding::BASE64URL_NOPAD;
use ring::signature::{
    ECDSA_P256_SHA256_FIXED, ED25519, RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents,
    UnparsedPublicKey,
};
use serde::Deserialize;

/// What a token may be signed with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Algorithm {
    Rs256,
    Es256,
    EdDsa,
}

impl Algorithm {
    /// `None` for all others, `none` and `HS256` among them.
    pub(crate) fn parse(name: &str) -> Option<Self> {
        match name {
            "RS256" => Some(Self::Rs256),
            "ES256" => Some(Self::Es256),
            "EdDSA" | "Ed25519" => Some(Self::EdDsa),
            _ => None,
        }
    }
}

/// A key as it is published.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Jwk {
    kty: String,
    kid: Option<String>,
    #[serde(rename = "use")]
    usage: Option<String>,
    alg: Option<String>,
    crv: Option<String>,
    n: Option<String>,
    e: Option<String>,
    x: Option<String>,
    y: Option<String>,
}

/// A key that signatures can be checked with. What it is for is told by the key, not by the token.
#[derive(Debug, Clone)]
pub(crate) struct Key {
    pub(crate) kid: Option<String>,
    algorithm: Algorithm,
    material: Material,
}

#[derive(Debug, Clone)]
enum Material {
    Rsa { n: Vec<u8>, e: Vec<u8> },
    P256(Vec<u8>),
    Ed25519(Vec<u8>),
}

impl Key {
    /// `None` for keys of other kinds, and for those that are not for signatures.
    pub(crate) fn from_jwk(jwk: &Jwk) -> Option<Self> {
        if jwk.usage.as_deref().is_some_and(|usage| usage != "sig") {
            return None;
        }
        let bytes = |text: &Option<String>| {
            BASE64URL_NOPAD.decode(text.as_ref()?.trim_end_matches('=').as_bytes()).ok()
        };
        let (algorithm, material) = match (jwk.kty.as_str(), jwk.crv.as_deref()) {
            ("RSA", _) => {
                (Algorithm::Rs256, Material::Rsa { n: bytes(&jwk.n)?, e: bytes(&jwk.e)? })
            }
            ("EC", Some("P-256")) => {
                let (x, y) = (coordinate(bytes(&jwk.x)?)?, coordinate(bytes(&jwk.y)?)?);
                (Algorithm::Es256, Material::P256([&[4], x.as_slice(), &y].concat()))
            }
            ("OKP", Some("Ed25519")) => (Algorithm::EdDsa, Material::Ed25519(bytes(&jwk.x)?)),
            _ => return None,
        };
        let named = jwk.alg.as_deref();
        if named.is_some_and(|name| Algorithm::parse(name) != Some(algorithm)) {
            return None;
        }
        Some(Self { kid: jwk.kid.clone(), algorithm, material })
    }

    /// Whether it can be the one that a token names.
    pub(crate) fn fits(&self, kid: Option<&str>, algorithm: Algorithm) -> bool {
        self.algorithm == algorithm && (kid.is_none() || self.kid.as_deref() == kid)
    }

    pub(crate) fn verifies(&self, signed: &[u8], signature: &[u8]) -> bool {
        match &self.material {
            Material::Rsa { n, e } => RsaPublicKeyComponents { n, e }
                .verify(&RSA_PKCS1_2048_8192_SHA256, signed, signature)
                .is_ok(),
            Material::P256(point) => UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point)
                .verify(signed, signature)
                .is_ok(),
            Material::Ed25519(bytes) => {
                UnparsedPublicKey::new(&ED25519, bytes).verify(signed, signature).is_ok()
            }
        }
    }
}

/// 32 bytes; some write fewer where the first ones are 0.
fn coordinate(bytes: Vec<u8>) -> Option<Vec<u8>> {
    let missing = 32_usize.checked_sub(bytes.len())?;
    Some([vec![0; missing], bytes].concat())
}

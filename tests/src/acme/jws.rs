//! Signed requests (RFC 8555 §6.2, RFC 7515), whose signature is not verified.

use data_encoding::BASE64URL_NOPAD;
use serde_json::Value;
use sha2::{Digest, Sha256};

/// A request.
#[derive(Debug)]
pub(super) struct Jws {
    pub(super) url: String,
    pub(super) nonce: String,
    /// The account; none of a request for a new one.
    pub(super) key_id: Option<String>,
    /// That of the key in the request (RFC 7638); none when it names an account.
    pub(super) thumbprint: Option<String>,
    pub(super) payload: Value,
}

impl Jws {
    pub(super) fn read(body: &[u8]) -> Self {
        let body: Value = serde_json::from_slice(body).unwrap();
        let part = |name: &str| decode(body[name].as_str().unwrap());
        let header: Value = serde_json::from_slice(&part("protected")).unwrap();
        let text = |value: &Value| value.as_str().map(str::to_owned);
        Self {
            url: text(&header["url"]).unwrap(),
            nonce: text(&header["nonce"]).unwrap(),
            key_id: text(&header["kid"]),
            thumbprint: header.get("jwk").map(thumbprint),
            payload: serde_json::from_slice(&part("payload")).unwrap_or_default(),
        }
    }
}

/// Returns the value of the record for a token (RFC 8555 §8.4).
pub(super) fn dns_value(token: &str, thumbprint: &str) -> String {
    BASE64URL_NOPAD.encode(&Sha256::digest(format!("{token}.{thumbprint}")))
}

pub(super) fn decode(text: &str) -> Vec<u8> {
    BASE64URL_NOPAD.decode(text.as_bytes()).unwrap()
}

fn thumbprint(key: &Value) -> String {
    let [curve, kind, x, y] = ["crv", "kty", "x", "y"].map(|name| key[name].as_str().unwrap());
    let text = format!(r#"{{"crv":"{curve}","kty":"{kind}","x":"{x}","y":"{y}"}}"#);
    BASE64URL_NOPAD.encode(&Sha256::digest(text))
}

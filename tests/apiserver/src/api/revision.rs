//! `resourceVersion`, `resourceVersionMatch` and continue tokens
//! (Kubernetes API concepts, "Resource versions" and "Retrieving large results sets in chunks").

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use super::status::Refusal;
use crate::query::Query;

/// The revision a list is read at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReadAt {
    /// The current one.
    Latest,
    /// Whatever is at hand: `resourceVersion=0`, which also ignores `limit` as the API server's
    /// watch cache does.
    Any,
    /// At least this one.
    NotOlderThan(u64),
    /// Exactly this one.
    Exact(u64),
}

impl ReadAt {
    /// Reads the parameters of a list without a continue token.
    ///
    /// # Errors
    /// 400 for combinations the API does not allow.
    pub fn parse(query: &Query) -> Result<Self, Refusal> {
        let version = version(query)?;
        match (version, query.get("resourceVersionMatch")) {
            (None, None) => Ok(Self::Latest),
            (Some(0), None | Some("NotOlderThan")) => Ok(Self::Any),
            (Some(version), None) if query.get("limit").is_some() => Ok(Self::Exact(version)),
            (Some(version), None | Some("NotOlderThan")) => Ok(Self::NotOlderThan(version)),
            (Some(version @ 1..), Some("Exact")) => Ok(Self::Exact(version)),
            (version, Some(how)) => {
                let message = format!(
                    "resourceVersionMatch: Forbidden: {how:?} with resourceVersion {version:?}"
                );
                Err(Refusal::bad_request(message))
            }
        }
    }
}

/// Reads `resourceVersion`; nothing when it is absent.
///
/// # Errors
/// 400 when it is not a number.
pub fn version(query: &Query) -> Result<Option<u64>, Refusal> {
    let text = query.get("resourceVersion");
    let version = text.map(str::parse).transpose();
    version.map_err(|_| {
        let text = text.unwrap_or_default();
        Refusal::bad_request(format!("resourceVersion: Invalid value: {text:?}"))
    })
}

/// Where the next page starts and the revision all pages are read at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Continue {
    /// Revision of the first page.
    pub revision: u64,
    /// Namespace of the last object sent.
    pub namespace: String,
    /// Name of the last object sent.
    pub name: String,
}

impl Continue {
    /// Returns the token, opaque to clients.
    pub fn token(&self) -> String {
        let token = json!({
            "v": "meta.k8s.io/v1",
            "rv": self.revision,
            "start": [self.namespace, self.name],
        });
        URL_SAFE_NO_PAD.encode(token.to_string())
    }

    /// Reads a token.
    ///
    /// # Errors
    /// 400 when it is none of this server's.
    pub fn parse(token: &str) -> Result<Self, Refusal> {
        let decoded = URL_SAFE_NO_PAD.decode(token.trim_end_matches('=')).ok();
        let parsed = decoded.and_then(|json| serde_json::from_slice::<Value>(&json).ok());
        let read = |token: Value| {
            Some(Self {
                revision: token["rv"].as_u64()?,
                namespace: token["start"][0].as_str()?.to_owned(),
                name: token["start"][1].as_str()?.to_owned(),
            })
        };
        let token = parsed.and_then(read);
        token.ok_or_else(|| Refusal::bad_request("continue key is not valid"))
    }
}

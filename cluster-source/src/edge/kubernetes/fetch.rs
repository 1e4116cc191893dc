//! One Pod, read once.

use std::sync::Arc;

use thiserror::Error;

use super::client::Api;
use super::exchange::{Failure, send};
use crate::{Access, RequestLimits, SourceError, Timing, WrittenObject};

/// Why a Pod cannot be read from an API server.
#[derive(Debug, Error)]
pub enum FetchError {
    /// The access is not configured so that it can work.
    #[error(transparent)]
    Access(#[from] SourceError),
    /// There is no such Pod.
    #[error(
        "the API server has no Pod {namespace}/{name}; `kubectl get pods -n {namespace}` lists those that it has"
    )]
    NotFound {
        /// Its namespace.
        namespace: String,
        /// Its name.
        name: String,
    },
    /// The API server refuses.
    #[error(
        "the API server refuses to show the Pod: {code} {message}; the account needs `get` for pods in its namespace"
    )]
    Refused {
        /// The HTTP status.
        code: u16,
        /// The server's words.
        message: String,
    },
    /// There is no answer, or not a whole one.
    #[error(
        "the API server gives no answer: {reason}; check its address with `kubectl cluster-info`"
    )]
    NoAnswer {
        /// Why.
        reason: String,
    },
}

/// Reads a Pod from an API server.
///
/// # Errors
/// There is no such Pod, or it cannot be read.
pub async fn fetch_pod(
    access: Access,
    timing: &Timing,
    namespace: &str,
    name: &str,
) -> Result<WrittenObject, FetchError> {
    let api = Api::new(access, timing.connect, RequestLimits::default(), Arc::new(())).await?;
    let not_found =
        || FetchError::NotFound { namespace: namespace.to_owned(), name: name.to_owned() };
    // Nothing else is part of a name, and the path stays what it is meant to be.
    let is_name = |text: &str| {
        text.bytes().all(|octet| octet.is_ascii_alphanumeric() || matches!(octet, b'-' | b'.'))
            && text.bytes().any(|octet| octet != b'.')
    };
    if !is_name(namespace) || !is_name(name) {
        return Err(not_found());
    }
    let url = format!("/api/v1/namespaces/{namespace}/pods/{name}");
    let _pass = api.admit().await;
    let no_answer = |reason: String| FetchError::NoAnswer { reason };
    let mut response = match send(&api.connection().await.client, &url, timing.response).await {
        Ok(response) => response,
        Err(Failure::Refused { refusal, .. }) if refusal.code == 404 => return Err(not_found()),
        Err(Failure::Refused { refusal, .. }) => {
            return Err(FetchError::Refused { code: refusal.code, message: refusal.message });
        }
        Err(Failure::NoAnswer(reason)) => return Err(no_answer(reason)),
    };
    let octets = response.whole(timing.response).await;
    let octets = octets.map_err(|_| no_answer("the answer ends in the middle".to_owned()))?;
    let json = String::from_utf8(octets);
    let json = json.map_err(|_| no_answer("the answer is not UTF-8".to_owned()))?;
    Ok(WrittenObject {
        namespace: namespace.to_owned(),
        name: name.to_owned(),
        json,
        place: "the API server".to_owned(),
    })
}

//! Objects read once: one Pod, or all of a kind.

use std::sync::Arc;

use thiserror::Error;

use super::client::Api;
use super::exchange::{Failure, send};
use crate::api::page;
use crate::{Access, RequestLimits, SourceError, Timing, WrittenObject};

/// How many objects a page holds: what client-go asks for.
const PAGE: &str = "500";

/// Why objects cannot be read from an API server.
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
    /// The API server refuses to list a kind.
    #[error(
        "the API server refuses to list {plural}: {code} {message}; the account needs `list` for them"
    )]
    ListRefused {
        /// The kind's name in URLs.
        plural: String,
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
        ignored: Vec::new(),
    })
}

/// Reads every object of a kind from an API server, in pages: `api_version` is `v1` or `GROUP/VERSION`, `plural` the kind's name
/// in URLs. A kind that the server does not know has none.
///
/// # Errors
/// They cannot be listed, or not all of them.
pub async fn list_written(
    access: Access,
    timing: &Timing,
    (api_version, plural): (&str, &str),
) -> Result<Vec<WrittenObject>, FetchError> {
    let api = Api::new(access, timing.connect, RequestLimits::default(), Arc::new(())).await?;
    let root = if api_version.contains('/') { "apis" } else { "api" };
    let no_answer = |reason: &str| FetchError::NoAnswer { reason: reason.to_owned() };
    let (mut objects, mut token) = (Vec::new(), None::<String>);
    loop {
        let mut query = form_urlencoded::Serializer::new(String::new());
        query.append_pair("limit", PAGE);
        token.iter().for_each(|token| {
            query.append_pair("continue", token);
        });
        let url = format!("/{root}/{api_version}/{plural}?{}", query.finish());
        let mut response = match send(&api.connection().await.client, &url, timing.response).await {
            Ok(response) => response,
            Err(Failure::Refused { refusal, .. }) if refusal.code == 404 => return Ok(objects),
            Err(Failure::Refused { refusal, .. }) => {
                let (code, message) = (refusal.code, refusal.message);
                return Err(FetchError::ListRefused { plural: plural.to_owned(), code, message });
            }
            Err(Failure::NoAnswer(reason)) => return Err(FetchError::NoAnswer { reason }),
        };
        let octets = response.whole(timing.response).await;
        let octets = octets.map_err(|_| no_answer("the answer ends in the middle"))?;
        let page = page::parse(&octets).ok_or_else(|| no_answer("the answer is no list"))?;
        for json in page.items {
            objects
                .push(WrittenObject::sent(json.to_owned()).map_err(|problem| no_answer(&problem))?);
        }
        token = page.more.filter(|token| !token.is_empty());
        if token.is_none() {
            return Ok(objects);
        }
    }
}

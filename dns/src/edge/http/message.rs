//! Requests and replies.

use std::sync::Arc;

use futures_util::future::BoxFuture;
use hyper::body::Bytes;
use hyper::header::{CONNECTION, HeaderName, HeaderValue};
use hyper::{Method, StatusCode};

/// Text for people and probes.
const TEXT: &str = "text/plain; charset=utf-8";

/// A request without its body, which no handler needs, and with few of its headers.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct HttpRequest {
    /// The method.
    pub method: Method,
    /// The path as it came in, for example `/debug/explain`.
    pub path: String,
    /// What follows the question mark, as it came in; empty without one.
    pub query: String,
    /// The `Host` header or its like in HTTP/2, with the port that the client wrote.
    pub host: Option<String>,
    /// The `Authorization` header.
    pub authorization: Option<HeaderValue>,
}

/// A reply.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct HttpReply {
    /// The status.
    pub status: StatusCode,
    /// The `Content-Type`.
    pub content_type: &'static str,
    /// The other headers.
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// The body.
    pub body: Bytes,
}

/// Answers requests.
pub type Handler = Arc<dyn Fn(HttpRequest) -> BoxFuture<'static, HttpReply> + Send + Sync>;

impl HttpRequest {
    /// Returns the first value of a parameter of the query, decoded (`application/x-www-form-urlencoded`).
    pub fn parameter(&self, name: &str) -> Option<String> {
        let mut pairs = form_urlencoded::parse(self.query.as_bytes());
        pairs.find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
    }
}

impl HttpReply {
    /// Returns a reply in plain text.
    pub fn text(status: StatusCode, body: impl Into<Bytes>) -> Self {
        Self { status, content_type: TEXT, headers: Vec::new(), body: body.into() }
    }

    /// Returns 200 with JSON that is already text.
    pub fn json(body: impl Into<Bytes>) -> Self {
        Self { content_type: "application/json", ..Self::text(StatusCode::OK, body) }
    }

    /// Closes the connection after the reply: who asks once in a while keeps none open.
    #[must_use]
    pub fn last(mut self) -> Self {
        self.headers.push((CONNECTION, HeaderValue::from_static("close")));
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_decoded() {
        let query = "name=a%2Eb&type=AAAA&name=second&empty".to_owned();
        let path = "/".to_owned();
        let request =
            HttpRequest { method: Method::GET, path, query, host: None, authorization: None };
        for (name, value) in
            [("name", Some("a.b")), ("type", Some("AAAA")), ("empty", Some("")), ("none", None)]
        {
            assert_eq!(request.parameter(name).as_deref(), value, "{name}");
        }
    }
}

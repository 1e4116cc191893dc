//! Authentication: a bearer token or a client certificate; 401 otherwise.

use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use hyper::Request;
use hyper::header::AUTHORIZATION;

use super::connection::Connection;
use crate::api::status::Refusal;
use crate::service::{Answering, Service};

/// The bearer token accepted now; clones share it.
#[derive(Clone, Debug)]
pub struct Token(Arc<Mutex<String>>);

impl Token {
    /// Returns a token of the given text.
    pub fn new(text: String) -> Self {
        Self(Arc::new(Mutex::new(text)))
    }

    /// Returns the text.
    pub fn text(&self) -> String {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Replaces the text; the old one is refused from now on.
    pub fn replace(&self, text: String) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = text;
    }
}

/// Lets through requests that say who they are.
pub struct Guard {
    /// The accepted token.
    pub token: Token,
    /// What answers those let through.
    pub inner: Arc<dyn Service>,
}

impl Service for Guard {
    fn call(&self, request: Request<Bytes>) -> Answering<'_> {
        if self.knows(&request) {
            return self.inner.call(request);
        }
        let refusal = Refusal::new(401, "Unauthorized", "Unauthorized");
        Box::pin(async move { refusal.response() })
    }
}

impl Guard {
    fn knows(&self, request: &Request<Bytes>) -> bool {
        let header = request.headers().get(AUTHORIZATION).and_then(|value| value.to_str().ok());
        if let Some(text) = header {
            return text.strip_prefix("Bearer ") == Some(&self.token.text());
        }
        let connection = request.extensions().get::<Connection>();
        connection.is_some_and(Connection::has_certificate)
    }
}

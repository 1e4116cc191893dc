//! The web configuration of `prometheus { tls FILE }`: HTTPS, client certificates, passwords and headers.
//!
//! ```text
//! FILE ─ written ─▶ Written ─ tls ─▶ rustls::ServerConfig ┐
//!                           ├ users ─▶ Users              ├─▶ Web, made anew when a file changes (file)
//!                           └ rate ─▶ Bucket              ┘
//! ```
//!
//! Source: prometheus/exporter-toolkit, docs/web-configuration.md, which CoreDNS uses. Two things differ: a file
//! without TLS is refused instead of served in the clear, and what cannot be done is refused by name.

mod client_names;
mod file;
mod rate;
mod tls;
mod users;
mod written;

pub use file::{WebFile, WebFileError};

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use hyper::StatusCode;
use hyper::header::{HeaderName, HeaderValue, WWW_AUTHENTICATE};
use rustls::ServerConfig;

use super::{Handler, HttpReply, HttpRequest};
use rate::Bucket;
use users::Users;

/// What the web configuration says, ready for use.
#[derive(Debug)]
pub(super) struct Web {
    /// Certificate, client certificates, versions and ciphers.
    pub(super) tls: Arc<ServerConfig>,
    /// Set in every reply.
    headers: Vec<(HeaderName, HeaderValue)>,
    users: Users,
    bucket: Option<Arc<Mutex<Bucket>>>,
}

/// A problem and the key that has it, for example `tls_server_config.cert_file`.
#[derive(Debug)]
struct Flaw {
    key: String,
    problem: String,
}

impl Flaw {
    fn new(key: impl Into<String>, problem: impl Into<String>) -> Self {
        Self { key: key.into(), problem: problem.into() }
    }
}

impl Web {
    /// Puts the limit of requests, the headers and the passwords before a handler, in this order.
    pub(super) fn guard(self: &Arc<Self>, handler: Handler) -> Handler {
        let web = Arc::clone(self);
        Arc::new(move |request| {
            let (web, handler) = (Arc::clone(&web), handler.clone());
            Box::pin(async move { web.answer(request, &handler).await })
        })
    }

    async fn answer(&self, request: HttpRequest, handler: &Handler) -> HttpReply {
        if !self.has_room() {
            return HttpReply::text(StatusCode::TOO_MANY_REQUESTS, "too many requests\n");
        }
        let mut reply = if self.users.allow(request.authorization.as_ref()).await {
            handler(request).await
        } else {
            let mut reply = HttpReply::text(StatusCode::UNAUTHORIZED, "unauthorized\n");
            reply.headers.push((WWW_AUTHENTICATE, HeaderValue::from_static("Basic")));
            reply
        };
        reply.headers.extend(self.headers.iter().cloned());
        reply
    }

    fn has_room(&self) -> bool {
        let Some(bucket) = &self.bucket else { return true };
        bucket.lock().unwrap_or_else(PoisonError::into_inner).take(Instant::now())
    }
}

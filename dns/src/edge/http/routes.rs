//! From a path to its handler.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures_util::future;
use hyper::{Method, StatusCode};

use super::{Handler, HttpReply, HttpRequest};

/// The paths of a listener.
///
/// Others get 404. Everything here is read, so other methods than GET and HEAD get 405.
#[derive(Clone, Default)]
pub struct Routes(BTreeMap<&'static str, Handler>);

impl Routes {
    /// Returns routes without a path.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a path, which has to match as a whole; the last handler of a path stays.
    #[must_use]
    pub fn route(mut self, path: &'static str, handler: Handler) -> Self {
        self.0.insert(path, handler);
        self
    }

    /// Returns the handler of all paths.
    pub fn into_handler(self) -> Handler {
        Arc::new(move |request: HttpRequest| {
            if !matches!(request.method, Method::GET | Method::HEAD) {
                let status = StatusCode::METHOD_NOT_ALLOWED;
                return Box::pin(future::ready(HttpReply::text(status, "only GET is answered\n")));
            }
            match self.0.get(request.path.as_str()) {
                Some(handler) => handler(request),
                None => Box::pin(future::ready(self.not_found())),
            }
        })
    }

    fn not_found(&self) -> HttpReply {
        let paths: Vec<&str> = self.0.keys().copied().collect();
        let body = format!("not found; there is {}\n", paths.join(" "));
        HttpReply::text(StatusCode::NOT_FOUND, body)
    }
}

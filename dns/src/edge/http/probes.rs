//! What orchestrators and Prometheus ask.

use std::sync::Arc;

use futures_util::future;
use hyper::StatusCode;
use prometheus::{Registry, TEXT_FORMAT, TextEncoder};

use super::{Handler, HttpReply};

/// Returns the handler of `/health`: 200 with `OK` as long as the process can answer at all.
pub fn health() -> Handler {
    Arc::new(|_| Box::pin(future::ready(HttpReply::text(StatusCode::OK, "OK").last())))
}

/// Returns the handler of `/ready`: 200 with `OK`, or 503 with the names of what is not ready, between commas.
pub fn ready(unready: impl Fn() -> Vec<String> + Send + Sync + 'static) -> Handler {
    Arc::new(move |_| {
        let names = unready();
        let reply = if names.is_empty() {
            HttpReply::text(StatusCode::OK, "OK")
        } else {
            HttpReply::text(StatusCode::SERVICE_UNAVAILABLE, names.join(","))
        };
        Box::pin(future::ready(reply.last()))
    })
}

/// Returns the handler of `/metrics`: the classic text format, version 0.0.4.
pub fn metrics(registry: Registry) -> Handler {
    Arc::new(move |_| {
        let reply = match TextEncoder::new().encode_to_string(&registry.gather()) {
            Ok(text) => {
                HttpReply { content_type: TEXT_FORMAT, ..HttpReply::text(StatusCode::OK, text) }
            }
            Err(error) => HttpReply::text(StatusCode::INTERNAL_SERVER_ERROR, format!("{error}\n")),
        };
        Box::pin(future::ready(reply))
    })
}

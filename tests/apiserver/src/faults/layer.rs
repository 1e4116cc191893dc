//! The layer that makes answers go wrong as the switches say.

use std::sync::Arc;

use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::header::{CONTENT_LENGTH, HeaderValue, TRANSFER_ENCODING};
use hyper::{Request, Response};

use super::watches::under_orders;
use super::{ErrorAnswer, Faults, WriteFault};
use crate::api::status::Refusal;
use crate::body::{self, Body};
use crate::front::connection::Connection;
use crate::request_info::{RequestInfo, Verb};
use crate::service::{Answering, Service};

/// Injects faults in front of another service.
pub struct FaultLayer {
    /// The switches.
    pub faults: Faults,
    /// What answers when nothing goes wrong.
    pub inner: Arc<dyn Service>,
}

impl Service for FaultLayer {
    fn call(&self, request: Request<Bytes>) -> Answering<'_> {
        Box::pin(self.answer(request))
    }
}

impl FaultLayer {
    async fn answer(&self, request: Request<Bytes>) -> Response<Body> {
        let info = RequestInfo::new(request.method(), request.uri());
        let connection = request.extensions().get::<Connection>().cloned();
        let latency = self.faults.latency_for(&info.resource);
        if !latency.is_zero() {
            tokio::time::sleep(latency).await;
        }
        if let Some(error) = self.faults.error_for(&info.resource) {
            return error_response(error);
        }
        let is_write = matches!(
            info.verb,
            Verb::Create | Verb::Update | Verb::Patch | Verb::Delete | Verb::DeleteCollection
        );
        let fault = is_write.then(|| self.faults.write_fault_for(&info.resource)).flatten();
        if let Some(WriteFault::Refused(code)) = fault {
            return error_response(ErrorAnswer { code, retry_after: None });
        }
        let response = self.inner.call(request).await;
        if fault == Some(WriteFault::AnswerLost) {
            return error_response(ErrorAnswer { code: 500, retry_after: None });
        }
        if !response.status().is_success() {
            return response;
        }
        match info.verb {
            Verb::Watch => {
                response.map(|inner| under_orders(&self.faults, &info.resource, inner, connection))
            }
            Verb::List if self.faults.is_half_list(&info.resource) => half(response).await,
            Verb::List
            | Verb::Get
            | Verb::Create
            | Verb::Update
            | Verb::Patch
            | Verb::Delete
            | Verb::DeleteCollection
            | Verb::Other => response,
        }
    }
}

fn error_response(error: ErrorAnswer) -> Response<Body> {
    let reason = match error.code {
        401 => "Unauthorized",
        403 => "Forbidden",
        409 => "Conflict",
        429 => "TooManyRequests",
        503 => "ServiceUnavailable",
        _ => "InternalError",
    };
    let mut refusal = Refusal::new(error.code, reason, "an injected fault");
    refusal.retry_after = error.retry_after.map(|delay| delay.as_secs());
    refusal.response()
}

/// Announces the whole body, sends half of it and breaks the connection.
async fn half(response: Response<Body>) -> Response<Body> {
    let (mut head, inner) = response.into_parts();
    let Ok(whole) = inner.collect().await else {
        return Refusal::new(502, "InternalError", "the list broke off").response();
    };
    let whole = whole.to_bytes();
    head.headers.remove(TRANSFER_ENCODING);
    head.headers.insert(CONTENT_LENGTH, HeaderValue::from(whole.len()));
    let (out, body) = body::channel();
    tokio::spawn(async move {
        // Errors only say that the client is gone already.
        let _ = out.send(Ok(whole.slice(..whole.len() / 2))).await;
        let _ = out.send(Err("the list is cut in half".into())).await;
    });
    Response::from_parts(head, body)
}

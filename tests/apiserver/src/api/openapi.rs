//! `OpenAPI` documents without a single schema.
//!
//! kubectl insists on reading one before it applies a manifest, and skips the validation of
//! kinds the document does not describe; so an empty document makes a plain `kubectl apply`
//! work. It reads version 2 as protobuf (gnostic's `openapi.v2.Document`).

use hyper::header::{ACCEPT, CONTENT_TYPE, HeaderMap, HeaderValue};
use hyper::{Response, StatusCode};
use serde_json::json;

use super::status::json_response;
use crate::body::{self, Body};

/// The media type of the protobuf form. kubectl asks for `...v2@v1.0+protobuf`, but refuses to
/// read an answer under that name: `@` is not allowed in a media type (RFC 9110 §8.3.1).
const PROTOBUF: &str = "application/com.github.proto-openapi.spec.v2.v1.0+protobuf";

/// The same document in protobuf: swagger (1), info (2) of title (1) and version (2), paths (8),
/// definitions (9); each field is tag, length, content.
const DOCUMENT: &[u8] = b"\x0a\x032.0\x12\x11\x0a\x08portolan\x12\x05v1.34\x42\x00\x4a\x00";

/// Answers `/openapi/v2` and `/openapi/v3`; nothing for other paths.
pub fn answer(path: &str, headers: &HeaderMap) -> Option<Response<Body>> {
    let accept = headers.get(ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    match path.trim_end_matches('/') {
        "/openapi/v2" if accept.contains("protobuf") => {
            let mut response = Response::new(body::full(DOCUMENT));
            let protobuf = HeaderValue::from_static(PROTOBUF);
            response.headers_mut().insert(CONTENT_TYPE, protobuf);
            Some(response)
        }
        "/openapi/v2" => {
            let info = json!({"title": "portolan", "version": "v1.34"});
            let document = json!({"swagger": "2.0", "info": info, "paths": {}, "definitions": {}});
            Some(json_response(StatusCode::OK, document.to_string()))
        }
        "/openapi/v3" => Some(json_response(StatusCode::OK, json!({"paths": {}}).to_string())),
        _ => None,
    }
}

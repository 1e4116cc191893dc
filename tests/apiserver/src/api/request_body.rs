//! Request bodies: JSON, or YAML where the API takes it; protobuf is refused.

use bytes::Bytes;
use hyper::Request;
use hyper::header::CONTENT_TYPE;
use serde_json::Value;

use super::status::Refusal;
use crate::manifest;

/// Returns the media type of a body without its parameters, empty when there is none.
pub fn content_type(request: &Request<Bytes>) -> &str {
    let header = request.headers().get(CONTENT_TYPE);
    let text = header.and_then(|value| value.to_str().ok()).unwrap_or_default();
    text.split(';').next().unwrap_or_default().trim()
}

/// Reads the object of a create or an update.
///
/// # Errors
/// 415 for protobuf and the like, 400 for a body that cannot be parsed.
pub fn json_or_yaml(request: &Request<Bytes>) -> Result<Value, Refusal> {
    match content_type(request) {
        "" | "application/json" | "application/yaml" => parse(request),
        other => Err(Refusal::unsupported_media_type(other)),
    }
}

/// Reads the `DeleteOptions` of a deletion, null when there are none.
///
/// # Errors
/// As [`json_or_yaml`].
pub fn options(request: &Request<Bytes>) -> Result<Value, Refusal> {
    if request.body().is_empty() {
        return Ok(Value::Null);
    }
    json_or_yaml(request)
}

/// Parses a body as JSON or, when its media type says so, as YAML.
///
/// # Errors
/// 400 when it cannot be parsed.
pub fn parse(request: &Request<Bytes>) -> Result<Value, Refusal> {
    let json = serde_json::from_slice(request.body()).map_err(|error| error.to_string());
    let parsed = if content_type(request).ends_with("yaml") {
        json.or_else(|_| yaml(request.body()))
    } else {
        json
    };
    parsed.map_err(|error| Refusal::bad_request(format!("the body cannot be parsed: {error}")))
}

fn yaml(body: &[u8]) -> Result<Value, String> {
    let text = std::str::from_utf8(body).map_err(|error| error.to_string())?;
    manifest::document(text).map_err(|error| error.to_string())
}

//! What a request over HTTP asks, and how its answer looks (RFC 8484). Plain functions for every version of HTTP.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use hyper::header::{ALLOW, CACHE_CONTROL, CONTENT_LENGTH, CONTENT_TYPE, HeaderMap, HeaderValue};
use hyper::http::request::Parts;
use hyper::{Method, Response, StatusCode};

use crate::wire;

/// Where questions are asked, as CoreDNS has it.
const PATH: &str = "/dns-query";

/// The media type of messages (RFC 8484 §6).
const MEDIA_TYPE: &str = "application/dns-message";

/// The longest message, in octets.
pub(super) const MAX_MESSAGE: usize = 65_535;

/// The longest `dns` of a GET, in characters: it is refused before it is decoded. What a request's head may have
/// is less over HTTP/1.1 and HTTP/2.
const MAX_ENCODED: usize = MAX_MESSAGE.div_ceil(3) * 4;

/// The head of a request, in octets.
pub(super) const MAX_HEAD: u32 = 16 << 10;

/// What the head of a request asks for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Asked {
    /// This message (GET).
    Message(Vec<u8>),
    /// The message that is its body (POST).
    Body,
}

/// Reads the head of a request.
///
/// # Errors
/// It is none that RFC 8484 §4.1 describes.
pub(super) fn read_head(head: &Parts) -> Result<Asked, StatusCode> {
    if head.uri.path() != PATH {
        return Err(StatusCode::NOT_FOUND);
    }
    match head.method {
        Method::GET => message_of(head.uri.query().unwrap_or_default()).map(Asked::Message),
        Method::POST => check_body(&head.headers).map(|()| Asked::Body),
        _ => Err(StatusCode::METHOD_NOT_ALLOWED),
    }
}

/// Reads the one `dns=` of a query string: base64url without padding.
fn message_of(query: &str) -> Result<Vec<u8>, StatusCode> {
    let mut values = query.split('&').filter_map(|pair| pair.strip_prefix("dns="));
    let (Some(encoded), None) = (values.next(), values.next()) else {
        return Err(StatusCode::BAD_REQUEST);
    };
    if encoded.len() > MAX_ENCODED {
        return Err(StatusCode::URI_TOO_LONG);
    }
    URL_SAFE_NO_PAD.decode(encoded).map_err(|_| StatusCode::BAD_REQUEST)
}

/// Checks what the head says about the body, before any of it is read.
fn check_body(headers: &HeaderMap) -> Result<(), StatusCode> {
    let media_type = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let essence = media_type.and_then(|text| text.split(';').next()).map(str::trim);
    if !essence.is_some_and(|essence| essence.eq_ignore_ascii_case(MEDIA_TYPE)) {
        return Err(StatusCode::UNSUPPORTED_MEDIA_TYPE);
    }
    let length = headers.get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse().ok());
    if length.is_some_and(|length: u64| length > MAX_MESSAGE as u64) {
        return Err(StatusCode::PAYLOAD_TOO_LARGE);
    }
    Ok(())
}

/// Returns the response with a reply, or that to a request which has none.
pub(super) fn response(outcome: Result<Vec<u8>, StatusCode>) -> Response<Bytes> {
    let (status, media_type, body) = match &outcome {
        Ok(_) => (StatusCode::OK, MEDIA_TYPE, None),
        Err(status) => (*status, "text/plain; charset=utf-8", Some(remedy(*status))),
    };
    let cache = match &outcome {
        Ok(reply) => format!("max-age={}", wire::lifetime(reply)),
        Err(_) => "no-store".to_owned(),
    };
    let body = body.map_or_else(|| outcome.unwrap_or_default().into(), Bytes::from_static);
    let length = HeaderValue::from(body.len());
    let mut response = Response::new(body);
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(media_type));
    headers.insert(CONTENT_LENGTH, length);
    // Digits and letters are a value.
    headers.extend(HeaderValue::try_from(cache).ok().map(|cache| (CACHE_CONTROL, cache)));
    if status == StatusCode::METHOD_NOT_ALLOWED {
        headers.insert(ALLOW, HeaderValue::from_static("GET, POST"));
    }
    response
}

/// Returns what whoever made the request should do.
fn remedy(status: StatusCode) -> &'static [u8] {
    match status {
        StatusCode::BAD_REQUEST => {
            b"this is no DNS query; send one as ?dns= in base64url without padding, or as the body of a POST\n"
        }
        StatusCode::NOT_FOUND => b"there is nothing here; ask at /dns-query\n",
        StatusCode::METHOD_NOT_ALLOWED => b"use GET or POST\n",
        StatusCode::REQUEST_TIMEOUT => b"the body did not come in time; send it at once\n",
        StatusCode::PAYLOAD_TOO_LARGE | StatusCode::URI_TOO_LONG => {
            b"a DNS message has at most 65535 octets; send a shorter one\n"
        }
        StatusCode::UNSUPPORTED_MEDIA_TYPE => b"send the content type application/dns-message\n",
        StatusCode::SERVICE_UNAVAILABLE => b"too many questions are under way; ask again later\n",
        _ => b"there is no reply\n",
    }
}

#[cfg(test)]
mod tests {
    use hyper::Request;

    use super::*;

    fn head(method: &str, target: &str, headers: &[(&'static str, &str)]) -> Parts {
        let mut request = Request::builder().method(method).uri(target);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.body(()).unwrap().into_parts().0
    }

    #[test]
    fn a_get_has_its_message_in_the_target() {
        let get = |target: &str| read_head(&head("GET", target, &[]));
        // The example of RFC 8484 §4.1.1 begins like this.
        let message = vec![0, 0, 1, 0, 0, 1];
        assert_eq!(get("/dns-query?dns=AAABAAAB"), Ok(Asked::Message(message.clone())));
        assert_eq!(get("/dns-query?x=1&dns=AAABAAAB&y"), Ok(Asked::Message(message)));
        for target in [
            "/dns-query",
            "/dns-query?dns=AAABAAAB&dns=AAABAAAB",
            "/dns-query?dns=AAA",
            "/dns-query?dns=AAAB====",
            "/dns-query?dns=A+/B",
            "/dns-query?DNS=AAABAAAB",
        ] {
            let expected = match target {
                // Three characters are two octets.
                "/dns-query?dns=AAA" => Ok(Asked::Message(vec![0, 0])),
                _ => Err(StatusCode::BAD_REQUEST),
            };
            assert_eq!(get(target), expected, "{target}");
        }
        for target in ["/", "/dns-query/", "/resolve?dns=AAABAAAB"] {
            assert_eq!(get(target), Err(StatusCode::NOT_FOUND), "{target}");
        }
    }

    /// CVE-2026-32936: a long GET was decoded and unpacked before it was refused.
    #[test]
    fn cve_2026_32936_a_long_get_is_refused_before_it_is_decoded() {
        // `!` cannot be decoded: the length is what is refused.
        let long = "!".repeat(MAX_ENCODED + 1);
        assert_eq!(message_of(&format!("dns={long}")), Err(StatusCode::URI_TOO_LONG));
        assert_eq!(message_of(&format!("dns={}", &long[1..])), Err(StatusCode::BAD_REQUEST));
    }

    #[test]
    fn a_post_says_what_its_body_is() {
        let post = |headers: &[_]| read_head(&head("POST", "/dns-query", headers));
        let kind = ("content-type", "application/dns-message");
        assert_eq!(post(&[kind]), Ok(Asked::Body));
        assert_eq!(post(&[("content-type", "Application/DNS-Message; x=y")]), Ok(Asked::Body));
        assert_eq!(post(&[kind, ("content-length", "65535")]), Ok(Asked::Body));
        let too_large = Err(StatusCode::PAYLOAD_TOO_LARGE);
        assert_eq!(post(&[kind, ("content-length", "65536")]), too_large);
        for headers in [&[][..], &[("content-type", "application/dns-json")]] {
            assert_eq!(post(headers), Err(StatusCode::UNSUPPORTED_MEDIA_TYPE), "{headers:?}");
        }
        let put = read_head(&head("PUT", "/dns-query", &[kind]));
        assert_eq!(put, Err(StatusCode::METHOD_NOT_ALLOWED));
    }

    #[test]
    fn responses_say_how_long_they_live() {
        let failure = wire::BareReply::server_failure(0, None);
        let reply = wire::encode_rejection(&wire::Rejection::Answered(failure));
        let ok = response(Ok(reply.clone().unwrap()));
        assert_eq!(
            (ok.status(), &ok.headers()[CACHE_CONTROL]),
            (StatusCode::OK, &"max-age=0".parse().unwrap())
        );
        assert_eq!(ok.headers()[CONTENT_TYPE], MEDIA_TYPE);
        assert_eq!(ok.into_body(), reply.unwrap());
        let refused = response(Err(StatusCode::METHOD_NOT_ALLOWED));
        assert_eq!(refused.headers()[ALLOW], "GET, POST");
        assert_eq!(refused.headers()[CONTENT_LENGTH], refused.body().len().to_string());
    }
}

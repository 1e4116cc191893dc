//! One line of a watch.

use std::time::Duration;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::step::Refusal;
use crate::decode::Header;

/// What one line of a watch says.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum WatchEvent<'a> {
    /// The object is there, new or changed; its JSON.
    Upsert(&'a str),
    /// The object is gone; the JSON of what it was.
    Delete(&'a str),
    /// Everything up to a version has been sent.
    Bookmark {
        /// The version to watch from.
        resource_version: String,
        /// The initial events end here (KEP-3157).
        ends_list: bool,
    },
    /// The server ends the watch.
    Error(Refusal),
}

#[derive(Deserialize)]
struct WireEvent<'a> {
    #[serde(rename = "type")]
    event_type: &'a str,
    #[serde(borrow)]
    object: &'a RawValue,
}

#[derive(Deserialize)]
struct Annotated<'a> {
    #[serde(borrow)]
    metadata: Annotations<'a>,
}

#[derive(Deserialize)]
struct Annotations<'a> {
    #[serde(borrow)]
    annotations: Option<EndOfList<'a>>,
}

#[derive(Deserialize)]
struct EndOfList<'a> {
    #[serde(borrow, rename = "k8s.io/initial-events-end")]
    initial_events_end: Option<&'a str>,
}

/// `Status` of the Kubernetes API, in the body of a refusal or in an `ERROR` event.
#[derive(Deserialize, Default)]
#[serde(default)]
struct Status {
    code: Option<u16>,
    reason: Option<String>,
    message: Option<String>,
    details: Option<Details>,
}

#[derive(Deserialize, Default)]
struct Details {
    #[serde(rename = "retryAfterSeconds")]
    retry_after_seconds: Option<u64>,
}

/// Parses one line of a watch; none when it is no watch event.
pub(crate) fn parse(line: &[u8]) -> Option<WatchEvent<'_>> {
    let event: WireEvent<'_> = serde_json::from_slice(line).ok()?;
    let json = event.object.get();
    match event.event_type {
        "ADDED" | "MODIFIED" => Some(WatchEvent::Upsert(json)),
        "DELETED" => Some(WatchEvent::Delete(json)),
        "BOOKMARK" => bookmark(json),
        "ERROR" => Some(WatchEvent::Error(refusal(500, json.as_bytes(), None))),
        _ => None,
    }
}

fn bookmark(json: &str) -> Option<WatchEvent<'_>> {
    let header: Header<'_> = serde_json::from_str(json).ok()?;
    let ends_list = serde_json::from_str::<Annotated<'_>>(json)
        .ok()
        .and_then(|object| object.metadata.annotations?.initial_events_end)
        .is_some_and(|value| value == "true");
    let resource_version = header.resource_version().to_owned();
    (!resource_version.is_empty()).then_some(WatchEvent::Bookmark { resource_version, ends_list })
}

/// Reads why the server refuses from the body of its answer, if that says so; otherwise from what the HTTP
/// head said.
pub(crate) fn refusal(http_status: u16, body: &[u8], retry_after: Option<Duration>) -> Refusal {
    let status: Status = serde_json::from_slice(body).unwrap_or_default();
    let asked = status.details.and_then(|details| details.retry_after_seconds);
    let code = match status.reason.as_deref() {
        // Either may come with another code in between.
        Some("Expired" | "Gone") => 410,
        _ => status.code.filter(|code| *code != 0).unwrap_or(http_status),
    };
    Refusal {
        code,
        retry_after: retry_after.or(asked.map(Duration::from_secs)).unwrap_or_default(),
        message: status.message.unwrap_or_default().chars().take(300).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_type_of_line_is_read() {
        let bookmark =
            |ends_list| Some(WatchEvent::Bookmark { resource_version: "7".to_owned(), ends_list });
        let cases = [
            (r#"{"type":"ADDED","object":{"a":1}}"#, Some(WatchEvent::Upsert(r#"{"a":1}"#))),
            (r#"{"object":{"a":1},"type":"MODIFIED"}"#, Some(WatchEvent::Upsert(r#"{"a":1}"#))),
            (r#"{"type":"DELETED","object":{}}"#, Some(WatchEvent::Delete("{}"))),
            (
                r#"{"type":"BOOKMARK","object":{"kind":"Pod","metadata":{"resourceVersion":"7","creationTimestamp":null}}}"#,
                bookmark(false),
            ),
            (
                r#"{"type":"BOOKMARK","object":{"metadata":{"resourceVersion":"7","annotations":{"k8s.io/initial-events-end":"true"}}}}"#,
                bookmark(true),
            ),
            (r#"{"type":"BOOKMARK","object":{"metadata":{}}}"#, None),
            (r#"{"type":"ADDED","object":{"a":1}"#, None),
            (r#"{"type":"OTHER","object":{}}"#, None),
            ("<html>", None),
            ("{}", None),
        ];
        for (line, expected) in cases {
            assert_eq!(parse(line.as_bytes()), expected, "{line}");
        }
    }

    #[test]
    fn refusals_are_read_from_body_and_head() {
        let gone = br#"{"kind":"Status","code":410,"reason":"Expired","message":"too old"}"#;
        assert_eq!(refusal(500, gone, None).code, 410);
        let busy = br#"{"code":429,"details":{"retryAfterSeconds":3}}"#;
        assert_eq!(refusal(429, busy, None).retry_after, Duration::from_secs(3));
        let plain = refusal(503, b"<html>", Some(Duration::from_secs(9)));
        assert_eq!((plain.code, plain.retry_after), (503, Duration::from_secs(9)));
        let line = br#"{"type":"ERROR","object":{"reason":"Gone"}}"#;
        assert!(matches!(parse(line), Some(WatchEvent::Error(Refusal { code: 410, .. }))));
    }
}

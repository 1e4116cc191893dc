//! When the change of an `EndpointSlice` was triggered.

use std::time::SystemTime;

use serde::Deserialize;
use serde_json::value::RawValue;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

#[derive(Deserialize)]
struct Annotated<'a> {
    #[serde(borrow)]
    metadata: Metadata<'a>,
}

#[derive(Deserialize)]
struct Metadata<'a> {
    #[serde(borrow)]
    annotations: Option<Annotations<'a>>,
}

#[derive(Deserialize)]
struct Annotations<'a> {
    #[serde(borrow, rename = "endpoints.kubernetes.io/last-change-trigger-time")]
    last_change: Option<&'a RawValue>,
}

/// Returns the value of the annotation `endpoints.kubernetes.io/last-change-trigger-time` (RFC 3339 with up to
/// nine digits of a second): when the Pod or Service changed that made the controller write the slice. None
/// when it is not there or no such time, which is nobody's fault that could be named here.
pub(crate) fn trigger_time(json: &str) -> Option<SystemTime> {
    let object: Annotated<'_> = serde_json::from_str(json).ok()?;
    let text: String =
        serde_json::from_str(object.metadata.annotations?.last_change?.get()).ok()?;
    OffsetDateTime::parse(&text, &Rfc3339).ok().map(SystemTime::from)
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use super::*;

    fn of(value: &str) -> Option<SystemTime> {
        let key = "endpoints.kubernetes.io/last-change-trigger-time";
        trigger_time(&format!(
            r#"{{"metadata":{{"name":"a","annotations":{{"b":1,"{key}":{value}}}}},"endpoints":[]}}"#
        ))
    }

    #[test]
    fn times_are_read_as_go_writes_them() {
        let second = UNIX_EPOCH + Duration::from_secs(1_700_000_000);
        assert_eq!(of("\"2023-11-14T22:13:20Z\""), Some(second));
        assert_eq!(of("\"2023-11-15T00:13:20+02:00\""), Some(second));
        let exact = Some(second + Duration::from_nanos(123_456_789));
        assert_eq!(of("\"2023-11-14T22:13:20.123456789Z\""), exact);
        assert_eq!(of("\"1970-01-01T00:00:00Z\""), Some(UNIX_EPOCH));
    }

    #[test]
    fn what_is_no_time_is_none() {
        for value in ["\"yesterday\"", "\"\"", "\"2023-13-01T00:00:00Z\"", "7", "null", "{}"] {
            assert_eq!(of(value), None, "{value}");
        }
        for json in ["{}", r#"{"metadata":{}}"#, r#"{"metadata":{"annotations":null}}"#, "no JSON"]
        {
            assert_eq!(trigger_time(json), None, "{json}");
        }
    }
}

//! One page of a list.

use serde::Deserialize;
use serde_json::value::RawValue;

/// One page of a list; its objects borrow from the body.
#[derive(Debug)]
pub(crate) struct Page<'a> {
    /// The objects' JSON.
    pub(crate) items: Vec<&'a str>,
    /// The version of the whole list.
    pub(crate) resource_version: String,
    /// The token of the next page, unless this is the last.
    pub(crate) more: Option<String>,
}

#[derive(Deserialize)]
struct WirePage<'a> {
    metadata: Metadata,
    #[serde(borrow)]
    items: Option<Vec<&'a RawValue>>,
}

#[derive(Deserialize)]
struct Metadata {
    #[serde(rename = "resourceVersion")]
    resource_version: Option<String>,
    #[serde(rename = "continue")]
    more: Option<String>,
}

/// Parses a page; none when the body is no list, or has no version to watch from.
pub(crate) fn parse(body: &[u8]) -> Option<Page<'_>> {
    let page: WirePage<'_> = serde_json::from_slice(body).ok()?;
    Some(Page {
        items: page.items.unwrap_or_default().into_iter().map(RawValue::get).collect(),
        resource_version: page.metadata.resource_version.filter(|version| !version.is_empty())?,
        more: page.metadata.more.filter(|token| !token.is_empty()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_are_read_and_other_bodies_are_not() {
        let body = br#"{"kind":"PodList","metadata":{"resourceVersion":"5","continue":"x"},"items":[{"a":1},{}]}"#;
        let page = parse(body).unwrap();
        assert_eq!(page.items, [r#"{"a":1}"#, "{}"]);
        assert_eq!((&*page.resource_version, page.more.as_deref()), ("5", Some("x")));
        let last = parse(br#"{"metadata":{"resourceVersion":"5","continue":""},"items":null}"#);
        assert!(last.is_some_and(|page| page.items.is_empty() && page.more.is_none()));
        for bad in ["", "{}", "[]", r#"{"metadata":{},"items":[]}"#, r#"{"items":[{"#] {
            assert!(parse(bad.as_bytes()).is_none(), "{bad}");
        }
    }
}

//! The requests as URLs.

use std::time::Duration;

use cluster::Kind;
use form_urlencoded::Serializer;

use super::resource::path;
use super::step::Request;
use crate::Interest;

/// How many objects a page holds: what client-go asks for.
const PAGE: &str = "500";

/// Pods that have ended answer nowhere; most clusters with Jobs hold many.
const LIVING_PODS: &str = "status.phase!=Succeeded,status.phase!=Failed";

/// Returns path and query of a request. `length` is how long the server is asked to keep a watch open.
pub(crate) fn url(kind: Kind, request: &Request, interest: &Interest, length: Duration) -> String {
    let mut query = query_of(request, length);
    if let Some(selector) = interest.selector(kind) {
        query.append_pair("labelSelector", &selector.to_string());
    }
    if kind == Kind::Pod {
        query.append_pair("fieldSelector", LIVING_PODS);
    }
    if let (Kind::Node, Some(name)) = (kind, &interest.node) {
        query.append_pair("fieldSelector", &format!("metadata.name={name}"));
    }
    joined(path(kind), query)
}

/// Returns path and query of a request for all objects at a path.
pub(crate) fn url_at(path: String, request: &Request, length: Duration) -> String {
    joined(path, query_of(request, length))
}

fn joined(path: String, mut query: Serializer<'_, String>) -> String {
    let query = query.finish();
    if query.is_empty() { path } else { format!("{path}?{query}") }
}

fn query_of(request: &Request, length: Duration) -> Serializer<'static, String> {
    let mut query = Serializer::new(String::new());
    match request {
        Request::Stream => {
            query.append_pair("watch", "true");
            query.append_pair("sendInitialEvents", "true");
            query.append_pair("resourceVersionMatch", "NotOlderThan");
        }
        Request::Watch { resource_version } => {
            query.append_pair("watch", "true");
            query.append_pair("resourceVersion", resource_version);
        }
        Request::FirstPage => {
            query.append_pair("limit", PAGE);
        }
        Request::Page { token } => {
            query.append_pair("limit", PAGE);
            query.append_pair("continue", token);
        }
        Request::Whole => {}
    }
    if matches!(request, Request::Stream | Request::Watch { .. }) {
        query.append_pair("allowWatchBookmarks", "true");
        query.append_pair("timeoutSeconds", &length.as_secs().max(1).to_string());
    }
    query
}

#[cfg(test)]
mod tests {
    use super::*;
    use cluster::Selector;

    #[test]
    fn requests_say_what_the_api_understands() {
        let interest =
            Interest { labels: Selector::parse("app in (a,b)").unwrap(), ..Interest::default() };
        let url = |kind, request| url(kind, &request, &interest, Duration::from_secs(300));
        assert_eq!(
            url(Kind::Namespace, Request::Stream),
            "/api/v1/namespaces?watch=true&sendInitialEvents=true&resourceVersionMatch=NotOlderThan\
             &allowWatchBookmarks=true&timeoutSeconds=300"
        );
        assert_eq!(
            url(Kind::Service, Request::Watch { resource_version: "12".to_owned() }),
            "/api/v1/services?watch=true&resourceVersion=12&allowWatchBookmarks=true\
             &timeoutSeconds=300&labelSelector=app+in+%28a%2Cb%29"
        );
        assert_eq!(
            url(Kind::NetworkPolicy, Request::Page { token: "a b".to_owned() }),
            "/apis/networking.k8s.io/v1/networkpolicies?limit=500&continue=a+b"
        );
        assert_eq!(url(Kind::Node, Request::Whole), "/api/v1/nodes");
        let one = Interest { node: Some("n1".into()), ..Interest::default() };
        assert_eq!(
            super::url(Kind::Node, &Request::Whole, &one, Duration::ZERO),
            "/api/v1/nodes?fieldSelector=metadata.name%3Dn1"
        );
        assert!(
            url(Kind::Pod, Request::FirstPage)
                .ends_with("fieldSelector=status.phase%21%3DSucceeded%2Cstatus.phase%21%3DFailed")
        );
    }
}

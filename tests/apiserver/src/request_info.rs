//! What a request is about, read from its method and path alone.
//!
//! The rules are those of the API server's `RequestInfo` (Kubernetes API concepts, "Resource
//! URIs"), so that the log and the faults say "list services" in front of any server.

use hyper::{Method, Uri};

use crate::query::{Query, decode};

/// What is asked of a resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verb {
    /// Read one object.
    Get,
    /// Read a collection.
    List,
    /// Follow a collection.
    Watch,
    /// Create an object.
    Create,
    /// Replace an object.
    Update,
    /// Change part of an object.
    Patch,
    /// Remove an object.
    Delete,
    /// Remove a collection.
    DeleteCollection,
    /// Anything outside resources: discovery, health, version.
    Other,
}

/// A request's verb and the parts of its path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestInfo {
    /// What is asked.
    pub verb: Verb,
    /// API group, empty for core.
    pub group: String,
    /// API version.
    pub version: String,
    /// Namespace; empty for cluster-scoped resources and for all namespaces.
    pub namespace: String,
    /// Plural resource name, empty outside resources.
    pub resource: String,
    /// Object name, empty for collections.
    pub name: String,
    /// Subresource, for example `status`.
    pub subresource: String,
    /// Decoded query parameters.
    pub query: Query,
}

impl RequestInfo {
    /// Reads the method and the URI of a request.
    pub fn new(method: &Method, uri: &Uri) -> Self {
        let query = Query::parse(uri.query().unwrap_or_default());
        let parts: Vec<String> =
            uri.path().split('/').filter(|p| !p.is_empty()).map(decode).collect();
        let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
        let (group, version, rest) = match parts.as_slice() {
            ["api", version, rest @ ..] => ("", *version, rest),
            ["apis", group, version, rest @ ..] => (*group, *version, rest),
            _ => ("", "", &[][..]),
        };
        let (namespace, rest) = match rest {
            // The namespace's own subresources are not collections in it.
            ["namespaces", _, "status" | "finalize"] => ("", rest),
            ["namespaces", namespace, rest @ ..] if !rest.is_empty() => (*namespace, rest),
            _ => ("", rest),
        };
        let part = |index: usize| rest.get(index).copied().unwrap_or_default().to_owned();
        let (resource, name) = (part(0), part(1));
        Self {
            verb: verb(method, &resource, &name, &query),
            group: group.to_owned(),
            version: version.to_owned(),
            namespace: namespace.to_owned(),
            subresource: part(2),
            resource,
            name,
            query,
        }
    }
}

fn verb(method: &Method, resource: &str, name: &str, query: &Query) -> Verb {
    if resource.is_empty() {
        return Verb::Other;
    }
    match (method, name) {
        (&Method::GET, _) if query.is_true("watch") => Verb::Watch,
        (&Method::GET, "") => Verb::List,
        (&Method::GET, _) => Verb::Get,
        (&Method::POST, _) => Verb::Create,
        (&Method::PUT, _) => Verb::Update,
        (&Method::PATCH, _) => Verb::Patch,
        (&Method::DELETE, "") => Verb::DeleteCollection,
        (&Method::DELETE, _) => Verb::Delete,
        _ => Verb::Other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn info(path: &str) -> RequestInfo {
        RequestInfo::new(&Method::GET, &path.parse().unwrap())
    }

    #[test]
    fn reads_paths_as_the_api_server_does() {
        let pods = info("/api/v1/namespaces/a/pods?watch=1&labelSelector=x%3Dy");
        assert_eq!((pods.verb, &*pods.namespace, &*pods.resource), (Verb::Watch, "a", "pods"));
        assert_eq!(pods.query.get("labelSelector"), Some("x=y"));
        let status = info("/api/v1/namespaces/a/status");
        assert_eq!((&*status.resource, &*status.name), ("namespaces", "a"));
        assert_eq!(status.subresource, "status");
        let slices = info("/apis/discovery.k8s.io/v1/endpointslices");
        assert_eq!((slices.verb, &*slices.group), (Verb::List, "discovery.k8s.io"));
        assert_eq!(info("/healthz").verb, Verb::Other);
        assert_eq!(info("/apis/discovery.k8s.io/v1").verb, Verb::Other);
    }
}

//! Where the kinds live in the Kubernetes API.

use cluster::Kind;

/// Returns `apiVersion` of a kind.
pub(crate) const fn api_version(kind: Kind) -> &'static str {
    match kind {
        Kind::Namespace | Kind::Node | Kind::Pod | Kind::Service => "v1",
        Kind::EndpointSlice => "discovery.k8s.io/v1",
        Kind::NetworkPolicy => "networking.k8s.io/v1",
        Kind::ServiceImport => "multicluster.x-k8s.io/v1alpha1",
    }
}

/// Returns the kind that an object's `apiVersion` and `kind` name; none for kinds that the model does not
/// know, which include equally named kinds of other API groups.
pub(crate) fn kind_of(version: &str, name: &str) -> Option<Kind> {
    Kind::ALL.into_iter().find(|kind| kind.name() == name && api_version(*kind) == version)
}

/// Returns the name of a kind in URLs and RBAC rules.
pub(crate) const fn plural(kind: Kind) -> &'static str {
    match kind {
        Kind::Namespace => "namespaces",
        Kind::Node => "nodes",
        Kind::Pod => "pods",
        Kind::Service => "services",
        Kind::EndpointSlice => "endpointslices",
        Kind::NetworkPolicy => "networkpolicies",
        Kind::ServiceImport => "serviceimports",
    }
}

/// Returns the API group of a kind as RBAC rules spell it; empty for the core group.
pub(crate) fn group(kind: Kind) -> &'static str {
    api_version(kind).rsplit_once('/').map_or("", |(group, _)| group)
}

/// Returns the URL path of a kind, all namespaces included.
pub(crate) fn path(kind: Kind) -> String {
    let root = if group(kind).is_empty() { "api" } else { "apis" };
    format!("/{root}/{}/{}", api_version(kind), plural(kind))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_are_found_by_version_and_name_together() {
        assert_eq!(kind_of("v1", "Service"), Some(Kind::Service));
        assert_eq!(kind_of("serving.knative.dev/v1", "Service"), None);
        assert_eq!(kind_of("discovery.k8s.io/v1beta1", "EndpointSlice"), None);
        assert_eq!(path(Kind::Pod), "/api/v1/pods");
        assert_eq!(path(Kind::EndpointSlice), "/apis/discovery.k8s.io/v1/endpointslices");
    }
}

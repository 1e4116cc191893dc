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

/// Returns the kind that was meant where [`kind_of`] finds none: a letter of the kind or its group is wrong, missing, too
/// much or swapped, or the version is another. An equally named kind of another group is not meant.
pub(crate) fn nearest_kind(version: &str, name: &str) -> Option<Kind> {
    let named_group = version.rsplit_once('/').map_or("", |(group, _)| group);
    let letters_apart = |kind: Kind| {
        let group = strsim::osa_distance(named_group, group(kind));
        let name = strsim::osa_distance(&name.to_lowercase(), &kind.name().to_lowercase());
        group + name
    };
    // Two letters are between ServiceImport and ServiceExport.
    Kind::ALL.into_iter().find(|kind| letters_apart(*kind) <= 1)
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
        assert_eq!(nearest_kind("serving.knative.dev/v1", "Service"), None);
        assert_eq!(nearest_kind("apps/v1", "Deployment"), None);
        assert_eq!(path(Kind::Pod), "/api/v1/pods");
        assert_eq!(path(Kind::EndpointSlice), "/apis/discovery.k8s.io/v1/endpointslices");
    }
    #[test]
    fn what_is_mistyped_has_a_kind_that_was_meant() {
        for (version, name, meant) in [
            ("v1", "Servcie", Kind::Service),
            ("v1", "services", Kind::Service),
            ("v2", "Pod", Kind::Pod),
            ("discovery.k8s.io/v1beta1", "EndpointSlice", Kind::EndpointSlice),
            ("discovery.k8s.io/v1", "EndpointSlices", Kind::EndpointSlice),
            ("networking.k8.io/v1", "NetworkPolicy", Kind::NetworkPolicy),
        ] {
            assert_eq!(kind_of(version, name), None);
            assert_eq!(nearest_kind(version, name), Some(meant), "{version} {name}");
        }
    }

    /// The other kinds of these groups are no mistakes.
    #[test]
    fn no_kind_of_kubernetes_is_taken_for_another() {
        let core = "Binding ComponentStatus ConfigMap Endpoints Event LimitRange List PersistentVolume \
                    PersistentVolumeClaim PodTemplate ReplicationController ResourceQuota Secret ServiceAccount";
        let networking = "Ingress IngressClass IPAddress ServiceCIDR";
        let named = |version: &'static str, names: &'static str| {
            names.split_whitespace().map(move |name| (version, name))
        };
        for (version, name) in named("v1", core)
            .chain(named("networking.k8s.io/v1", networking))
            .chain([("apps/v1", "DaemonSet"), ("batch/v1", "Job"), ("events.k8s.io/v1", "Event")])
            .chain([("multicluster.x-k8s.io/v1alpha1", "ServiceExport")])
            .chain([("policy.networking.k8s.io/v1alpha2", "ClusterNetworkPolicy")])
            .chain([
                ("crd.projectcalico.org/v1", "NetworkPolicy"),
                ("node.k8s.io/v1", "RuntimeClass"),
            ])
        {
            assert_eq!(nearest_kind(version, name), None, "{version} {name}");
        }
    }
}

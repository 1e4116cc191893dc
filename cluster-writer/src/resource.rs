//! Where objects live in the Kubernetes API.

/// A kind as URLs name it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Resource {
    /// `v1`, or `GROUP/VERSION`.
    pub api_version: &'static str,
    /// The name in URLs.
    pub plural: &'static str,
}

/// One object.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Target {
    /// Its kind.
    pub resource: Resource,
    /// Its namespace; empty for kinds that have none.
    pub namespace: String,
    /// Its name.
    pub name: String,
}

impl Resource {
    /// Events (events.k8s.io/v1).
    pub const EVENTS: Self = Self { api_version: "events.k8s.io/v1", plural: "events" };

    /// Returns an object of the kind that is in no namespace.
    pub fn named(self, name: impl Into<String>) -> Target {
        self.in_namespace("", name)
    }

    /// Returns an object of the kind in a namespace.
    pub fn in_namespace(self, namespace: impl Into<String>, name: impl Into<String>) -> Target {
        Target { resource: self, namespace: namespace.into(), name: name.into() }
    }

    fn path(self, namespace: &str) -> String {
        let root = if self.api_version.contains('/') { "apis" } else { "api" };
        let within = match namespace {
            "" => String::new(),
            namespace => format!("namespaces/{}/", encoded(namespace)),
        };
        format!("/{root}/{}/{within}{}", self.api_version, self.plural)
    }
}

impl Target {
    /// Returns the path of the object.
    pub(crate) fn path(&self) -> String {
        format!("{}/{}", self.collection(), encoded(&self.name))
    }

    /// Returns the path of the objects that it is one of.
    pub(crate) fn collection(&self) -> String {
        self.resource.path(&self.namespace)
    }
}

/// Writes a name as a part of a path (RFC 3986, section 3.3). Names that API servers take need no more than the colons of
/// addresses, which may stay.
fn encoded(name: &str) -> String {
    let mut path = String::new();
    for octet in name.bytes() {
        if octet.is_ascii_alphanumeric() || b"-._~:".contains(&octet) {
            path.push(char::from(octet));
        } else {
            path.push_str(&format!("%{octet:02X}"));
        }
    }
    path
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_those_of_the_api() {
        let nodes = Resource { api_version: "v1", plural: "nodes" };
        let addresses = Resource { api_version: "networking.k8s.io/v1", plural: "ipaddresses" };
        for (target, path) in [
            (nodes.named("a"), "/api/v1/nodes/a"),
            (addresses.named("fd00::1"), "/apis/networking.k8s.io/v1/ipaddresses/fd00::1"),
            (
                Resource::EVENTS.in_namespace("n", "a.1"),
                "/apis/events.k8s.io/v1/namespaces/n/events/a.1",
            ),
            (nodes.named("../a?b"), "/api/v1/nodes/..%2Fa%3Fb"),
        ] {
            assert_eq!(target.path(), path);
        }
        assert_eq!(nodes.named("a").collection(), "/api/v1/nodes");
    }
}

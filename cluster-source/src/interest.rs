//! Which objects a reader needs.

use std::collections::BTreeSet;
use std::sync::Arc;

use cluster::{Kind, KindSet, Labels, Object, Phase, Selector, Text};
use ipnet::IpNet;

/// Which objects a reader needs, and which parts of them.
///
/// Pods that have ended (phase `Succeeded` or `Failed`) are never in the model: nothing answers at their
/// addresses, which others may have been given.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Interest {
    /// The kinds to list; nothing is known of others.
    pub kinds: KindSet,
    /// Keeps the labels of objects in the model, for readers that select by them. Without it they are
    /// dropped, which is most of the memory of a large cluster.
    pub keep_labels: bool,
    /// Keeps the labels of Pods at least: what metadata tells of a client.
    pub keep_pod_labels: bool,
    /// Which Services, ServiceImports, EndpointSlices and Pods (Corefile: `labels`).
    pub labels: Selector,
    /// Which Namespaces (Corefile: `namespace_labels`). Objects in other namespaces stay.
    pub namespace_labels: Selector,
    /// Only these Namespaces and the objects in them (Corefile: `namespaces`); none means all.
    pub namespaces: Option<BTreeSet<Text>>,
    /// Only the Node of this name; none means all.
    pub node: Option<Text>,
    /// Where Services of manifests without a ClusterIP get theirs from (Corefile: `service_cidrs`); they stay without
    /// where there is none. Objects of an API server have theirs.
    pub service_ranges: Vec<IpNet>,
}

impl Interest {
    /// Returns every object of these kinds, labels included.
    pub fn everything(kinds: KindSet) -> Self {
        Self { kinds, keep_labels: true, ..Self::default() }
    }

    /// Returns the label selector that applies to objects of a kind.
    pub(crate) fn selector(&self, kind: Kind) -> Option<&Selector> {
        let selector = match kind {
            Kind::Namespace => &self.namespace_labels,
            Kind::Pod | Kind::Service | Kind::EndpointSlice | Kind::ServiceImport => &self.labels,
            Kind::Node | Kind::NetworkPolicy => return None,
        };
        (!selector.is_everything()).then_some(selector)
    }

    /// Says whether the labels of a kind are read at all, to select objects or to be kept.
    pub(crate) fn reads_labels(&self, kind: Kind) -> bool {
        self.keeps_labels(kind) || self.selector(kind).is_some()
    }

    fn keeps_labels(&self, kind: Kind) -> bool {
        self.keep_labels || (self.keep_pod_labels && kind == Kind::Pod)
    }

    /// Says whether objects in this namespace are of interest.
    pub(crate) fn admits_namespace(&self, name: &str) -> bool {
        self.namespaces.as_ref().is_none_or(|names| names.contains(name))
    }

    /// Returns the object as it goes into the model, or none when it does not belong there. The object
    /// has its labels if [`Self::reads_labels`] says so.
    pub(crate) fn admit(&self, object: Object) -> Option<Object> {
        let kind = object.kind();
        let selected = self.selector(kind).is_none_or(|selector| is_selected(selector, &object));
        let admitted = selected
            && self.admits_namespace_of(&object)
            && self.admits_node(&object)
            && !has_ended(&object);
        admitted.then(|| if self.keeps_labels(kind) { object } else { without_labels(object) })
    }

    fn admits_node(&self, object: &Object) -> bool {
        match (object, &self.node) {
            (Object::Node(node), Some(name)) => node.name == *name,
            _ => true,
        }
    }

    fn admits_namespace_of(&self, object: &Object) -> bool {
        match object {
            Object::Namespace(namespace) => self.admits_namespace(&namespace.name),
            Object::Node(_) => true,
            Object::Pod(pod) => self.admits_namespace(&pod.key.namespace),
            Object::Service(service) | Object::ServiceImport(service) => {
                self.admits_namespace(&service.key.namespace)
            }
            Object::EndpointSlice(slice) => self.admits_namespace(&slice.key.namespace),
            Object::NetworkPolicy(policy) => self.admits_namespace(&policy.key.namespace),
        }
    }
}

fn is_selected(selector: &Selector, object: &Object) -> bool {
    match object {
        Object::Namespace(namespace) => selector.matches(&namespace.labels),
        Object::Node(node) => selector.matches(&node.labels),
        Object::Pod(pod) => selector.matches(&pod.labels),
        Object::Service(service) | Object::ServiceImport(service) => {
            selector.matches(&service.labels)
        }
        Object::EndpointSlice(slice) => selector.matches(&slice.labels),
        // The model holds no labels of policies, and nothing selects policies by them.
        Object::NetworkPolicy(_) => true,
    }
}

fn has_ended(object: &Object) -> bool {
    matches!(object, Object::Pod(pod) if matches!(pod.phase, Phase::Succeeded | Phase::Failed))
}

fn without_labels(mut object: Object) -> Object {
    // An object that was just decoded has one owner, so that nothing is copied here.
    match &mut object {
        Object::Namespace(namespace) => Arc::make_mut(namespace).labels = Labels::default(),
        Object::Node(node) => Arc::make_mut(node).labels = Labels::default(),
        Object::Pod(pod) => Arc::make_mut(pod).labels = Labels::default(),
        Object::Service(service) | Object::ServiceImport(service) => {
            Arc::make_mut(service).labels = Labels::default();
        }
        Object::EndpointSlice(slice) => Arc::make_mut(slice).labels = Labels::default(),
        Object::NetworkPolicy(_) => {}
    }
    object
}

//! Lets the objects of a Service share the strings that name it, if these are too long to stand in place, and those of a
//! namespace its name.

use std::sync::Arc;

use crate::{Cluster, EndpointSlice, Pod, Service, Text};

/// Gives a Service the strings that its EndpointSlices, or the Service before it, have for its name.
pub(super) fn names_of_service(new: &mut Arc<Service>, cluster: &Cluster) {
    let Some(new) = Arc::get_mut(new) else { return };
    let (namespace, name) = (&*new.key.namespace, &*new.key.name);
    if let Some(old) = cluster.service(namespace, name) {
        new.key = old.key.clone();
    } else if let Some(slice) = cluster.slices_of(namespace, name).first() {
        new.key.namespace = Text::clone(&slice.key.namespace);
        new.key.name = slice.service_name.clone().unwrap_or_else(|| new.key.name.clone());
    } else {
        name_of_namespace(&mut new.key.namespace, cluster);
    }
}

/// Gives an EndpointSlice the strings that its Service, its other slices or the slice before it have for its names.
pub(super) fn names_of_slice(new: &mut Arc<EndpointSlice>, cluster: &Cluster) {
    let Some(new) = Arc::get_mut(new) else { return };
    let Some(name) = new.service_name.as_deref() else { return };
    let namespace = &*new.key.namespace;
    if let Some(service) = cluster.service(namespace, name) {
        let key = service.key.clone();
        (new.key.namespace, new.service_name) = (key.namespace, Some(key.name));
    } else if let Some(slice) = cluster.slices_of(namespace, name).first() {
        let slice = Arc::clone(slice);
        (new.key.namespace, new.service_name) =
            (slice.key.namespace.clone(), slice.service_name.clone());
    } else {
        name_of_namespace(&mut new.key.namespace, cluster);
    }
}

/// Gives a Pod the string that its Namespace has for its name.
pub(super) fn namespace_of_pod(new: &mut Arc<Pod>, cluster: &Cluster) {
    if let Some(new) = Arc::get_mut(new) {
        name_of_namespace(&mut new.key.namespace, cluster);
    }
}

/// Takes the string of the Namespace, if it is known.
fn name_of_namespace(name: &mut Text, cluster: &Cluster) {
    if let Some(namespace) = cluster.namespace(name) {
        *name = Text::clone(&namespace.name);
    }
}

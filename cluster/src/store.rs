//! The one writer: applies events to the model.

use std::collections::HashSet;
use std::net::IpAddr;
use std::sync::Arc;

use crate::stamps::{Changes, Part};
use crate::{Cluster, EndpointSlice, Event, Kind, Object, ObjectKey, Pod, Service, Stamps};

/// Holds the current state and applies events to it.
///
/// A list is applied in place, by mark and sweep: what was known stays visible until the list's end shows
/// that it is gone, so that readers never see a gap and the store never holds two copies.
#[derive(Debug, Default)]
pub struct Store {
    cluster: Cluster,
    /// Keys seen in each list that is under way, by kind.
    lists: [Option<HashSet<ObjectKey>>; Kind::ALL.len()],
    stamps: Arc<Stamps>,
    /// What has changed since the stamps were last counted.
    changes: Changes,
}

impl Store {
    /// Returns an empty store, nothing synced.
    pub fn new() -> Self {
        Self::default()
    }

    /// Returns an empty store that counts these stamps.
    pub fn with_stamps(stamps: Arc<Stamps>) -> Self {
        Self { stamps, ..Self::default() }
    }

    /// Returns the current state, to be read as long as one likes.
    pub fn snapshot(&self) -> Arc<Cluster> {
        Arc::new(self.cluster.clone())
    }

    /// Counts the stamps of what has changed since the last time. To be called when the snapshot with the changes
    /// has been published.
    pub fn count_stamps(&mut self) {
        let changes = std::mem::take(&mut self.changes);
        self.stamps.count(&changes, self.cluster.changed_at);
    }

    /// Returns the current state in place.
    pub fn cluster(&self) -> &Cluster {
        &self.cluster
    }

    /// Applies an event that came at `now` (seconds since 1970) and says whether readers can see a
    /// difference. The cost depends on the object, not on how many there are; only the end of a list is
    /// proportional to the list.
    pub fn apply(&mut self, event: Event, now: u64) -> bool {
        let changed = match event {
            Event::Upsert(object) => self.upsert(object),
            Event::Delete(kind, key) => self.delete(kind, &key),
            Event::Keep(kind, key) => {
                if let Some(seen) = &mut self.lists[kind as usize] {
                    seen.insert(key);
                }
                return false;
            }
            Event::ListStart(kind) => {
                self.lists[kind as usize] = Some(HashSet::new());
                return false;
            }
            Event::ListEnd(kind) => return self.end_list(kind, now),
        };
        if changed {
            self.count_change(now);
        }
        changed
    }

    fn count_change(&mut self, now: u64) {
        self.cluster.changed_at = now;
        self.cluster.revision += 1;
    }

    fn upsert(&mut self, object: Object) -> bool {
        if let Some(seen) = &mut self.lists[object.kind() as usize] {
            seen.insert(object.key());
        }
        let (cluster, changes) = (&mut self.cluster, &mut self.changes);
        match object {
            Object::Namespace(new) => {
                put(&mut cluster.namespaces, new.name.clone(), &new, |_, new| {
                    changes.add(Part::namespace(&new.name));
                })
            }
            Object::Node(new) => put(&mut cluster.nodes, new.name.clone(), &new, |_, _| ()),
            Object::NetworkPolicy(new) => {
                put(&mut cluster.policies, new.key.clone(), &new, |_, _| ())
            }
            Object::Pod(new) => {
                let index = &mut cluster.pods_by_ip;
                put(&mut cluster.pods, new.key.clone(), &new, |old, new| {
                    old.into_iter().chain([&**new]).for_each(|pod| note_pod(changes, pod));
                    reindex(index, old, new, pod_ips);
                })
            }
            Object::Service(new) => {
                let by_cluster_ip = &mut cluster.services_by_cluster_ip;
                let by_external_ip = &mut cluster.services_by_external_ip;
                put(&mut cluster.services, new.key.clone(), &new, |old, new| {
                    old.into_iter()
                        .chain([&**new])
                        .for_each(|service| note_service(changes, service));
                    reindex(by_cluster_ip, old, new, cluster_ips);
                    reindex(by_external_ip, old, new, external_ips);
                })
            }
            Object::ServiceImport(new) => {
                put(&mut cluster.imports, new.key.clone(), &new, |_, new| {
                    note_service(changes, new)
                })
            }
            Object::EndpointSlice(new) => {
                let by_service = &mut cluster.slices_by_service;
                let by_import = &mut cluster.slices_by_import;
                let by_address = &mut cluster.slices_by_address;
                put(&mut cluster.slices, new.key.clone(), &new, |old, new| {
                    old.into_iter().chain([&**new]).for_each(|slice| note_slice(changes, slice));
                    reindex(by_service, old, new, service_of);
                    reindex(by_import, old, new, import_of);
                    reindex(by_address, old, new, addresses);
                })
            }
        }
    }

    fn delete(&mut self, kind: Kind, key: &ObjectKey) -> bool {
        if let Some(seen) = &mut self.lists[kind as usize] {
            seen.remove(key);
        }
        let (cluster, changes) = (&mut self.cluster, &mut self.changes);
        match kind {
            Kind::Namespace => cluster.namespaces.remove(&key.name).is_some_and(|old| {
                changes.add(Part::namespace(&old.name));
                true
            }),
            Kind::Node => cluster.nodes.remove(&key.name).is_some(),
            Kind::NetworkPolicy => cluster.policies.remove(key).is_some(),
            Kind::Pod => cluster.pods.remove(key).is_some_and(|old| {
                note_pod(changes, &old);
                unindex(&mut cluster.pods_by_ip, &old, pod_ips);
                true
            }),
            Kind::Service => cluster.services.remove(key).is_some_and(|old| {
                note_service(changes, &old);
                unindex(&mut cluster.services_by_cluster_ip, &old, cluster_ips);
                unindex(&mut cluster.services_by_external_ip, &old, external_ips);
                true
            }),
            Kind::ServiceImport => cluster.imports.remove(key).is_some_and(|old| {
                note_service(changes, &old);
                true
            }),
            Kind::EndpointSlice => cluster.slices.remove(key).is_some_and(|old| {
                note_slice(changes, &old);
                unindex(&mut cluster.slices_by_service, &old, service_of);
                unindex(&mut cluster.slices_by_import, &old, import_of);
                unindex(&mut cluster.slices_by_address, &old, addresses);
                true
            }),
        }
    }

    fn end_list(&mut self, kind: Kind, now: u64) -> bool {
        let Some(seen) = self.lists[kind as usize].take() else {
            return false;
        };
        let gone: Vec<ObjectKey> =
            self.keys(kind).into_iter().filter(|key| !seen.contains(key)).collect();
        for key in &gone {
            self.delete(kind, key);
        }
        let first = !self.cluster.synced.contains(kind);
        self.cluster.synced = self.cluster.synced.with(kind);
        if first {
            self.changes.add_everything();
        }
        if !gone.is_empty() || first {
            self.count_change(now);
        }
        !gone.is_empty() || first
    }

    fn keys(&self, kind: Kind) -> Vec<ObjectKey> {
        let cluster = &self.cluster;
        let scoped = |name: &crate::Text| ObjectKey::cluster_scoped(name.clone());
        match kind {
            Kind::Namespace => cluster.namespaces.keys().map(scoped).collect(),
            Kind::Node => cluster.nodes.keys().map(scoped).collect(),
            Kind::Pod => cluster.pods.keys().cloned().collect(),
            Kind::Service => cluster.services.keys().cloned().collect(),
            Kind::EndpointSlice => cluster.slices.keys().cloned().collect(),
            Kind::NetworkPolicy => cluster.policies.keys().cloned().collect(),
            Kind::ServiceImport => cluster.imports.keys().cloned().collect(),
        }
    }
}

/// Puts an object into its map unless an equal one is there, and lets `reindex` see the old and the new.
fn put<K, V>(
    map: &mut imbl::HashMap<K, Arc<V>>,
    key: K,
    new: &Arc<V>,
    reindex: impl FnOnce(Option<&V>, &Arc<V>),
) -> bool
where
    K: std::hash::Hash + Eq + Clone,
    V: PartialEq,
{
    if map.get(&key).is_some_and(|old| old == new) {
        return false;
    }
    let old = map.insert(key, Arc::clone(new));
    reindex(old.as_deref(), new);
    true
}

fn reindex<K, V>(
    index: &mut crate::index::Index<K, V>,
    old: Option<&V>,
    new: &Arc<V>,
    keys: impl Fn(&V) -> Vec<K>,
) where
    K: std::hash::Hash + Ord + Clone,
    V: crate::index::Keyed,
{
    let mut new_keys = keys(new);
    new_keys.sort_unstable();
    new_keys.dedup();
    if let Some(old) = old {
        for key in keys(old).iter().filter(|key| new_keys.binary_search(key).is_err()) {
            index.remove(key, old.key());
        }
    }
    for key in new_keys {
        index.insert(key, new);
    }
}

fn unindex<K, V>(index: &mut crate::index::Index<K, V>, old: &V, keys: impl Fn(&V) -> Vec<K>)
where
    K: std::hash::Hash + Eq + Clone,
    V: crate::index::Keyed,
{
    for key in keys(old) {
        index.remove(&key, old.key());
    }
}

fn note_service(changes: &mut Changes, service: &Service) {
    changes.add(Part::service(&service.key.namespace, &service.key.name));
    let addresses = service.cluster_ips().iter().copied().chain(service.external_addresses());
    addresses.for_each(|ip| changes.add(Part::address(ip)));
}

fn note_slice(changes: &mut Changes, slice: &EndpointSlice) {
    let services = service_of(slice).into_iter().chain(import_of(slice));
    services.for_each(|key| changes.add(Part::service(&key.namespace, &key.name)));
    addresses(slice).into_iter().for_each(|ip| changes.add(Part::address(ip)));
}

fn note_pod(changes: &mut Changes, pod: &Pod) {
    pod.ips.iter().for_each(|ip| changes.add(Part::address(*ip)));
}

fn pod_ips(pod: &Pod) -> Vec<IpAddr> {
    pod.ips.to_vec()
}

fn service_of(slice: &EndpointSlice) -> Vec<ObjectKey> {
    let service = slice.service_name.clone();
    service.map(|name| ObjectKey::new(slice.key.namespace.clone(), name)).into_iter().collect()
}

fn import_of(slice: &EndpointSlice) -> Vec<ObjectKey> {
    let import = slice.import.as_ref().map(|import| import.service_name.clone());
    import.map(|name| ObjectKey::new(slice.key.namespace.clone(), name)).into_iter().collect()
}

fn cluster_ips(service: &Service) -> Vec<IpAddr> {
    service.cluster_ips().to_vec()
}

fn external_ips(service: &Service) -> Vec<IpAddr> {
    service.external_addresses().collect()
}

fn addresses(slice: &EndpointSlice) -> Vec<IpAddr> {
    slice.endpoints.iter().flat_map(|endpoint| endpoint.addresses.iter().copied()).collect()
}

#[cfg(test)]
mod tests;

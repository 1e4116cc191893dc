//! The one writer: applies events to the model.

mod list;
mod share;

use std::sync::Arc;

use crate::index::{Index, Keyed, Relation};
use crate::relations::{ByName, SliceByAddress, SliceByImport, SliceByService};
use crate::stamps::{Changes, Part};
use crate::{Cluster, EndpointSlice, Event, Kind, Object, ObjectKey, Pod, Service, Stamps};
use list::{Seen, address};

/// Holds the current state and applies events to it.
///
/// A list is applied in place, by mark and sweep: what was known stays visible until the list's end shows
/// that it is gone, so that readers never see a gap and the store never holds two copies.
#[derive(Debug, Default)]
pub struct Store {
    cluster: Cluster,
    /// What has been seen in each list that is under way, by kind.
    lists: [Option<Seen>; Kind::ALL.len()],
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

    /// Counts the stamps of what has changed since the last time. To be called when the snapshot with the changes
    /// has been published.
    pub fn count_stamps(&mut self) {
        let changes = std::mem::take(&mut self.changes);
        self.stamps.count(&changes, self.cluster.changed_at);
    }

    /// Returns the current state, to be read as long as one likes.
    pub fn snapshot(&self) -> Arc<Cluster> {
        Arc::new(self.cluster.clone())
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
                    seen.extend(list::find(&self.cluster, kind, &key));
                }
                return false;
            }
            Event::ListStart(kind) => {
                self.lists[kind as usize] = Some(Seen::default());
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
        let seen = &mut self.lists[object.kind() as usize];
        let (cluster, changes) = (&mut self.cluster, &mut self.changes);
        match object {
            Object::Namespace(new) => put(&mut cluster.namespaces, seen, &new).is_some_and(|_| {
                changes.add(Part::namespace(&new.name));
                true
            }),
            Object::Node(new) => put(&mut cluster.nodes, seen, &new).is_some(),
            Object::NetworkPolicy(new) => put(&mut cluster.policies, seen, &new).is_some(),
            Object::ServiceImport(new) => put(&mut cluster.imports, seen, &new).is_some_and(|_| {
                note_service(changes, &new);
                true
            }),
            Object::Pod(mut new) => {
                share::namespace_of_pod(&mut new, cluster);
                put(&mut cluster.pods, seen, &new).is_some_and(|old| {
                    old.iter().chain([&new]).for_each(|pod| note_pod(changes, pod));
                    cluster.pods_by_ip.replace(old.as_deref(), &new);
                    true
                })
            }
            Object::Service(mut new) => {
                share::names_of_service(&mut new, cluster);
                put(&mut cluster.services, seen, &new).is_some_and(|old| {
                    old.iter().chain([&new]).for_each(|service| note_service(changes, service));
                    cluster.services_by_cluster_ip.replace(old.as_deref(), &new);
                    cluster.services_by_external_ip.replace(old.as_deref(), &new);
                    true
                })
            }
            Object::EndpointSlice(mut new) => {
                share::names_of_slice(&mut new, cluster);
                put(&mut cluster.slices, seen, &new).is_some_and(|old| {
                    old.iter().chain([&new]).for_each(|slice| note_slice(changes, slice));
                    cluster.slices_by_service.replace(old.as_deref(), &new);
                    cluster.slices_by_import.replace(old.as_deref(), &new);
                    cluster.slices_by_address.replace(old.as_deref(), &new);
                    true
                })
            }
        }
    }

    fn delete(&mut self, kind: Kind, key: &ObjectKey) -> bool {
        let (cluster, changes) = (&mut self.cluster, &mut self.changes);
        match kind {
            Kind::Namespace => take(&mut cluster.namespaces, key).is_some_and(|old| {
                changes.add(Part::namespace(&old.name));
                true
            }),
            Kind::Node => take(&mut cluster.nodes, key).is_some(),
            Kind::NetworkPolicy => take(&mut cluster.policies, key).is_some(),
            Kind::ServiceImport => take(&mut cluster.imports, key).is_some_and(|old| {
                note_service(changes, &old);
                true
            }),
            Kind::Pod => take(&mut cluster.pods, key).is_some_and(|old| {
                note_pod(changes, &old);
                cluster.pods_by_ip.remove(&old);
                true
            }),
            Kind::Service => take(&mut cluster.services, key).is_some_and(|old| {
                note_service(changes, &old);
                cluster.services_by_cluster_ip.remove(&old);
                cluster.services_by_external_ip.remove(&old);
                true
            }),
            Kind::EndpointSlice => take(&mut cluster.slices, key).is_some_and(|old| {
                note_slice(changes, &old);
                cluster.slices_by_service.remove(&old);
                cluster.slices_by_import.remove(&old);
                cluster.slices_by_address.remove(&old);
                true
            }),
        }
    }

    fn end_list(&mut self, kind: Kind, now: u64) -> bool {
        let Some(seen) = self.lists[kind as usize].take() else {
            return false;
        };
        let gone = list::not_seen(&self.cluster, kind, &seen);
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
}

/// Puts an object under its name unless an equal one is there, and notes that the list, if one is under way, has it.
/// Returns what was there before, if something has changed.
fn put<V: Keyed>(
    objects: &mut Index<ByName<V>>,
    seen: &mut Option<Seen>,
    new: &Arc<V>,
) -> Option<Option<Arc<V>>> {
    let old = objects.get(new.key()).first().cloned();
    let same = old.as_ref().filter(|old| *old == new);
    if let Some(seen) = seen {
        seen.insert(address(same.unwrap_or(new)));
    }
    if same.is_some() {
        return None;
    }
    objects.replace(old.as_deref(), new);
    Some(old)
}

/// Takes the object of this name.
fn take<V: Keyed>(objects: &mut Index<ByName<V>>, key: &ObjectKey) -> Option<Arc<V>> {
    let old = objects.get(key.borrowed()).first().cloned()?;
    objects.remove(&old);
    Some(old)
}

fn note_service(changes: &mut Changes, service: &Service) {
    changes.add(Part::service(&service.key.namespace, &service.key.name));
    let addresses = service.cluster_ips().iter().copied().chain(service.external_addresses());
    addresses.for_each(|ip| changes.add(Part::address(ip)));
}

fn note_slice(changes: &mut Changes, slice: &EndpointSlice) {
    let services = SliceByService::keys(slice).into_iter().chain(SliceByImport::keys(slice));
    services.for_each(|key| changes.add(Part::service(key.namespace, key.name)));
    SliceByAddress::keys(slice).into_iter().for_each(|ip| changes.add(Part::address(ip)));
}

fn note_pod(changes: &mut Changes, pod: &Pod) {
    pod.ips.iter().for_each(|ip| changes.add(Part::address(*ip)));
}

#[cfg(test)]
mod tests;

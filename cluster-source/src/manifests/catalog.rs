//! The objects of all files together, and what changed between two loads.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use cluster::{Event, Kind, Object, ObjectKey, ServiceAddress};
use ipam_controller::services::Given;

use super::contents::Contents;
use crate::Interest;
use crate::decode::{Keep, implied_namespace};

/// The objects of all files together.
///
/// Of objects with the same key the one in the later file, in the order of the names, counts. A Namespace
/// is implied by every object in it unless it is declared: ordinary manifests do not declare `default`, and
/// answers depend on the namespaces that exist.
#[derive(Clone, PartialEq, Debug, Default)]
pub(crate) struct Catalog {
    objects: BTreeMap<(Kind, ObjectKey), Object>,
}

/// An object that two places declare.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct Duplicate {
    /// `Service default/web`.
    pub(crate) object: String,
    /// The file whose object counts.
    pub(crate) kept: String,
    /// The file whose object does not.
    pub(crate) dropped: String,
}

impl Catalog {
    /// Puts the objects of files, sorted by name, together.
    pub(crate) fn of<'a>(
        files: impl Iterator<Item = (&'a Path, &'a Contents)>,
        interest: &Interest,
    ) -> (Self, BTreeSet<Duplicate>) {
        let mut catalog = Self::default();
        let mut places: BTreeMap<(Kind, ObjectKey), &Path> = BTreeMap::new();
        let mut duplicates = BTreeSet::new();
        let (mut declared, mut inhabited) = (BTreeSet::new(), BTreeSet::new());
        for (path, contents) in files {
            declared.extend(contents.declared.iter().map(String::as_str));
            inhabited.extend(contents.inhabited.iter().map(String::as_str));
            for object in &contents.objects {
                let key = (object.kind(), object.key());
                if let Some(earlier) = places.insert(key.clone(), path) {
                    duplicates.insert(duplicate(&key, path, earlier));
                }
                catalog.objects.insert(key, object.clone());
            }
        }
        catalog.imply(inhabited.difference(&declared).copied(), interest);
        (catalog, duplicates)
    }

    /// Takes over from an earlier catalog those of the objects that no file declares in a form that can be
    /// used: one that was spoiled while it moved to another file.
    pub(crate) fn keep_spoiled<'a>(
        &mut self,
        earlier: &Self,
        unusable: impl Iterator<Item = &'a (Kind, ObjectKey)>,
    ) {
        for key in unusable {
            if let (None, Some(object)) = (self.objects.get(key), earlier.objects.get(key)) {
                self.objects.insert(key.clone(), object.clone());
            }
        }
    }

    /// Gives Services what they were assigned. Those that are not of interest are not here, and have theirs all the same.
    pub(crate) fn give(&mut self, given: &BTreeMap<ObjectKey, Given>) {
        for (key, given) in given {
            let object = self.objects.get_mut(&(Kind::Service, key.clone()));
            let Some(Object::Service(service)) = object else { continue };
            let service = Arc::make_mut(service);
            if !given.addresses.is_empty() {
                service.address = ServiceAddress::ClusterIps(given.addresses.as_slice().into());
            }
            if given.node_ports.iter().any(Option::is_some) {
                let ports = service.ports.iter().zip(&given.node_ports);
                let with_node_ports = ports.map(|(port, given)| {
                    let mut port = port.clone();
                    port.node_port = port.node_port.or(*given);
                    port
                });
                service.ports = with_node_ports.collect();
            }
        }
    }

    fn imply<'a>(&mut self, names: impl Iterator<Item = &'a str>, interest: &Interest) {
        if !interest.kinds.contains(Kind::Namespace) {
            return;
        }
        let keep =
            if interest.reads_labels(Kind::Namespace) { Keep::Labels } else { Keep::NoLabels };
        let objects = names.map(|name| Object::Namespace(Arc::new(implied_namespace(name, keep))));
        for object in objects.filter_map(|object| interest.admit(object)) {
            self.objects.insert((object.kind(), object.key()), object);
        }
    }

    /// Returns the events that list everything, kind by kind: the first load.
    pub(crate) fn list(&self, interest: &Interest) -> Vec<Event> {
        let mut events = Vec::with_capacity(self.objects.len() + 2 * Kind::ALL.len());
        for kind in interest.kinds.iter() {
            events.push(Event::ListStart(kind));
            let of_kind = self.objects.iter().filter(|((k, _), _)| *k == kind);
            events.extend(of_kind.map(|(_, object)| Event::Upsert(object.clone())));
            events.push(Event::ListEnd(kind));
        }
        events
    }

    /// Returns the events that lead from the earlier catalog to this one; none when nothing changed.
    pub(crate) fn since(&self, earlier: &Self) -> Vec<Event> {
        let new = self
            .objects
            .iter()
            .filter(|(key, object)| earlier.objects.get(key).is_none_or(|old| old != *object));
        let gone = earlier.objects.keys().filter(|key| !self.objects.contains_key(key));
        new.map(|(_, object)| Event::Upsert(object.clone()))
            .chain(gone.map(|(kind, key)| Event::Delete(*kind, key.clone())))
            .collect()
    }
}

fn duplicate((kind, key): &(Kind, ObjectKey), kept: &Path, dropped: &Path) -> Duplicate {
    Duplicate {
        object: format!("{kind} {key}"),
        kept: kept.display().to_string(),
        dropped: dropped.display().to_string(),
    }
}

//! How long changes of endpoints take until they can be answered.

use std::time::SystemTime;

use cluster::{Cluster, EndpointSlice, Event, Object, ObjectKey, ServiceAddress};

use crate::{Observer, ServiceKind};

/// How many changes are remembered between two publications; further ones are not measured.
const MOST_WAITING: usize = 16_384;

/// An event, and when what led to it happened, if its sender says so.
#[derive(Clone, Debug)]
pub(crate) struct Change {
    /// What the model is told.
    pub(crate) event: Event,
    /// When the change was triggered, by the clock of the cluster's control plane.
    pub(crate) triggered: Option<SystemTime>,
}

impl From<Event> for Change {
    fn from(event: Event) -> Self {
        Self { event, triggered: None }
    }
}

impl Change {
    /// Returns the Service and the trigger time of a change of its endpoints, if both are known.
    pub(crate) fn trigger(&self) -> Option<Trigger> {
        let Event::Upsert(Object::EndpointSlice(slice)) = &self.event else { return None };
        Some(Trigger { service: service_of(slice)?, at: self.triggered? })
    }
}

fn service_of(slice: &EndpointSlice) -> Option<ObjectKey> {
    let name = slice.service_name.clone()?;
    Some(ObjectKey { namespace: slice.key.namespace.clone(), name })
}

/// What triggered a change of the endpoints of a Service.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Trigger {
    service: ObjectKey,
    at: SystemTime,
}

/// Changes that readers do not see yet.
#[derive(Debug, Default)]
pub(crate) struct Programming {
    waiting: Vec<Trigger>,
}

impl Programming {
    /// Remembers a change that goes into the next snapshot.
    pub(crate) fn add(&mut self, trigger: Trigger) {
        if self.waiting.len() < MOST_WAITING {
            self.waiting.push(trigger);
        }
    }

    /// Tells what was remembered, now that a snapshot has been published. A change of a Service that the
    /// snapshot does not have, or that is an alias, can be seen in no answer and is not told.
    pub(crate) fn published(&mut self, cluster: &Cluster, now: SystemTime, to: &dyn Observer) {
        for Trigger { service, at } in self.waiting.drain(..) {
            let kind = cluster.service(&service.namespace, &service.name).and_then(|found| {
                match found.address {
                    ServiceAddress::Headless => Some(ServiceKind::HeadlessWithSelector),
                    ServiceAddress::ClusterIps(_) => Some(ServiceKind::ClusterIp),
                    ServiceAddress::ExternalName(_) | ServiceAddress::Pending => None,
                }
            });
            if let Some(kind) = kind {
                to.programmed(kind, now.duration_since(at).unwrap_or_default());
            }
        }
    }
}

#[cfg(test)]
mod tests;

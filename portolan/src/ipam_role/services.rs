//! Addresses of Services: the state machine of `ipam_controller::services` between watches and writes.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use cluster::{ObjectKey, Text};
use cluster_source::{WrittenKind, WrittenObject};
use cluster_writer::{
    Change, Event, EventRecorder, Found, Regarding, Resource, Severity, Write, Written,
};
use ipam_controller::services::{
    ServiceAction, ServiceController, ServiceInput, ServiceReason, Subject,
};
use serde_json::json;

use super::listing::Known;
use super::metrics::Metrics;
use super::part::{Followed, Part};
use super::service_objects::{self as objects, FINALIZER};

const RANGES: usize = 0;
const ADDRESSES: usize = 1;
const SERVICES: usize = 2;

const NETWORKING: &str = "networking.k8s.io/v1";

/// In the order of the constants above.
pub(super) const KINDS: [Followed; 3] = [
    Followed {
        resource: WrittenKind { api_version: NETWORKING, plural: "servicecidrs" },
        kind: "ServiceCIDR",
    },
    Followed {
        resource: WrittenKind { api_version: NETWORKING, plural: "ipaddresses" },
        kind: "IPAddress",
    },
    Followed { resource: WrittenKind { api_version: "v1", plural: "services" }, kind: "Service" },
];

const RANGE: Resource = Resource { api_version: NETWORKING, plural: "servicecidrs" };
const ADDRESS: Resource = Resource { api_version: NETWORKING, plural: "ipaddresses" };
const SERVICE: Resource = Resource { api_version: "v1", plural: "services" };

/// Addresses of Services.
pub(super) struct Services {
    controller: ServiceController,
    events: EventRecorder,
    metrics: Arc<Metrics>,
    /// The finalizers of ServiceCIDRs: those of others stay.
    finalizers: HashMap<Text, Vec<String>>,
}

/// Reads an object of one of the kinds.
pub(super) fn input(kind: usize, object: &WrittenObject) -> Result<ServiceInput, String> {
    match kind {
        RANGES => objects::range(object),
        ADDRESSES => objects::address(object),
        _ => objects::service(object),
    }
}

impl Services {
    /// Returns the part.
    pub(super) fn new(
        controller: ServiceController,
        events: EventRecorder,
        metrics: Arc<Metrics>,
    ) -> Self {
        Self { controller, events, metrics, finalizers: HashMap::new() }
    }

    fn report(&self, service: &ObjectKey, uid: &Text, reason: ServiceReason, note: String) {
        let reason = reason.as_str();
        self.metrics.problems.with_label_values(&[reason]).inc();
        tracing::warn!(service = %service, reason, note, "problem of a Service");
        self.events.record(Event {
            regarding: Regarding {
                api_version: "v1",
                kind: "Service",
                namespace: service.namespace.to_string(),
                name: service.name.to_string(),
                uid: uid.to_string(),
            },
            severity: Severity::Warning,
            reason,
            action: "AllocateClusterIP",
            note,
        });
    }

    /// Takes an object that the server sent in answer to a write.
    fn take(&mut self, action: &ServiceAction, json: &str) {
        let Ok(object) = WrittenObject::sent(json.to_owned()) else { return };
        let kind = match action.subject() {
            Subject::Range(_) => RANGES,
            Subject::Address(_) => ADDRESSES,
            Subject::Service(_) if matches!(action, ServiceAction::Claim { .. }) => ADDRESSES,
            Subject::Service(_) => SERVICES,
        };
        if let ServiceAction::Assign { service, uid, .. } = action
            && !self.controller.knows(service, uid)
        {
            // The watch was faster, and the Service is gone.
            return;
        }
        // One that cannot be used says so when the watch brings it.
        let _ = self.there(kind, &object);
    }
}

impl Part for Services {
    type Work = ServiceAction;

    fn kinds(&self) -> &'static [Followed] {
        &KINDS
    }

    fn there(&mut self, kind: usize, object: &WrittenObject) -> Result<(), String> {
        let input = input(kind, object)?;
        if let ServiceInput::Range(range) = &input {
            self.finalizers.insert(range.name.clone(), objects::finalizers(object));
        }
        self.controller.apply(input);
        Ok(())
    }

    fn gone(&mut self, kind: usize, object: &Known) {
        match kind {
            RANGES => {
                let name = Text::from(object.name.as_str());
                self.finalizers.remove(&name);
                self.controller.apply(ServiceInput::NoRange(name));
            }
            ADDRESSES => {
                if let Ok(ip) = object.name.parse() {
                    self.controller.apply(ServiceInput::NoAddress(ip));
                }
            }
            _ => {
                let key = ObjectKey::new(object.namespace.as_str(), object.name.as_str());
                let uid = Text::from(object.uid.as_str());
                self.controller.apply(ServiceInput::NoService(key, uid));
            }
        }
    }

    fn synced(&mut self) {
        self.controller.apply(ServiceInput::Synced);
        tracing::info!("Services, addresses and ranges listed");
    }

    fn work(&mut self, now: u64, most: usize) -> Vec<ServiceAction> {
        self.controller.actions(now, most)
    }

    fn write(&self, action: &ServiceAction) -> Option<Write> {
        Some(match action {
            ServiceAction::Claim { ip, service } => Write {
                target: ADDRESS.named(ip.to_string()),
                change: Change::Create(objects::written_address(*ip, service)),
            },
            ServiceAction::Assign { service, uid, resource_version, given, wish } => Write {
                target: SERVICE.in_namespace(&*service.namespace, &*service.name),
                change: Change::Operate {
                    operations: objects::operations(given, wish),
                    uid: uid.to_string(),
                    resource_version: resource_version.clone(),
                },
            },
            ServiceAction::Release { address, why } => {
                tracing::info!(ip = %address.ip, why, "IPAddress deleted");
                let (uid, resource_version) =
                    (address.uid.to_string(), address.resource_version.clone());
                let target = ADDRESS.named(address.ip.to_string());
                Write { target, change: Change::Delete { uid, resource_version } }
            }
            ServiceAction::CreateRange { name, networks } => Write {
                target: RANGE.named(&**name),
                change: Change::Create(objects::written_range(name, networks)),
            },
            ServiceAction::Finalize { range, is_kept } => {
                let mut finalizers = self.finalizers.get(&range.name).cloned().unwrap_or_default();
                finalizers.retain(|finalizer| finalizer != FINALIZER);
                if *is_kept {
                    finalizers.push(FINALIZER.to_owned());
                }
                let fields = json!({"metadata": {"finalizers": finalizers}});
                let (uid, resource_version) =
                    (range.uid.to_string(), range.resource_version.clone());
                let change = Change::Patch { fields, uid, resource_version };
                Write { target: RANGE.named(&*range.name), change }
            }
            ServiceAction::Status { range, is_ready } => {
                let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
                let fields = objects::written_status(*is_ready, now.as_secs());
                let (uid, resource_version) =
                    (range.uid.to_string(), range.resource_version.clone());
                let change = Change::Patch { fields, uid, resource_version };
                Write { target: RANGE.named(&*range.name).status(), change }
            }
            ServiceAction::Report { service, uid, reason, message } => {
                self.report(service, uid, *reason, message.clone());
                return None;
            }
        })
    }

    fn subject(&self, action: &ServiceAction) -> String {
        match action.subject() {
            Subject::Service(key) => format!("Service {key}"),
            Subject::Address(ip) => format!("IPAddress {ip}"),
            Subject::Range(name) => format!("ServiceCIDR {name}"),
        }
    }

    fn learn(&mut self, action: &ServiceAction, written: &Written) {
        match (action, written) {
            (
                ServiceAction::Release { address, .. },
                Written::Done(_) | Written::NotDone { found: Found::Nothing, .. },
            ) => self.controller.apply(ServiceInput::NoAddress(address.ip)),
            (_, Written::Done(json) | Written::NotDone { found: Found::There(json), .. }) => {
                self.take(action, json);
            }
            (
                ServiceAction::Assign { service, uid, .. },
                Written::NotDone { found: Found::Nothing, .. },
            ) => {
                let gone = ServiceInput::NoService(service.clone(), uid.clone());
                self.controller.apply(gone);
            }
            (
                ServiceAction::Finalize { range, .. } | ServiceAction::Status { range, .. },
                Written::NotDone { found: Found::Nothing, .. },
            ) => self.controller.apply(ServiceInput::NoRange(range.name.clone())),
            (_, Written::NotDone { .. }) => {}
        }
    }

    fn done(&mut self, action: &ServiceAction) {
        self.controller.done(&action.subject());
    }

    fn next_deadline(&self) -> Option<u64> {
        self.controller.next_deadline()
    }

    fn measure(&self) {
        self.metrics.set_ranges(&self.controller.usage(), self.controller.port_usage());
        let starved = i64::try_from(self.controller.starved()).unwrap_or(i64::MAX);
        self.metrics.services_without_addresses.set(starved);
    }
}

/// Every reason of an Event on a Service, so that each has a metric from the start.
pub(super) fn reasons() -> impl Iterator<Item = &'static str> {
    ServiceReason::ALL.into_iter().map(ServiceReason::as_str)
}

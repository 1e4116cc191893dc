//! What one Service, address or range needs.

use std::net::IpAddr;

use cluster::{ObjectKey, Text};

use super::super::state::{ServiceAction, ServiceReason, ServiceState, Subject};
use super::give::Missing;
use super::{DEFAULT_RANGE, Entry, ServiceController};

/// How long an IPAddress may name a Service that does not have the address, in seconds: somebody may be about to write it
/// (`repairip.go`).
const GRACE: u64 = 60;

/// How long a ServiceCIDR that is being deleted stays after nothing of it is given, in seconds from its deletion: another
/// allocator may not have heard of it (`servicecidrs_controller.go`).
pub(super) const DELETION_GRACE: u64 = 10;

impl ServiceController {
    /// Decides what is to be written for something, at most one write, and what is to be reported.
    pub(super) fn decide(
        &mut self,
        subject: &Subject,
        now: u64,
        actions: &mut Vec<ServiceAction>,
    ) -> Option<ServiceAction> {
        match subject {
            Subject::Service(key) => {
                let mut entry = self.services.remove(key)?;
                self.starved.remove(key);
                let action = self.for_service(key, &mut entry, actions);
                self.services.insert(key.clone(), entry);
                action
            }
            Subject::Address(ip) => self.for_address(*ip, now, actions),
            Subject::Range(name) => self.for_range(name, now),
        }
    }

    fn for_service(
        &mut self,
        key: &ObjectKey,
        entry: &mut Entry,
        actions: &mut Vec<ServiceAction>,
    ) -> Option<ServiceAction> {
        let state = entry.state.clone()?;
        for (reason, message) in std::mem::take(&mut entry.seen) {
            report(&state, entry, reason, message, actions);
        }
        let waits_for_range =
            !self.settings.networks.is_empty() && !self.ranges.contains_key(DEFAULT_RANGE);
        if state.is_deleting || waits_for_range {
            return None;
        }
        // Of what a Service is to lose nothing is looked after.
        let wish = state.wish.without_second_family().unwrap_or_else(|| state.wish.clone());
        let kept = wish.written().to_vec();
        if let Some(claim) = self.check(key, &state, &kept, entry, actions) {
            return Some(claim);
        }
        let given = match entry.intent.clone() {
            Some(given) => given,
            None => match self.give(key, &state, &wish, entry) {
                Ok(given) => given?,
                Err(Missing(reason, message)) => {
                    self.starved.insert(key.clone());
                    report(&state, entry, reason, message, actions);
                    return None;
                }
            },
        };
        for ip in given.addresses.iter().filter(|ip| !entry.written().contains(ip)) {
            match self.addresses.get(ip).map(|address| &address.parent) {
                None => return Some(ServiceAction::Claim { ip: *ip, service: key.clone() }),
                Some(parent) if parent.as_ref() == Some(key) => {}
                Some(_) => {
                    // Somebody was faster: another address is looked for.
                    entry.intent = None;
                    self.settle(key, entry);
                    self.queue.insert(Subject::Service(key.clone()));
                    return None;
                }
            }
        }
        Some(ServiceAction::Assign {
            service: key.clone(),
            uid: state.uid,
            resource_version: state.resource_version,
            given,
            wish: state.wish,
        })
    }

    /// Reports what is wrong with the addresses and node ports that a Service has, of which none is taken away; returns the
    /// object that one of them needs.
    fn check(
        &mut self,
        key: &ObjectKey,
        state: &ServiceState,
        kept: &[IpAddr],
        entry: &mut Entry,
        actions: &mut Vec<ServiceAction>,
    ) -> Option<ServiceAction> {
        let mut claim = None;
        for ip in kept.iter().copied() {
            if !self.book.is_in_range(ip) {
                let message = format!(
                    "{ip} is in no ServiceCIDR and stays with the Service; add a ServiceCIDR with it, or delete the Service \
                     and create it again"
                );
                report(state, entry, ServiceReason::OutOfRange, message, actions);
                continue;
            }
            let parent = self.addresses.get(&ip).map(|address| address.parent.clone());
            let other = self.book.other(ip, key).cloned();
            match parent {
                None => {
                    let message = format!("{ip} had no IPAddress; it gets one");
                    report(state, entry, ServiceReason::NotAllocated, message, actions);
                    claim.get_or_insert(ServiceAction::Claim { ip, service: key.clone() });
                }
                Some(parent) if parent.as_ref() == Some(key) => {}
                Some(parent) if parent.is_some() && parent == other => {
                    let owner = parent.map(|parent| parent.to_string()).unwrap_or_default();
                    let message = format!(
                        "{ip} is that of Service {owner}, which keeps it; delete this Service and create it again"
                    );
                    report(state, entry, ServiceReason::AlreadyAllocated, message, actions);
                }
                // It names nobody who has the address, and is made again.
                Some(_) if self.addresses.get(&ip).is_some_and(|it| it.is_managed) => {
                    self.queue.insert(Subject::Address(ip));
                }
                Some(_) => {
                    let message = format!(
                        "the IPAddress of {ip} names another and is nobody's to change; delete it, or delete this Service and \
                         create it again"
                    );
                    report(state, entry, ServiceReason::AlreadyAllocated, message, actions);
                }
            }
        }
        let ports = state.wish.ports.iter().filter_map(|port| port.node_port);
        for port in ports.chain(state.wish.health_check) {
            if let Some(other) = self.book.other_of_port(port, key) {
                let message = format!(
                    "node port {port} is that of Service {other}, too; write another into one of them"
                );
                report(state, entry, ServiceReason::NodePortAlreadyAllocated, message, actions);
            }
        }
        claim
    }

    fn for_address(
        &mut self,
        ip: IpAddr,
        now: u64,
        actions: &mut Vec<ServiceAction>,
    ) -> Option<ServiceAction> {
        let address = self.addresses.get(&ip)?.clone();
        if !address.is_managed {
            return None;
        }
        let release = |why| Some(ServiceAction::Release { address: address.clone(), why });
        let Some(parent) = &address.parent else { return release("it names no Service") };
        let entry = self.services.get(parent);
        if entry.is_some_and(|entry| entry.held.contains(&ip)) {
            return if address.is_labelled { None } else { release("its labels are wrong") };
        }
        if let Some(other) = self.book.other(ip, parent).cloned() {
            if let Some(entry) = self.services.get_mut(&other)
                && let Some(state) = entry.state.clone()
            {
                let message = format!(
                    "the IPAddress of {ip} named Service {parent}, which does not have it; it is made again"
                );
                report(&state, entry, ServiceReason::WrongReference, message, actions);
            }
            return release("another Service has the address");
        }
        if self.orphans.contains(&ip) {
            return release("its Service is gone");
        }
        let over_at = address.created.saturating_add(GRACE);
        if over_at > now {
            self.waiting.insert((over_at, Subject::Address(ip)));
            return None;
        }
        release(if entry.is_some() {
            "its Service does not have the address"
        } else {
            "there is no such Service"
        })
    }

    fn for_range(&mut self, name: &Text, now: u64) -> Option<ServiceAction> {
        let Some(range) = self.ranges.get(name) else {
            let networks = self.settings.networks.clone();
            let is_wanted = **name == *DEFAULT_RANGE && !networks.is_empty();
            return is_wanted.then(|| ServiceAction::CreateRange { name: name.clone(), networks });
        };
        let range = range.clone();
        let Some(deleted_at) = range.deleted_at else {
            return if !range.has_finalizer {
                Some(ServiceAction::Finalize { range, is_kept: true })
            } else if range.ready == Some(true) {
                None
            } else {
                Some(ServiceAction::Status { range, is_ready: true })
            };
        };
        let is_managed = |ip: IpAddr| self.addresses.get(&ip).is_some_and(|it| it.is_managed);
        let mut networks = range.networks.iter();
        if !networks.any(|network| self.book.is_needed(*network, name, is_managed)) {
            let over_at = deleted_at.saturating_add(DELETION_GRACE);
            if over_at > now {
                self.waiting.insert((over_at, Subject::Range(name.clone())));
                return None;
            }
            return range
                .has_finalizer
                .then_some(ServiceAction::Finalize { range, is_kept: false });
        }
        (range.ready != Some(false)).then_some(ServiceAction::Status { range, is_ready: false })
    }
}

/// Reports something once for as long as it is known of the Service.
fn report(
    state: &ServiceState,
    entry: &mut Entry,
    reason: ServiceReason,
    message: String,
    actions: &mut Vec<ServiceAction>,
) {
    if entry.reported.insert((reason, message.clone())) {
        let (service, uid) = (state.key.clone(), state.uid.clone());
        actions.push(ServiceAction::Report { service, uid, reason, message });
    }
}

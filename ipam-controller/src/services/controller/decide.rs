//! What one Service, address or range needs.

use std::net::IpAddr;

use cluster::{ObjectKey, Text};

use super::super::assign::{Given, HealthCheck, has_node_ports, seed};
use super::super::family_policy::families_of;
use super::super::state::{ServiceAction, ServiceReason, ServiceState, Subject, family};
use super::super::wish::Wish;
use super::{DEFAULT_RANGE, Entry, ServiceController};
use crate::Family;

/// How long an IPAddress may name a Service that does not have the address, in seconds: somebody may be about to write it
/// (`repairip.go`).
const GRACE: u64 = 60;

/// How long a ServiceCIDR that is being deleted stays after nothing of it is given, in seconds from its deletion: another
/// allocator may not have heard of it (`servicecidrs_controller.go`).
pub(super) const DELETION_GRACE: u64 = 10;

/// For each port of a Service the node port that it is given, and what becomes of its port for health checks.
type NodePorts = (Vec<Option<u16>>, Option<HealthCheck>);

/// What is missing that cannot be had, with the remedy.
struct Missing(ServiceReason, String);

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

    /// Chooses what a Service lacks, and says what it is to lose: all of it or nothing; none when it is as it should be.
    /// `wish` is what it says without what it is to lose.
    fn give(
        &mut self,
        key: &ObjectKey,
        state: &ServiceState,
        wish: &Wish,
        entry: &mut Entry,
    ) -> Result<Option<Given>, Missing> {
        let families = families_of(wish, &self.families())
            .map_err(|text| Missing(ServiceReason::CannotAllocate, text))?;
        let mut addresses = wish.written().to_vec();
        for family in families.iter().skip(wish.written().len()) {
            addresses.push(self.address_for(key, *family, &addresses)?);
        }
        if addresses.len() == wish.written().len() && *wish == state.wish {
            addresses.clear();
        }
        let (node_ports, health_check) = self.node_ports(key, wish)?;
        let given = Given { addresses, node_ports, health_check };
        let is_nothing = given.node_ports.iter().all(Option::is_none);
        if is_nothing && given.addresses.is_empty() && given.health_check.is_none() {
            return Ok(None);
        }
        entry.intent = Some(given.clone());
        self.settle(key, entry);
        Ok(Some(given))
    }

    /// Chooses an address: one that is claimed for the Service already, or a free one.
    fn address_for(&self, key: &ObjectKey, of: Family, but: &[IpAddr]) -> Result<IpAddr, Missing> {
        let mut claimed = self.claimed.get(key).into_iter().flatten();
        let claimed = claimed.find(|ip| {
            family(**ip) == of
                && !but.contains(ip)
                && self.book.is_in_range(**ip)
                && self.book.other(**ip, key).is_none()
                && self.addresses.get(ip).is_some_and(|it| it.is_labelled && it.is_managed)
        });
        let new = || self.book.pick(of, seed(key, &of.to_string()));
        claimed.copied().or_else(new).ok_or_else(|| {
            let text = format!("no address of {of} is free; add a ServiceCIDR, or delete Services");
            Missing(ServiceReason::CannotAllocate, text)
        })
    }

    /// Chooses the node ports of a Service, and what becomes of its port for health checks.
    fn node_ports(&mut self, key: &ObjectKey, wish: &Wish) -> Result<NodePorts, Missing> {
        // The same port of several protocols has one node port.
        let mut of_port = std::collections::BTreeMap::new();
        for port in &wish.ports {
            of_port.extend(port.node_port.map(|node_port| (port.port, node_port)));
        }
        let mut chosen: Vec<u16> = Vec::new();
        // Held at once, so that the next port gets another.
        let mut choose = |what: &str| {
            let found = self.book.pick_port(seed(key, what));
            chosen.extend(found.inspect(|port| self.book.hold_port(*port, key)));
            found
        };
        let mut given = Vec::new();
        let mut is_missing = false;
        for port in wish.ports.iter().filter(|_| has_node_ports(wish)) {
            let node_port = match (port.node_port, of_port.get(&port.port)) {
                (Some(_), _) => None,
                (None, Some(node_port)) => Some(*node_port),
                (None, None) => {
                    let found = choose(&port.port.to_string());
                    of_port.extend(found.map(|found| (port.port, found)));
                    found
                }
            };
            is_missing |= port.node_port.is_none() && node_port.is_none();
            given.push(node_port);
        }
        let health_check = match (wish.needs_health_check(), wish.health_check) {
            (true, None) => {
                let found = choose("health check").map(HealthCheck::Given);
                is_missing |= found.is_none();
                found
            }
            (false, Some(_)) => Some(HealthCheck::Dropped),
            (true, Some(_)) | (false, None) => None,
        };
        // What is given is held by the Service from now on, by its intent.
        chosen.iter().for_each(|port| self.book.release_port(*port, key));
        if is_missing {
            let text = "no node port is free; delete Services, or make some of type ClusterIP";
            return Err(Missing(ServiceReason::NoNodePort, text.to_owned()));
        }
        Ok((given, health_check))
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

//! Addresses of Services as a state machine: what the API says goes in, what should be written comes out.
//!
//! As with blocks, everything follows from the state: duplicates, lost watches and restarts change nothing. An address is
//! claimed by its IPAddress before a Service gets it, so that not even a write that comes too late gives it twice.

mod decide;
mod give;

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::ops::RangeInclusive;

use cluster::{ObjectKey, Text};
use ipnet::IpNet;

use super::assign::{Given, HealthCheck};
use super::book::{Book, Holder};
use super::state::{
    AddressState, RangeState, RangeUsage, ServiceAction, ServiceInput, ServiceReason, ServiceState,
    Subject,
};
use crate::Family;

/// The ServiceCIDR of the command line.
const DEFAULT_RANGE: &str = "kubernetes";

/// What does not change while the controller runs.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ServiceSettings {
    /// Networks of the command line, which become the ServiceCIDR `kubernetes` where there is none: at most one of each
    /// family, the default family first.
    pub networks: Vec<IpNet>,
    /// Node ports.
    pub node_ports: RangeInclusive<u16>,
}

/// Decides what should be written for Services.
#[derive(Clone, Debug)]
pub struct ServiceController {
    settings: ServiceSettings,
    book: Book,
    services: BTreeMap<ObjectKey, Entry>,
    addresses: BTreeMap<IpAddr, AddressState>,
    /// The addresses whose objects name a Service.
    claimed: BTreeMap<ObjectKey, BTreeSet<IpAddr>>,
    /// Addresses of Services that were seen to go away.
    orphans: BTreeSet<IpAddr>,
    ranges: BTreeMap<Text, RangeState>,
    queue: BTreeSet<Subject>,
    busy: BTreeSet<Subject>,
    /// Services that nothing can be given to until something is free.
    starved: BTreeSet<ObjectKey>,
    /// What is looked at again at a time.
    waiting: BTreeSet<(u64, Subject)>,
    is_synced: bool,
}

/// Everything that is known of one Service.
#[derive(Clone, Default, Debug)]
struct Entry {
    state: Option<ServiceState>,
    /// What it is to get, until it says so.
    intent: Option<Given>,
    /// What the book says that it holds.
    held: BTreeSet<IpAddr>,
    held_ports: BTreeSet<u16>,
    /// What was seen of it that is to be reported.
    seen: Vec<(ServiceReason, String)>,
    /// What has been reported of it, so that it is reported once.
    reported: BTreeSet<(ServiceReason, String)>,
}

impl Entry {
    fn written(&self) -> &[IpAddr] {
        self.state.as_ref().map_or(&[], |state| state.wish.written())
    }

    fn claims(&self) -> (BTreeSet<IpAddr>, BTreeSet<u16>) {
        let intended = self.intent.iter();
        let ips = intended.clone().flat_map(|given| &given.addresses).chain(self.written());
        let ports = self.state.iter().flat_map(|state| &state.wish.ports);
        let ports = ports.filter_map(|port| port.node_port);
        let given_ports =
            intended.clone().flat_map(|given| given.node_ports.iter().flatten().copied());
        let health_checks = self.state.iter().filter_map(|state| state.wish.health_check);
        let given_checks = intended.filter_map(|given| match given.health_check {
            Some(HealthCheck::Given(port)) => Some(port),
            Some(HealthCheck::Dropped) | None => None,
        });
        let ports = ports.chain(given_ports).chain(health_checks).chain(given_checks);
        (ips.copied().collect(), ports.collect())
    }
}

impl ServiceController {
    /// Returns a controller that knows nothing yet.
    pub fn new(settings: ServiceSettings) -> Self {
        Self {
            book: Book::new(settings.node_ports.clone()),
            settings,
            services: BTreeMap::new(),
            addresses: BTreeMap::new(),
            claimed: BTreeMap::new(),
            orphans: BTreeSet::new(),
            ranges: BTreeMap::new(),
            queue: BTreeSet::new(),
            busy: BTreeSet::new(),
            starved: BTreeSet::new(),
            waiting: BTreeSet::new(),
            is_synced: false,
        }
    }

    /// Takes what the API says. The cost is that of the object, except for ranges, after which every Service is looked at.
    pub fn apply(&mut self, input: ServiceInput) {
        match input {
            ServiceInput::Service(state) => self.service(state),
            ServiceInput::NoService(key, uid) => {
                let is_it = |entry: &Entry| entry.state.as_ref().is_some_and(|it| it.uid == uid);
                if self.services.get(&key).is_some_and(is_it) {
                    self.no_service(&key);
                }
            }
            ServiceInput::Address(state) => self.address(state),
            ServiceInput::NoAddress(ip) => self.no_address(ip),
            ServiceInput::Range(state) => self.range(state),
            ServiceInput::NoRange(name) => {
                if let Some(range) = self.ranges.remove(&name) {
                    range.networks.iter().for_each(|it| self.book.close(*it, &name));
                    self.look_at_all();
                }
            }
            ServiceInput::Synced => {
                self.is_synced = true;
                self.look_at_all();
            }
        }
    }

    /// Returns at most so many things to write at `now` (seconds since 1970). Nothing more is decided about the subject of a
    /// write until [`Self::done`] says that it is over; a [`ServiceAction::Report`] needs no answer.
    pub fn actions(&mut self, now: u64, most: usize) -> Vec<ServiceAction> {
        let mut actions = Vec::new();
        if !self.is_synced {
            return actions;
        }
        while self.waiting.first().is_some_and(|(at, _)| *at <= now) {
            self.queue.extend(self.waiting.pop_first().map(|(_, subject)| subject));
        }
        while actions.len() < most {
            let Some(subject) = self.queue.pop_first() else { break };
            if self.busy.contains(&subject) {
                continue;
            }
            if let Some(action) = self.decide(&subject, now, &mut actions) {
                self.busy.insert(action.subject());
                actions.push(action);
            }
        }
        actions
    }

    /// Notes that a write is over, whatever came of it. What the objects say now has to be told before.
    pub fn done(&mut self, subject: &Subject) {
        self.busy.remove(subject);
        self.queue.insert(subject.clone());
    }

    /// Returns when something has to be looked at though nothing changes, in seconds since 1970.
    pub fn next_deadline(&self) -> Option<u64> {
        self.waiting.first().map(|(at, _)| *at)
    }

    /// Says whether the Service with this UID is there. What a write brings back of one that is gone is older than that.
    pub fn knows(&self, key: &ObjectKey, uid: &str) -> bool {
        let state = self.services.get(key).and_then(|entry| entry.state.as_ref());
        state.is_some_and(|state| *state.uid == *uid)
    }

    /// Returns how many Services nothing can be given to.
    pub fn starved(&self) -> usize {
        self.starved.len()
    }

    /// Returns how full each network is, sorted.
    pub fn usage(&self) -> Vec<RangeUsage> {
        self.book.usage()
    }

    /// Returns how many node ports are held, and how many there are.
    pub fn port_usage(&self) -> (u64, u64) {
        self.book.port_usage()
    }

    fn service(&mut self, state: ServiceState) {
        let key = state.key.clone();
        let known = self.services.get(&key).and_then(|entry| entry.state.as_ref());
        if known.is_some_and(|known| known.uid != state.uid) {
            self.no_service(&key);
        } else if known
            .is_some_and(|known| crate::is_older(&state.resource_version, &known.resource_version))
        {
            return;
        }
        let mut entry = self.services.remove(&key).unwrap_or_default();
        let before = entry.written().to_vec();
        if entry.state.as_ref().is_some_and(|known| known.wish != state.wish) {
            // What it was to get is decided anew from what it says; what is claimed for it is taken first.
            entry.intent = None;
        }
        entry.state = Some(state);
        let after = entry.written();
        // It is of one family now: nobody is about to write the other address again.
        let dropped = before.iter().skip(1).filter(|_| before.first() == after.first());
        let dropped: Vec<IpAddr> = dropped
            .filter(|ip| !after.contains(ip) && self.addresses.contains_key(ip))
            .copied()
            .collect();
        self.orphans.extend(dropped);
        if let (Some(before), Some(after)) = (before.first(), after.first())
            && before != after
        {
            let text = format!(
                "spec.clusterIPs[0] was {before} and is {after}; it may not change once it is set: write {before} again, \
                 or delete the Service and create it with {after}"
            );
            entry.seen.push((ServiceReason::Changed, text));
        }
        self.settle(&key, &mut entry);
        self.services.insert(key.clone(), entry);
        self.queue.insert(Subject::Service(key));
    }

    fn no_service(&mut self, key: &ObjectKey) {
        let Some(mut entry) = self.services.remove(key) else { return };
        (entry.state, entry.intent) = (None, None);
        let held = entry.held.clone();
        self.settle(key, &mut entry);
        self.starved.remove(key);
        self.queue.remove(&Subject::Service(key.clone()));
        let objects = held.into_iter().filter(|ip| self.addresses.contains_key(ip));
        let objects: Vec<IpAddr> = objects.collect();
        self.orphans.extend(&objects);
        self.queue.extend(objects.into_iter().map(Subject::Address));
    }

    fn address(&mut self, state: AddressState) {
        let ip = state.ip;
        let known = self.addresses.get(&ip).filter(|known| known.uid == state.uid);
        if known
            .is_some_and(|known| crate::is_older(&state.resource_version, &known.resource_version))
        {
            return;
        }
        self.unclaim(ip);
        self.book.hold(ip, Holder::Object);
        if let Some(parent) = &state.parent {
            self.claimed.entry(parent.clone()).or_default().insert(ip);
        }
        self.queue.insert(Subject::Address(ip));
        self.queue.extend(state.parent.clone().map(Subject::Service));
        self.look_at_holders(ip);
        self.addresses.insert(ip, state);
    }

    fn no_address(&mut self, ip: IpAddr) {
        self.unclaim(ip);
        self.addresses.remove(&ip);
        self.orphans.remove(&ip);
        if self.book.release(ip, &Holder::Object) {
            self.wake_starved();
        }
        self.look_at_holders(ip);
        self.look_at_closing();
    }

    /// Takes the word of an address's object for a Service back.
    fn unclaim(&mut self, ip: IpAddr) {
        let parent = self.addresses.get(&ip).and_then(|address| address.parent.as_ref());
        let Some(parent) = parent else { return };
        if let Some(claimed) = self.claimed.get_mut(parent) {
            claimed.remove(&ip);
            if claimed.is_empty() {
                self.claimed.remove(parent);
            }
        }
    }

    fn range(&mut self, state: RangeState) {
        let known = self.ranges.get(&state.name);
        if known.is_some_and(|known| {
            known.uid == state.uid
                && crate::is_older(&state.resource_version, &known.resource_version)
        }) {
            return;
        }
        let is_open = |range: &RangeState| (range.networks.clone(), range.is_deleting());
        let is_same = known.is_some_and(|known| is_open(known) == is_open(&state));
        let name = state.name.clone();
        self.queue.insert(Subject::Range(name.clone()));
        if is_same {
            self.ranges.insert(name, state);
            return;
        }
        for network in known.map(|known| known.networks.clone()).unwrap_or_default() {
            self.book.close(network, &name);
        }
        if !state.is_deleting() {
            state.networks.iter().for_each(|network| self.book.open(*network, &name));
        }
        self.ranges.insert(name, state);
        self.look_at_all();
    }

    /// Lets the book say what a Service claims.
    fn settle(&mut self, key: &ObjectKey, entry: &mut Entry) {
        let (ips, ports) = entry.claims();
        let holder = Holder::Service(key.clone());
        let mut is_free = false;
        for ip in entry.held.difference(&ips) {
            is_free |= self.book.release(*ip, &holder);
            self.queue.insert(Subject::Address(*ip));
        }
        for ip in ips.difference(&entry.held) {
            self.book.hold(*ip, holder.clone());
        }
        for port in entry.held_ports.difference(&ports) {
            self.book.release_port(*port, key);
            is_free = true;
        }
        for port in ports.difference(&entry.held_ports) {
            self.book.hold_port(*port, key);
        }
        (entry.held, entry.held_ports) = (ips, ports);
        if is_free {
            self.wake_starved();
            self.look_at_closing();
        }
    }

    fn wake_starved(&mut self) {
        let starved = std::mem::take(&mut self.starved);
        self.queue.extend(starved.into_iter().map(Subject::Service));
    }

    /// Looks at the Services that have an address.
    fn look_at_holders(&mut self, ip: IpAddr) {
        self.queue.extend(self.book.services_of(ip).map(Subject::Service));
    }

    /// Looks at the ranges that are being deleted.
    fn look_at_closing(&mut self) {
        let closing = self.ranges.values().filter(|range| range.is_deleting());
        self.queue.extend(closing.map(|range| Subject::Range(range.name.clone())));
    }

    fn look_at_all(&mut self) {
        self.queue.extend(self.services.keys().cloned().map(Subject::Service));
        self.queue.extend(self.addresses.keys().copied().map(Subject::Address));
        self.queue.extend(self.ranges.keys().cloned().map(Subject::Range));
        if self.is_synced && !self.settings.networks.is_empty() {
            self.queue.insert(Subject::Range(DEFAULT_RANGE.into()));
        }
    }

    fn families(&self) -> Vec<Family> {
        let default = self.ranges.get(DEFAULT_RANGE).and_then(|range| range.networks.first());
        self.book.families(default.map(|network| Family::of(*network)))
    }
}

#[cfg(test)]
mod tests;

//! Lookups of many Services, begun together.
//!
//! In a large cluster a lookup mostly waits for memory: for the slot of its key, then for the object, then for the
//! object's name. Which of them a lookup needs next is known only when the one before is there, but other lookups need
//! not wait for that. So each step is taken for all of them before the next, and the processor fetches for all at once
//! what it would fetch one after the other:
//!
//! ```text
//! keys ─▶ hashes, leaves ─▶ slots ─▶ objects ─▶ their names
//! ```
//!
//! What this finds is thrown away; the lookups themselves follow, and find it in the processor's caches.

use std::hint::black_box;
use std::net::IpAddr;

use crate::table::Near;
use crate::{Cluster, KeyRef, Service};

/// How many lookups are begun together.
const TOGETHER: usize = 32;

/// What a Service will be looked up by.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ServiceKey<'a> {
    /// [`Cluster::service`].
    Name(KeyRef<'a>),
    /// [`Cluster::services_by_cluster_ip`].
    ClusterIp(IpAddr),
}

impl Cluster {
    /// Fetches into the processor's caches what the lookups of these Services will read. It changes nothing else.
    pub fn approach_services<'k>(&self, keys: impl IntoIterator<Item = ServiceKey<'k>>) {
        let mut keys = keys.into_iter();
        while self.approach_some(&mut keys) == TOGETHER {}
    }

    /// Does so for the next few, and returns how many there were.
    fn approach_some<'k>(&self, keys: &mut impl Iterator<Item = ServiceKey<'k>>) -> usize {
        let mut near = [Near::<Service>::default(); TOGETHER];
        let mut count = 0;
        for (place, key) in near.iter_mut().zip(keys) {
            *place = match key {
                ServiceKey::Name(key) => self.services.near(key),
                ServiceKey::ClusterIp(ip) => self.services_by_cluster_ip.near(ip),
            };
            count += 1;
        }
        let near = &near[..count];
        for near in near {
            black_box(near.hashes());
        }
        let mut found = [None; TOGETHER];
        for (place, near) in found.iter_mut().zip(near) {
            *place = near.object();
        }
        let found = || found.iter().flatten();
        for service in found() {
            // In different cache lines.
            black_box((service.key.name.len(), service.cluster_ips().len()));
        }
        for service in found() {
            black_box(service.key.name.as_bytes().first().copied());
        }
        count
    }
}

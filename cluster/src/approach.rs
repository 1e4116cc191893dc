//! Lookups of many Services, begun together.
//!
//! In a large cluster a lookup mostly waits for memory: for the slot of its key, then for the object, then for the
//! namespace's name. Which of them a lookup needs next is known only when the one before is there, but other lookups need
//! not wait for that. So each step is taken for all of them before the next, and the processor fetches for all at once
//! what it would fetch one after the other:
//!
//! ```text
//! keys ─▶ hashes, leaves ─▶ slots ─▶ objects ─▶ the names of their namespaces
//! ```
//!
//! The same goes for the Namespaces, which have to exist. What this finds is thrown away; the lookups themselves follow,
//! and find it in the processor's caches.

use std::hint::black_box;
use std::net::IpAddr;

use arrayvec::ArrayVec;

use crate::table::Near;
use crate::{Cluster, KeyRef, Namespace, Service};

/// How many lookups are begun together.
const TOGETHER: usize = 8;

/// What a Service will be looked up by.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ServiceKey<'a> {
    /// [`Cluster::namespace`], then [`Cluster::service`].
    Name(KeyRef<'a>),
    /// [`Cluster::services_by_cluster_ip`].
    ClusterIp(IpAddr),
}

/// The lookups for a key, as far as they have come.
struct Approach<'c> {
    service: Near<'c, Service>,
    /// None of a Service that is looked up by its address.
    namespace: Near<'c, Namespace>,
}

impl<'c> Approach<'c> {
    fn objects(&self) -> (Option<&'c Service>, Option<&'c Namespace>) {
        (self.service.object(), self.namespace.object())
    }
}

impl Cluster {
    /// Fetches into the processor's caches what the lookups of these Services will read. It changes nothing else.
    pub fn approach_services<'k>(&self, keys: impl IntoIterator<Item = ServiceKey<'k>>) {
        let mut begun = keys.into_iter().map(|key| self.begin(key));
        loop {
            let some: ArrayVec<_, TOGETHER> = begun.by_ref().take(TOGETHER).collect();
            if some.is_empty() {
                return;
            }
            approach(&some);
        }
    }

    fn begin(&self, key: ServiceKey<'_>) -> Approach<'_> {
        match key {
            ServiceKey::Name(key) => {
                let of_namespace = KeyRef { namespace: "", name: key.namespace };
                let namespace = self.namespaces.near(of_namespace);
                Approach { service: self.services.near(key), namespace }
            }
            ServiceKey::ClusterIp(ip) => {
                let service = self.services_by_cluster_ip.near(ip);
                Approach { service, namespace: Near::default() }
            }
        }
    }
}

/// Takes the steps that are left, each for all before the next.
fn approach(begun: &[Approach<'_>]) {
    for Approach { service, namespace } in begun {
        black_box((service.hashes(), namespace.hashes()));
    }
    let found: ArrayVec<_, TOGETHER> = begun.iter().map(Approach::objects).collect();
    for (service, namespace) in &found {
        // In different cache lines. Most names stand in place.
        black_box(service.map(|service| (service.key.name.len(), service.cluster_ips().len())));
        black_box(namespace.map(|namespace| namespace.name.len()));
    }
    let first = |text: &str| text.as_bytes().first().copied();
    for (service, namespace) in &found {
        black_box(service.map(|service| first(&service.key.namespace)));
        black_box(namespace.map(|namespace| first(&namespace.name)));
    }
}

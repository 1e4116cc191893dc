//! Lookups of many Services, done together.
//!
//! In a large cluster a lookup mostly waits for memory: for the slot of its key, then for the object, then for the
//! namespace's name. Which of them a lookup needs next is known only when the one before is there, but other lookups need
//! not wait for that. So each step is taken for all of them before the next, and the processor fetches for all at once
//! what it would fetch one after the other:
//!
//! ```text
//! keys ─▶ hashes ─▶ leaves ─▶ slots ─▶ objects ─▶ the names of their namespaces ─▶ comparison
//! ```
//!
//! The same goes for the Namespaces, which have to exist: they are looked up where a Service seems to be there.

use std::hint::black_box;
use std::net::IpAddr;

use arrayvec::ArrayVec;

use crate::index::Relation;
use crate::relations::{ByName, ServiceByClusterIp};
use crate::table::Near;
use crate::{Cluster, KeyRef, Namespace, Service};

/// How many Services are looked up together at most.
pub const MOST_TOGETHER: usize = 8;

/// What a Service is looked up by.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ServiceKey<'a> {
    /// Its name, in a Namespace that exists: [`Cluster::namespace`] and [`Cluster::service`].
    Name(KeyRef<'a>),
    /// Its address: the first of [`Cluster::services_by_cluster_ip`].
    ClusterIp(IpAddr),
}

/// A lookup, as far as it has come.
struct Lookup<'c, 'k> {
    key: ServiceKey<'k>,
    hash: u32,
    service: Near<'c, Service>,
    /// The Service, unless another key has the same hash.
    likely: Option<&'c Service>,
    namespace: Near<'c, Namespace>,
}

impl Cluster {
    /// Looks up the Services of the first [`MOST_TOGETHER`] keys; without a key there is none.
    pub fn find_services<'k>(
        &self,
        keys: impl IntoIterator<Item = Option<ServiceKey<'k>>>,
    ) -> ArrayVec<Option<&Service>, MOST_TOGETHER> {
        let keys = keys.into_iter().take(MOST_TOGETHER);
        let begun = keys.map(|key| key.map(|key| self.begin(key)));
        let mut lookups: ArrayVec<_, MOST_TOGETHER> = begun.collect();
        self.approach(&mut lookups);
        lookups.iter().map(|lookup| lookup.as_ref()?.end()).collect()
    }

    fn begin<'k>(&self, key: ServiceKey<'k>) -> Lookup<'_, 'k> {
        let hash = match key {
            ServiceKey::Name(name) => self.services.hash(name),
            ServiceKey::ClusterIp(ip) => self.services_by_cluster_ip.hash(ip),
        };
        Lookup { key, hash, service: Near::default(), likely: None, namespace: Near::default() }
    }

    /// Takes the steps in between, each for all before the next, and each as short as it can be, for the processor looks
    /// ahead by a few hundred instructions. What is read here is thrown away; the last step finds it in the processor's
    /// caches.
    fn approach<'c>(&'c self, lookups: &mut [Option<Lookup<'c, '_>>]) {
        for Lookup { key, hash, service, .. } in lookups.iter_mut().flatten() {
            *service = match key {
                ServiceKey::Name(_) => self.services.near(*hash),
                ServiceKey::ClusterIp(_) => self.services_by_cluster_ip.near(*hash),
            };
        }
        for lookup in lookups.iter().flatten() {
            black_box(lookup.service.slots());
        }
        for lookup in lookups.iter_mut().flatten() {
            lookup.likely = lookup.service.object();
        }
        for lookup in lookups.iter().flatten() {
            black_box(lookup.likely.map(|service| service.key.name.len()));
        }
        for lookup in lookups.iter_mut().flatten() {
            // In other cache lines.
            black_box(
                lookup.likely.map(|service| (service.cluster_ips().len(), service.ports.len())),
            );
            if let (Some(_), ServiceKey::Name(key)) = (lookup.likely, lookup.key) {
                lookup.namespace = self.namespaces.near(self.namespaces.hash(of_namespace(key)));
            }
        }
        for lookup in lookups.iter().flatten() {
            let first = |service: &Service| service.key.namespace.as_bytes().first().copied();
            black_box(lookup.likely.map(first));
        }
    }
}

impl<'c> Lookup<'c, '_> {
    /// Takes the last step.
    fn end(&self) -> Option<&'c Service> {
        self.likely?;
        match self.key {
            ServiceKey::Name(key) => {
                self.namespace.find(|own| ByName::<Namespace>::has(own, of_namespace(key)))?;
                self.service.find(|service| ByName::<Service>::has(service, key))
            }
            ServiceKey::ClusterIp(ip) => {
                self.service.find(|service| ServiceByClusterIp::has(service, ip))
            }
        }
    }
}

/// Returns what the Namespace is looked up by.
fn of_namespace(key: KeyRef<'_>) -> KeyRef<'_> {
    KeyRef { namespace: "", name: key.namespace }
}

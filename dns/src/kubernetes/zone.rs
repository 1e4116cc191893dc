//! The options of a `kubernetes` block that answers depend on.

use std::collections::BTreeSet;
use std::net::IpAddr;

use cluster::{Cluster, Kind, KindSet};
use hickory_proto::rr::LowerName;

use super::name::Naming;

/// What one `kubernetes` block serves, and how.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Zone {
    /// The zones, in the order of the Corefile: forward ones and reverse ones.
    pub zones: Vec<LowerName>,
    /// The options of the block.
    pub options: ZoneOptions,
    /// The server's own addresses that are not loopback addresses: what stands behind `ns.dns` when no
    /// Service selects the server itself.
    pub own_addresses: Vec<IpAddr>,
}

/// The options of a `kubernetes` block that answers depend on, as CoreDNS's documentation names them.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ZoneOptions {
    /// `pods`: what is answered below `pod.<zone>`.
    pub pods: PodMode,
    /// `ttl`: of every record, in seconds, 0 to 3600.
    pub ttl: u32,
    /// `endpoint_pod_names`: endpoints without a hostname are named after their pods.
    pub endpoint_pod_names: bool,
    /// `noendpoints`: EndpointSlices are not read.
    pub no_endpoints: bool,
    /// `ignore empty_service`: a Service without ready endpoints does not exist.
    pub ignore_empty_service: bool,
    /// `namespaces`: only these are served; none means all.
    pub namespaces: Option<BTreeSet<String>>,
    /// `zonal`: `<zone>.pin._zone.<service>…` and `<zone>.prefer._zone.<service>…` of headless Services.
    pub zonal: bool,
    /// `multicluster`: the zones of the block that hold the Services of a set of clusters.
    pub multicluster: Vec<LowerName>,
    /// `strict`: answers follow the RFCs where CoreDNS deviates; see `docs/dns-differences.md`.
    pub strict: bool,
}

/// What is answered for `a-b-c-d.<namespace>.pod.<zone>`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum PodMode {
    /// Nothing.
    #[default]
    Disabled,
    /// The address in the name, whether or not a pod has it.
    Insecure,
    /// The address in the name if a pod of the namespace has it.
    Verified,
}

impl Default for ZoneOptions {
    fn default() -> Self {
        Self {
            pods: PodMode::Disabled,
            ttl: 5,
            endpoint_pod_names: false,
            no_endpoints: false,
            ignore_empty_service: false,
            namespaces: None,
            zonal: false,
            multicluster: Vec::new(),
            strict: false,
        }
    }
}

impl Zone {
    /// Returns the kinds of object that answers of the block are made from.
    pub fn required(&self) -> KindSet {
        // `k8s_external` reads Services even where every zone is of `multicluster`.
        let services = KindSet::of(&[Kind::Service]);
        let zones = self.zones.iter().map(|apex| self.required_in(apex));
        zones.fold(services, KindSet::union)
    }

    /// Returns the kinds of object that answers of one of the zones are made from.
    pub fn required_in(&self, apex: &LowerName) -> KindSet {
        let services = match self.naming(apex) {
            Naming::Cluster | Naming::Zonal => Kind::Service,
            Naming::ClusterSet => Kind::ServiceImport,
        };
        let mut kinds = KindSet::of(&[Kind::Namespace, services]);
        if !self.options.no_endpoints {
            kinds = kinds.with(Kind::EndpointSlice);
        }
        if self.options.pods == PodMode::Verified {
            kinds = kinds.with(Kind::Pod);
        }
        kinds
    }

    /// Returns the grammar of the names below one of the zones.
    pub(super) fn naming(&self, apex: &LowerName) -> Naming {
        if self.options.multicluster.contains(apex) {
            Naming::ClusterSet
        } else if self.options.zonal {
            Naming::Zonal
        } else {
            Naming::Cluster
        }
    }

    /// Returns the zone that a name is in: the longest one.
    pub fn matching(&self, name: &LowerName) -> Option<&LowerName> {
        self.zones.iter().filter(|zone| zone.zone_of(name)).max_by_key(|zone| zone.num_labels())
    }

    /// Returns the zone that names in PTR records end with: the first that is not a reverse zone, or the
    /// first when all are.
    pub fn primary(&self) -> Option<&LowerName> {
        self.zones.iter().find(|zone| !is_reverse(zone)).or(self.zones.first())
    }

    /// Says whether the configuration lets a namespace be seen, whether or not it exists.
    pub fn serves_namespace(&self, namespace: &str) -> bool {
        self.options.namespaces.as_ref().is_none_or(|served| served.contains(namespace))
    }

    /// Says whether a namespace exists and is served.
    pub fn exposes_namespace(&self, cluster: &Cluster, namespace: &str) -> bool {
        self.serves_namespace(namespace) && cluster.namespace(namespace).is_some()
    }
}

/// Says whether a zone is below `in-addr.arpa` or `ip6.arpa`.
pub(super) fn is_reverse(zone: &LowerName) -> bool {
    let mut labels = zone.iter().rev();
    labels.next() == Some(b"arpa") && matches!(labels.next(), Some(b"in-addr" | b"ip6"))
}

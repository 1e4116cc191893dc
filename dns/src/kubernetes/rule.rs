//! Why an answer is what it is.

use std::fmt;

use cluster::{Kind, ObjectKey};

/// The rule that decided an answer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Rule {
    /// `dns-version.<zone>` TXT.
    SchemaVersion,
    /// The SOA record of the zone.
    Soa,
    /// The zone's name servers, and `ns.dns.<zone>`.
    NameServer,
    /// The zone itself, `svc.<zone>` and `pod.<zone>` exist and have no records.
    ZoneNode,
    /// A namespace exists and has no records.
    NamespaceNode,
    /// A Service's cluster addresses.
    ClusterIp,
    /// The ready endpoints of a headless Service.
    Headless,
    /// An endpoint of a Service by its name.
    Endpoint,
    /// The ready endpoints of a headless Service in a topology zone.
    Within,
    /// No ready endpoint of the headless Service is in the topology zone that the name pins.
    NoEndpointWithin,
    /// Only headless Services have names of topology zones.
    WithinNotHeadless,
    /// The addresses or the name that a Service has outside the cluster.
    ExternalAddress,
    /// The Service has none outside the cluster.
    NoExternalAddress,
    /// The alias of an ExternalName Service.
    ExternalName,
    /// The address in a pod name, unseen.
    PodInsecure,
    /// The address in a pod name, held by a pod of the namespace.
    PodVerified,
    /// The Service with this cluster address.
    ReverseService,
    /// The endpoints with this address.
    ReverseEndpoint,
    /// The zone is not transferred.
    TransferRefused,
    /// Names end in `svc.<zone>` or `pod.<zone>`.
    NotSvcOrPod,
    /// No name has so many labels.
    TooManyLabels,
    /// The namespace does not exist, or its labels do not match `namespace_labels`.
    NoSuchNamespace,
    /// The option `namespaces` does not list the namespace.
    NamespaceNotServed,
    /// The namespace has no such Service.
    NoSuchService,
    /// The namespace has no such ServiceImport.
    NoSuchImport,
    /// The Service has no such port and protocol.
    NoSuchPort,
    /// The Service has no ready endpoint.
    NoReadyEndpoints,
    /// No ready endpoint of the Service has this name.
    NoSuchEndpoint,
    /// The Service has no ready endpoint, and `ignore empty_service` is on.
    EmptyServiceIgnored,
    /// ExternalName Services have nothing below them.
    BelowExternalName,
    /// The external name is an IP address.
    ExternalNameIsAddress,
    /// The Service has no cluster address yet.
    NoClusterIpYet,
    /// The option `pods` is `disabled`.
    PodsDisabled,
    /// The label is not an address with dashes.
    NotAPodAddress,
    /// No pod of the namespace holds the address.
    NoSuchPod,
    /// No Service and no endpoint has the address.
    NoSuchAddress,
    /// The name is not that of an address.
    NotAReverseName,
    /// The name exists and has no records of this type (with `strict` also empty non-terminals).
    NoSuchType,
    /// What the answer depends on has not been listed completely yet.
    NotSynced,
}

/// A rule and the object that it was applied to.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Ruling {
    /// The rule.
    pub rule: Rule,
    /// The object, where one decided.
    pub object: Option<(Kind, ObjectKey)>,
}

impl Rule {
    /// Returns the sentence that `explain` shows.
    pub const fn text(self) -> &'static str {
        match self {
            Self::SchemaVersion => "the version of the Kubernetes DNS specification",
            Self::Soa => "the zone's SOA record",
            Self::NameServer => "the addresses that this server is reached at",
            Self::ZoneNode => "the zone, `svc` and `pod` exist and have no records of their own",
            Self::NamespaceNode => "the namespace exists and has no records of its own",
            Self::ClusterIp => "the Service's cluster addresses",
            Self::Headless => "the ready endpoints of the headless Service",
            Self::Endpoint => "the ready endpoint of that name",
            Self::Within => "`zonal`: the ready endpoints in the topology zone",
            Self::NoEndpointWithin => "`zonal`: no ready endpoint is in the topology zone",
            Self::WithinNotHeadless => {
                "`zonal`: only headless Services have names of topology zones"
            }
            Self::ExternalAddress => {
                "the Service's external IPs, and the addresses or the name of its load balancer"
            }
            Self::NoExternalAddress => "the Service has neither external IPs nor a load balancer",
            Self::ExternalName => "the alias that the ExternalName Service declares",
            Self::PodInsecure => "`pods insecure`: the address in the name, whoever holds it",
            Self::PodVerified => "`pods verified`: a pod of the namespace holds the address",
            Self::ReverseService => "the Service with this cluster address",
            Self::ReverseEndpoint => "the ready endpoints with this address",
            Self::TransferRefused => "zone transfers are not offered",
            Self::NotSvcOrPod => "cluster names end in svc.<zone> or pod.<zone>",
            Self::TooManyLabels => "no cluster name has so many labels",
            Self::NoSuchNamespace => {
                "the namespace does not exist or is not selected by namespace_labels"
            }
            Self::NamespaceNotServed => "the option `namespaces` does not list the namespace",
            Self::NoSuchService => "the namespace has no such Service",
            Self::NoSuchImport => "the namespace has no such ServiceImport",
            Self::NoSuchPort => "the Service has no port of that name and protocol",
            Self::NoReadyEndpoints => "the headless Service has no ready endpoint",
            Self::NoSuchEndpoint => "no ready endpoint of the Service has that name",
            Self::EmptyServiceIgnored => {
                "`ignore empty_service`: the Service has no ready endpoint"
            }
            Self::BelowExternalName => "an ExternalName Service has no endpoints and no ports",
            Self::ExternalNameIsAddress => {
                "the external name is an IP address, which no CNAME can hold"
            }
            Self::NoClusterIpYet => "the Service has not been given a cluster address yet",
            Self::PodsDisabled => "`pods disabled`: pod names are not answered",
            Self::NotAPodAddress => "the label is not an IP address with dashes",
            Self::NoSuchPod => "no running pod of the namespace holds the address",
            Self::NoSuchAddress => "no Service and no ready endpoint has this address",
            Self::NotAReverseName => "the name is not the reverse name of an IP address",
            Self::NoSuchType => "the name exists and has no records of this type",
            Self::NotSynced => "the cluster has not been listed completely yet",
        }
    }

    /// Returns the ruling without an object.
    pub(super) fn alone(self) -> Ruling {
        Ruling { rule: self, object: None }
    }

    /// Returns the ruling on an object.
    pub(super) fn on(self, kind: Kind, key: &ObjectKey) -> Ruling {
        Ruling { rule: self, object: Some((kind, key.clone())) }
    }
}

impl fmt::Display for Ruling {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.object {
            Some((kind, key)) => write!(f, "{} ({kind} {key})", self.rule.text()),
            None => f.write_str(self.rule.text()),
        }
    }
}

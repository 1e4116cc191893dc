//! What is known of Services, their address objects and ranges, and what should be written.

use std::net::IpAddr;

use cluster::{ObjectKey, Text};
use ipnet::IpNet;

use super::assign::Given;
use super::wish::Wish;
use crate::Family;

/// A `v1` Service as far as addresses are concerned.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ServiceState {
    /// Namespace and name.
    pub key: ObjectKey,
    /// `metadata.uid`.
    pub uid: Text,
    /// `metadata.resourceVersion`: the precondition of a write.
    pub resource_version: String,
    /// What it says.
    pub wish: Wish,
    /// It is being deleted.
    pub is_deleting: bool,
}

/// An IPAddress (networking.k8s.io/v1): who an address is given to.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AddressState {
    /// `metadata.name`: the address in its canonical form.
    pub ip: IpAddr,
    /// `metadata.uid`.
    pub uid: Text,
    /// `metadata.resourceVersion`.
    pub resource_version: String,
    /// `metadata.creationTimestamp`, in seconds since 1970.
    pub created: u64,
    /// The Service that `spec.parentRef` names; none when it names something else.
    pub parent: Option<ObjectKey>,
    /// The label `ipaddress.kubernetes.io/managed-by` says that allocators of Services look after it.
    pub is_managed: bool,
    /// The label `ipaddress.kubernetes.io/ip-family` is right.
    pub is_labelled: bool,
}

/// A ServiceCIDR (networking.k8s.io/v1): networks that Services get their addresses from.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RangeState {
    /// `metadata.name`.
    pub name: Text,
    /// `metadata.uid`.
    pub uid: Text,
    /// `metadata.resourceVersion`.
    pub resource_version: String,
    /// `spec.cidrs`.
    pub networks: Vec<IpNet>,
    /// `metadata.deletionTimestamp`, in seconds since 1970: since when it is being deleted.
    pub deleted_at: Option<u64>,
    /// It has the finalizer that keeps it until nothing of it is given any more.
    pub has_finalizer: bool,
    /// The condition `Ready`, if it says something.
    pub ready: Option<bool>,
}

/// What the API says.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum ServiceInput {
    /// A Service is there.
    Service(ServiceState),
    /// The Service with this UID is gone.
    NoService(ObjectKey, Text),
    /// An IPAddress is there.
    Address(AddressState),
    /// There is no IPAddress of this address.
    NoAddress(IpAddr),
    /// A ServiceCIDR is there.
    Range(RangeState),
    /// No ServiceCIDR has this name.
    NoRange(Text),
    /// Everything that there is of every kind has been told: from now on it is decided.
    Synced,
}

/// Something to be written.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum ServiceAction {
    /// Creates the IPAddress of a Service: before the Service has it, so that nobody else can.
    Claim {
        /// The address.
        ip: IpAddr,
        /// For whom.
        service: ObjectKey,
    },
    /// Writes addresses and node ports into a Service.
    Assign {
        /// The Service.
        service: ObjectKey,
        /// It has to be this one.
        uid: Text,
        /// And not to have changed since.
        resource_version: String,
        /// All of its addresses, the primary first, and for each port the node port that it is given. Of those there are
        /// none where what is written stays.
        given: Given,
        /// What it says, for what is not given.
        wish: Wish,
    },
    /// Deletes an IPAddress.
    Release {
        /// It.
        address: AddressState,
        /// Why.
        why: &'static str,
    },
    /// Creates the ServiceCIDR of the command line.
    CreateRange {
        /// Its name.
        name: Text,
        /// Its networks.
        networks: Vec<IpNet>,
    },
    /// Adds the finalizer of a ServiceCIDR, or takes it away.
    Finalize {
        /// The ServiceCIDR.
        range: RangeState,
        /// It is to have it.
        is_kept: bool,
    },
    /// Writes the condition `Ready` of a ServiceCIDR.
    Status {
        /// The ServiceCIDR.
        range: RangeState,
        /// What it is to say; not ready is one that is kept while it is being deleted.
        is_ready: bool,
    },
    /// Tells the operator of something, as an Event on the Service.
    Report {
        /// The Service.
        service: ObjectKey,
        /// Its UID.
        uid: Text,
        /// Why.
        reason: ServiceReason,
        /// What, and the remedy.
        message: String,
    },
}

/// What is looked at, and what a write is about.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Subject {
    /// A ServiceCIDR: the others follow from them.
    Range(Text),
    /// An IPAddress.
    Address(IpAddr),
    /// A Service.
    Service(ObjectKey),
}

/// Why an Event is sent; the words of kube-apiserver's repair loop where it has one.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum ServiceReason {
    /// An address is in no range.
    OutOfRange,
    /// An address has no IPAddress; it gets one.
    NotAllocated,
    /// Another Service has the address.
    AlreadyAllocated,
    /// The IPAddress names another than the Service; it is made again.
    WrongReference,
    /// No address can be given.
    CannotAllocate,
    /// The primary address was changed.
    Changed,
    /// No node port can be given.
    NoNodePort,
    /// Another Service has the node port.
    NodePortAlreadyAllocated,
}

impl ServiceReason {
    /// Every reason.
    pub const ALL: [Self; 8] = [
        Self::OutOfRange,
        Self::NotAllocated,
        Self::AlreadyAllocated,
        Self::WrongReference,
        Self::CannotAllocate,
        Self::Changed,
        Self::NoNodePort,
        Self::NodePortAlreadyAllocated,
    ];

    /// Returns the reason as Events have it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::OutOfRange => "ClusterIPOutOfRange",
            Self::NotAllocated => "ClusterIPNotAllocated",
            Self::AlreadyAllocated => "ClusterIPAlreadyAllocated",
            Self::WrongReference => "IPAddressWrongReference",
            Self::CannotAllocate => "ClusterIPNotAvailable",
            Self::Changed => "ClusterIPChanged",
            Self::NoNodePort => "NodePortNotAvailable",
            Self::NodePortAlreadyAllocated => "PortAlreadyAllocated",
        }
    }
}

impl ServiceAction {
    /// Returns what is not decided about again until the write is over.
    pub fn subject(&self) -> Subject {
        match self {
            Self::Claim { service, .. }
            | Self::Assign { service, .. }
            | Self::Report { service, .. } => Subject::Service(service.clone()),
            Self::Release { address, .. } => Subject::Address(address.ip),
            Self::CreateRange { name, .. } => Subject::Range(name.clone()),
            Self::Finalize { range, .. } | Self::Status { range, .. } => {
                Subject::Range(range.name.clone())
            }
        }
    }
}

/// How full a range is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RangeUsage {
    /// The network.
    pub network: IpNet,
    /// Addresses that are taken.
    pub used: u64,
    /// Addresses that there are.
    pub capacity: u64,
}

impl RangeState {
    /// Says whether it is being deleted: no address is given from it any more.
    pub fn is_deleting(&self) -> bool {
        self.deleted_at.is_some()
    }
}

/// Returns the family of an address.
pub(super) fn family(ip: IpAddr) -> Family {
    super::family_policy::family_of(&ip)
}

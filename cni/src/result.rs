//! What ADD answers (CNI SPEC 1.1.0, "ADD Success"), without the shape that a version gives it.
//!
//! `encode.rs` writes it for a version, `decode.rs` reads `prevResult` and what other plugins answer.

mod decode;
mod encode;
#[cfg(test)]
mod tests;

use std::net::IpAddr;

use ipnet::IpNet;

use crate::Dns;

/// The result of ADD. An IPAM plugin has no `interfaces`.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct AddResult {
    /// The interfaces that were made, those of the host too.
    pub interfaces: Vec<Interface>,
    /// The addresses, in the order in which they were asked for.
    pub ips: Vec<IpConfig>,
    /// The routes.
    pub routes: Vec<Route>,
    /// What `resolv.conf` should say.
    pub dns: Dns,
}

/// An interface. Empty texts are left out of the encoding.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Interface {
    /// Its name.
    pub name: String,
    /// Its hardware address.
    pub mac: String,
    /// Its MTU in octets; from version 1.1.0.
    pub mtu: Option<u32>,
    /// The path of its network namespace; empty on the host.
    pub sandbox: String,
    /// The path of its socket; from version 1.1.0.
    pub socket_path: String,
    /// Its PCI address; from version 1.1.0.
    pub pci_id: String,
}

/// An address.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct IpConfig {
    /// The interface that has it, as an index of [`AddResult::interfaces`].
    pub interface: Option<usize>,
    /// The address with the length of its subnet: `10.1.0.5/16`.
    pub address: IpNet,
    /// The gateway of the subnet.
    pub gateway: Option<IpAddr>,
}

/// A route. What 0 means for the kernel is not absent.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Route {
    /// The destination.
    pub destination: IpNet,
    /// The next hop; none: the gateway of the address.
    pub gateway: Option<IpAddr>,
    /// MTU along the route in octets; this and what follows from version 1.1.0.
    pub mtu: Option<u32>,
    /// The TCP segment size to announce, in octets.
    pub advmss: Option<u32>,
    /// The metric; lower ones come first.
    pub priority: Option<u32>,
    /// The routing table.
    pub table: Option<u32>,
    /// The scope: 0 global, 253 link, 254 host.
    pub scope: Option<u32>,
}

impl Route {
    /// Makes a route of a destination and a next hop.
    pub fn new(destination: IpNet, gateway: Option<IpAddr>) -> Self {
        let (mtu, advmss, priority, table, scope) = (None, None, None, None, None);
        Self { destination, gateway, mtu, advmss, priority, table, scope }
    }
}

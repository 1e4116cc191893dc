//! A result as each version writes it. What a version does not have is left out.

use std::net::IpAddr;

use ipnet::IpNet;
use serde::{Serialize, Serializer};

use super::{AddResult, Interface, IpConfig, Route};
use crate::{Code, Dns, Error, Version, output};

/// The result of 0.1.0 and 0.2.0: one address of each family.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Old<'a> {
    cni_version: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    ip4: Option<OldIp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ip6: Option<OldIp>,
    #[serde(skip_serializing_if = "Dns::is_empty")]
    dns: &'a Dns,
}

#[derive(Serialize)]
struct OldIp {
    #[serde(serialize_with = "as_text")]
    ip: IpNet,
    #[serde(skip_serializing_if = "Option::is_none")]
    gateway: Option<IpAddr>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    routes: Vec<EncodedRoute>,
}

/// The result from 0.3.0 on.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Lists<'a> {
    cni_version: &'a str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    interfaces: Vec<EncodedInterface<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    ips: Vec<EncodedIp>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    routes: Vec<EncodedRoute>,
    #[serde(skip_serializing_if = "Dns::is_empty")]
    dns: &'a Dns,
}

#[derive(Serialize)]
struct EncodedInterface<'a> {
    name: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    mac: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    mtu: Option<u32>,
    #[serde(skip_serializing_if = "str::is_empty")]
    sandbox: &'a str,
    #[serde(rename = "socketPath", skip_serializing_if = "str::is_empty")]
    socket_path: &'a str,
    #[serde(rename = "pciID", skip_serializing_if = "str::is_empty")]
    pci_id: &'a str,
}

#[derive(Serialize)]
struct EncodedIp {
    #[serde(skip_serializing_if = "Option::is_none")]
    version: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    interface: Option<usize>,
    #[serde(serialize_with = "as_text")]
    address: IpNet,
    #[serde(skip_serializing_if = "Option::is_none")]
    gateway: Option<IpAddr>,
}

#[derive(Serialize)]
struct EncodedRoute {
    #[serde(serialize_with = "as_text")]
    dst: IpNet,
    #[serde(skip_serializing_if = "Option::is_none")]
    gw: Option<IpAddr>,
    #[serde(skip_serializing_if = "Option::is_none")]
    mtu: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    advmss: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    priority: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    table: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    scope: Option<u32>,
}

/// `ipnet`'s own serialization is a feature that the model must not have, and features are those of all crates.
fn as_text<S: Serializer>(net: &IpNet, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(net)
}

impl AddResult {
    /// Writes the result as a version has it. 0.1.0 and 0.2.0 keep the first address of each family.
    ///
    /// # Errors
    /// These versions cannot say that there is no address: code 1.
    pub fn encode(&self, version: Version) -> Result<String, Error> {
        if version >= Version::V0_3_0 {
            return Ok(output::pretty(&self.lists(version)));
        }
        if self.ips.is_empty() {
            let message = format!("a result of CNI version {version} needs an address");
            let details = "there is none; write 0.3.0 or a newer version as cniVersion";
            return Err(Error::new(Code::INCOMPATIBLE_VERSION, message).with_details(details));
        }
        let family = |is_v4| self.old_ip(is_v4);
        let cni_version = version.as_str();
        Ok(output::pretty(&Old {
            cni_version,
            ip4: family(true),
            ip6: family(false),
            dns: &self.dns,
        }))
    }

    fn old_ip(&self, is_v4: bool) -> Option<OldIp> {
        let is_of_family = |net: &IpNet| net.addr().is_ipv4() == is_v4;
        let first = self.ips.iter().find(|ip| is_of_family(&ip.address))?;
        let routes = self.routes.iter().filter(|route| is_of_family(&route.destination));
        Some(OldIp {
            ip: first.address,
            gateway: first.gateway,
            routes: routes.map(|route| route.encoded(Version::V0_2_0)).collect(),
        })
    }

    fn lists(&self, version: Version) -> Lists<'_> {
        Lists {
            cni_version: version.as_str(),
            interfaces: self
                .interfaces
                .iter()
                .map(|interface| interface.encoded(version))
                .collect(),
            ips: self.ips.iter().map(|ip| ip.encoded(version)).collect(),
            routes: self.routes.iter().map(|route| route.encoded(version)).collect(),
            dns: &self.dns,
        }
    }
}

impl Interface {
    fn encoded(&self, version: Version) -> EncodedInterface<'_> {
        let is_extended = version >= Version::V1_1_0;
        let extended = |text| if is_extended { text } else { "" };
        EncodedInterface {
            name: &self.name,
            mac: &self.mac,
            mtu: self.mtu.filter(|_| is_extended),
            sandbox: &self.sandbox,
            socket_path: extended(&self.socket_path),
            pci_id: extended(&self.pci_id),
        }
    }
}

impl IpConfig {
    fn encoded(&self, version: Version) -> EncodedIp {
        let family = if self.address.addr().is_ipv4() { "4" } else { "6" };
        EncodedIp {
            version: (version < Version::V1_0_0).then_some(family),
            interface: self.interface,
            address: self.address,
            gateway: self.gateway,
        }
    }
}

impl Route {
    fn encoded(&self, version: Version) -> EncodedRoute {
        let extended = |value: Option<u32>| value.filter(|_| version >= Version::V1_1_0);
        EncodedRoute {
            dst: self.destination,
            gw: self.gateway,
            mtu: extended(self.mtu),
            advmss: extended(self.advmss),
            priority: extended(self.priority),
            table: extended(self.table),
            scope: extended(self.scope),
        }
    }
}

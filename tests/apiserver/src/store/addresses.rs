//! Cluster addresses of Services: 10.96.0.0/16 and, for dual-stack ones, `fd00:10:96::/112`.

use std::collections::HashSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use serde_json::Value;

/// An IP family as Services name it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    /// `IPv4`.
    V4,
    /// `IPv6`.
    V6,
}

/// Addresses left to well-known Services: `kubernetes` (.1) and the cluster's DNS (.10).
const RESERVED: [u16; 3] = [0, 1, 10];

/// Which addresses are taken.
#[derive(Debug, Default)]
pub struct Addresses {
    taken: HashSet<IpAddr>,
    last: [u16; 2],
    /// Services get none from the server: another program gives them.
    pub is_off: bool,
}

impl Addresses {
    /// Returns a free address of a family, or nothing when the range is exhausted.
    ///
    /// It stays free until a Service with it is stored, so a dry run takes nothing.
    pub fn next(&mut self, family: Family) -> Option<IpAddr> {
        for _ in 0..=u16::MAX {
            let last = &mut self.last[family as usize];
            *last = last.wrapping_add(1);
            let address = at(family, *last);
            if !RESERVED.contains(last) && !self.taken.contains(&address) {
                return Some(address);
            }
        }
        None
    }

    /// Whether an address is in use.
    pub fn is_taken(&self, address: IpAddr) -> bool {
        self.taken.contains(&address)
    }

    /// Takes the addresses of a stored object, if it is a Service.
    pub fn occupy(&mut self, object: &Value) {
        self.taken.extend(cluster_addresses(object));
    }

    /// Frees the addresses of an object replaced or removed.
    pub fn release(&mut self, object: &Value) {
        for address in cluster_addresses(object) {
            self.taken.remove(&address);
        }
    }
}

fn at(family: Family, index: u16) -> IpAddr {
    match family {
        Family::V4 => {
            let [high, low] = index.to_be_bytes();
            Ipv4Addr::new(10, 96, high, low).into()
        }
        Family::V6 => Ipv6Addr::new(0xfd00, 0x10, 0x96, 0, 0, 0, 0, index).into(),
    }
}

fn cluster_addresses(object: &Value) -> impl Iterator<Item = IpAddr> {
    let is_service = object["kind"] == "Service" && object["apiVersion"] == "v1";
    let list = object.pointer("/spec/clusterIPs").filter(|_| is_service);
    let list = list.and_then(Value::as_array).into_iter().flatten();
    list.filter_map(|text| text.as_str()?.parse().ok())
}

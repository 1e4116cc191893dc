//! Lists the network interfaces of the host.

use std::collections::BTreeMap;
use std::io;
use std::net::IpAddr;

use nix::ifaddrs::getifaddrs;
use nix::sys::socket::SockaddrStorage;

use crate::plugin::bind::Interface;

/// Returns the interfaces with their addresses, sorted by name (getifaddrs(3)).
///
/// # Errors
///
/// When the kernel does not tell.
pub fn interfaces() -> io::Result<Vec<Interface>> {
    let mut addresses: BTreeMap<String, Vec<IpAddr>> = BTreeMap::new();
    for entry in getifaddrs()? {
        let of_interface = addresses.entry(entry.interface_name).or_default();
        of_interface.extend(entry.address.as_ref().and_then(ip_address));
    }
    let interface = |(name, addresses)| Interface { name, addresses };
    Ok(addresses.into_iter().map(interface).collect())
}

fn ip_address(address: &SockaddrStorage) -> Option<IpAddr> {
    let ipv4 = address.as_sockaddr_in().map(|address| address.ip().into());
    ipv4.or_else(|| address.as_sockaddr_in6().map(|address| address.ip().into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_loopback_interface_is_there() {
        let interfaces = interfaces().unwrap();
        let loopback = interfaces.iter().find(|interface| interface.name == "lo").unwrap();
        assert!(loopback.addresses.contains(&IpAddr::from([127, 0, 0, 1])), "{loopback:?}");
        assert!(interfaces.is_sorted_by(|a, b| a.name < b.name));
    }
}

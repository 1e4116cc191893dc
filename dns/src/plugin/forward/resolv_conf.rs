//! The nameservers of a file in the format of resolv.conf(5).

use std::net::{IpAddr, Ipv6Addr, SocketAddr, SocketAddrV6};

use super::endpoint::interface_number;
use super::target::PORT;
use crate::corefile::Files;

/// Says which line is wrong. Displays as `LINE: TEXT`, to follow the file's name.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error(
    "{line}: '{text}' is no nameserver; write an IP address, or for a link-local one ADDRESS%INTERFACE"
)]
pub(super) struct BadNameserver {
    line: usize,
    text: String,
}

/// Returns the nameservers in the order of the file; every other keyword and comments are passed over.
///
/// A `nameserver` without an address is passed over, as the C library does. The index of an interface that
/// an address names is read from `/sys/class/net` through `files`.
pub(super) fn nameservers(text: &str, files: &dyn Files) -> Result<Vec<SocketAddr>, BadNameserver> {
    let mut found = Vec::new();
    for (at, line) in text.lines().enumerate() {
        let mut words = line.split_whitespace();
        let (Some("nameserver"), Some(address)) = (words.next(), words.next()) else { continue };
        let bad = || BadNameserver { line: at + 1, text: address.to_owned() };
        found.push(nameserver(address, files).ok_or_else(bad)?);
    }
    Ok(found)
}

fn nameserver(text: &str, files: &dyn Files) -> Option<SocketAddr> {
    let Some((address, interface)) = text.split_once('%') else {
        return Some(SocketAddr::new(text.parse::<IpAddr>().ok()?, PORT));
    };
    let address: Ipv6Addr = address.parse().ok()?;
    let scope = interface_number(interface, files)?;
    Some(SocketAddrV6::new(address, PORT, 0, scope).into())
}

#[cfg(test)]
mod tests {
    use super::super::testing::TestFiles;
    use super::*;

    fn shown(text: &str) -> Vec<String> {
        let files = TestFiles::new([("/sys/class/net/eth0/ifindex", "3\n")]);
        nameservers(text, &files).unwrap().iter().map(ToString::to_string).collect()
    }

    #[test]
    fn only_nameservers_count() {
        let text = "# made by kubelet\n; old\nsearch a.example b.example\nnameserver 10.0.0.1 # main\n\
                    \tnameserver\t2001:db8::1\r\nnameserver\noptions ndots:5\nnameserver6 ::1\n";
        assert_eq!(shown(text), ["10.0.0.1:53", "[2001:db8::1]:53"]);
        assert_eq!(shown(""), [""; 0]);
    }

    #[test]
    fn link_local_nameservers_have_an_interface() {
        assert_eq!(shown("nameserver fe80::1%7"), ["[fe80::1%7]:53"]);
        assert_eq!(shown("nameserver fe80::1%eth0"), ["[fe80::1%3]:53"]);
    }

    #[test]
    fn wrong_lines_are_named() {
        let files = TestFiles::new([]);
        for address in ["dns.example", "10.0.0.256", "10.0.0.1:53", "fe80::1%eth1", "fe80::1%../x"]
        {
            let text = format!("search x\nnameserver {address}\n");
            let error = nameservers(&text, &files).unwrap_err().to_string();
            assert!(error.starts_with(&format!("2: '{address}' is no nameserver")), "{error}");
        }
    }
}

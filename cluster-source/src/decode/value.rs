//! Addresses, ports and protocols: strings and numbers become types once, here.

use std::fmt::Display;
use std::net::IpAddr;

use cluster::Protocol;
use ipnet::IpNet;

use super::Fault;
use super::wire::{Word, each};

/// Parses an IP address. Leading zeros in IPv4 octets are refused: programs disagree on whether they are
/// octal (CVE-2021-29923).
pub(super) fn ip(field: &str, text: &str) -> Result<IpAddr, Fault> {
    text.parse().map_err(|_| {
        let problem = format!(
            "{text:?} is no IP address; write for example 10.0.0.1 (no leading zeros) or fd00::1"
        );
        Fault::new(field, problem)
    })
}

/// Parses a list of IP addresses.
pub(super) fn ips<C: FromIterator<IpAddr>>(
    field: &dyn Display,
    list: &Option<Vec<Word<'_>>>,
) -> Result<C, Fault> {
    // Only a fault costs the field's name.
    let parse = |(at, text): (usize, &Word<'_>)| {
        text.parse().or_else(|_| ip(&format!("{field}[{at}]"), text))
    };
    each(list).map(parse).collect()
}

/// Parses a network and clears the bits behind its prefix, which mean nothing.
pub(super) fn cidr(field: &str, text: &str) -> Result<IpNet, Fault> {
    let network: Result<IpNet, _> = text.parse();
    network.map(|network| network.trunc()).map_err(|_| {
        let problem =
            format!("{text:?} is no network; write for example 10.0.0.0/8 or 2001:db8::/32");
        Fault::new(field, problem)
    })
}

/// Checks that a number is a port.
pub(super) fn port(field: &str, number: i64) -> Result<u16, Fault> {
    u16::try_from(number).ok().filter(|port| *port != 0).ok_or_else(|| {
        Fault::new(field, format!("{number} is no port; write a number from 1 to 65535"))
    })
}

/// Parses a transport protocol; absent and empty mean TCP.
pub(super) fn protocol(field: &str, text: &str) -> Result<Protocol, Fault> {
    match text {
        "" | "TCP" => Ok(Protocol::Tcp),
        "UDP" => Ok(Protocol::Udp),
        "SCTP" => Ok(Protocol::Sctp),
        _ => Err(Fault::new(field, format!("{text:?} is no protocol; write TCP, UDP or SCTP"))),
    }
}

//! Addresses of the interface `lo`, by rtnetlink(7).

use std::io;
use std::net::IpAddr;

use anyhow::{Context, Result};
use netlink_packet_core::{
    NLM_F_ACK, NLM_F_CREATE, NLM_F_EXCL, NLM_F_REQUEST, NetlinkMessage, NetlinkPayload,
};
use netlink_packet_route::address::{AddressAttribute, AddressHeaderFlags, AddressMessage};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};
use netlink_sys::protocols::NETLINK_ROUTE;
use netlink_sys::{Socket, SocketAddr};
use nix::net::if_::if_nametoindex;

/// Error numbers of the kernel.
const EEXIST: i32 = 17;
const EADDRNOTAVAIL: i32 = 99;

/// Adds an address, and says whether it was not there.
///
/// # Errors
/// The kernel refuses.
pub(super) fn add(address: IpAddr) -> Result<bool> {
    let message = RouteNetlinkMessage::NewAddress(message(address)?);
    request(message, NLM_F_CREATE | NLM_F_EXCL, EEXIST)
        .with_context(|| format!("the kernel refuses {address}"))
}

/// Removes an address, if it is there.
///
/// # Errors
/// The kernel refuses.
pub(super) fn remove(address: IpAddr) -> Result<()> {
    let message = RouteNetlinkMessage::DelAddress(message(address)?);
    request(message, 0, EADDRNOTAVAIL).with_context(|| format!("the kernel keeps {address}"))?;
    Ok(())
}

fn message(address: IpAddr) -> Result<AddressMessage> {
    let mut message = AddressMessage::default();
    (message.header.family, message.header.prefix_len) = match address {
        IpAddr::V4(_) => (AddressFamily::Inet, 32),
        IpAddr::V6(_) => (AddressFamily::Inet6, 128),
    };
    message.header.index = if_nametoindex("lo").context("there is no interface lo")?;
    // Nobody else has it on `lo`: a socket can have the address at once (RFC 4862 §5.4).
    message.header.flags = AddressHeaderFlags::Nodad;
    message.attributes = vec![AddressAttribute::Local(address), AddressAttribute::Address(address)];
    Ok(message)
}

/// Makes a request, and says whether that changed anything; an error that says that it is done already is none.
fn request(message: RouteNetlinkMessage, flags: u16, done: i32) -> Result<bool> {
    let mut message = NetlinkMessage::from(message);
    message.header.flags = NLM_F_REQUEST | NLM_F_ACK | flags;
    message.finalize();
    let mut octets = vec![0; message.buffer_len()];
    message.serialize(&mut octets);
    let (answer, _) = exchange(&octets).context("cannot talk to the kernel")?;
    let answer = NetlinkMessage::<RouteNetlinkMessage>::deserialize(&answer)?;
    match answer.payload {
        NetlinkPayload::Error(error) if error.raw_code() == 0 => Ok(true),
        NetlinkPayload::Error(error) if error.raw_code() == -done => Ok(false),
        NetlinkPayload::Error(error) => Err(error.to_io().into()),
        _ => anyhow::bail!("it answers something else"),
    }
}

fn exchange(octets: &[u8]) -> io::Result<(Vec<u8>, SocketAddr)> {
    let socket = Socket::new(NETLINK_ROUTE)?;
    socket.connect(&SocketAddr::new(0, 0))?;
    socket.send(octets, 0)?;
    socket.recv_from_full()
}

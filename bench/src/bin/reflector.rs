//! A bare reflector: receives datagrams in batches, flips the bit that makes a query a response, and sends them back.
//!
//! It receives and sends as the server does: with the same calls, in batches of the same size, on a socket with the
//! same options, from the address that was asked, with the same slice of the processor. It reads nothing and looks nothing up. What a server needs beyond
//! this is its own.

use std::net::SocketAddr;
use std::os::fd::AsFd;

use anyhow::Context as _;
use clap::Parser;
use datagrams::{Batch, SLICE, Wait};
use nix::sys::socket::{setsockopt, sockopt};

/// Where QR is in a message (RFC 1035 §4.1.1), and its bit.
const QR: (usize, u8) = (2, 0x80);

/// Sends every datagram back.
#[derive(Parser)]
struct Arguments {
    /// Address to listen on
    address: SocketAddr,
}

fn main() -> anyhow::Result<()> {
    let Arguments { address } = Arguments::parse();
    let socket =
        std::net::UdpSocket::bind(address).with_context(|| format!("listen on {address}"))?;
    match address {
        SocketAddr::V4(_) => setsockopt(&socket, sockopt::Ipv4PacketInfo, &true)?,
        SocketAddr::V6(_) => setsockopt(&socket, sockopt::Ipv6RecvPacketInfo, &true)?,
    }
    setsockopt(&socket, sockopt::RxqOvfl, &1)?;
    datagrams::ask_for_slice(SLICE).context("run soon")?;
    let mut batch = Batch::default();
    loop {
        // A client that is gone shows as an error of a later call.
        let received = batch.receive(socket.as_fd(), Wait::ForOne).unwrap_or(0);
        for number in 0..received {
            let Some((datagram, reply)) = batch.datagram(number) else { continue };
            reply.clear();
            reply.extend_from_slice(datagram.message);
            if let Some(octet) = reply.get_mut(QR.0) {
                *octet |= QR.1;
            }
            batch.queue(number);
        }
        batch.send(socket.as_fd(), |_, _| ());
    }
}

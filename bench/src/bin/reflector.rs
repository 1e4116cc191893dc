//! A bare reflector: receives datagrams in batches, flips the bit that makes a query a response, and sends
//! them back. Nothing that answers over the same system calls can be faster, so it is the measure.

use std::io::{IoSlice, IoSliceMut};
use std::net::{SocketAddr, UdpSocket};
use std::os::fd::AsRawFd;

use anyhow::Context as _;
use clap::Parser;
use nix::errno::Errno;
use nix::sys::socket::{MsgFlags, MultiHeaders, SockaddrStorage, recvmmsg, sendmmsg};

/// The longest datagram that is reflected; longer ones are cut.
const MAX_DATAGRAM: usize = 2048;

/// Where QR is in a message (RFC 1035 §4.1.1), and its bit.
const QR: (usize, u8) = (2, 0x80);

/// Sends every datagram back.
#[derive(Parser)]
struct Arguments {
    /// Address to listen on
    address: SocketAddr,
    /// Datagrams of a system call
    #[arg(long, default_value_t = 32)]
    batch: usize,
}

fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let socket = UdpSocket::bind(arguments.address)
        .with_context(|| format!("listen on {}", arguments.address))?;
    let mut buffers = vec![[0; MAX_DATAGRAM]; arguments.batch];
    loop {
        match reflect(&socket, &mut buffers) {
            // A client that is gone shows as an error of a later call.
            Ok(()) | Err(Errno::ECONNREFUSED | Errno::EINTR) => {}
            Err(error) => return Err(error).context("reflect"),
        }
    }
}

/// Receives as many datagrams as are there, at least one, and sends them back.
fn reflect(socket: &UdpSocket, buffers: &mut [[u8; MAX_DATAGRAM]]) -> nix::Result<()> {
    let fd = socket.as_raw_fd();
    let mut headers = MultiHeaders::<SockaddrStorage>::preallocate(buffers.len(), None);
    let received: Vec<(usize, Option<SockaddrStorage>)> = {
        let mut slices: Vec<_> = buffers.iter_mut().map(|b| [IoSliceMut::new(b)]).collect();
        let flags = MsgFlags::MSG_WAITFORONE;
        let messages = recvmmsg(fd, &mut headers, slices.iter_mut(), flags, None)?;
        messages.map(|message| (message.bytes, message.address)).collect()
    };
    let (lengths, addresses): (Vec<_>, Vec<_>) = received.into_iter().unzip();
    for (buffer, length) in buffers.iter_mut().zip(&lengths) {
        if *length > QR.0 {
            buffer[QR.0] |= QR.1;
        }
    }
    let slices: Vec<_> =
        buffers.iter().zip(&lengths).map(|(b, length)| [IoSlice::new(&b[..*length])]).collect();
    sendmmsg(fd, &mut headers, &slices, &addresses, [], MsgFlags::empty())?;
    Ok(())
}

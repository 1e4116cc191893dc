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
    /// Datagrams of a system call; has to be that of the server it is compared with
    #[arg(long, default_value_t = 32)]
    batch: usize,
}

/// What is reused from batch to batch, so that only the system calls cost.
struct Batch {
    buffers: Vec<[u8; MAX_DATAGRAM]>,
    received: MultiHeaders<SockaddrStorage>,
    sent: MultiHeaders<SockaddrStorage>,
    lengths: Vec<usize>,
    addresses: Vec<Option<SockaddrStorage>>,
}

fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let socket = UdpSocket::bind(arguments.address)
        .with_context(|| format!("listen on {}", arguments.address))?;
    let mut batch = Batch {
        buffers: vec![[0; MAX_DATAGRAM]; arguments.batch],
        received: MultiHeaders::preallocate(arguments.batch, None),
        sent: MultiHeaders::preallocate(arguments.batch, None),
        lengths: Vec::with_capacity(arguments.batch),
        addresses: Vec::with_capacity(arguments.batch),
    };
    loop {
        match batch.reflect(&socket) {
            // A client that is gone shows as an error of a later call.
            Ok(()) | Err(Errno::ECONNREFUSED | Errno::EINTR) => {}
            Err(error) => return Err(error).context("reflect"),
        }
    }
}

impl Batch {
    /// Receives as many datagrams as are there, at least one, and sends them back.
    fn reflect(&mut self, socket: &UdpSocket) -> nix::Result<()> {
        let fd = socket.as_raw_fd();
        self.lengths.clear();
        self.addresses.clear();
        let mut slices: Vec<_> = self.buffers.iter_mut().map(|b| [IoSliceMut::new(b)]).collect();
        let flags = MsgFlags::MSG_WAITFORONE;
        for message in recvmmsg(fd, &mut self.received, slices.iter_mut(), flags, None)? {
            self.lengths.push(message.bytes);
            self.addresses.push(message.address);
        }
        for (buffer, length) in self.buffers.iter_mut().zip(&self.lengths) {
            if *length > QR.0 {
                buffer[QR.0] |= QR.1;
            }
        }
        let messages = self.buffers.iter().zip(&self.lengths);
        let slices: Vec<_> = messages.map(|(b, length)| [IoSlice::new(&b[..*length])]).collect();
        sendmmsg(fd, &mut self.sent, &slices, &self.addresses, [], MsgFlags::empty())?;
        Ok(())
    }
}

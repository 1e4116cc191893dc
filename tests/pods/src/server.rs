//! What answers in every namespace: TCP, UDP and SCTP on [`PORTS`], of both families.

use std::io;
use std::net::{IpAddr, SocketAddr, TcpListener, UdpSocket};
use std::os::fd::AsRawFd;

use nix::sys::socket::{SockaddrStorage, recvfrom};
use socket2::{Domain, Protocol, Socket, Type};
use tokio::io::unix::AsyncFd;
use tokio::sync::oneshot;

use super::sctp;

/// The ports that every namespace answers on.
pub const PORTS: [u16; 2] = [80, 81];

/// The servers of all namespaces, on one thread. They end when this is dropped.
#[derive(Debug)]
pub struct Servers {
    _stop: oneshot::Sender<()>,
}

/// The sockets of one namespace.
#[derive(Debug)]
pub struct Sockets {
    tcp: Vec<TcpListener>,
    udp: Vec<UdpSocket>,
    sctp: Vec<Socket>,
}

impl Sockets {
    /// Opens the sockets in the namespace of this thread, at these addresses of it: answers come from where was asked.
    ///
    /// # Panics
    /// A port is taken, or an address is none of the namespace's.
    pub fn open(addresses: [IpAddr; 2]) -> Self {
        let mut sockets = Self { tcp: Vec::new(), udp: Vec::new(), sctp: Vec::new() };
        for ip in addresses {
            for port in PORTS {
                let tcp = TcpListener::bind((ip, port)).unwrap();
                tcp.set_nonblocking(true).unwrap();
                sockets.tcp.push(tcp);
                let udp = UdpSocket::bind((ip, port)).unwrap();
                udp.set_nonblocking(true).unwrap();
                sockets.udp.push(udp);
            }
            let address = SocketAddr::new(ip, 0).into();
            let sctp = raw(Domain::for_address(SocketAddr::new(ip, 0)));
            sctp.bind(&address).unwrap();
            sockets.sctp.push(sctp);
        }
        sockets
    }
}

impl Servers {
    /// Serves on the sockets.
    pub fn start(sockets: Vec<Sockets>) -> Self {
        let (stop, stopped) = oneshot::channel::<()>();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        std::thread::spawn(move || {
            runtime.block_on(async {
                for Sockets { tcp, udp, sctp } in sockets {
                    tcp.into_iter().for_each(|socket| drop(tokio::spawn(accept(socket))));
                    udp.into_iter().for_each(|socket| drop(tokio::spawn(echo(socket))));
                    sctp.into_iter().for_each(|socket| drop(tokio::spawn(associate(socket))));
                }
                // Ends with an error when the servers are dropped.
                let _ = stopped.await;
            });
        });
        Self { _stop: stop }
    }
}

async fn accept(listener: TcpListener) -> io::Result<()> {
    let listener = tokio::net::TcpListener::from_std(listener)?;
    loop {
        // A client that has gone away meanwhile is none to stop for.
        drop(listener.accept().await);
    }
}

async fn echo(socket: UdpSocket) -> io::Result<()> {
    let socket = tokio::net::UdpSocket::from_std(socket)?;
    let mut octets = [0; 512];
    loop {
        if let Ok((count, from)) = socket.recv_from(&mut octets).await {
            let _ = socket.send_to(&octets[..count], from).await;
        }
    }
}

#[expect(
    deprecated,
    reason = "the socket owns its descriptor; the other function is unsafe, which is forbidden"
)]
async fn associate(socket: Socket) -> io::Result<()> {
    let socket = AsyncFd::new(socket)?;
    loop {
        let mut ready = socket.readable().await?;
        match receive(socket.get_ref()) {
            Ok((from, Some(chunk))) if !chunk.is_answer && PORTS.contains(&chunk.destination) => {
                let to = SocketAddr::new(from, 0).into();
                let _ = socket.get_ref().send_to(&sctp::answer(&chunk), &to);
            }
            Ok(_) => {}
            Err(_) => ready.clear_ready(),
        }
    }
}

/// Opens a raw socket for SCTP in the namespace of this thread.
///
/// # Panics
/// It is not allowed.
pub fn raw(domain: Domain) -> Socket {
    let socket = Socket::new(domain, Type::RAW, Some(Protocol::from(sctp::PROTOCOL))).unwrap();
    socket.set_nonblocking(true).unwrap();
    // Answers to a whole matrix may wait in it.
    socket.set_recv_buffer_size(1 << 20).unwrap();
    socket
}

/// Reads a packet of SCTP: where it came from and what it says. Raw sockets of IPv4 give the IP header, too.
///
/// # Errors
/// Nothing is there to be read.
///
/// # Panics
/// The packet has no address of IP.
pub fn receive(socket: &Socket) -> io::Result<(IpAddr, Option<sctp::Chunk>)> {
    let mut octets = [0; 512];
    let (count, from) = recvfrom::<SockaddrStorage>(socket.as_raw_fd(), &mut octets)?;
    let from = from.unwrap();
    let v4 = from.as_sockaddr_in().map(|address| address.ip());
    let v6 = from.as_sockaddr_in6().map(|address| address.ip());
    let header = v4.map_or(0, |_| usize::from(octets[0] & 0x0f) * 4);
    let chunk = octets[..count].get(header..).and_then(sctp::read);
    Ok((v4.map(IpAddr::V4).or(v6.map(IpAddr::V6)).unwrap(), chunk))
}

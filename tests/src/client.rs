//! A DNS client on plain sockets that reads replies with hickory's codec, which the server does not use to
//! write them.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream, UdpSocket};

use hickory_proto::op::{Edns, Message, MessageType, OpCode, Query};
use hickory_proto::rr::{Name, RecordType};

use crate::server::PATIENCE;

/// Returns a query; with EDNS of this size unless it is 0.
///
/// # Panics
/// The name or the type is none.
pub fn query(id: u16, name: &str, qtype: &str, edns: u16) -> Message {
    let mut message = Message::new(id, MessageType::Query, OpCode::Query);
    message.metadata.recursion_desired = true;
    let labels = name.trim_end_matches('.').split('.').filter(|label| !label.is_empty());
    let mut name = Name::from_labels(labels.map(str::as_bytes)).unwrap();
    name.set_fqdn(true);
    let qtype: RecordType = qtype.parse().unwrap_or_else(|_| panic!("{qtype} is no type"));
    message.add_query(Query::query(name, qtype));
    if edns > 0 {
        let mut opt = Edns::new();
        opt.set_max_payload(edns);
        message.set_edns(opt);
    }
    message
}

/// Asks over UDP.
#[derive(Debug)]
pub struct UdpClient {
    socket: UdpSocket,
    next_id: u16,
}

impl UdpClient {
    /// Returns a client of this server.
    ///
    /// # Panics
    /// No socket can be had.
    pub fn new(server: SocketAddr) -> Self {
        let any = if server.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" };
        let socket = UdpSocket::bind(any).unwrap();
        socket.connect(server).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        Self { socket, next_id: 1 }
    }

    /// Asks and returns the reply.
    ///
    /// # Panics
    /// None comes, or it cannot be read.
    pub fn ask(&mut self, name: &str, qtype: &str, edns: u16) -> Message {
        self.next_id = self.next_id.wrapping_add(1);
        let message = query(self.next_id, name, qtype, edns);
        let reply = self.exchange(&message.to_vec().unwrap());
        let reply = Message::from_vec(&reply).unwrap_or_else(|e| panic!("{name} {qtype}: {e}"));
        assert_eq!(reply.metadata.id, self.next_id, "{name} {qtype}");
        reply
    }

    /// Sends octets and returns the octets that come back.
    ///
    /// # Panics
    /// Nothing comes.
    pub fn exchange(&self, message: &[u8]) -> Vec<u8> {
        self.send(message);
        self.receive()
    }

    /// Waits for the next octets that come.
    ///
    /// # Panics
    /// Nothing comes.
    pub fn receive(&self) -> Vec<u8> {
        let mut buffer = vec![0; 65_535];
        // A process that was halted for a moment is interrupted here, as the wait has a limit (signal(7)).
        let length = loop {
            match self.socket.recv(&mut buffer) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                received => break received.unwrap_or_else(|e| panic!("no reply: {e}")),
            }
        };
        buffer.truncate(length);
        buffer
    }

    /// Sends octets and does not wait.
    ///
    /// # Panics
    /// They cannot be sent.
    pub fn send(&self, message: &[u8]) {
        self.socket.send(message).unwrap();
    }
}

/// Asks over one TCP connection.
#[derive(Debug)]
pub struct TcpClient {
    /// The connection.
    pub stream: TcpStream,
}

impl TcpClient {
    /// Connects to a server.
    ///
    /// # Panics
    /// It cannot be reached.
    pub fn new(server: SocketAddr) -> Self {
        let stream = TcpStream::connect(server).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        Self { stream }
    }

    /// Asks and returns the reply.
    ///
    /// # Panics
    /// None comes, or it cannot be read.
    pub fn ask(&mut self, name: &str, qtype: &str, edns: u16) -> Message {
        self.send(&query(7, name, qtype, edns));
        self.receive()
    }

    /// Sends a query and does not wait.
    ///
    /// # Panics
    /// The connection is gone.
    pub fn send(&mut self, message: &Message) {
        let octets = message.to_vec().unwrap();
        let mut framed = u16::try_from(octets.len()).unwrap().to_be_bytes().to_vec();
        framed.extend(octets);
        self.stream.write_all(&framed).unwrap();
    }

    /// Waits for the next reply.
    ///
    /// # Panics
    /// None comes, or it cannot be read.
    pub fn receive(&mut self) -> Message {
        Message::from_vec(&self.try_receive().unwrap()).unwrap()
    }

    /// Asks and returns the octets of the reply.
    ///
    /// # Errors
    /// The connection is closed, or nothing comes.
    ///
    /// # Panics
    /// The message cannot be encoded.
    pub fn try_ask(&mut self, message: &Message) -> io::Result<Vec<u8>> {
        let octets = message.to_vec().unwrap();
        let length = u16::try_from(octets.len()).unwrap().to_be_bytes();
        self.stream.write_all(&[&length[..], &octets].concat())?;
        self.try_receive()
    }

    fn try_receive(&mut self) -> io::Result<Vec<u8>> {
        let mut length = [0; 2];
        self.stream.read_exact(&mut length)?;
        let mut message = vec![0; usize::from(u16::from_be_bytes(length))];
        self.stream.read_exact(&mut message)?;
        Ok(message)
    }
}

/// Writes octets as GET requests of RFC 8484 carry them: base64url without padding.
pub fn base64url(octets: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut text = String::new();
    for chunk in octets.chunks(3) {
        let bits = chunk.iter().fold(0, |bits, octet| bits << 8 | u32::from(*octet))
            << (8 * (3 - chunk.len()));
        for at in 0..=chunk.len() {
            text.push(char::from(DIGITS[(bits >> (18 - 6 * at) & 63) as usize]));
        }
    }
    text
}

/// Fetches a page over HTTP and returns the status and the body.
///
/// # Panics
/// The server cannot be reached.
pub fn http_get(server: SocketAddr, path: &str) -> (u16, String) {
    let mut stream = TcpStream::connect(server).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nHost: {server}\r\nConnection: close\r\n\r\n").unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    (status, body.to_owned())
}

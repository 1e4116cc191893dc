//! An upstream over UDP that does to each question what a test says, and sends whatever the test wants.

use std::net::{SocketAddr, UdpSocket};
use std::sync::{Arc, Condvar, Mutex};

use hickory_proto::op::{Message, MessageType};
use hickory_proto::rr::rdata::A;
use hickory_proto::rr::{RData, Record};

use crate::server::PATIENCE;

/// The address in honest answers.
pub const GOOD: [u8; 4] = [192, 0, 2, 80];

/// A question that came in.
#[derive(Clone, Debug)]
pub struct Asked {
    /// Its octets.
    pub octets: Vec<u8>,
    /// The question.
    pub message: Message,
    /// Who asked.
    pub from: SocketAddr,
    socket: Arc<UdpSocket>,
}

/// A running upstream. It ends with the test process.
#[derive(Debug)]
pub struct Puppet {
    /// Where it listens.
    pub address: SocketAddr,
    seen: Arc<(Mutex<Vec<Asked>>, Condvar)>,
}

impl Puppet {
    /// Starts an upstream on a free port of 127.0.0.1; the script is called for each question.
    ///
    /// # Panics
    /// No port can be had.
    pub fn start(script: impl Fn(&Asked) + Send + 'static) -> Self {
        let socket = Arc::new(UdpSocket::bind("127.0.0.1:0").unwrap());
        let address = socket.local_addr().unwrap();
        let seen = Arc::<(Mutex<Vec<Asked>>, Condvar)>::default();
        let noted = Arc::clone(&seen);
        std::thread::spawn(move || {
            let mut buffer = vec![0; 65_535];
            while let Ok((length, from)) = socket.recv_from(&mut buffer) {
                let octets = buffer[..length].to_vec();
                let Ok(message) = Message::from_vec(&octets) else { continue };
                let asked = Asked { octets, message, from, socket: Arc::clone(&socket) };
                noted.0.lock().unwrap().push(asked.clone());
                noted.1.notify_all();
                script(&asked);
            }
        });
        Self { address, seen }
    }

    /// Starts an upstream that answers honestly.
    pub fn honest() -> Self {
        Self::start(|asked| asked.send(&asked.answer(GOOD)))
    }

    /// Starts an upstream that says nothing.
    pub fn silent() -> Self {
        Self::start(|_| ())
    }

    /// Returns the questions for this name so far, in whatever letter case.
    ///
    /// # Panics
    /// The upstream panicked.
    pub fn asked_for(&self, name: &str) -> Vec<Asked> {
        let seen = self.seen.0.lock().unwrap();
        seen.iter().filter(|asked| asked.is_for(name)).cloned().collect()
    }

    /// Returns every question so far.
    ///
    /// # Panics
    /// The upstream panicked.
    pub fn asked(&self) -> Vec<Asked> {
        self.seen.0.lock().unwrap().clone()
    }

    /// Waits for a question for this name and returns it.
    ///
    /// # Panics
    /// None comes.
    pub fn wait_for(&self, name: &str) -> Asked {
        let seen = self.seen.0.lock().unwrap();
        let is_missing = |seen: &mut Vec<Asked>| !seen.iter().any(|asked| asked.is_for(name));
        let (seen, timeout) = self.seen.1.wait_timeout_while(seen, PATIENCE, is_missing).unwrap();
        assert!(!timeout.timed_out(), "no question for {name}");
        seen.iter().find(|asked| asked.is_for(name)).cloned().unwrap()
    }
}

impl Asked {
    /// Returns the honest reply, with this address.
    pub fn answer(&self, address: [u8; 4]) -> Message {
        let mut reply = self.message.clone();
        reply.metadata.message_type = MessageType::Response;
        reply.metadata.recursion_available = true;
        reply.edns = None;
        let name = self.message.queries[0].name.clone();
        let [a, b, c, d] = address;
        reply.answers = vec![Record::from_rdata(name, 300, RData::A(A::new(a, b, c, d)))];
        reply
    }

    /// Sends a message to who asked.
    ///
    /// # Panics
    /// It cannot be encoded or sent.
    pub fn send(&self, message: &Message) {
        self.send_octets(&message.to_vec().unwrap());
    }

    /// Sends octets to who asked.
    ///
    /// # Panics
    /// They cannot be sent.
    pub fn send_octets(&self, octets: &[u8]) {
        self.socket.send_to(octets, self.from).unwrap();
    }

    fn is_for(&self, name: &str) -> bool {
        let asked = self.message.queries.first().map(|question| question.name.to_ascii());
        asked.is_some_and(|asked| asked.eq_ignore_ascii_case(name))
    }
}

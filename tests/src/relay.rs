//! A resolver that only passes questions on, as systemd-resolved or a router does: over UDP, to a server that can
//! change.

use std::net::{SocketAddr, UdpSocket};
use std::sync::{Arc, Condvar, Mutex};

use hickory_proto::op::Message;

use crate::server::PATIENCE;

/// A running relay. It ends with the test process.
#[derive(Debug)]
pub struct Relay {
    /// Where it listens.
    pub address: SocketAddr,
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    /// Where questions go; they wait until it is known.
    target: Mutex<Option<SocketAddr>>,
    known: Condvar,
    passed: Mutex<Vec<String>>,
}

impl Relay {
    /// Starts a relay on a free port of 127.0.0.1 that keeps questions until it is told where to send them.
    ///
    /// # Panics
    /// No port can be had.
    pub fn start() -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        let (address, shared) = (socket.local_addr().unwrap(), Arc::default());
        let relay = Self { address, shared };
        let shared = Arc::clone(&relay.shared);
        std::thread::spawn(move || serve(&socket, &shared));
        relay
    }

    /// Sends questions to this server from here on.
    ///
    /// # Panics
    /// A thread of the relay panicked.
    pub fn lead_to(&self, target: SocketAddr) {
        *self.shared.target.lock().unwrap() = Some(target);
        self.shared.known.notify_all();
    }

    /// Returns the questions that came in so far and have this text: `example.com. A`.
    ///
    /// # Panics
    /// A thread of the relay panicked.
    pub fn passed(&self, text: &str) -> Vec<String> {
        let passed = self.shared.passed.lock().unwrap();
        passed.iter().filter(|question| question.contains(text)).cloned().collect()
    }
}

impl Shared {
    /// Waits until it is known where questions go. Nothing is locked afterwards.
    fn target(&self) -> SocketAddr {
        let mut target = self.target.lock().unwrap();
        loop {
            if let Some(target) = *target {
                return target;
            }
            target = self.known.wait(target).unwrap();
        }
    }
}

fn serve(socket: &UdpSocket, shared: &Arc<Shared>) {
    let mut buffer = vec![0; 65_535];
    while let Ok((length, from)) = socket.recv_from(&mut buffer) {
        let message = buffer[..length].to_vec();
        let Ok(query) = Message::from_vec(&message) else { continue };
        let question = &query.queries[0];
        let text = format!("{} {}", question.name().to_ascii(), question.query_type());
        shared.passed.lock().unwrap().push(text);
        let (back, shared) = (socket.try_clone().unwrap(), Arc::clone(shared));
        std::thread::spawn(move || {
            let target = shared.target();
            let there = UdpSocket::bind("127.0.0.1:0").unwrap();
            there.set_read_timeout(Some(PATIENCE)).unwrap();
            let mut reply = vec![0; 65_535];
            there.send_to(&message, target).unwrap();
            // The server may be gone, or what it forwards to silent.
            if let Ok(length) = there.recv(&mut reply) {
                let _ = back.send_to(&reply[..length], from);
            }
        });
    }
}

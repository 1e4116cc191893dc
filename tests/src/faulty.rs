//! An upstream over UDP whose faults a test turns on and off.

use std::collections::VecDeque;
use std::net::{SocketAddr, UdpSocket};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::server::PATIENCE;

/// How long the upstream waits for a question before it looks whether it shall behave otherwise.
const TICK: Duration = Duration::from_millis(5);

/// What becomes of questions.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Behaviour {
    /// Each is answered with 192.0.2.80.
    Answers,
    /// They are lost, as behind a router that is down.
    Silent,
    /// The port is closed: the kernel says so by ICMP.
    Closed,
    /// Each is answered after this time.
    Slow(Duration),
}

/// A running upstream. It ends with its handle.
#[derive(Debug)]
pub struct Faulty {
    /// Where it listens.
    pub address: SocketAddr,
    orders: Option<Sender<(Behaviour, Sender<()>)>>,
    thread: Option<JoinHandle<()>>,
}

impl Faulty {
    /// Starts an upstream that answers at this address. When its port is closed, nobody else should be able to take
    /// it: a port that the kernel gives away is none for a namespace that is shared.
    ///
    /// # Panics
    /// The port is taken.
    pub fn start(address: SocketAddr) -> Self {
        let socket = open(address);
        let (orders, received) = channel();
        let thread = std::thread::spawn(move || serve(socket, address, &received));
        Self { address, orders: Some(orders), thread: Some(thread) }
    }

    /// Makes the upstream behave like this; returns when it does.
    ///
    /// # Panics
    /// It does not, for example because somebody took its port.
    pub fn become_(&self, behaviour: Behaviour) {
        let (done, is_done) = channel();
        self.orders.as_ref().unwrap().send((behaviour, done)).unwrap();
        is_done.recv_timeout(PATIENCE).unwrap();
    }
}

impl Drop for Faulty {
    fn drop(&mut self) {
        self.orders = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn open(address: SocketAddr) -> UdpSocket {
    let socket = UdpSocket::bind(address).unwrap();
    socket.set_read_timeout(Some(TICK)).unwrap();
    socket
}

fn serve(socket: UdpSocket, address: SocketAddr, orders: &Receiver<(Behaviour, Sender<()>)>) {
    let (mut socket, mut behaviour) = (Some(socket), Behaviour::Answers);
    let mut delayed = VecDeque::<(Instant, Vec<u8>, SocketAddr)>::new();
    let mut buffer = [0; 4096];
    loop {
        let order = match (&socket, orders.try_recv()) {
            // Nothing else can happen until an order comes.
            (None, Err(_)) => orders.recv().ok(),
            (_, Ok(order)) => Some(order),
            (_, Err(std::sync::mpsc::TryRecvError::Empty)) => None,
            (_, Err(std::sync::mpsc::TryRecvError::Disconnected)) => return,
        };
        if let Some((ordered, done)) = order {
            behaviour = ordered;
            delayed.clear();
            socket = (behaviour != Behaviour::Closed)
                .then(|| socket.take().unwrap_or_else(|| open(address)));
            let _ = done.send(());
        } else if socket.is_none() {
            return;
        }
        let Some(socket) = &socket else { continue };
        while let Some((_, reply, to)) = delayed.pop_front_if(|(due, ..)| *due <= Instant::now()) {
            let _ = socket.send_to(&reply, to);
        }
        let Ok((length, from)) = socket.recv_from(&mut buffer) else { continue };
        match behaviour {
            Behaviour::Answers => drop(socket.send_to(&answer(&buffer[..length]), from)),
            Behaviour::Slow(delay) => {
                delayed.push_back((Instant::now() + delay, answer(&buffer[..length]), from))
            }
            Behaviour::Silent | Behaviour::Closed => {}
        }
    }
}

/// Returns the reply to a question without EDNS: one address for type A, nothing for others.
fn answer(question: &[u8]) -> Vec<u8> {
    let mut reply = question.to_vec();
    reply[2] |= 0x80;
    reply[3] |= 0x80;
    if reply.ends_with(&[0, 1, 0, 1]) {
        reply[7] = 1;
        reply.extend([0xc0, 12, 0, 1, 0, 1, 0, 0, 1, 0x2c, 0, 4, 192, 0, 2, 80]);
    }
    reply
}

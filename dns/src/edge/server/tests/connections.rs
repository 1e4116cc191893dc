//! What a connection costs that has one question.

use std::io::{Read as _, Write as _};
use std::net::SocketAddr;
use std::thread;

use allocation_counter::AllocationInfo;

use super::*;

/// Connections that are measured.
const NUMBER: u64 = 100;

/// What is no query, answered without plugins.
fn no_query() -> Vec<u8> {
    let mut message = question("now.");
    // The opcode STATUS (RFC 1035 §4.1.1).
    message[2] |= 2 << 3;
    message
}

/// Asks on connections of their own, one after the other; each is closed by the client.
fn ask_one_each(server: SocketAddr, number: u64) {
    let message = no_query();
    let framed = [&u16::try_from(message.len()).unwrap().to_be_bytes()[..], &message].concat();
    for _ in 0..number {
        let mut client = std::net::TcpStream::connect(server).unwrap();
        client.write_all(&framed).unwrap();
        let mut reply = [0; 2 + 12];
        client.read_exact(&mut reply).unwrap();
        assert_eq!(reply[5] & 0xF, 4, "NOTIMP");
    }
}

/// Lets clients of another thread ask; returns what the server allocated for that.
fn measure(runtime: &tokio::runtime::Runtime, server: SocketAddr, number: u64) -> AllocationInfo {
    let (through, wait) = oneshot::channel();
    let clients = thread::spawn(move || {
        ask_one_each(server, number);
        through.send(()).unwrap();
    });
    let allocated = allocation_counter::measure(|| runtime.block_on(wait).unwrap());
    clients.join().unwrap();
    allocated
}

#[test]
fn a_connection_with_one_question_allocates_little() {
    let id = ListenerId(0);
    let responder = responder(open(ResponseCode::NoError, &[id]));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let entered = runtime.enter();
    let mut server = Server::new(&responder, Limits::default());
    let bound = server.bind(&[listener(0)], &Acme::default()).unwrap().remove(0);
    let address = bound.address;
    server.serve(id, bound);
    drop(entered);
    let client = "127.0.0.1:40000".parse().unwrap();
    let arrival = Arrival { client, local: address, protocol: Protocol::Tcp };
    let message = no_query();
    let ask_alone = || drop(ask(&responder, arrival, &message, std::time::Instant::now()));
    // What is made once is there then, the tasks too.
    ask_alone();
    measure(&runtime, address, NUMBER);
    let question = allocation_counter::measure(ask_alone);
    let connections = measure(&runtime, address, NUMBER);
    let number = connections.count_total / NUMBER - question.count_total;
    let octets = connections.bytes_total / NUMBER - question.bytes_total;
    // The runtime's registration and its end, the place, and what hands the connection to a task; nothing that is large.
    assert!(number <= 4 && octets <= 640, "{number} {octets} {connections:?} {question:?}");
    runtime.block_on(server.drain(PATIENCE));
}

//! A name server that serves a zone file as the root zone, as an upstream of the server under test.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::path::Path;
use std::sync::Arc;

use hickory_proto::op::{Message, MessageType, ResponseCode};
use hickory_proto::rr::rdata::{A, AAAA, CNAME, MX, NS, PTR, SOA, SRV, TXT};
use hickory_proto::rr::{Name, RData, Record, RecordType};

/// The records of the zone.
#[derive(Debug)]
struct Zone {
    records: BTreeMap<Name, Vec<Record>>,
}

/// A running upstream. It ends with the test process.
#[derive(Debug, Clone, Copy)]
pub struct Upstream {
    /// Where it listens, over UDP and TCP.
    pub address: SocketAddr,
}

impl Upstream {
    /// Serves a zone file on a free port of 127.0.0.1.
    ///
    /// # Panics
    /// The file cannot be read, or no port can be had.
    pub fn start(zone_file: &Path) -> Self {
        let zone = Arc::new(Zone::read(zone_file));
        let (udp, tcp) = loop {
            let tcp = TcpListener::bind("127.0.0.1:0").unwrap();
            if let Ok(udp) = UdpSocket::bind(tcp.local_addr().unwrap()) {
                break (udp, tcp);
            }
        };
        let address = udp.local_addr().unwrap();
        let shared = Arc::clone(&zone);
        std::thread::spawn(move || serve_udp(&udp, &shared));
        std::thread::spawn(move || {
            for stream in tcp.incoming().map_while(Result::ok) {
                let zone = Arc::clone(&zone);
                std::thread::spawn(move || serve_tcp(stream, &zone));
            }
        });
        Self { address }
    }
}

fn serve_udp(socket: &UdpSocket, zone: &Zone) {
    let mut buffer = vec![0; 65_535];
    while let Ok((length, from)) = socket.recv_from(&mut buffer) {
        let Ok(query) = Message::from_vec(&buffer[..length]) else { continue };
        let reply = zone.answer(&query);
        let limit = query.edns.as_ref().map_or(512, |edns| edns.max_payload().max(512));
        let mut octets = reply.to_vec().unwrap();
        if octets.len() > usize::from(limit) {
            let mut short = reply.clone();
            short.answers.clear();
            short.metadata.truncation = true;
            octets = short.to_vec().unwrap();
        }
        let _ = socket.send_to(&octets, from);
    }
}

fn serve_tcp(mut stream: TcpStream, zone: &Zone) {
    let mut length = [0; 2];
    while stream.read_exact(&mut length).is_ok() {
        let mut message = vec![0; usize::from(u16::from_be_bytes(length))];
        if stream.read_exact(&mut message).is_err() {
            return;
        }
        let Ok(query) = Message::from_vec(&message) else { return };
        let octets = zone.answer(&query).to_vec().unwrap();
        let length = u16::try_from(octets.len()).unwrap();
        if stream.write_all(&[&length.to_be_bytes()[..], &octets].concat()).is_err() {
            return;
        }
    }
}

impl Zone {
    fn read(file: &Path) -> Self {
        let text = std::fs::read_to_string(file).unwrap_or_else(|error| {
            panic!("the fixture {} cannot be read: {error}", file.display())
        });
        let mut records = BTreeMap::<Name, Vec<Record>>::new();
        for line in text.lines().filter(|line| !line.starts_with('$') && !line.is_empty()) {
            let record = parse_record(line);
            records.entry(record.name.clone()).or_default().push(record);
        }
        Self { records }
    }

    fn answer(&self, query: &Message) -> Message {
        let question = query.queries[0].clone();
        let mut reply =
            Message::new(query.metadata.id, MessageType::Response, query.metadata.op_code);
        reply.metadata.authoritative = true;
        reply.metadata.recursion_desired = query.metadata.recursion_desired;
        self.follow(question.name(), question.query_type(), &mut reply);
        if reply.answers.is_empty() {
            let soa = self.records[&Name::root()].iter();
            let soa = soa.filter(|record| record.record_type() == RecordType::SOA).cloned();
            reply.authorities = soa.collect();
        }
        reply.edns = query.edns.clone();
        reply.add_query(question);
        reply
    }

    fn follow(&self, name: &Name, qtype: RecordType, reply: &mut Message) {
        let below = |other: &Name| name.zone_of(other);
        let Some(records) = self.records.get(name) else {
            if !self.records.keys().any(below) && reply.answers.is_empty() {
                reply.metadata.response_code = ResponseCode::NXDomain;
            }
            return;
        };
        for record in records {
            if record.record_type() == qtype {
                reply.answers.push(record.clone());
            } else if let RData::CNAME(target) = &record.data {
                reply.answers.push(record.clone());
                self.follow(&target.0, qtype, reply);
            }
        }
    }
}

/// The TTL of every record.
const TTL: u32 = 300;

/// Reads `owner IN TYPE data`, every name fully qualified.
fn parse_record(line: &str) -> Record {
    let words: Vec<&str> = line.split_whitespace().collect();
    let [owner, "IN", kind, data @ ..] = words.as_slice() else { panic!("no record: {line}") };
    let name = |at: usize| Name::from_ascii(data[at]).unwrap();
    let number = |at: usize| data[at].parse::<u32>().unwrap();
    let short = |at: usize| data[at].parse::<u16>().unwrap();
    let timer = |at: usize| data[at].parse::<i32>().unwrap();
    let data = match *kind {
        "A" => RData::A(A(data[0].parse().unwrap())),
        "AAAA" => RData::AAAA(AAAA(data[0].parse().unwrap())),
        "CNAME" => RData::CNAME(CNAME(name(0))),
        "NS" => RData::NS(NS(name(0))),
        "PTR" => RData::PTR(PTR(name(0))),
        "MX" => RData::MX(MX::new(short(0), name(1))),
        "SRV" => RData::SRV(SRV::new(short(0), short(1), short(2), name(3))),
        "TXT" => RData::TXT(TXT::new(line.split('"').skip(1).step_by(2).map(Into::into).collect())),
        "SOA" => {
            let soa =
                SOA::new(name(0), name(1), number(2), timer(3), timer(4), timer(5), number(6));
            RData::SOA(soa)
        }
        other => panic!("the upstream does not know the type {other}: {line}"),
    };
    Record::from_rdata(Name::from_ascii(owner).unwrap(), TTL, data)
}

//! Messages: `wire::parse` of queries and `wire::encode` of replies. `make bench-pure` prints them.

mod common;

use std::hint::black_box;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use common::{names, snapshot, zone};
use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use hickory_proto::op::ResponseCode;
use portolan_dns::kubernetes::{Question, Status, answer};
use portolan_dns::wire::{Arrival, encode, parse};
use portolan_dns::{Protocol, Query, Reply};

/// What a resolver puts behind a question: OPT with 1,232 octets (RFC 6891 §6.1.2).
const OPT: [u8; 11] = [0, 0, 41, 0x04, 0xd0, 0, 0, 0, 0, 0, 0];

/// The kinds of reply: how the name of a Service is asked for, and the type.
const KINDS: [(&str, &str, u8); 4] =
    [("A", "", 1), ("AAAA", "", 28), ("SRV", "_http._tcp.", 33), ("NXDOMAIN", "not-", 1)];

fn messages(criterion: &mut Criterion) {
    let host = names(1).next().expect("one Service has one name");
    let mut parsing = criterion.benchmark_group("parse");
    for (what, with_edns) in [("plain", false), ("EDNS", true)] {
        let message = message(&host, 1, with_edns);
        parsing.bench_function(BenchmarkId::from_parameter(what), |bencher| {
            bencher.iter(|| parse(black_box(&message), arrival()));
        });
    }
    parsing.finish();
    let mut encoding = criterion.benchmark_group("encode");
    for (kind, prefix, qtype) in KINDS {
        let query = parse(&message(&format!("{prefix}{host}"), qtype, true), arrival());
        let query = query.expect("the message is a query");
        let reply = reply(&query);
        encoding.bench_function(BenchmarkId::from_parameter(kind), |bencher| {
            bencher.iter(|| encode(black_box(&query), black_box(&reply)));
        });
    }
    encoding.finish();
}

/// Returns a query on the wire (RFC 1035 §4.1).
fn message(name: &str, qtype: u8, with_edns: bool) -> Vec<u8> {
    let mut message = vec![0x12, 0x34, 1, 0, 0, 1, 0, 0, 0, 0, 0, u8::from(with_edns)];
    for label in name.trim_end_matches('.').split('.') {
        message.push(u8::try_from(label.len()).expect("labels are short"));
        message.extend(label.bytes());
    }
    message.extend([0, 0, qtype, 0, 1]);
    if with_edns {
        message.extend(OPT);
    }
    message
}

fn arrival() -> Arrival {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, 53));
    Arrival { client: address, local: address, protocol: Protocol::Udp }
}

/// Returns the reply of a cluster with one Service.
fn reply(query: &Query) -> Reply {
    let zone = zone();
    let question = Question { name: &query.name, lower: &query.lower, qtype: query.qtype };
    let answer = answer(&snapshot(1), &zone, &zone.zones[0], question);
    let rcode = match answer.status {
        Status::Exists => ResponseCode::NoError,
        Status::NameError => ResponseCode::NXDomain,
        Status::NotSynced | Status::Refused => ResponseCode::ServFail,
    };
    Reply {
        authoritative: true,
        answers: answer.answers,
        authorities: answer.soa.into_iter().collect(),
        additionals: answer.additionals,
        ..Reply::new(rcode)
    }
}

criterion_group! {
    name = benches;
    config = Criterion::default()
        .warm_up_time(Duration::from_secs(1))
        .measurement_time(Duration::from_secs(2))
        .sample_size(50);
    targets = messages
}
criterion_main!(benches);

//! Answers recorded from CoreDNS on a Kubernetes API server, to be asked for again.

use std::collections::BTreeSet;
use std::fs;
use std::net::SocketAddr;

use hickory_proto::op::Message;
use serde_json::{Value, json};

use crate::client::{TcpClient, UdpClient};
use crate::namespace::{V4, V6};
use crate::{fixture, records};

/// The EDNS size that the questions were recorded with.
const RECORDED_SIZE: u16 = 1232;

/// Over what the recorded questions are asked.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Transport {
    /// UDP alone.
    Udp,
    /// UDP and TCP.
    Both,
}

/// Asks a server every recorded question of a variant.
///
/// # Panics
/// An answer differs, or the recording has not this number of rows.
pub fn check(server: SocketAddr, variant: &str, rows: usize, transport: Transport) {
    let mut udp = UdpClient::new(server);
    let mut tcp = (transport == Transport::Both).then(|| TcpClient::new(server));
    let text = fs::read_to_string(fixture(&format!("dns-cases/{variant}.jsonl"))).unwrap();
    let cases: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(cases.len(), rows, "the file of {variant} is complete");
    let mut wrong = Vec::new();
    for case in &cases {
        let (name, qtype) = (case["name"].as_str().unwrap(), case["type"].as_str().unwrap());
        let over_udp = as_recorded(&udp.ask(name, qtype, RECORDED_SIZE), name, qtype);
        if over_udp != *case {
            wrong.push(format!("UDP\n  expected {case}\n  got      {over_udp}"));
        }
        let Some(tcp) = &mut tcp else { continue };
        let reply = tcp.ask(name, qtype, RECORDED_SIZE);
        let over_tcp = as_recorded(&reply, name, qtype);
        let truncated = case["tc"] == true;
        let complete = over_tcp["tc"] == false && !reply.answers.is_empty();
        if (truncated && !complete) || (!truncated && over_tcp != *case) {
            wrong.push(format!("TCP\n  expected {case}\n  got      {over_tcp}"));
        }
    }
    let shown = wrong.iter().take(20).cloned().collect::<Vec<_>>().join("\n");
    assert!(wrong.is_empty(), "{variant}: {} answers differ:\n{shown}", wrong.len());
}

/// Returns the recorded Corefile on free ports; `origin` is the line that says where the objects are.
///
/// # Panics
/// The fixture cannot be read.
pub fn corefile(variant: &str, upstream: SocketAddr, origin: &str) -> String {
    let text = fs::read_to_string(fixture(&format!("dns-cases/{variant}.Corefile"))).unwrap();
    let text = text.replace(":5301", ":0").replace("127.0.0.1:5399", &upstream.to_string());
    let lines = text.lines().map(|line| {
        if line.trim_start().starts_with("kubernetes ") {
            format!("{}{{\n        {origin}\n", line.trim_end_matches('{'))
        } else {
            format!("{line}\n")
        }
    });
    lines.collect()
}

/// Returns a reply in the form of the recorded rows.
fn as_recorded(reply: &Message, name: &str, qtype: &str) -> Value {
    let truncated = reply.metadata.truncation;
    let answer = if truncated { json!("truncated") } else { json!(section(&reply.answers)) };
    json!({
        "name": name,
        "type": qtype,
        "rcode": records::rcode(reply),
        "aa": reply.metadata.authoritative,
        "tc": truncated,
        "ra": reply.metadata.recursion_available,
        "answer": answer,
        "authority": if truncated { Vec::new() } else { section(&reply.authorities) },
        "additional": if truncated { Vec::new() } else { section(&reply.additionals) },
    })
}

/// Returns the records of a section, the server's own addresses replaced by `self`.
fn section(records: &[hickory_proto::rr::Record]) -> Vec<String> {
    let lines = records::section(records).into_iter().map(|line| {
        let own = [V4, V6].iter().find(|own| line.ends_with(&format!(" {own}")));
        match own.filter(|_| line.starts_with("ns.dns.")) {
            Some(own) => line.replace(own, "self"),
            None => line,
        }
    });
    lines.collect::<BTreeSet<_>>().into_iter().collect()
}

//! What the fuzz targets do with their input, as functions that tests call too. They panic where something is
//! wrong.

mod ipam;

use std::cell::Cell;
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock};

use cluster::{Cluster, Kind, KindSet};
use cluster_source::{Interest, Origin, RequestLimits, Source, SourceConfig, Timing, Written};
use dns::config::{Config, Surroundings};
use dns::cookie::Cookie;
use dns::corefile::{Corefile, CorefileError, Directive, Files, parse as parse_corefile};
use dns::engine::{Block, ListenerId, Router};
use dns::kubernetes::{PodMode, Zone, ZoneOptions};
use dns::plugin::bind::Interface;
use dns::plugin::file::File;
use dns::plugin::forward::read_reply;
use dns::plugin::kubernetes::Kubernetes;
use dns::plugin::loadbalance::Loadbalance;
use dns::plugin::rewrite::RewriteConfig;
use dns::plugin::template::TemplateConfig;
use dns::plugin::whoami::Whoami;
use dns::plugin::{Fallthrough, Plugin};
use dns::pod_dns::{
    DnsOption, DnsPolicy, HostResolver, NodeDns, PodDns, PodDnsConfig, ResolvConf,
    resolv_conf as make_resolv_conf, validate,
};
use dns::wire::{Arrival, Rejection};
use dns::{Engine, Protocol, Query, Reply, wire as messages};
use futures_util::FutureExt;
use hickory_proto::op::{Edns, Header, Message, MessageType, OpCode};
use hickory_proto::rr::{DNSClass, Name, RData, Record, RecordType};
use hickory_proto::serialize::binary::{
    BinDecodable, BinDecoder, BinEncodable, BinEncoder, NameEncoding, Restrict,
};

pub use ipam::ipam;

use crate::fixture;

/// A function that takes whatever it is given.
pub type Target = fn(&[u8]);

/// Every target with its name, which is also that of its corpus.
pub const TARGETS: [(&str, Target); 8] = [
    ("wire", wire),
    ("corefile", corefile),
    ("rewrite", rewrite),
    ("template", template),
    ("upstream_reply", upstream_reply),
    ("zone_file", zone_file),
    ("resolv_conf", resolv_conf),
    ("ipam", ipam),
];

/// Listeners of the engine: answers like CoreDNS's, and by the RFCs.
const LISTENERS: [ListenerId; 2] = [ListenerId(0), ListenerId(1)];

/// Reads a node's `resolv.conf`, a second one as what a `dnsConfig` adds, and a manifest, cut at NUL; every policy gives a
/// file within the limits.
///
/// # Panics
/// A file is beyond a limit, something is missing without a warning, or the file is read as something else.
pub fn resolv_conf(input: &[u8]) {
    let mut parts = input.split(|octet| *octet == 0);
    let mut part = || parts.next().unwrap_or_default();
    let (host, more) = (HostResolver::parse(part()), HostResolver::parse(part()));
    let manifest = Written::read(&String::from_utf8_lossy(part()), "fuzz.yaml", ("v1", "Pod"));
    assert!(manifest.problems.iter().all(|problem| problem.starts_with("fuzz.yaml:")));
    let (Ok(host), Ok(more)) = (host, more) else { return };
    let option = |option: &String| {
        let (name, value) = option.split_once(':').unwrap_or((option, ""));
        DnsOption { name: name.to_owned(), value: Some(value.to_owned()) }
    };
    let config = PodDnsConfig {
        options: more.options.iter().map(option).collect(),
        nameservers: more.nameservers,
        searches: more.searches,
    };
    let node = NodeDns {
        cluster_dns: vec![Ipv4Addr::new(10, 96, 0, 10).into()],
        cluster_domain: "cluster.local".to_owned(),
        host: Some(host),
        node_ips: Vec::new(),
    };
    for policy in DnsPolicy::WORDS.map(DnsPolicy::of_word) {
        let config = Some(config.clone());
        let pod = PodDns { policy, config, namespace: "n".to_owned(), ..PodDns::default() };
        let _ = validate(&pod);
        let (settings, warnings) = make_resolv_conf(&pod, &node);
        assert!(settings.nameservers.len() <= 3 && settings.searches.len() <= 32);
        assert!(settings.searches.iter().all(|domain| domain.len() <= 253));
        assert!(settings.searches.join(" ").len() <= 2048);
        let added = config_is_whole(&pod, &settings);
        assert!(added || !warnings.is_empty(), "{settings:?}");
        let read = HostResolver::parse(settings.to_string().as_bytes()).unwrap();
        assert_eq!(read.nameservers, settings.nameservers);
        // The option `:` of a host comes to nothing when a `dnsConfig` is merged, as with kubelet.
        let named: Vec<&String> = settings.options.iter().filter(|o| !o.is_empty()).collect();
        assert_eq!(read.options.iter().collect::<Vec<_>>(), named);
    }
}

/// Says whether everything that a Pod adds is there.
fn config_is_whole(pod: &PodDns, settings: &ResolvConf) -> bool {
    let config = pod.config.as_ref().unwrap();
    config.nameservers.iter().all(|server| settings.nameservers.contains(server))
        && config.searches.iter().all(|domain| settings.searches.contains(domain))
}

/// Reads a message, answers it from the cluster of the fixtures, and reads the reply with another codec.
///
/// # Panics
/// A reply is not one to the message, is too long, or cannot be read.
pub fn wire(message: &[u8]) {
    for protocol in [Protocol::Udp, Protocol::Tcp, Protocol::Quic] {
        let arrival = Arrival {
            client: SocketAddr::from((Ipv4Addr::LOCALHOST, 40_000)),
            local: SocketAddr::from((Ipv6Addr::LOCALHOST, 53)),
            protocol,
        };
        match messages::parse(message, arrival) {
            Ok(mut query) => {
                query.cookie = query.cookie.map(checked);
                LISTENERS.into_iter().for_each(|listener| answer(&query, listener));
            }
            Err(rejection) => reject(rejection, message),
        }
    }
}

/// Returns a cookie with a server cookie for the reply.
fn checked(cookie: Cookie) -> Cookie {
    cookie.checked(&[[7; 16]], Ipv4Addr::LOCALHOST.into(), 0)
}

fn reject(mut rejection: Rejection, message: &[u8]) {
    let mut has_opt = false;
    if let Rejection::Answered(messages::BareReply { opt: Some(opt), .. }) = &mut rejection {
        has_opt = true;
        opt.cookie = opt.cookie.map(checked);
    }
    let reply = messages::encode_rejection(&rejection);
    if rejection == Rejection::Silent {
        assert_eq!(reply, None);
        return;
    }
    let reply = Message::from_vec(&reply.unwrap()).unwrap();
    assert_eq!(reply.metadata.id.to_be_bytes(), message[..2]);
    assert_eq!(reply.metadata.message_type, MessageType::Response);
    assert!(reply.queries.is_empty() && reply.answers.is_empty());
    assert_eq!(reply.edns.is_some(), has_opt);
}

fn answer(query: &Query, listener: ListenerId) {
    let mut asked = query.clone();
    // Everything is in memory, so that nothing is waited for.
    let answered = ENGINE.answer(listener, &mut asked, None).now_or_never().unwrap();
    assert_replies(query, &answered.reply.unwrap());
}

/// Encodes a reply and reads it with another codec.
fn assert_replies(query: &Query, reply: &Reply) {
    let encoded = messages::encode(query, reply);
    assert!(encoded.message.len() <= usize::from(query.max_reply_size()), "{query:?}");
    if has_unreadable_data(reply) {
        return;
    }
    let reply = Message::from_vec(&encoded.message).unwrap_or_else(|e| panic!("{query:?}: {e}"));
    assert_eq!(reply.metadata.id, query.id);
    assert_eq!(reply.metadata.message_type, MessageType::Response);
    assert_eq!(reply.metadata.op_code, OpCode::Query);
    assert_eq!(reply.metadata.recursion_desired, query.recursion_desired);
    assert_eq!(reply.metadata.truncation, encoded.truncated);
    assert_eq!(reply.edns.is_some(), query.edns.is_some());
    if let Some(ttl) = reply.answers.iter().map(|record| record.ttl).min() {
        assert_eq!(messages::lifetime(&encoded.message), ttl, "{query:?}");
    }
    let [question] = reply.queries.as_slice() else { panic!("{query:?}: {reply:?}") };
    // Octet by octet: the case of the letters is the client's.
    assert!(question.name().iter().eq(query.name.iter()), "{question} for {query:?}");
    assert_eq!((question.query_type(), question.query_class()), (query.qtype, query.qclass));
}

/// Says whether the other codec refuses the data of a record that may be as it is: it reads none without octets, which
/// unknown types may have (RFC 3597 §5), and no tag of CAA with more than 15 characters (RFC 8659 §4.1 allows them).
/// The server has such data as octets.
fn has_unreadable_data(reply: &Reply) -> bool {
    let sections = [&reply.answers, &reply.authorities, &reply.additionals];
    sections.into_iter().flatten().any(|record| {
        let RData::Unknown { code, rdata } = &record.data else { return false };
        let octets = &rdata.anything;
        let length = Restrict::new(u16::try_from(octets.len()).unwrap_or(u16::MAX));
        octets.is_empty() || RData::read(&mut BinDecoder::new(octets), *code, length).is_err()
    })
}

/// Answers about the cluster of `fixtures/dig`, and says who asks for any other name.
static ENGINE: LazyLock<Engine> = LazyLock::new(|| {
    let cluster = cluster();
    let block = |strict| {
        let plugins: Vec<Box<dyn Plugin>> = vec![
            Box::new(Loadbalance::round_robin(Vec::new(), 1)),
            Box::new(kubernetes(Arc::clone(&cluster), strict)),
            Box::new(Whoami),
        ];
        Block::new("fuzzing:1", plugins)
    };
    let routers = [0, 1].map(|block| {
        let mut router = Router::default();
        router.add(".".parse().unwrap(), block);
        router
    });
    Engine::new(vec![block(false), block(true)], routers.into())
});

fn kubernetes(cluster: Arc<Cluster>, strict: bool) -> Kubernetes {
    let zones = ["cluster.local.", "in-addr.arpa.", "ip6.arpa."].map(|zone| zone.parse().unwrap());
    let zone = Zone {
        zones: zones.to_vec(),
        options: ZoneOptions { pods: PodMode::Insecure, strict, ..ZoneOptions::default() },
        own_addresses: vec![IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1))],
    };
    Kubernetes::new(zone, Fallthrough::Never, Arc::new(cluster))
}

fn cluster() -> Arc<Cluster> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let config = SourceConfig {
            origin: Origin::Manifests(fixture("dig")),
            interest: Interest::everything(KindSet::of(&Kind::ALL)),
            timing: Timing::default(),
            limits: RequestLimits::default(),
        };
        let source = Source::start(config).await.unwrap();
        let mut changes = source.changes();
        while !source.status().is_synced() {
            changes.changed().await.unwrap();
        }
        source.snapshot()
    })
}

/// Reads `rewrite` directives and sends a message through them to `template`, which answers, and back.
///
/// The input is cut at its first NUL: the first part are the directives, the second is the message; without one
/// it is a question for `www.example.org.`.
///
/// # Panics
/// An error has no place, or the reply is not one to the message.
pub fn rewrite(input: &[u8]) {
    let Some((directives, query)) = directives_and_query(input) else { return };
    let Some(rewrite) = configured(directives, RewriteConfig::parse) else { return };
    ask_through(Box::new(rewrite.plugin()), &query);
}

/// Reads `template` directives and answers a message by them. The input is as that of [`rewrite`].
///
/// # Panics
/// An error has no place, or the reply is not one to the message.
pub fn template(input: &[u8]) {
    let Some((directives, query)) = directives_and_query(input) else { return };
    let zones = ["example.org.".parse().unwrap(), ".".parse().unwrap()];
    let parse = |directives: &[&Directive]| TemplateConfig::parse(directives, &zones);
    let Some(template) = configured(directives, parse) else { return };
    ask_through(Box::new(template.uncounted()), &query);
}

/// A question for the addresses of `www.example.org.` (RFC 1035 §4.1).
const QUESTION: &[u8] =
    b"\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x03www\x07example\x03org\x00\x00\x01\x00\x01";

fn directives_and_query(input: &[u8]) -> Option<(&[u8], Query)> {
    let end = input.iter().position(|byte| *byte == 0);
    let (directives, message) = match end {
        Some(end) => (&input[..end], &input[end + 1..]),
        None => (input, QUESTION),
    };
    let arrival = Arrival {
        client: SocketAddr::from((Ipv4Addr::LOCALHOST, 40_000)),
        local: SocketAddr::from((Ipv6Addr::LOCALHOST, 53)),
        protocol: Protocol::Udp,
    };
    Some((directives, messages::parse(message, arrival).ok()?))
}

/// Gives the directives to the parser of a plugin; none when they are refused.
fn configured<T>(
    directives: &[u8],
    parse: impl Fn(&[&Directive]) -> Result<T, CorefileError>,
) -> Option<T> {
    let text = [b". {\n", directives, b"\n}\n"].concat();
    let path = Path::new("/etc/Corefile");
    let files = MemoryFiles(BTreeMap::new());
    let read = parse_corefile(path, &text, &files, &|_| None);
    let read = read.map_err(|error| assert_names_a_place(&error.to_string())).ok()?;
    let block = read.blocks.first()?;
    let directives: Vec<&Directive> = block.directives.iter().collect();
    parse(&directives).map_err(|error| assert_names_a_place(&error.to_string())).ok()
}

/// Sends a query through a plugin to one that answers with records of every kind that can be changed.
fn ask_through(plugin: Box<dyn Plugin>, query: &Query) {
    let records = configured(
        br#"template ANY ANY {
            answer "{{ .Name }} 5 IN CNAME sub.example.org"
            answer "sub.example.org 50 IN A 192.0.2.1"
            authority "{{ .Name }} 500 IN SOA ns.{{ .Name }} host.example.org 1 2 3 4 5"
            additional "_x.example.org 5 IN SRV 1 2 3 www.example.org"
        }"#,
        |directives| TemplateConfig::parse(directives, &[".".parse().unwrap()]),
    );
    let block = Block::new("fuzzing:1", vec![plugin, Box::new(records.unwrap().uncounted())]);
    let mut router = Router::default();
    router.add(".".parse().unwrap(), 0);
    let engine = Engine::new(vec![block], vec![router]);
    let mut asked = query.clone();
    let answered = engine.answer(ListenerId(0), &mut asked, None).now_or_never().unwrap();
    assert_eq!(asked, *query, "the client's question is not changed");
    assert_replies(query, &answered.reply.unwrap());
}

/// Reads a Corefile and its imports; printed, it has to be read as the same again.
///
/// The input is cut at NUL: the first part is the Corefile, the others are the files `a`, `b` and so on.
///
/// # Panics
/// An error has no place, or printing is not the inverse of reading.
pub fn corefile(input: &[u8]) {
    let mut parts = input.split(|byte| *byte == 0);
    let text = parts.next().unwrap_or_default();
    let files = MemoryFiles(parts.zip('a'..='z').map(named).collect());
    let substituted = Cell::new(false);
    let environment = |name: &str| {
        substituted.set(true);
        (name != "UNSET").then(|| "example.org".to_owned())
    };
    let read =
        |text: &[u8], files| parse_corefile(Path::new("/etc/Corefile"), text, files, &environment);
    let corefile = match read(text, &files) {
        Ok(corefile) => corefile,
        Err(error) => return assert_names_a_place(&error.to_string()),
    };
    configure(&corefile, &files);
    let printed = corefile.to_string();
    // What the environment put in may have no notation.
    if !substituted.get() {
        let again = read(printed.as_bytes(), &MemoryFiles(BTreeMap::new()));
        let again = again.unwrap_or_else(|error| panic!("{error} in\n{printed}"));
        assert_eq!(again.to_string(), printed);
    }
}

fn configure(corefile: &Corefile, files: &MemoryFiles) {
    let addresses = vec![Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()];
    let interfaces = [Interface { name: "lo".to_owned(), addresses }];
    let around = Surroundings { files, interfaces: &interfaces, default_port: 53 };
    if let Err(errors) = Config::of(corefile, around) {
        assert!(!errors.is_empty());
        errors.iter().for_each(|error| assert_names_a_place(&error.to_string()));
    }
}

fn assert_names_a_place(error: &str) {
    let (place, text) = error.split_once(" - Error during parsing: ").unwrap();
    let line = place.rsplit(':').next().unwrap().parse::<usize>();
    assert!(line.is_ok_and(|line| line > 0) && !text.is_empty(), "{error}");
}

/// Reads a zone file and what it includes, and asks the zone.
///
/// The input is cut at NUL: the first part is the zone file, the others are the files `a`, `b` and so on.
///
/// # Panics
/// An error has no place, data does not come back from its octets, or a reply cannot be read.
pub fn zone_file(input: &[u8]) {
    let mut parts = input.split(|byte| *byte == 0);
    let text = parts.next().unwrap_or_default();
    let files = MemoryFiles(parts.zip('a'..='z').map(named).collect());
    let (path, origin) = (Path::new("/etc/zone"), Name::from_ascii("example.org.").unwrap());
    let mut owners = vec![origin.clone(), Name::from_ascii("a.b.Example.org.").unwrap()];
    let mut receive = |record: Record| {
        assert_comes_back(&record);
        if owners.len() < 20 {
            owners.push(record.name);
        }
        Ok(())
    };
    if let Err(error) = dns::zone_file::parse(path, text, &origin, &files, &mut receive) {
        assert!(error.line > 0 && !error.problem.is_empty(), "{error}");
    }
    let Ok(file) = File::of_text(&origin.clone().into(), path, text, &files) else { return };
    let mut router = Router::default();
    router.add(Name::root().into(), 0);
    let plugins: Vec<Box<dyn Plugin>> = vec![Box::new(file)];
    let engine = Engine::new(vec![Block::new("fuzzing:1", plugins)], vec![router]);
    for name in &owners {
        let below = name.prepend_label("x").unwrap_or_else(|_| name.clone());
        for qtype in [RecordType::A, RecordType::NS, RecordType::DS, RecordType::ANY] {
            ask_zone(&engine, question(name, qtype));
            ask_zone(&engine, question(&below, qtype));
        }
    }
}

/// Reads a message as an upstream's reply to the question that it repeats, and gives what was read to a client.
///
/// # Panics
/// The client's reply is too long, or none to its question, or another codec cannot read it.
pub fn upstream_reply(message: &[u8]) {
    let mut decoder = BinDecoder::new(message);
    let Ok(header) = Header::read(&mut decoder) else { return };
    let Ok(asked) = hickory_proto::op::Query::read(&mut decoder) else { return };
    let (id, qclass) = (header.metadata.id, asked.query_class());
    for protocol in [Protocol::Udp, Protocol::Tcp] {
        let query = Query { protocol, qclass, ..question(asked.name(), asked.query_type()) };
        let Some(reply) = read_reply(message, &query, id) else { continue };
        assert!(read_reply(message, &query, id ^ 1).is_none(), "the id is another one");
        let encoded = messages::encode(&query, &reply);
        assert!(encoded.message.len() <= usize::from(query.max_reply_size()), "{query:?}");
        let sections = [&reply.answers, &reply.authorities, &reply.additionals];
        // Data that the other codec cannot read was given as octets, which may be none.
        let is_plain =
            |record: &Record| !matches!(record.data, RData::Unknown { .. } | RData::Update0(_));
        if !sections.into_iter().flatten().all(is_plain) {
            continue;
        }
        let sent = Message::from_vec(&encoded.message);
        let sent = sent.unwrap_or_else(|error| panic!("{error}: {reply:?}"));
        assert_eq!((sent.metadata.id, sent.queries.len()), (query.id, 1));
        let complete = sent.answers.len() == reply.answers.len();
        assert!(complete || encoded.truncated, "{reply:?} became {sent:?}");
    }
}

/// Writes the data of a record as octets, in the notation for unknown types, and reads it again.
fn assert_comes_back(record: &Record) {
    let mut octets = Vec::new();
    let mut encoder = BinEncoder::new(&mut octets);
    encoder.set_name_encoding(NameEncoding::Uncompressed);
    record.data.emit(&mut encoder).unwrap();
    let digits: String = octets.iter().map(|octet| format!("{octet:02x}")).collect();
    let rtype = u16::from(record.record_type());
    let text = format!("x 1 TYPE{rtype} \\# {} {digits}\n", octets.len());
    let mut read = Vec::new();
    let mut receive = |again: Record| {
        read.push(again.data);
        Ok(())
    };
    let none = MemoryFiles(BTreeMap::new());
    dns::zone_file::parse(Path::new("z"), text.as_bytes(), &Name::root(), &none, &mut receive)
        .unwrap_or_else(|error| panic!("{error} in {text}"));
    assert_eq!(read, std::slice::from_ref(&record.data), "{text}");
}

fn question(name: &Name, qtype: RecordType) -> Query {
    let mut edns = Edns::new();
    edns.set_max_payload(1232).set_dnssec_ok(true);
    Query {
        id: 7,
        name: name.clone(),
        lower: name.into(),
        qtype,
        qclass: DNSClass::IN,
        recursion_desired: true,
        checking_disabled: false,
        authentic_data: false,
        edns: Some(edns),
        cookie: None,
        client: SocketAddr::from((Ipv4Addr::LOCALHOST, 40_000)),
        local: SocketAddr::from((Ipv4Addr::LOCALHOST, 53)),
        protocol: Protocol::Udp,
        size: 40,
    }
}

fn ask_zone(engine: &Engine, query: Query) {
    let mut asked = query.clone();
    let answered = engine.answer(LISTENERS[0], &mut asked, None).now_or_never().unwrap();
    let reply = answered.reply.unwrap();
    let encoded = messages::encode(&query, &reply);
    assert!(encoded.message.len() <= usize::from(query.max_reply_size()), "{query:?}");
    let sections = [&reply.answers, &reply.authorities, &reply.additionals];
    // Data that the other codec cannot read was given as octets.
    let is_plain = |record: &Record| !matches!(record.data, RData::Unknown { .. });
    if sections.into_iter().flatten().all(is_plain) {
        Message::from_vec(&encoded.message).unwrap_or_else(|error| panic!("{query:?}: {error}"));
    }
}

fn named((text, name): (&[u8], char)) -> (PathBuf, Vec<u8>) {
    (Path::new("/etc").join(name.to_string()), text.to_vec())
}

/// The files that a Corefile may import, all in `/etc`.
#[derive(Debug)]
struct MemoryFiles(BTreeMap<PathBuf, Vec<u8>>);

impl Files for MemoryFiles {
    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        self.0.get(path).cloned().ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn list(&self, directory: &Path) -> io::Result<Vec<OsString>> {
        let below = self.0.keys().filter(|path| path.parent() == Some(directory));
        Ok(below.filter_map(|path| path.file_name().map(OsString::from)).collect())
    }
}

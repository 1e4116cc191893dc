//! What the tests of plugins have in common.

pub(crate) mod recorder;

use std::path::Path;
use std::sync::{Arc, Mutex};

use hickory_proto::rr::rdata::{A, AAAA, CNAME};
use hickory_proto::rr::{DNSClass, LowerName, Name, RData, Record, RecordType};

use super::cache::Stores;
use super::line_sink::LineSink;
use super::{Handling, Plugin, PluginMetrics, Site};
use crate::corefile::{self, CorefileError, Directive, DiskFiles};
use crate::engine::{Block, Context, Engine, ListenerId, Router};
use crate::{Protocol, Query, Reply};
use ::prometheus::Registry;

/// The lines of a [`LineSink`] with their level.
#[derive(Clone, Default)]
pub(crate) struct Lines(Arc<Mutex<Vec<String>>>);

impl Lines {
    /// Returns what was written since the last call.
    pub(crate) fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock().unwrap())
    }
}

pub(crate) fn lines() -> (LineSink, Lines) {
    let lines = Lines::default();
    let written = lines.clone();
    let sink = LineSink::new(move |level, text| {
        written.0.lock().unwrap().push(format!("[{}] {text}", level.as_str()));
    });
    (sink, lines)
}

/// Gives the directives of one server block to a plugin's parser.
pub(crate) fn configure<T>(
    text: &str,
    parse: impl Fn(&[&Directive]) -> Result<T, CorefileError>,
) -> Result<T, CorefileError> {
    let text = format!(". {{\n{text}\n}}\n");
    let file = corefile::parse(Path::new("Corefile"), text.as_bytes(), &DiskFiles, &|_| None)?;
    let directives: Vec<&Directive> = file.blocks[0].directives.iter().collect();
    parse(&directives)
}

/// Asserts that each text is refused with a message that has the part.
pub(crate) fn assert_refused<T>(
    parse: impl Fn(&[&Directive]) -> Result<T, CorefileError>,
    cases: &[(&str, &str)],
) {
    for (text, part) in cases {
        let Err(error) = configure(text, &parse) else { panic!("accepted: {text}") };
        let error = error.to_string();
        assert!(error.contains(part), "{text}: {error}");
        assert!(error.starts_with("Corefile:"), "{text}: {error}");
    }
}

/// Returns a question over UDP without EDNS.
pub(crate) fn query(name: &str, qtype: RecordType) -> Query {
    // Unlike `parse`, this keeps the letter case.
    let name = Name::from_ascii(name).unwrap();
    Query {
        id: 29008,
        lower: LowerName::new(&name),
        name,
        qtype,
        qclass: DNSClass::IN,
        recursion_desired: true,
        checking_disabled: false,
        authentic_data: false,
        edns: None,
        cookie: None,
        client: "10.240.0.1:40212".parse().unwrap(),
        local: "10.96.0.10:53".parse().unwrap(),
        protocol: Protocol::Udp,
        size: 41,
    }
}

/// Returns an A, AAAA or CNAME record, whichever the data is.
pub(crate) fn record(name: &str, data: &str) -> Record {
    let rdata = match data.parse() {
        Ok(std::net::IpAddr::V4(address)) => RData::A(A(address)),
        Ok(std::net::IpAddr::V6(address)) => RData::AAAA(AAAA(address)),
        Err(_) => RData::CNAME(CNAME(data.parse().unwrap())),
    };
    Record::from_rdata(name.parse().unwrap(), 30, rdata)
}

/// Runs a test with a place for plugins: `dns://:53`, all names.
pub(crate) fn with_site<T>(test: impl FnOnce(&Site<'_>) -> T) -> T {
    with_registry(&Registry::new(), test)
}

/// Like [`with_site`], with the metrics of a plugin in this registry.
pub(crate) fn with_registry<T>(registry: &Registry, test: impl FnOnce(&Site<'_>) -> T) -> T {
    let metrics = PluginMetrics::register(registry).unwrap();
    let (zones, stores) = ([Name::root().into()], Stores::default());
    let site = Site {
        server: "dns://:53",
        view: "",
        block: "",
        zones: &zones,
        metrics: &metrics,
        stores: &stores,
    };
    test(&site)
}

/// Answers every query with the same reply.
#[derive(Debug)]
struct Fixed(Reply);

impl Plugin for Fixed {
    fn name(&self) -> &'static str {
        "fixed"
    }

    fn query<'a>(&'a self, _: &'a mut Query, _: &'a Context<'a>) -> Handling<'a> {
        Handling::reply(self.0.clone())
    }
}

/// Returns a server that serves every name with one plugin.
pub(crate) fn engine_of(plugin: impl Plugin + 'static) -> Engine {
    let mut router = Router::default();
    router.add(Name::root().into(), 0);
    Engine::new(vec![Block::new("Corefile:1", vec![Box::new(plugin)])], vec![router])
}

/// Sends a query through a plugin to a server that would give this reply.
pub(crate) async fn answer(plugin: impl Plugin + 'static, query: Query, reply: Reply) -> Reply {
    answer_boxed(Box::new(plugin), query, reply).await
}

/// Like [`answer`], for a plugin that [`Setup`](super::Setup) has made.
pub(crate) async fn answer_boxed(plugin: Box<dyn Plugin>, query: Query, reply: Reply) -> Reply {
    let plugins: Vec<Box<dyn Plugin>> = vec![plugin, Box::new(Fixed(reply))];
    let mut router = Router::default();
    router.add(Name::root().into(), 0);
    let engine = Engine::new(vec![Block::new("Corefile:1", plugins)], vec![router]);
    let mut query = query;
    engine.answer(ListenerId(0), &mut query, None).await.reply.unwrap()
}

/// Keeps the query that comes to it.
#[derive(Clone, Default, Debug)]
struct Seen(Arc<Mutex<Option<Query>>>);

impl Plugin for Seen {
    fn name(&self) -> &'static str {
        "seen"
    }

    fn query<'a>(&'a self, query: &'a mut Query, _: &'a Context<'a>) -> Handling<'a> {
        *self.0.lock().unwrap() = Some(query.clone());
        Handling::reply(Reply::default())
    }
}

/// Sends a query through a plugin and returns it as the next one sees it; none when it does not come there.
pub(crate) async fn passed_on(plugin: impl Plugin + 'static, mut query: Query) -> Option<Query> {
    let seen = Seen::default();
    let plugins: Vec<Box<dyn Plugin>> = vec![Box::new(plugin), Box::new(seen.clone())];
    let mut router = Router::default();
    router.add(Name::root().into(), 0);
    let engine = Engine::new(vec![Block::new("Corefile:1", plugins)], vec![router]);
    engine.answer(ListenerId(0), &mut query, None).await;
    seen.0.lock().unwrap().take()
}

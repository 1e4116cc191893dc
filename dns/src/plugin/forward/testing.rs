//! What the tests of forwarding share: queries, and a server made from a Corefile.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io;
use std::path::Path;

use hickory_proto::rr::{LowerName, Name, Record, RecordType};
use prometheus::Registry;

use super::{Forward, ForwardConfig, ForwardMetrics};
use crate::corefile::{CorefileError, Directive, Files};
use crate::engine::{Block, ListenerId, Router, Trace};
use crate::plugin::Plugin;
use crate::plugin::r#loop::LoopGuard;
use crate::plugin::testing::configure;
pub(super) use crate::plugin::testing::query;
use crate::{Engine, Protocol, Query, Reply};

/// Files that live in a map.
#[derive(Debug, Default)]
pub(super) struct TestFiles(BTreeMap<String, String>);

impl TestFiles {
    pub(super) fn new<const N: usize>(files: [(&str, &str); N]) -> Self {
        Self(files.map(|(path, text)| (path.to_owned(), text.to_owned())).into())
    }
}

impl Files for TestFiles {
    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        let text = path.to_str().and_then(|path| self.0.get(path));
        text.map(|text| text.as_bytes().to_vec()).ok_or(io::ErrorKind::NotFound.into())
    }

    fn list(&self, _: &Path) -> io::Result<Vec<OsString>> {
        Err(io::ErrorKind::NotFound.into())
    }
}

/// Reads `owner TYPE data` as a record with a TTL of 60 s.
pub(super) fn record(text: &str) -> Record {
    let [owner, rtype, data] = text.splitn(3, ' ').collect::<Vec<_>>()[..] else {
        panic!("no record: {text}")
    };
    let data = crate::zone_file::parse_data(rtype.parse().unwrap(), data, &Name::root());
    Record::from_rdata(Name::from_ascii(owner).unwrap(), 60, data.unwrap())
}

/// Reads one `forward` directive.
pub(super) fn config(text: &str) -> Result<ForwardConfig, CorefileError> {
    let files = TestFiles::new([
        ("/etc/resolv.conf", "search example\nnameserver 10.0.0.1\nnameserver 10.0.0.2\n"),
        ("/etc/empty.conf", "search example\n"),
        ("/etc/bad.conf", "nameserver one\n"),
        ("upstreams", "nameserver ::1\n"),
        ("/sys/class/net/eth0/ifindex", "3\n"),
    ]);
    configure(text, |directives| ForwardConfig::parse(directives[0], &files))
}

pub(super) fn by_tcp(name: &str) -> Query {
    Query { protocol: Protocol::Tcp, ..query(name, RecordType::A) }
}

pub(super) fn by_udp(name: &str) -> Query {
    query(name, RecordType::A)
}

/// A server with one block for the root that has nothing but `forward` directives.
pub(super) struct Server {
    engine: Engine,
    registry: Registry,
}

impl Server {
    pub(super) fn new(text: &str) -> Self {
        Self::adjusted(text, |_| ())
    }

    pub(super) fn adjusted(text: &str, adjust: impl Fn(&mut Forward)) -> Self {
        Self::built(text, &TestFiles::default(), adjust, None)
    }

    pub(super) fn with_files(text: &str, files: &TestFiles) -> Self {
        Self::built(text, files, |_| (), None)
    }

    /// A block with `loop`.
    pub(super) fn guarded(text: &str, guard: &LoopGuard) -> Self {
        Self::built(text, &TestFiles::default(), |_| (), Some(guard))
    }

    fn built(
        text: &str,
        files: &TestFiles,
        adjust: impl Fn(&mut Forward),
        guard: Option<&LoopGuard>,
    ) -> Self {
        let registry = Registry::new();
        let metrics = ForwardMetrics::register(&registry).unwrap();
        let parse = |directives: &[&Directive]| {
            let one = |directive: &&Directive| ForwardConfig::parse(directive, files);
            directives.iter().map(one).collect::<Result<Vec<_>, _>>()
        };
        let configs = configure(text, parse).unwrap();
        let count = configs.len();
        let plugin = |(at, mut config): (usize, ForwardConfig)| {
            config.has_successor = at + 1 < count;
            let mut forward = Forward::guarded(config, metrics.clone(), guard.cloned());
            adjust(&mut forward);
            Box::new(forward) as Box<dyn Plugin>
        };
        let plugins = configs.into_iter().enumerate().map(plugin).collect();
        let mut router = Router::default();
        router.add(LowerName::new(&Name::root()), 0);
        let block = Block::new("Corefile:1", plugins);
        Self { engine: Engine::new(vec![block], vec![router]), registry }
    }

    pub(super) async fn ask(&self, query: &Query) -> Reply {
        self.explain(query).await.0
    }

    /// Asks and returns the notes of the plugins, too.
    pub(super) async fn explain(&self, query: &Query) -> (Reply, Vec<String>) {
        let trace = Trace::default();
        let mut query = query.clone();
        let answered = self.engine.answer(ListenerId(0), &mut query, Some(&trace)).await;
        let steps = trace.into_steps().into_iter().filter(|step| step.plugin == "forward");
        (answered.reply.unwrap(), steps.map(|step| step.text).collect())
    }

    /// Returns the sum of a counter or gauge over the series that have this text in a label.
    pub(super) fn metric(&self, name: &str, label: &str) -> f64 {
        let families = self.registry.gather();
        let family = families.iter().find(|family| family.name() == name);
        let series = family.map(|family| family.get_metric()).unwrap_or_default();
        let is_meant = |metric: &&prometheus::proto::Metric| {
            label.is_empty() || metric.get_label().iter().any(|pair| pair.value() == label)
        };
        let value = |metric: &prometheus::proto::Metric| {
            metric.get_counter().get_value() + metric.get_gauge().get_value()
        };
        series.iter().filter(is_meant).map(value).sum()
    }
}

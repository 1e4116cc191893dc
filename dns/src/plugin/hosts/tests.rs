//! Questions to `hosts`.

use std::fs;
use std::path::Path;

use hickory_proto::rr::LowerName;
use prometheus::Registry;

use super::*;
use crate::corefile::{CorefileError, Directive};
use crate::plugin::Setup;
use crate::plugin::root::Root;
use crate::plugin::testing::{configure, query, with_registry, with_site};

/// A directory with a file `hosts`, and what serves it.
struct Stage {
    directory: tempfile::TempDir,
    registry: Registry,
}

const FILE: &str = "10.0.0.1 a.example.org A2.example.org\n10.0.0.2 a.example.org\n\
                    2001:db8::1 a.example.org\n10.0.0.9 *.wild.example.org\n\
                    10.0.0.10 plain.wild.example.org\n10.0.0.7 b.example.net\n";

impl Stage {
    fn new(text: &str) -> Self {
        let stage = Self { directory: tempfile::tempdir().unwrap(), registry: Registry::new() };
        fs::write(stage.path(), text).unwrap();
        stage
    }

    fn path(&self) -> std::path::PathBuf {
        self.directory.path().join("hosts")
    }

    fn plugin(&self, arguments: &str) -> Box<dyn Plugin> {
        let parse = |directives: &[&Directive]| -> Result<HostsConfig, CorefileError> {
            let root = Root::default();
            HostsConfig::parse(directives, &[LowerName::new(&Name::root())], &root)
        };
        let text = format!("hosts {} {arguments}", self.path().display());
        let config = configure(&text, parse).unwrap();
        with_registry(&self.registry, |site| config.set_up(site)).unwrap()
    }

    fn metric(&self, name: &str) -> f64 {
        let families = self.registry.gather();
        let family = families.iter().find(|family| family.name() == name).unwrap();
        family.get_metric()[0].get_gauge().get_value()
    }
}

/// Asks the plugin alone; none when it passes the question on.
async fn ask(plugin: Box<dyn Plugin>, name: &str, qtype: RecordType) -> Option<Reply> {
    let next = Reply { plugin: "next", ..Reply::default() };
    let reply = crate::plugin::testing::answer_boxed(plugin, query(name, qtype), next).await;
    (reply.plugin == "hosts").then_some(reply)
}

fn data(reply: &Reply) -> Vec<String> {
    reply.answers.iter().map(|record| record.data.to_string()).collect()
}

#[tokio::test]
async fn addresses_names_and_other_types() {
    let stage = Stage::new(FILE);
    // (question, the data of the answers in their order)
    for (name, qtype, expected) in [
        ("a.example.org.", RecordType::A, vec!["10.0.0.1", "10.0.0.2"]),
        ("A.Example.org.", RecordType::AAAA, vec!["2001:db8::1"]),
        ("a2.example.org.", RecordType::AAAA, vec![]),
        ("a.example.org.", RecordType::TXT, vec![]),
        ("1.0.0.10.in-addr.arpa.", RecordType::PTR, vec!["a.example.org.", "a2.example.org."]),
        ("x.wild.example.org.", RecordType::A, vec!["10.0.0.9"]),
        ("X.Wild.example.org.", RecordType::AAAA, vec![]),
        ("plain.wild.example.org.", RecordType::A, vec!["10.0.0.10"]),
        ("*.wild.example.org.", RecordType::A, vec!["10.0.0.9"]),
    ] {
        let plugin = Stage::new(FILE).plugin("");
        let reply = ask(plugin, name, qtype).await.unwrap();
        assert_eq!(data(&reply), expected, "{name} {qtype}");
        assert_eq!((reply.rcode, reply.authoritative), (ResponseCode::NoError, true));
        for record in &reply.answers {
            assert_eq!((record.ttl, record.name.to_string()), (3600, name.to_owned()));
        }
    }
    let ptr = "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa.";
    let reply = ask(stage.plugin(""), ptr, RecordType::PTR).await.unwrap();
    assert_eq!(data(&reply), ["a.example.org."]);
}

#[tokio::test]
async fn what_is_not_there() {
    let missing = "nope.example.org.";
    let failed = ask(Stage::new(FILE).plugin(""), missing, RecordType::A).await.unwrap();
    assert_eq!(failed.rcode, ResponseCode::ServFail);
    assert_eq!(failed.extended_error.unwrap().code, ExtendedErrorCode::Other);
    // (options, question, whether the next plugin is asked)
    for (options, name, qtype, passes) in [
        ("{\nfallthrough\n}", missing, RecordType::A, true),
        ("{\nfallthrough example.net\n}", missing, RecordType::A, false),
        ("{\nfallthrough example.org\n}", missing, RecordType::A, true),
        ("example.net", missing, RecordType::A, true),
        ("example.net {\nfallthrough\n}", "a.example.org.", RecordType::A, true),
        ("{\nfallthrough\n}", "deep.x.wild.example.org.", RecordType::A, true),
        ("{\nfallthrough\n}", "wild.example.org.", RecordType::A, true),
        ("", "9.0.0.10.in-addr.arpa.", RecordType::PTR, true),
        ("", "10.in-addr.arpa.", RecordType::PTR, true),
        ("", "a.example.org.", RecordType::PTR, true),
        ("{\nno_reverse\n}", "1.0.0.10.in-addr.arpa.", RecordType::PTR, true),
        ("{\nfallthrough\n}", "a.example.org.", RecordType::TXT, false),
        ("{\nfallthrough\nfallthrough_unsupported\n}", "a.example.org.", RecordType::TXT, true),
        ("{\nfallthrough\nfallthrough_unsupported\n}", "a2.example.org.", RecordType::AAAA, false),
        ("{\nfallthrough a\nfallthrough_unsupported\n}", "a.example.org.", RecordType::TXT, false),
    ] {
        let reply = ask(Stage::new(FILE).plugin(options), name, qtype).await;
        assert_eq!(reply.is_none(), passes, "{options} {name} {qtype}");
    }
}

#[tokio::test]
async fn inline_entries_and_ttl() {
    let stage = Stage::new(FILE);
    let options = "{\n10.9.9.9 a.example.org inline.example.org\nttl 7\n\
                   2001:db8::9 x.wild.example.org\n}";
    let both = ask(stage.plugin(options), "a.example.org.", RecordType::A).await.unwrap();
    assert_eq!(data(&both), ["10.0.0.1", "10.0.0.2", "10.9.9.9"]);
    assert!(both.answers.iter().all(|record| record.ttl == 7));
    assert_eq!(stage.metric("coredns_hosts_entries"), (7.0 + 6.0) + (3.0 + 3.0));
    let ask = |name: &'static str, qtype| {
        let plugin = Stage::new(FILE).plugin(options);
        async move { data(&ask(plugin, name, qtype).await.unwrap()) }
    };
    assert_eq!(ask("inline.example.org.", RecordType::A).await, ["10.9.9.9"]);
    let names = ask("9.9.9.10.in-addr.arpa.", RecordType::PTR).await;
    assert_eq!(names, ["a.example.org.", "inline.example.org."]);
    // The exact name covers the wildcard, though it has only the other family.
    assert_eq!(ask("x.wild.example.org.", RecordType::A).await, [""; 0]);
    assert_eq!(ask("x.wild.example.org.", RecordType::AAAA).await, ["2001:db8::9"]);
}

#[tokio::test]
async fn the_file_is_followed_even_if_it_comes_late() {
    let stage = Stage::new("");
    fs::remove_file(stage.path()).unwrap();
    let plugin = stage.plugin("{\nreload 1ms\n10.0.0.1 inline.example.org\n}");
    assert_eq!(stage.metric("coredns_hosts_entries"), 2.0);
    fs::write(stage.path(), "10.0.0.2 a.example.org\nnonsense\n").unwrap();
    while stage.metric("coredns_hosts_entries") < 4.0 {
        tokio::task::yield_now().await;
    }
    let written = fs::metadata(stage.path()).unwrap().modified().unwrap();
    let seconds = written.duration_since(std::time::UNIX_EPOCH).unwrap().as_secs_f64();
    assert_eq!(stage.metric("coredns_hosts_reload_timestamp_seconds"), seconds);
    let reply = ask(plugin, "a.example.org.", RecordType::A).await.unwrap();
    assert_eq!(data(&reply), ["10.0.0.2"]);
}

#[tokio::test]
async fn reload_0_reads_once() {
    let stage = Stage::new("10.0.0.1 a.example.org\n");
    let config = HostsConfig::parse(&[], &[LowerName::new(&Name::root())], &Root::default());
    let config = HostsConfig { path: stage.path(), reload: None, ..config.unwrap() };
    let _plugin = with_site(|site| config.set_up(site)).unwrap();
    // Nobody but this test runs: the following task would have been spawned already.
    assert_eq!(tokio::runtime::Handle::current().metrics().num_alive_tasks(), 0);
    let following = HostsConfig { reload: Some(std::time::Duration::from_secs(9)), ..config };
    let _following = with_site(|site| following.set_up(site)).unwrap();
    assert_eq!(tokio::runtime::Handle::current().metrics().num_alive_tasks(), 1);
}

#[tokio::test]
async fn a_file_that_cannot_be_read_ends_the_start() {
    let config = HostsConfig::parse(&[], &[], &Root::default()).unwrap();
    let config = HostsConfig { path: Path::new("/").into(), ..config };
    let error = with_site(|site| config.set_up(site)).unwrap_err().to_string();
    assert!(error.contains("cannot read the hosts file /: not a regular file"), "{error}");
}

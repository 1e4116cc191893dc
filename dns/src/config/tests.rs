//! Server blocks together.

use std::io;
use std::path::Path;

use super::*;
use crate::corefile;

struct NoFiles;

impl Files for NoFiles {
    fn read(&self, _: &Path) -> io::Result<Vec<u8>> {
        Err(io::ErrorKind::NotFound.into())
    }

    fn list(&self, _: &Path) -> io::Result<Vec<std::ffi::OsString>> {
        Err(io::ErrorKind::NotFound.into())
    }
}

fn config(text: &str) -> Result<Config, Vec<String>> {
    let entry = Path::new("Corefile");
    let corefile = corefile::parse(entry, text.as_bytes(), &NoFiles, &|_| None).unwrap();
    let interfaces =
        [Interface { name: "lo".into(), addresses: vec!["127.0.0.1".parse().unwrap()] }];
    let around = Surroundings { files: &NoFiles, interfaces: &interfaces, default_port: 53 };
    let errors = |errors: Vec<CorefileError>| errors.iter().map(ToString::to_string).collect();
    Config::of(&corefile, around).map_err(errors)
}

fn names(config: &Config, block: usize) -> Vec<&'static str> {
    let plugins = config.blocks[block].plugins.iter();
    plugins
        .map(|plugin| match plugin {
            PluginConfig::Prometheus(_) => "prometheus",
            PluginConfig::Errors(_) => "errors",
            PluginConfig::Log(_) => "log",
            PluginConfig::Loadbalance(_) => "loadbalance",
            PluginConfig::Kubernetes(_) => "kubernetes",
            PluginConfig::Loop(_) => "loop",
            PluginConfig::Forward(_) => "forward",
            PluginConfig::Plain(config) => config.name(),
            PluginConfig::Whoami(_) => "whoami",
        })
        .collect()
}

#[test]
fn plugins_stand_in_their_own_order() {
    let text = ". {\nwhoami\nforward . 9.9.9.9\nkubernetes\nloadbalance\nlog\nerrors\nhealth\nready\n\
                forward example.org 8.8.8.8\nprometheus :0\n}\n";
    let config = config(text).unwrap();
    let expected = [
        "prometheus",
        "errors",
        "log",
        "loadbalance",
        "kubernetes",
        "forward",
        "forward",
        "whoami",
    ];
    assert_eq!(names(&config, 0), expected);
    assert!(config.blocks[0].health.is_some() && config.blocks[0].ready.is_some());
}

#[test]
fn every_mistake_of_a_corefile_is_found_at_once() {
    let text = "example.org {\nrewrite name a b\nfrobnicate\nkuberntes\n}\n\
                tls://example.net {\nlog {\nclass maybe\n}\nnomad\n}\n";
    let errors = config(text).unwrap_err();
    let expected = [
        (2, "the plugin 'rewrite' is not available in this version"),
        (3, "Unknown directive 'frobnicate'"),
        (4, "did you mean 'kubernetes'?"),
        (6, "tls:// is not available yet"),
        (8, "maybe"),
        (10, "the plugin 'nomad' is not part of Portolan; use `forward`"),
    ];
    assert_eq!(errors.len(), expected.len(), "{errors:#?}");
    for ((line, text), error) in expected.iter().zip(&errors) {
        assert!(
            error.starts_with(&format!("Corefile:{line} - ")) && error.contains(text),
            "{error}"
        );
    }
}

#[test]
fn blocks_share_listeners_by_address() {
    let text = "a.org b.org:54 {\nwhoami\n}\nc.org {\nwhoami\n}\nd.org {\nbind lo 10.0.0.1\nwhoami\n}\n\
                10.0.0.0/23 {\nwhoami\n}\n";
    let config = config(text).unwrap();
    let listeners: Vec<_> = config
        .listeners
        .iter()
        .map(|listener| {
            let zones = listener.zones.iter().map(|(zone, block)| format!("{zone}={block}"));
            (listener.label(), zones.collect::<Vec<_>>().join(" "))
        })
        .collect();
    let expected = [
        ("dns://:53", "a.org.=0 c.org.=1 0.0.10.in-addr.arpa.=3 1.0.10.in-addr.arpa.=3"),
        ("dns://10.0.0.1:53", "d.org.=2"),
        ("dns://127.0.0.1:53", "d.org.=2"),
        ("dns://:54", "b.org.=0"),
    ];
    let expected = expected.map(|(label, zones)| (label.to_owned(), zones.to_owned()));
    assert_eq!(listeners, expected);
}

#[test]
fn a_zone_is_served_once_at_an_address() {
    let twice = config("a.org {\nwhoami\n}\na.org {\nwhoami\n}\n").unwrap_err();
    assert!(twice[0].starts_with("Corefile:4 - "), "{twice:?}");
    assert!(twice[0].contains("cannot serve dns://a.org.:53 - it is already defined"), "{twice:?}");
    let overlap = config("a.org {\nwhoami\n}\na.org {\nbind 10.0.0.1\nwhoami\n}\n").unwrap_err();
    assert!(overlap[0].contains("zone overlap listener capacity"), "{overlap:?}");
    let apart = "a.org {\nbind 10.0.0.1\nwhoami\n}\na.org {\nbind 10.0.0.2\nwhoami\n}\n";
    assert_eq!(config(apart).unwrap().listeners.len(), 2);
}

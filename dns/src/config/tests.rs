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
            PluginConfig::K8sExternal(_) => "k8s_external",
            PluginConfig::Autopath(_) => "autopath",
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
    let text = "example.org {\nrewrite name a\nfrobnicate\nkuberntes\n}\n\
                grpc://example.net {\nlog {\nclass maybe\n}\nnomad\n}\n";
    let errors = config(text).unwrap_err();
    let expected = [
        (2, "what the name becomes is missing"),
        (3, "Unknown directive 'frobnicate'"),
        (4, "did you mean 'kubernetes'?"),
        (6, "grpc:// is not available; use dns://"),
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
fn external_names_need_a_cluster() {
    let error = config(". {\nwhoami\nk8s_external example.org\n}\n").unwrap_err();
    assert!(error[0].starts_with("Corefile:3 - ") && error[0].contains("add one"), "{error:?}");
    let both = config(". {\nkubernetes\nk8s_external example.org\n}\n").unwrap();
    assert_eq!(names(&both, 0), ["k8s_external", "kubernetes"]);
}

#[test]
fn autopath_by_pod_needs_to_know_the_pods() {
    for (lines, remedy) in [
        ("autopath @kubernetes", "needs the plugin kubernetes with 'pods verified'"),
        ("autopath @kubernetes\nkubernetes", "write 'pods verified' in kubernetes"),
    ] {
        let errors = config(&format!(". {{\n{lines}\n}}\n")).unwrap_err();
        assert!(errors.len() == 1 && errors[0].starts_with("Corefile:2 - "), "{errors:?}");
        assert!(errors[0].contains(remedy), "{errors:?}");
    }
    let text = ". {\nautopath @kubernetes\nkubernetes cluster.local {\npods verified\n}\n}\n";
    assert_eq!(names(&config(text).unwrap(), 0), ["autopath", "kubernetes"]);
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

#[test]
fn encrypted_listeners_have_one_certificate() {
    let text = "tls://a.org a.org {\ntls c k\nwhoami\n}\ntls://b.org {\ntls c k\n}\n";
    let listeners = config(text).unwrap().listeners;
    let labels: Vec<_> = listeners.iter().map(|l| (l.label(), l.tls.is_some())).collect();
    assert_eq!(labels, [("dns://:53".into(), false), ("tls://:853".into(), true)]);
    let differs = config("tls://a.org {\ntls c k\n}\ntls://b.org {\ntls d k\n}\n").unwrap_err();
    assert!(differs[0].starts_with("Corefile:4 - ") && differs[0].contains("'tls' differs"));
    let none = config("tls://a.org {\nwhoami\n}\n").unwrap_err();
    assert!(none[0].starts_with("Corefile:1 - ") && none[0].contains("add 'tls CERT KEY'"));
}

#[test]
fn blocks_at_one_address_agree_on_its_sockets_and_timeouts() {
    let text = "a.org {\nmultisocket 3\ntimeouts {\nread 5s\nidle 7s\n}\n}\n\
                b.org {\nmultisocket 9\ntimeouts {\nread 6s\n}\n}\nc.org:54 {\nmultisocket\n}\n";
    let listeners = config(text).unwrap().listeners;
    assert_eq!(
        (listeners[0].sockets, listeners[1].sockets),
        (Sockets::Number(3), Sockets::Processors)
    );
    let seconds = |seconds| Some(std::time::Duration::from_secs(seconds));
    assert_eq!((listeners[0].timeouts.read, listeners[0].timeouts.idle), (seconds(6), seconds(7)));
}

#[test]
fn a_port_has_one_transport() {
    let text = |port| format!("a.org:853 {{\nwhoami\n}}\ntls://b.org{port} {{\ntls c k\n}}\n");
    let both = config(&text("")).unwrap_err();
    assert!(both[0].starts_with("Corefile:4 - "), "{both:?}");
    let expected = "cannot serve tls://b.org.:853 - dns:// is served at this port";
    assert!(both[0].contains(expected), "{both:?}");
    assert_eq!(config(&text(":854")).unwrap().listeners.len(), 2);
    // Each gets a free port of its own.
    let free = "a.org:0 {\nwhoami\n}\ntls://b.org:0 {\ntls c k\n}\n";
    assert_eq!(config(free).unwrap().listeners.len(), 2);
}

#[test]
fn cookie_holds_for_the_whole_server() {
    let text =
        |other: &str| format!("a.org {{\ncookie off\nwhoami\n}}\nb.org {{\n{other}\nwhoami\n}}\n");
    for same in ["", "cookie off"] {
        assert!(config(&text(same)).is_ok(), "{same:?}");
    }
    let errors = config(&text("cookie")).unwrap_err();
    assert_eq!(errors.len(), 1);
    let part = "Corefile:5 - Error during parsing: `cookie` holds for the whole server and says something else in \
                the server block at Corefile:1; write it once, or the same in both";
    assert!(errors[0].starts_with(part), "{errors:?}");
}

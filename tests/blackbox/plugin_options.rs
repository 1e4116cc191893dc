//! Options of plugins that only show in the whole server: what they change as a client or an operator sees it.

use std::fs;
use std::net::{IpAddr, SocketAddr};

use portolan_tests::client::http_get;
use portolan_tests::dig::{dig, dig_in_vain};
use portolan_tests::namespace::inside;
use portolan_tests::server::Server;
use portolan_tests::stage::until;

#[test]
fn runtime_metrics_are_there_when_asked_for() {
    for option in ["", "runtime_metrics"] {
        let mut server = Server::start(&format!(
            ".:0 {{\nprometheus 127.0.0.1:0 {{\n{option}\n}}\nwhoami\n}}\n"
        ));
        let (_, metrics) = http_get(server.endpoint("/metrics"), "/metrics");
        let is_there = metrics.contains("\nportolan_runtime_workers ");
        assert_eq!(is_there, !option.is_empty(), "{metrics}");
    }
}

#[test]
fn bind_takes_interfaces_without_what_except_names() {
    inside("bind_takes_interfaces_without_what_except_names", || {
        let server = Server::start(".:5300 {\nbind lo {\nexcept ::1\n}\nwhoami\n}\n");
        assert_eq!(dig(server.address(), "a.example").status, "NOERROR");
        let excepted = SocketAddr::new(IpAddr::from([0, 0, 0, 0, 0, 0, 0, 1]), 5300);
        assert!(dig_in_vain(excepted, "a.example").contains("refused"));
    });
}

#[test]
fn loadbalance_weighs_by_its_file_and_prefers_networks() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("weights");
    let weights = |first: u8| format!("a.example\n10.0.0.{first} 255\n");
    let serve = |options: &str| {
        Server::start(&format!(
            ".:0 {{
                loadbalance {options}
                hosts {}/none {{
                    10.0.0.1 a.example
                    10.0.0.2 a.example
                }}
            }}",
            directory.path().display()
        ))
    };
    // Of 20 answers the other address is first in one of 256 each.
    let mostly = |server: &Server| {
        let first = |_| dig(server.address(), "a.example").answer[0].clone();
        let firsts: Vec<String> = (0..20).map(first).collect();
        [1, 2].map(|last| {
            let address = format!(" 10.0.0.{last}");
            firsts.iter().filter(|first| first.ends_with(&address)).count() > 14
        })
    };
    fs::write(&path, weights(1)).unwrap();
    let server = serve(&format!("weighted {} {{\nreload 20ms\n}}", path.display()));
    assert_eq!(mostly(&server), [true, false]);
    fs::write(&path, weights(2)).unwrap();
    until("the other weights", || mostly(&server), |seen| *seen == [false, true]);
    for preferred in [1, 2] {
        let server = serve(&format!("round_robin {{\nprefer 10.0.0.{preferred}/32\n}}"));
        assert_eq!(mostly(&server), [preferred == 1, preferred == 2]);
    }
}

#[test]
fn metadata_is_for_its_zones() {
    let mut server = Server::start(
        ".:0 {
            view inner
            metadata a.example
            log . \"{name} came by <{/view/name}>\"
            whoami
        }",
    );
    for (name, line) in [("x.a.example.", "<inner>"), ("x.b.example.", "<->")] {
        dig(server.address(), name);
        let seen = server.wait_for_line(name);
        assert!(seen.ends_with(&format!("{name} came by {line}")), "{seen}");
    }
}

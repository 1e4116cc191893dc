//! Servers that forward to themselves, over others and directly, and what a forwarded query leaves behind.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on says so by panicking")]

use std::net::SocketAddr;
use std::process::Command;

use portolan_tests::client::UdpClient;
use portolan_tests::dig::dig;
use portolan_tests::faulty::Faulty;
use portolan_tests::fixture;
use portolan_tests::namespace::{inside, run};
use portolan_tests::relay::Relay;
use portolan_tests::server::{Server, binary, write};
use portolan_tests::stage::{metric, until};
use portolan_tests::upstream::Upstream;

/// A Corefile with cluster names and these lines, which begin with its sixth.
fn corefile(zone: &str, lines: &str) -> String {
    let manifests = fixture("dig").display().to_string();
    format!(
        "{zone} {{\n    errors\n    kubernetes cluster.local {{\n        manifests {manifests}\n    }}\n{lines}\n}}\n"
    )
}

fn upstream() -> Upstream {
    Upstream::start(&fixture("dns-cases/upstream.zone"))
}

fn looping(server: &mut Server) -> f64 {
    metric(server, "portolan_forward_looping", "")
}

fn explained(server: &mut Server, question: &str) -> String {
    let admin = server.endpoint("admin").to_string();
    run(binary().to_str().unwrap(), &["explain", "dns", question, "--server", &admin])
}

fn assert_cluster_names(server: SocketAddr) {
    assert_eq!(dig(server, "web.alpha.svc.cluster.local").answer_data(), ["10.97.0.12"]);
}

#[test]
fn an_upstream_that_asks_this_server_is_disabled_until_it_is_repaired() {
    let relay = Relay::start();
    let mut server =
        Server::start(&corefile(".:0", &format!("    loop\n    forward . {}", relay.address)));
    relay.lead_to(server.address());
    let line = server.wait_for_line("leads back to this server");
    let to = relay.address.to_string();
    for part in ["[ERROR] ", &to, "Corefile:7", "does not ask this one"] {
        assert!(line.contains(part), "{part}: {line}");
    }
    assert!(looping(&mut server) > 0.5);
    let outside = dig(server.address(), "example.com");
    assert_eq!(outside.status, "SERVFAIL");
    assert!(outside.text.contains("every upstream leads back to this server"), "{}", outside.text);
    assert!(relay.passed("example.com").is_empty(), "it is not asked any more");
    assert_cluster_names(server.address());
    let text = explained(&mut server, "example.com");
    let says = format!("forward: {} is not asked: it leads back", relay.address);
    assert!(text.contains(&says) && text.contains("=> SERVFAIL, from forward"), "{text}");

    relay.lead_to(upstream().address);
    server.wait_for_line("is asked again");
    assert!(looping(&mut server) < 0.5);
    assert_eq!(dig(server.address(), "example.com").answer_data(), ["192.0.2.80"]);
    assert_eq!(server.log().matches("is not asked any more").count(), 1, "it is said once");
}

#[test]
fn another_upstream_goes_on_answering() {
    let (relay, good) = (Relay::start(), upstream());
    let lines = format!(
        "    loop\n    forward . {} {} {{\n        policy sequential\n    }}",
        relay.address, good.address
    );
    let mut server = Server::start(&corefile(".:0", &lines));
    relay.lead_to(server.address());
    server.wait_for_line("leads back to this server");
    assert_eq!(dig(server.address(), "example.com").answer_data(), ["192.0.2.80"]);
    assert!(relay.passed("example.com").is_empty());
    let text = explained(&mut server, "example.com");
    let first = format!("forward: {} is not asked", relay.address);
    let second = format!("forward: {} by udp: NOERROR in ", good.address);
    assert!(text.contains(&first) && text.contains(&second), "{text}");
}

#[test]
fn the_resolver_of_the_host_that_is_this_server() {
    inside("the_resolver_of_the_host_that_is_this_server", || {
        let directory = tempfile::tempdir().unwrap();
        let resolv = directory.path().join("resolv.conf");
        write(&resolv, "nameserver 127.0.0.53\n");
        let lines = format!("    loop\n    forward . {}", resolv.display());
        let mut server = Server::start(&corefile(".:53", &lines));
        let line = server.wait_for_line("leads back to this server");
        assert!(line.contains("127.0.0.53:53") && line.contains("Corefile:7"), "{line}");
        assert!(line.contains("forward to /run/systemd/resolve/resolv.conf"), "{line}");
        let address = SocketAddr::from(([127, 0, 0, 1], 53));
        assert_eq!(dig(address, "example.com").status, "SERVFAIL");
        assert_cluster_names(address);
    });
}

#[test]
fn an_upstream_at_a_link_local_address() {
    inside("an_upstream_at_a_link_local_address", || {
        run("ip", &["-6", "addr", "add", "fe80::53/64", "dev", "lo", "nodad"]);
        let address: SocketAddr = "[fe80::53%1]:5353".parse().unwrap();
        let _upstream = Faulty::start(address);
        for to in ["[fe80::53%lo]:5353", "dns://[fe80::53%1]:5353"] {
            let server = Server::start(&corefile(".:0", &format!("    forward . {to}")));
            let reply = dig(server.address(), "example.com +noedns");
            assert_eq!(reply.answer_data(), ["192.0.2.80"], "{to}: {}", reply.text);
        }
        let mut server = Server::launch(&corefile(".:0", "    forward . fe80::53%nowhere"));
        assert_eq!(server.wait().code(), Some(1));
        let errors = server.errors();
        let says = "Corefile:6 - Error during parsing: 'fe80::53%nowhere': there is no interface 'nowhere'";
        assert!(errors.contains(says), "{errors}");
    });
}

#[test]
fn a_loop_of_two_servers_is_found_by_one_and_broken() {
    // Only one of them has `loop`; the relay stands for an address that is known from the start.
    let relay = Relay::start();
    let far = Server::start(&corefile(".:0", &format!("    forward . {}", relay.address)));
    let lines = format!("    loop\n    forward . {}", far.address());
    let mut near = Server::start(&corefile(".:0", &lines));
    relay.lead_to(near.address());
    let line = near.wait_for_line("leads back to this server");
    assert!(line.contains(&far.address().to_string()), "{line}");
    for server in [far.address(), near.address()] {
        assert_eq!(dig(server, "example.com").status, "SERVFAIL");
        assert_cluster_names(server);
    }
    relay.lead_to(upstream().address);
    near.wait_for_line("is asked again");
    for server in [far.address(), near.address()] {
        assert_eq!(dig(server, "example.com").answer_data(), ["192.0.2.80"]);
    }
}

#[test]
fn a_loop_of_two_servers_that_both_look_for_it_is_broken() {
    let relay = Relay::start();
    let lines = |to: SocketAddr| corefile(".:0", &format!("    loop\n    forward . {to}"));
    let mut far = Server::start(&lines(relay.address));
    let mut near = Server::start(&lines(far.address()));
    relay.lead_to(near.address());
    until("the loop", || looping(&mut far) + looping(&mut near), |sum| *sum > 0.5);
    for name in ["a.example.com", "b.example.com", "c.example.com"] {
        for server in [far.address(), near.address()] {
            assert_eq!(dig(server, name).status, "SERVFAIL");
        }
        let passed = relay.passed(name).len();
        assert!(passed <= 4, "{name} went round {passed} times");
    }
    assert_cluster_names(far.address());
    assert_cluster_names(near.address());
}

#[test]
fn a_loop_that_nobody_looks_for_multiplies_nothing() {
    let relay = Relay::start();
    let lines = format!("    forward . {} {{\n        read_timeout 1s\n    }}", relay.address);
    let server = Server::start(&corefile(".:0", &lines));
    relay.lead_to(server.address());
    assert_eq!(dig(server.address(), "example.com").status, "SERVFAIL");
    // The question that comes back waits for the answer of the first: one round for each attempt.
    assert_eq!(relay.passed("example.com. A").len(), 2);
}

#[test]
fn a_reload_looks_for_loops_again() {
    let (relay, good) = (Relay::start(), upstream());
    let text = |to: SocketAddr| corefile(".:0", &format!("    loop\n    forward . {to}"));
    let mut server = Server::start(&text(good.address));
    relay.lead_to(server.address());
    assert_eq!(dig(server.address(), "example.com").answer_data(), ["192.0.2.80"]);
    write(&server.directory.path().join("Corefile"), &text(relay.address));
    server.signal("USR1");
    let line = server.wait_for_line("leads back to this server");
    assert!(line.contains(&relay.address.to_string()), "{line}");
    assert_eq!(dig(server.address(), "example.com").status, "SERVFAIL");
}

#[test]
fn a_stranger_cannot_disable_a_healthy_upstream() {
    let relay = Relay::start();
    let lines = format!("    loop\n    forward . {}", relay.address);
    let mut server = Server::start(&corefile(".:0", &lines));
    relay.lead_to(upstream().address);
    until("the probe", || relay.passed(" HINFO").len(), |probes| *probes > 0);
    let probe = relay.passed(" HINFO").remove(0);
    let probe = probe.split(' ').next().unwrap().to_owned();
    let mut client = UdpClient::new(server.address());
    // Guesses in the form of a probe, in the form of CoreDNS's, and questions of other types for the very name.
    for number in 0_u32..200 {
        client.ask(&format!("{number:016x}.{number:016x}."), "HINFO", 1232);
        client.ask(&format!("{number}.{number}."), "HINFO", 1232);
    }
    for qtype in ["A", "TXT", "NS"] {
        client.ask(&probe, qtype, 1232);
    }
    assert!(looping(&mut server) < 0.5);
    assert_eq!(dig(server.address(), "example.com").answer_data(), ["192.0.2.80"]);
    assert!(!server.log().contains("leads back"), "{}", server.log());
}

#[test]
fn loop_takes_no_arguments_and_stands_once() {
    for (lines, says) in [
        ("    loop 3", "Corefile:6 - Error during parsing: loop takes no argument; remove '3'"),
        (
            "    loop\n    loop",
            "Corefile:7 - Error during parsing: plugin/loop: this plugin can only be used once",
        ),
    ] {
        let mut server = Server::launch(&corefile(".:0", lines));
        assert_eq!(server.wait().code(), Some(1));
        let errors = server.errors();
        assert!(errors.contains(says), "{errors}");
    }
    let plugins = Command::new(binary()).args(["dns", "-plugins"]).output().unwrap();
    assert!(String::from_utf8(plugins.stdout).unwrap().contains("dns.loop"));
}

#[test]
fn the_log_can_name_the_upstream_that_answered() {
    let good = upstream();
    let lines = format!(
        "    metadata\n    log . \"asked {{name}} {{/forward/upstream}}\"\n    cache\n    forward . {}",
        good.address
    );
    let mut server = Server::start(&corefile(".:0", &lines));
    dig(server.address(), "example.com");
    server.wait_for_line(&format!("asked example.com. {}", good.address));
    // Neither a kept answer nor one of the cluster came from an upstream.
    dig(server.address(), "example.com");
    server.wait_for_line("asked example.com. -");
    dig(server.address(), "web.alpha.svc.cluster.local");
    server.wait_for_line("asked web.alpha.svc.cluster.local. -");
}

//! `portolan dns --node-local`: the addresses of a node's cache, which nothing tracks, from one process to the next.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on says so by panicking")]

use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::process::{Command, Output};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use portolan_tests::client::query;
use portolan_tests::dig::dig;
use portolan_tests::namespace::{inside, run};
use portolan_tests::server::{PATIENCE, Server, binary};
use portolan_tests::stage::until;
use serde_json::Value;

const V4: &str = "169.254.20.10";
const V6: &str = "fd00::53";
const NAME: &str = "kubernetes.default.svc.cluster.local";

fn corefile(more: &str) -> String {
    let root = env!("CARGO_MANIFEST_DIR");
    format!(
        ".:53 {{
            bind {V4} {V6}
            kubernetes cluster.local {{
                manifests {root}/../deploy/demo
            }}
            {more}
        }}"
    )
}

fn launch(arguments: &[&str]) -> Server {
    Server::launch_with(&corefile(""), |command| {
        command.args(arguments);
    })
}

fn start(arguments: &[&str]) -> Server {
    let addresses = format!("{V4},{V6}");
    launch(&[&["--node-local", &addresses], arguments].concat()).serving()
}

/// Runs the server where it is to end by itself.
fn run_to_end(arguments: &[&str]) -> Output {
    Command::new(binary()).arg("dns").args(arguments).output().unwrap()
}

/// Returns the addresses of `lo` that the server puts there.
fn addresses() -> Vec<String> {
    let all: Value = serde_json::from_str(&run("ip", &["-j", "address", "show", "lo"])).unwrap();
    let all = all[0]["addr_info"].as_array().unwrap();
    let all =
        all.iter().map(|info| format!("{}/{}", info["local"].as_str().unwrap(), info["prefixlen"]));
    all.filter(|address| [V4, V6].iter().any(|known| address.starts_with(known))).collect()
}

/// Says whether the kernel has the table.
fn has_table() -> bool {
    run("nft", &["list", "tables"]).contains("portolan-node-local")
}

/// Says whether the kernel has rules of the table.
fn is_untracked() -> bool {
    run("nft", &["list", "ruleset"]).contains("notrack")
}

fn both() -> [String; 2] {
    [format!("{V4}/32"), format!("{V6}/128")]
}

/// Counts packets of DNS by whether they are tracked.
fn count_tracked() {
    let rules = "table inet look {
        chain input {
            type filter hook input priority 10
            meta l4proto { tcp, udp } th dport 53 ct state untracked counter comment \"untracked\"
            meta l4proto { tcp, udp } th dport 53 ct state != untracked counter comment \"tracked\"
            meta l4proto { tcp, udp } th sport 53 ct state untracked counter comment \"untracked\"
            meta l4proto { tcp, udp } th sport 53 ct state != untracked counter comment \"tracked\"
        }
    }";
    run("nft", &[rules]);
}

/// Returns how many packets were tracked and how many were not, since the last time.
fn tracked() -> (u64, u64) {
    let listed: Value =
        serde_json::from_str(&run("nft", &["-j", "list", "table", "inet", "look"])).unwrap();
    let (mut tracked, mut untracked) = (0, 0);
    for rule in listed["nftables"].as_array().unwrap().iter().map(|object| &object["rule"]) {
        let expressions = rule["expr"].as_array().map(Vec::as_slice).unwrap_or_default();
        let packets = expressions.iter().find_map(|each| each["counter"]["packets"].as_u64());
        match rule["comment"].as_str() {
            Some("tracked") => tracked += packets.unwrap(),
            Some("untracked") => untracked += packets.unwrap(),
            _ => {}
        }
    }
    run("nft", &["delete", "table", "inet", "look"]);
    count_tracked();
    (tracked, untracked)
}

/// Asks over both transports at both addresses.
fn ask_all() {
    for address in [V4, V6] {
        for transport in ["+notcp", "+tcp"] {
            let server = SocketAddr::new(address.parse().unwrap(), 53);
            let reply = dig(server, &format!("{transport} {NAME} A"));
            assert_eq!(reply.status, "NOERROR", "{address} {transport}: {}", reply.text);
            assert_eq!(reply.answer.len(), 1, "{}", reply.text);
        }
    }
}

#[test]
fn the_addresses_are_there_and_untracked_from_the_start_to_the_end() {
    inside("the_addresses_are_there_and_untracked_from_the_start_to_the_end", || {
        assert_eq!(addresses(), Vec::<String>::new());
        let mut server = start(&[]);
        server.wait_for_line("are not tracked");
        assert_eq!(addresses(), both());
        count_tracked();
        ask_all();
        let (were_tracked, were_not) = tracked();
        assert_eq!(were_tracked, 0, "no packet of DNS is tracked");
        assert!(were_not >= 8, "questions and answers are seen: {were_not}");

        server.signal("TERM");
        assert_eq!(server.wait().code(), Some(0));
        assert_eq!(addresses(), Vec::<String>::new());
        assert!(!has_table());
    });
}

/// Other rules are loaded, which begins with `flush ruleset`, and the network of the node is started anew.
#[test]
fn what_others_take_away_comes_back() {
    inside("what_others_take_away_comes_back", || {
        let mut server = start(&[]);
        server.wait_for_line("are not tracked");
        run("nft", &["flush", "ruleset"]);
        for address in both() {
            run("ip", &["address", "del", &address, "dev", "lo"]);
        }
        server.wait_for_line("the table of the node's cache was removed; it is back");
        let mut there = addresses();
        there.sort();
        assert_eq!(there, both());
        count_tracked();
        ask_all();
        assert_eq!(tracked().0, 0, "no packet of DNS is tracked");
        server.signal("TERM");
        assert_eq!(server.wait().code(), Some(0));
        assert_eq!(addresses(), Vec::<String>::new());
        assert!(!has_table());
    });
}

/// A start that comes to nothing leaves `lo` as it was: nobody would know of addresses that no table names.
#[test]
fn a_start_that_fails_leaves_no_address() {
    inside("a_start_that_fails_leaves_no_address", || {
        let _other = UdpSocket::bind("0.0.0.0:53").unwrap();
        run("ip", &["address", "add", &format!("{V6}/128"), "dev", "lo", "nodad"]);
        let addresses_of_both = format!("{V4},{V6}");
        let mut server = launch(&["--node-local", &addresses_of_both]);
        assert_eq!(server.wait().code(), Some(1));
        let errors = server.errors();
        assert!(errors.contains("the address is in use"), "{errors}");
        assert_eq!(addresses(), [format!("{V6}/128")], "the one that was there before");
        assert!(!has_table());
    });
}

/// Somebody asks all the time while one process takes over from another: nothing is lost, and neither addresses nor table
/// go with the first one.
#[test]
fn a_hand_over_leaves_no_gap() {
    inside("a_hand_over_leaves_no_gap", || {
        let mut first = start(&[]);
        first.wait_for_line("are not tracked");
        let (stop, asked) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
        let clients: Vec<_> = [V4, V6]
            .map(|address| {
                let (stop, asked) = (Arc::clone(&stop), Arc::clone(&asked));
                let server = SocketAddr::new(address.parse::<IpAddr>().unwrap(), 53);
                std::thread::spawn(move || {
                    while !stop.load(Ordering::Relaxed) {
                        let local = if server.is_ipv4() { "127.0.0.1:0" } else { "[::1]:0" };
                        let socket = UdpSocket::bind(local).unwrap();
                        socket.set_read_timeout(Some(PATIENCE)).unwrap();
                        socket.connect(server).unwrap();
                        socket.send(&query(7, NAME, "A", 1232).to_vec().unwrap()).unwrap();
                        assert!(socket.recv(&mut [0; 512]).unwrap() > 12);
                        asked.fetch_add(1, Ordering::Relaxed);
                    }
                })
            })
            .into();
        let ask_more = || {
            let wanted = asked.load(Ordering::Relaxed) + 100;
            until("more answers", || asked.load(Ordering::Relaxed), |seen| *seen >= wanted);
        };
        ask_more();
        let mut next = start(&["--takeover"]);
        next.wait_for_line("are not tracked");
        ask_more();
        first.signal("TERM");
        assert_eq!(first.wait().code(), Some(0));
        ask_more();
        assert_eq!(addresses(), both());
        assert!(has_table());
        stop.store(true, Ordering::Relaxed);
        clients.into_iter().for_each(|client| client.join().unwrap());
        next.signal("TERM");
        assert_eq!(next.wait().code(), Some(0));
        assert_eq!(addresses(), Vec::<String>::new());
        assert!(!has_table());
    });
}

#[test]
fn what_a_crash_leaves_is_adopted_or_removed() {
    inside("what_a_crash_leaves_is_adopted_or_removed", || {
        let mut server = start(&[]);
        server.wait_for_line("are not tracked");
        server.signal("KILL");
        server.wait();
        assert_eq!(addresses(), both());
        assert!(has_table());

        // The next start has one of them only: the other one goes.
        let more = format!("bind {V4}");
        let corefile = corefile("").replace(&format!("bind {V4} {V6}"), &more);
        let mut server = Server::launch_with(&corefile, |command| {
            command.args(["--node-local", V4]);
        })
        .serving();
        server.wait_for_line("are not tracked");
        assert_eq!(addresses(), [format!("{V4}/32")]);
        server.signal("KILL");
        server.wait();

        let output = run_to_end(&["--node-local-remove"]);
        assert_eq!(String::from_utf8(output.stdout).unwrap(), format!("{V4} removed\n"));
        assert_eq!(addresses(), Vec::<String>::new());
        assert!(!has_table());
        let output = run_to_end(&["-node-local-remove"]);
        assert_eq!(String::from_utf8(output.stdout).unwrap(), "nothing was there\n");
    });
}

/// Between the addresses and the table that keeps them untracked, and between the end of that and theirs.
#[test]
fn what_a_kill_leaves_at_any_time_is_removed() {
    inside("what_a_kill_leaves_at_any_time_is_removed", || {
        let removed = || {
            let output = run_to_end(&["--node-local-remove"]);
            assert_eq!(
                String::from_utf8(output.stdout).unwrap(),
                format!("{V4} removed\n{V6} removed\n")
            );
            assert_eq!(addresses(), Vec::<String>::new());
            assert!(!has_table());
        };
        let flags = format!("{V4},{V6}");
        let launch = |corefile: &str| {
            Server::launch_with(corefile, |command| {
                command.args(["--node-local", &flags]);
            })
        };
        // Nobody is at that port: the start waits for a cluster.
        let mut server = launch(&format!(
            ".:53 {{\nbind {V4} {V6}\nkubernetes cluster.local {{\nendpoint http://127.0.0.1:1\n}}\n}}"
        ));
        until("the addresses", addresses, |there| *there == both());
        server.signal("KILL");
        server.wait();
        assert!(!server.log().contains("are not tracked"), "{}", server.log());
        assert!(!is_untracked());
        removed();

        // A question is under way that nobody answers.
        let upstream = UdpSocket::bind("127.0.0.1:0").unwrap();
        let forward = format!("forward example.org {}", upstream.local_addr().unwrap());
        let mut server = launch(&corefile(&forward)).serving();
        server.wait_for_line("are not tracked");
        assert!(is_untracked());
        let client = UdpSocket::bind("127.0.0.1:0").unwrap();
        let question = query(7, "example.org", "A", 1232).to_vec().unwrap();
        client.send_to(&question, (V4, 53)).unwrap();
        upstream.set_read_timeout(Some(PATIENCE)).unwrap();
        assert!(upstream.recv(&mut [0; 512]).unwrap() > 12);
        server.signal("TERM");
        until("the end of tracking", is_untracked, |is_untracked| !is_untracked);
        server.signal("KILL");
        server.wait();
        assert_eq!(addresses(), both());
        removed();
    });
}

#[test]
fn what_cannot_be_is_refused() {
    inside("what_cannot_be_is_refused", || {
        let told = |arguments: &[&str]| {
            let mut server = launch(arguments);
            let code = server.wait().code();
            (code, server.log() + &server.errors())
        };
        for (address, text) in [
            (
                "192.0.2.53",
                "no server block listens there at port 53; add `bind 192.0.2.53` to one",
            ),
            ("127.0.0.1", "name an address that no network has"),
            ("0.0.0.0", "name an address that no network has"),
        ] {
            let (code, log) = told(&["--node-local", address]);
            assert_eq!(code, Some(1), "{log}");
            assert!(log.contains(text), "{log}");
        }
        assert_eq!(addresses(), Vec::<String>::new());

        let without = ["--bounding-set", "-net_admin", "--inh-caps", "-net_admin", "--"];
        let mut command = Command::new("setpriv");
        let path = tempfile::tempdir().unwrap();
        std::fs::write(path.path().join("Corefile"), corefile("")).unwrap();
        command.args(without).arg(binary()).args(["dns", "--node-local", V4, "-conf"]);
        let output = command.arg(path.path().join("Corefile")).output().unwrap();
        let text = String::from_utf8_lossy(&output.stderr).into_owned()
            + &String::from_utf8_lossy(&output.stdout);
        assert_eq!(output.status.code(), Some(1), "{text}");
        assert!(text.contains("this needs CAP_NET_ADMIN"), "{text}");
        assert!(!has_table());
    });
}

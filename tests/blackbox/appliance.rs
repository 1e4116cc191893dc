//! The whole appliance on one node of namespaces: addresses by Debian's plugins and `portolan-ipam`, names by `portolan
//! dns`, verdicts by `portolan netpol`, and `portolan explain`, which agrees with each.
//!
//! Portolan programs no Service addresses: rules of nft lead them to pods here, where a cluster has kube-proxy.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on says so by panicking")]

use portolan_tests::appliance::{Appliance, BACKEND, BACKEND_PORT};
use portolan_tests::cni::held;
use portolan_tests::namespace::inside_with_mounts;
use portolan_tests::stage::until;

/// The exit code of curl for a timeout.
const TIMEOUT: i32 = 28;
/// The exit code of dig for no reply.
const NO_REPLY: i32 = 9;

/// What pods find: the name as a pod of the shop writes it, the same in full, and the address.
fn names(appliance: &Appliance, backend: &str) -> [(&'static str, &'static str, String); 5] {
    let dns = appliance.pod("dns").address.to_string();
    let backend = appliance.pod(backend).address.to_string();
    [
        ("backend", "backend.shop.svc.cluster.local", BACKEND.to_owned()),
        ("backends.shop", "backends.shop.svc.cluster.local", backend),
        ("kube-dns.kube-system", "kube-dns.kube-system.svc.cluster.local", "10.96.0.10".to_owned()),
        ("dns.kube-system.pod", "10-244-7-2.kube-system.pod.cluster.local", dns),
        ("www.example.com", "www.example.com", "192.0.2.80".to_owned()),
    ]
}

/// From inside of a pod `dig` and the C library find every name, backwards too, and explain says the same.
fn assert_names(appliance: &Appliance, pod: &str, backend: &str) {
    let (asking, server) = (appliance.pod(pod), appliance.pod("dns"));
    for (short, full, address) in names(appliance, backend) {
        let written = if short == "dns.kube-system.pod" { full } else { short };
        for name in [written, full] {
            let reply = asking.pod.dig(name);
            assert_eq!(reply.status, "NOERROR", "{}", reply.text);
            assert!(reply.answer_data().contains(&address.as_str()), "{}", reply.text);
            let found = asking.pod.getent(&format!("hosts {name}")).unwrap_or_default();
            assert_eq!(found.split(' ').next(), Some(address.as_str()), "{name}: {found}");
        }
        let explained = server.explain(full, asking.address);
        assert!(explained.contains(&format!("IN A {address}\n")), "{explained}");
    }
    let reply = asking.pod.dig("backend.nowhere");
    assert_eq!(reply.status, "NXDOMAIN", "{}", reply.text);
    let explained = server.explain("backend.nowhere.svc.cluster.local", asking.address);
    assert!(explained.contains("=> NXDOMAIN"), "{explained}");
    let found = asking.pod.getent(&format!("hosts {BACKEND}")).unwrap();
    assert!(found.trim_end().ends_with(" backend.shop.svc.cluster.local"), "{found}");
    let explained = server.explain(BACKEND, asking.address);
    assert!(explained.contains("IN PTR backend.shop.svc.cluster.local.\n"), "{explained}");
}

/// Who reaches whom.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Policies {
    /// Everyone everyone.
    None,
    /// The frontend the backend and DNS, and nobody anything else; DNS is in no namespace that is isolated.
    Shop,
}

impl Policies {
    fn allow(self, from: &str, to: &str) -> bool {
        match self {
            Self::None => true,
            Self::Shop => match from {
                "frontend" => to.starts_with("backend") || to == "dns",
                // Its egress is free, the ingress of the shop is not.
                "dns" => false,
                _ => from == to,
            },
        }
    }
}

/// Something that a pod tries.
struct Try {
    from: &'static str,
    to: &'static str,
    /// The port of the pod and the protocol, as explain takes them.
    port: String,
    allowed: bool,
    /// Command lines that do it.
    commands: Vec<String>,
    /// Their exit code when nothing answers.
    silence: i32,
}

/// What pods try of each other: each the backend, at its address and at that of the Service, a port where it does not
/// listen, and the DNS server.
fn tries(appliance: &Appliance, backend: &'static str, policies: Policies) -> Vec<Try> {
    let address = appliance.pod(backend).address;
    let mut tries = Vec::new();
    for from in appliance.names() {
        let mut add = |to, port: String, allowed, commands, silence| {
            tries.push(Try { from, to, port, allowed, commands, silence });
        };
        let fetch = |place: String| format!("curl --silent --fail --max-time 1 http://{place}/");
        if from != backend {
            let allowed = policies.allow(from, backend);
            let places = [format!("{address}:{BACKEND_PORT}"), BACKEND.to_owned()];
            let commands = places.map(fetch).to_vec();
            add(backend, format!("{BACKEND_PORT}/tcp"), allowed, commands, TIMEOUT);
        }
        if from == "frontend" && policies == Policies::Shop {
            let commands = vec![fetch(format!("{address}:8081"))];
            add(backend, "8081/tcp".to_owned(), false, commands, TIMEOUT);
        }
        for (protocol, option) in [("udp", "+notcp"), ("tcp", "+tcp")] {
            let name = "backend.shop.svc.cluster.local";
            let commands = vec![format!("dig +short +tries=1 +time=1 {option} {name}")];
            if from != "dns" {
                let allowed = policies.allow(from, "dns");
                add("dns", format!("53/{protocol}"), allowed, commands, NO_REPLY);
            }
        }
    }
    tries
}

/// What comes of every try is what policies say, and what explain says.
fn assert_verdicts(appliance: &Appliance, backend: &'static str, policies: Policies) {
    let tries = tries(appliance, backend, policies);
    assert!(tries.iter().any(|it| it.allowed), "some are allowed");
    // All at once: what is denied takes its time.
    let codes: Vec<Vec<Option<i32>>> = std::thread::scope(|scope| {
        let each = tries.iter().map(|it| {
            let pod = &appliance.pod(it.from).pod;
            let run = |command: &String| pod.run(command).status.code();
            scope.spawn(move || it.commands.iter().map(run).collect())
        });
        let each: Vec<_> = each.collect();
        each.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    for (it, codes) in tries.iter().zip(codes) {
        let expected = if it.allowed { 0 } else { it.silence };
        for (command, code) in it.commands.iter().zip(codes) {
            assert_eq!(code, Some(expected), "{} runs {command}", it.from);
        }
        assert_explained(appliance, it);
    }
}

/// Explain has this verdict of a flow between pods, by their names and by their addresses.
fn assert_explained(appliance: &Appliance, it: &Try) {
    let verdict = if it.allowed { "passes" } else { "is denied" };
    let name = |pod: &str| format!("{}/{pod}", if pod == "dns" { "kube-system" } else { "shop" });
    let addresses = [it.from, it.to].map(|pod| appliance.pod(pod).address.to_string());
    for [from, to] in [[name(it.from), name(it.to)], addresses] {
        let words = format!("explain flow --from {from} --to {to} --port {}", it.port);
        let explained = appliance.portolan(&words, true);
        assert!(explained.lines().next().unwrap().ends_with(verdict), "{words}: {explained}");
    }
}

/// Every pod holds its address, and explain knows whose it is; no other address is held.
fn assert_addresses(appliance: &Appliance) {
    let mut addresses: Vec<String> = Vec::new();
    for name in appliance.names() {
        let address = appliance.pod(name).address.to_string();
        let explained = appliance.portolan(&format!("explain ip {address}"), false);
        let says = format!("{address} is held in pods by container {name} interface eth0, pod ");
        assert!(explained.starts_with(&says), "{explained}");
        addresses.push(address);
    }
    addresses.sort();
    assert_eq!(held(), addresses);
}

/// Waits until names lead to this backend.
fn follow(appliance: &Appliance, pod: &str, backend: &str) {
    let address = appliance.pod(backend).address.to_string();
    let asked = || appliance.pod(pod).pod.getent("hosts backends").unwrap_or_default();
    until("the headless Service follows", asked, |found| found.split(' ').next() == Some(&address));
}

fn whole(plugin: &'static str) {
    let mut appliance = Appliance::new(plugin);
    appliance.start("kube-system", "dns");
    let mut dns = appliance.dns();
    let mut netpol = appliance.netpol();
    for name in ["backend-1", "frontend", "stranger"] {
        appliance.start("shop", name);
    }
    follow(&appliance, "frontend", "backend-1");
    assert_names(&appliance, "frontend", "backend-1");
    assert_names(&appliance, "stranger", "backend-1");
    assert_verdicts(&appliance, "backend-1", Policies::None);
    assert_addresses(&appliance);

    let enforced = "portolan_netpol_enforcement_seconds_count";
    let before = netpol.metric(enforced);
    appliance.apply("policies.yaml");
    netpol.waits_for(enforced, before + 1.0);
    assert_verdicts(&appliance, "backend-1", Policies::Shop);
    assert_names(&appliance, "frontend", "backend-1");
    netpol.server.wait_for_line("denied by policies pod=\"shop/stranger\" direction=\"egress\"");

    // Another pod in the place of one: another address, the same name, the same verdicts.
    appliance.stop("backend-1");
    let before = netpol.metric(enforced);
    appliance.start("shop", "backend-2");
    netpol.waits_for(enforced, before + 1.0);
    follow(&appliance, "frontend", "backend-2");
    assert_names(&appliance, "frontend", "backend-2");
    assert_verdicts(&appliance, "backend-2", Policies::Shop);
    assert_addresses(&appliance);

    // Killed, and started again: rules stay meanwhile.
    netpol.server.signal("KILL");
    netpol.server.wait();
    assert_verdicts(&appliance, "backend-2", Policies::Shop);
    netpol = appliance.netpol();
    dns.signal("KILL");
    dns.wait();
    let asked = appliance.pod("frontend").pod.run("dig +tries=1 +time=1 backend");
    assert_eq!(asked.status.code(), Some(NO_REPLY), "{asked:?}");
    dns = appliance.dns();
    assert_names(&appliance, "frontend", "backend-2");
    assert_verdicts(&appliance, "backend-2", Policies::Shop);
    assert!(netpol.metric("portolan_netpol_bypassing_pods") == 0.0);

    dns.signal("TERM");
    assert!(dns.wait().success());
    for name in appliance.names() {
        appliance.stop(name);
    }
    assert_eq!(held(), [""; 0]);
    let verified = appliance.portolan("ipam verify", false);
    assert!(verified.starts_with("pods: sound; 0 held, 5 released; "), "{verified}");
}

#[test]
fn with_a_bridge() {
    inside_with_mounts("with_a_bridge", || whole("bridge"));
}

#[test]
fn with_a_link_for_each_pod() {
    inside_with_mounts("with_a_link_for_each_pod", || whole("ptp"));
}

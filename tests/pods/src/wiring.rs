//! How pods are connected to their node: the two ways of CNI plugins.

use std::fmt::Write as _;
use std::io::Write as _;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::process::{Command, Stdio};

use super::place::Place;

/// How pods are connected to their node.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Layout {
    /// Each pod has a link of its own and everything is routed, as with `ptp` and Calico.
    Routed,
    /// Pods share a bridge whose traffic passes the netfilter hooks of IP, as with `bridge` and flannel.
    Bridged,
    /// Pods share a bridge whose traffic passes no hook of IP.
    BridgedPast,
}

/// Where a namespace is reached.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Address {
    /// IPv4.
    pub v4: Ipv4Addr,
    /// IPv6.
    pub v6: Ipv6Addr,
}

/// The bridge's name, and its addresses.
const BRIDGE: &str = "cni0";
const GATEWAY: (&str, &str) = ("10.244.0.1", "fd00:244::1");

/// The next hop of pods with links of their own, at the other end of each.
const NEXT_HOP: (&str, &str) = ("169.254.1.1", "fe80::1");

/// How long the node keeps connections of probes in mind that are over: whoever judges live connections judges them, too.
const OVER_S: &str = "2";
/// How long it waits for an answer, which on a busy machine takes its time: one that comes later is a packet of nobody's.
const ANSWER_S: &str = "10";

/// Makes this network namespace a node that forwards.
pub(super) fn node(layout: Layout) {
    sysctl("netfilter/nf_conntrack_tcp_timeout_close", OVER_S);
    for timeout in ["udp_timeout", "sctp_timeout_cookie_wait"] {
        sysctl(&format!("netfilter/nf_conntrack_{timeout}"), ANSWER_S);
    }
    sysctl("ipv4/ip_forward", "1");
    sysctl("ipv6/conf/all/forwarding", "1");
    no_duplicate_detection();
    if layout == Layout::Routed {
        return;
    }
    let (v4, v6) = GATEWAY;
    batch(&format!(
        "link add {BRIDGE} type bridge\n\
         link set {BRIDGE} up\n\
         addr add {v4}/24 dev {BRIDGE}\n\
         addr add {v6}/64 dev {BRIDGE} nodad\n"
    ));
    let passes = if layout == Layout::Bridged { "1" } else { "0" };
    for family in ["iptables", "ip6tables"] {
        sysctl(&format!("bridge/bridge-nf-call-{family}"), passes);
    }
}

/// Connects pods to the node that this namespace is. The links on the node's side are `pod0`, `pod1`, ….
pub(super) fn pods(layout: Layout, pods: &[(&Place, Address)]) {
    let mut node = String::new();
    for (at, (place, _)) in pods.iter().enumerate() {
        let path = place.path();
        let _ = writeln!(node, "link add pod{at} type veth peer name eth0 netns {path}");
    }
    for (at, (_, Address { v4, v6 })) in pods.iter().enumerate() {
        node += &match layout {
            Layout::Routed => format!(
                "addr add {}/32 dev pod{at}\n\
                 addr add {}/64 dev pod{at} nodad\n\
                 link set pod{at} up\n\
                 route add {v4}/32 dev pod{at}\n\
                 route add {v6}/128 dev pod{at}\n",
                NEXT_HOP.0, NEXT_HOP.1
            ),
            Layout::Bridged | Layout::BridgedPast => {
                format!("link set pod{at} master {BRIDGE}\nlink set pod{at} up\n")
            }
        };
    }
    // The kernel answers for an address of its own on any link, so that every link may have the same next hop.
    batch(&node);
    for (place, address) in pods {
        place.within(|| {
            no_duplicate_detection();
            batch(&inside(layout, *address));
        });
    }
}

/// Connects what is outside of the cluster to the node that this namespace is.
pub(super) fn outside(place: &Place, address: Address) {
    let path = place.path();
    batch(&format!(
        "link add outside type veth peer name eth0 netns {path}\n\
         addr add 198.51.100.1/24 dev outside\n\
         addr add 2001:db8:100::1/64 dev outside nodad\n\
         link set outside up\n"
    ));
    place.within(|| {
        no_duplicate_detection();
        batch(&format!(
            "link set lo up\n\
             addr add {}/24 dev eth0\n\
             addr add {}/64 dev eth0 nodad\n\
             link set eth0 up\n\
             route add default via 198.51.100.1\n\
             route add default via 2001:db8:100::1\n",
            address.v4, address.v6
        ));
    });
}

fn inside(layout: Layout, Address { v4, v6 }: Address) -> String {
    match layout {
        Layout::Routed => format!(
            "link set lo up\n\
             addr add {v4}/32 dev eth0\n\
             addr add {v6}/128 dev eth0 nodad\n\
             link set eth0 up\n\
             route add {next4}/32 dev eth0 scope link\n\
             route add default via {next4}\n\
             route add default via {next6} dev eth0\n",
            next4 = NEXT_HOP.0,
            next6 = NEXT_HOP.1,
        ),
        Layout::Bridged | Layout::BridgedPast => format!(
            "link set lo up\n\
             addr add {v4}/24 dev eth0\n\
             addr add {v6}/64 dev eth0 nodad\n\
             link set eth0 up\n\
             route add default via {}\n\
             route add default via {}\n",
            GATEWAY.0, GATEWAY.1
        ),
    }
}

/// Addresses are there to be used at once: a test waits for packets and not for their absence.
fn no_duplicate_detection() {
    sysctl("ipv6/conf/all/accept_dad", "0");
    sysctl("ipv6/conf/default/accept_dad", "0");
}

/// Sets a value of this network namespace below `net`.
pub(super) fn sysctl(name: &str, value: &str) {
    let path = format!("/proc/sys/net/{name}");
    std::fs::write(&path, value).unwrap_or_else(|error| panic!("{path}: {error}"));
}

/// Runs lines of `ip` in this network namespace.
fn batch(lines: &str) {
    let mut child = Command::new("ip")
        .args(["-batch", "-"])
        .stdin(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("ip cannot be run (`make test` installs it): {error}"));
    child.stdin.take().unwrap().write_all(lines.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "ip -batch failed: {errors}\n{lines}");
}

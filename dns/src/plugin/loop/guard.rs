//! What the `loop` of a server block and the probes of its upstreams share.

use std::net::SocketAddr;
use std::sync::Arc;

use hickory_proto::rr::{LowerName, Name};
use tokio::sync::watch;

use super::Outstanding;
use crate::plugin::forward::ForwardConfig;

/// Where systemd-resolved keeps the servers that it asks itself.
const RESOLVED_UPSTREAMS: &str = "/run/systemd/resolve/resolv.conf";

/// The `loop` of one server block, as its `forward`s see it; clones share it.
#[derive(Clone, Debug)]
pub struct LoopGuard {
    pub(crate) outstanding: Arc<Outstanding>,
    zones: Vec<LowerName>,
    /// Becomes true when questions reach the block; probes before that could not come back.
    pub(crate) serving: watch::Receiver<bool>,
}

impl LoopGuard {
    /// Returns the guard of a block with these zones. Nothing is probed before `serving` is true.
    pub fn new(zones: &[LowerName], serving: watch::Receiver<bool>) -> Self {
        Self { outstanding: Arc::default(), zones: zones.to_vec(), serving }
    }

    /// Returns the zone for the names of a directive's probes: one whose names reach this directive of this block.
    /// None when there is none, so that the directive cannot be part of a loop.
    pub(crate) fn zone_for(&self, config: &ForwardConfig) -> Option<Name> {
        let both = config.from.iter().flat_map(|from| {
            self.zones.iter().filter_map(move |zone| {
                let narrower = if zone.zone_of(from) { from } else { zone };
                (zone.zone_of(narrower) && from.zone_of(narrower)).then_some(narrower)
            })
        });
        let mut served = both.filter(|zone| config.serves(zone));
        served.next().map(Name::from)
    }
}

/// Says what to do about an upstream that leads back here; `file` is the one in the form of resolv.conf that names
/// it.
pub(crate) fn remedy(address: SocketAddr, file: Option<&str>) -> String {
    match file {
        Some(file) if address.ip().is_loopback() => format!(
            "{file} names a resolver of this host, which asks this server; with systemd-resolved, forward to \
             {RESOLVED_UPSTREAMS} (in a pod: set resolvConf of the kubelet to it), or forward to the addresses of \
             name servers"
        ),
        Some(file) => format!(
            "remove this server's address from {file}, or forward to the addresses of name servers"
        ),
        None => "forward to a server that does not ask this one".to_owned(),
    }
}

#[cfg(test)]
impl LoopGuard {
    /// Returns a guard whose block is being served as long as the sender lives.
    pub(crate) fn for_tests(zones: &[&str]) -> (Self, watch::Sender<bool>) {
        let (sender, receiver) = watch::channel(true);
        let zones: Vec<LowerName> = zones.iter().map(|zone| zone.parse().unwrap()).collect();
        (Self::new(&zones, receiver), sender)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::corefile::DiskFiles;
    use crate::plugin::testing::configure;

    fn zone(block: &[&str], forward: &str) -> Option<String> {
        let parse = |directives: &[&_]| ForwardConfig::parse(directives[0], &DiskFiles);
        let config = configure(forward, parse).unwrap();
        LoopGuard::for_tests(block).0.zone_for(&config).map(|zone| zone.to_ascii())
    }

    #[test]
    fn probes_have_names_that_reach_the_forward() {
        let some = |zone: &str| Some(zone.to_owned());
        assert_eq!(zone(&["."], "forward . 10.0.0.1"), some("."));
        assert_eq!(zone(&["."], "forward example.org 10.0.0.1"), some("example.org."));
        assert_eq!(zone(&["example.org."], "forward . 10.0.0.1"), some("example.org."));
        let arpa = ["in-addr.arpa.", "ip6.arpa."];
        assert_eq!(zone(&arpa, "forward . 10.0.0.1"), some("in-addr.arpa."));
        assert_eq!(zone(&arpa, "forward ip6.arpa 10.0.0.1"), some("ip6.arpa."));
        let except = "forward . 10.0.0.1 {\nexcept in-addr.arpa\n}";
        assert_eq!(zone(&arpa, except), some("ip6.arpa."));
        assert_eq!(zone(&["example.org."], "forward example.net 10.0.0.1"), None);
    }

    #[test]
    fn the_remedy_fits_the_place() {
        let says = |address: &str, file, part: &str| {
            let text = remedy(address.parse().unwrap(), file);
            assert!(text.contains(part), "{text}");
        };
        says("127.0.0.53:53", Some("/etc/resolv.conf"), "/run/systemd/resolve/resolv.conf");
        says("10.96.0.10:53", Some("/etc/resolv.conf"), "from /etc/resolv.conf");
        says("127.0.0.1:53", None, "does not ask this one");
    }
}

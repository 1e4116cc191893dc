//! Which plugins there are, and in which order queries pass them.

/// Whether a plugin of CoreDNS can be used here.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Support {
    /// It is there.
    Available,
    /// It will not be there; the text says what to do instead.
    Unsupported(&'static str),
}

const CLOUD: &str = "serve the zone from the provider's own name servers with `forward`";

/// Every plugin of CoreDNS in the order in which queries pass them, whatever the order in the Corefile, and those
/// that are Portolan's own: `cookie` and `ratelimit`.
/// Source: CoreDNS's plugin.cfg.
pub const PLUGINS: [(&str, Support); 62] = [
    ("root", Support::Available),
    ("metadata", Support::Available),
    ("geoip", Support::Unsupported("remove it: cluster clients have no location")),
    ("cancel", Support::Available),
    (
        "proxyproto",
        Support::Unsupported("remove it, and let the load balancer keep source addresses"),
    ),
    ("quic", Support::Available),
    ("grpc_server", Support::Unsupported("use DNS over TLS, HTTPS or QUIC")),
    ("https", Support::Available),
    ("https3", Support::Available),
    ("timeouts", Support::Available),
    ("multisocket", Support::Available),
    ("cookie", Support::Available),
    ("reload", Support::Available),
    ("nsid", Support::Available),
    ("bufsize", Support::Available),
    ("bind", Support::Available),
    ("debug", Support::Available),
    ("trace", Support::Unsupported("use `portolan explain dns` to see what happens to a query")),
    ("ready", Support::Available),
    ("health", Support::Available),
    ("pprof", Support::Unsupported("profile the process with `perf`")),
    ("shed", Support::Unsupported("remove it: the server's queues are bounded")),
    ("prometheus", Support::Available),
    // Its refusals are counted, and not logged one by one.
    ("ratelimit", Support::Available),
    ("errors", Support::Available),
    ("log", Support::Available),
    ("dnstap", Support::Available),
    ("local", Support::Available),
    ("dns64", Support::Available),
    ("any", Support::Available),
    ("chaos", Support::Available),
    ("loadbalance", Support::Available),
    ("tsig", Support::Unsupported("restrict clients with `acl`")),
    ("rewrite", Support::Available),
    ("autopath", Support::Available),
    ("acl", Support::Available),
    ("cache", Support::Available),
    ("header", Support::Available),
    ("dnssec", Support::Unsupported("sign the zone on its primary server")),
    ("tls", Support::Available),
    ("minimal", Support::Available),
    ("template", Support::Available),
    (
        "transfer",
        Support::Unsupported("read the objects from the Kubernetes API instead of the zone"),
    ),
    ("hosts", Support::Available),
    ("route53", Support::Unsupported(CLOUD)),
    ("azure", Support::Unsupported(CLOUD)),
    ("clouddns", Support::Unsupported(CLOUD)),
    ("k8s_external", Support::Available),
    ("kubernetes", Support::Available),
    ("file", Support::Available),
    ("auto", Support::Unsupported("name each zone file with `file`")),
    ("secondary", Support::Unsupported("use `forward` to the zone's primary server")),
    ("etcd", Support::Unsupported("keep the records in manifests or in `hosts`")),
    ("loop", Support::Available),
    ("forward", Support::Available),
    ("grpc", Support::Unsupported("use `forward` with tls:// or https:// upstreams")),
    ("erratic", Support::Available),
    ("whoami", Support::Available),
    ("on", Support::Unsupported("run the command from the service manager")),
    ("sign", Support::Unsupported("sign the zone on its primary server")),
    ("view", Support::Available),
    ("nomad", Support::Unsupported("use `forward` to Nomad's own name server")),
];

/// Returns the plugin's place in the order, and whether it can be used.
pub(super) fn find(name: &str) -> Option<(usize, Support)> {
    let at = PLUGINS.iter().position(|(plugin, _)| *plugin == name)?;
    Some((at, PLUGINS[at].1))
}

/// Returns the available plugin whose name is the nearest to a mistyped one.
pub(super) fn nearest(name: &str) -> Option<&'static str> {
    let letters = |word: &str| {
        let mut letters: Vec<char> = word.to_lowercase().chars().collect();
        letters.sort_unstable();
        letters
    };
    let (typed, known) = (letters(name), PLUGINS.iter().map(|(plugin, _)| *plugin));
    let ranked = known.map(|plugin| (letters_apart(&typed, &letters(plugin)), plugin));
    ranked.filter(|(apart, _)| *apart <= 2).min().map(|(_, plugin)| plugin)
}

/// Counts the letters that only one of two sorted words has.
fn letters_apart(a: &[char], b: &[char]) -> usize {
    let (mut left, mut right, mut apart) = (a.iter().peekable(), b.iter().peekable(), 0);
    loop {
        match (left.peek(), right.peek()) {
            (None, None) => return apart,
            (Some(x), Some(y)) if x == y => {
                left.next();
                right.next();
                continue;
            }
            (Some(x), Some(y)) if x < y => _ = left.next(),
            (Some(_), None) => _ = left.next(),
            (Some(_) | None, Some(_)) => _ = right.next(),
        }
        apart += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_plugin_stands_once() {
        let mut names: Vec<_> = PLUGINS.iter().map(|(name, _)| name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), PLUGINS.len());
    }

    #[test]
    fn a_mistyped_name_finds_the_meant_one() {
        let cases = [
            ("kuberntes", Some("kubernetes")),
            ("erorrs", Some("errors")),
            ("foward", Some("forward")),
            ("frobnicate", None),
        ];
        for (typed, meant) in cases {
            assert_eq!(nearest(typed), meant, "{typed}");
        }
    }
}

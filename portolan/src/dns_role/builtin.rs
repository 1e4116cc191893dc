//! Corefiles for those who have none.

use std::fmt::Write;
use std::net::SocketAddr;
use std::path::Path;

/// Returns what CoreDNS serves without a Corefile, on the port of `-dns.port`.
pub(crate) fn without_corefile(port: u16) -> String {
    format!(".:{port} {{\n    whoami\n    log\n}}\n")
}

/// Returns kubeadm's Corefile over a manifests source.
///
/// `upstream` is the file with the host's name servers; without one, names outside the cluster fail. There
/// is no lameduck time: nobody has to notice first that this server goes away.
pub(crate) fn over_manifests(
    manifests: &Path,
    listen: SocketAddr,
    upstream: Option<&Path>,
) -> String {
    let (ip, port) = (listen.ip(), listen.port());
    let host = if ip.is_ipv6() { format!("[{ip}]") } else { ip.to_string() };
    let mut text = format!(
        ".:{port} {{
    bind {ip}
    errors
    health {host}:8080
    ready {host}:8181
    kubernetes cluster.local in-addr.arpa ip6.arpa {{
        manifests {}
        pods insecure
        fallthrough in-addr.arpa ip6.arpa
        ttl 30
    }}
    prometheus {host}:9153
    cache 30 {{
        disable success cluster.local
        disable denial cluster.local
    }}
    reload
    loadbalance
",
        quoted(manifests)
    );
    if let Some(file) = upstream {
        // Writing to a String cannot fail.
        let _ = writeln!(
            text,
            "    forward . {} {{\n        max_concurrent 1000\n    }}\n    loop",
            quoted(file)
        );
    }
    text.push_str("}\n");
    text
}

fn quoted(path: &Path) -> String {
    format!("\"{}\"", path.display().to_string().replace('"', "\\\""))
}

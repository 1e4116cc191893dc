//! The flags of what is about NetworkPolicies.

use clap::{Args, ValueEnum};
use netpol::Traffic;

use super::{DEFAULT_ADMIN, OriginArguments};
use crate::logging::LineForm;

/// The flags of `portolan netpol`.
#[derive(Debug, Args)]
pub(crate) struct NetpolArguments {
    /// The name of this node, as pods have it in spec.nodeName.
    #[arg(long, value_name = "NAME", required_unless_present = "uninstall")]
    pub node: Option<String>,
    /// Which cluster.
    #[command(flatten)]
    pub cluster: ClusterArguments,
    /// Bring the kernel up to date once, and end.
    #[arg(long, group = "task")]
    pub once: bool,
    /// Print the ruleset as `nft -f` takes it, and end. The kernel is not touched.
    #[arg(long, group = "task")]
    pub print_ruleset: bool,
    /// Print what would change in the kernel, and which live connections would be cut, and end.
    #[arg(long, group = "task")]
    pub dry_run: bool,
    /// Remove the rules from the kernel, and end. Every connection is allowed then.
    #[arg(long, group = "task")]
    pub uninstall: bool,
    /// Whether egress rules hold for what a pod sends to its own node.
    #[arg(long, value_name = "WHAT", default_value = "enforce")]
    pub pod_to_own_node: OwnNode,
    /// Addresses of the node at which a DNS server for its pods listens: port 53 of them is always allowed. Several with
    /// commas; '' for none.
    #[arg(long, value_name = "ADDRESSES", value_delimiter = ',', default_value = "169.254.20.10")]
    pub node_local_dns: Vec<String>,
    /// Whether connections that are no longer allowed are cut when policies change.
    #[arg(long, value_name = "WHAT", default_value = "revoke")]
    pub live_flows: LiveFlows,
    /// The bit of connection marks that cuts a connection. Nobody else may use it.
    #[arg(long, value_name = "BIT", value_parser = mark_bit, default_value = "0x2000000")]
    pub revoked_mark: u32,
    /// Whether others may change the table while the process runs; from Linux 6.9 on they may not by default.
    #[arg(long, value_name = "WHAT", default_value = "own")]
    pub table: TableOwner,
    /// How many denied packets are logged in a second, of pods with the same policies in each direction; 0 for none.
    #[arg(long, value_name = "PER_SECOND", default_value_t = 10)]
    pub denied_log: u32,
    /// The netlink group (NFLOG) that rules log denied packets to. Nobody else may receive it.
    #[arg(long, value_name = "GROUP", default_value_t = 9353)]
    pub denied_log_group: u16,
    /// The form of log lines; otherwise what PORTOLAN_LOG_FORMAT says, or text.
    #[arg(long = "log-format", value_name = "FORM")]
    pub log_format: Option<LineForm>,
    /// Where the admin endpoints listen: /status, /healthz, /readyz, /metrics and /debug/cluster. `off` for nowhere.
    #[arg(long, value_name = "ADDRESS", default_value = DEFAULT_ADMIN)]
    pub admin: String,
}

/// Which cluster is read.
#[derive(Debug, Args)]
pub(crate) struct ClusterArguments {
    /// Where the cluster is.
    #[command(flatten)]
    pub origin: OriginArguments,
    /// How long a command that ends by itself waits for the cluster to be listed, in seconds.
    #[arg(long, value_name = "SECONDS", default_value_t = 30)]
    pub sync_timeout: u64,
}

/// The flags of `portolan explain flow`.
#[derive(Debug, Args)]
pub(crate) struct ExplainFlowArguments {
    /// Who asks: NAMESPACE/POD or an address.
    #[arg(long, value_name = "POD|IP")]
    pub from: String,
    /// Who is asked: NAMESPACE/POD or an address; of a Service, one of its pods.
    #[arg(long, value_name = "POD|IP")]
    pub to: String,
    /// The port that the pod listens on, which may be another one than the Service's.
    #[arg(long, value_name = "PORT/PROTOCOL", value_parser = traffic)]
    pub port: Traffic,
    /// Which cluster.
    #[command(flatten)]
    pub cluster: ClusterArguments,
    /// What is explained is what `portolan netpol` with this flag does.
    #[arg(long, value_name = "WHAT", default_value = "enforce")]
    pub pod_to_own_node: OwnNode,
    /// Addresses of the node at which a DNS server for its pods listens, as `portolan netpol` has them. Several with
    /// commas; '' for none.
    #[arg(long, value_name = "ADDRESSES", value_delimiter = ',', default_value = "169.254.20.10")]
    pub node_local_dns: Vec<String>,
    /// Trace the next connection that begins like this through the kernel of this node, and say what it met. A table of
    /// its own marks it, which is gone with the process.
    #[arg(long, requires = "node")]
    pub live: bool,
    /// With --live: the name of this node, as pods have it in spec.nodeName.
    #[arg(long, value_name = "NAME")]
    pub node: Option<String>,
    /// With --live: how long a connection is waited for, in seconds.
    #[arg(long, value_name = "SECONDS", default_value_t = 30)]
    pub live_timeout: u64,
}

/// The flags of `portolan explain matrix`.
#[derive(Debug, Args)]
pub(crate) struct ExplainMatrixArguments {
    /// The pods of this namespace and what they talk to; all pods otherwise.
    #[arg(long, value_name = "NAME")]
    pub namespace: Option<String>,
    /// The port of all connections.
    #[arg(long, value_name = "PORT/PROTOCOL", value_parser = traffic, default_value = "80/tcp")]
    pub port: Traffic,
    /// Print a page of HTML.
    #[arg(long)]
    pub html: bool,
    /// Which cluster.
    #[command(flatten)]
    pub cluster: ClusterArguments,
}

/// The flags of `portolan explain policies`.
#[derive(Debug, Args)]
pub(crate) struct ExplainPoliciesArguments {
    /// Which cluster.
    #[command(flatten)]
    pub cluster: ClusterArguments,
}

/// Reads a port of a protocol, tcp where none is said.
///
/// # Errors
/// It is something else; the text says what to write.
pub(crate) fn traffic(text: &str) -> Result<Traffic, String> {
    let (number, protocol) = text.split_once('/').unwrap_or((text, "tcp"));
    let port = number.parse::<u16>().ok().filter(|port| *port > 0);
    match (port, protocol.to_lowercase().as_str()) {
        (Some(port), "tcp") => Ok(Traffic::Tcp(port)),
        (Some(port), "udp") => Ok(Traffic::Udp(port)),
        (Some(port), "sctp") => Ok(Traffic::Sctp(port)),
        _ => Err("write a port and tcp, udp or sctp, for example 80/tcp".to_owned()),
    }
}

/// What becomes of connections that are no longer allowed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub(crate) enum LiveFlows {
    /// They are cut, both ways.
    Revoke,
    /// They go on.
    Keep,
}

/// Who may change the table while the process runs.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub(crate) enum TableOwner {
    /// The process alone.
    Own,
    /// Anyone with the capability; what others change is put right.
    Shared,
}

/// Whether egress rules hold between a pod and its own node.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub(crate) enum OwnNode {
    /// Everything is allowed.
    Allow,
    /// Egress rules hold.
    Enforce,
}

fn mark_bit(text: &str) -> Result<u32, String> {
    let number = text
        .strip_prefix("0x")
        .map_or_else(|| text.parse(), |digits| u32::from_str_radix(digits, 16));
    let bit = number.ok().filter(|number| number.is_power_of_two());
    bit.ok_or_else(|| "write one bit, for example 0x2000000".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn traffic_is_a_port_of_a_protocol() {
        assert_eq!(traffic("80"), Ok(Traffic::Tcp(80)));
        assert_eq!(traffic("53/UDP"), Ok(Traffic::Udp(53)));
        for text in ["", "0/tcp", "80/icmp", "65536/tcp", "tcp/80", "80/"] {
            assert!(traffic(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_mark_is_one_bit() {
        assert_eq!(mark_bit("0x2000000"), Ok(0x0200_0000));
        assert_eq!(mark_bit("1"), Ok(1));
        for text in ["0", "3", "0x", "x", "-1", "0x100000000"] {
            assert!(mark_bit(text).is_err(), "{text}");
        }
    }
}

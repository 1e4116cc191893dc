//! The command line.

mod examples;
mod netpol;
mod nodes;
mod origin;
mod status;

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::str::FromStr;

use clap::builder::{OsStringValueParser, TypedValueParser};
use clap::{Args, Parser, Subcommand};
use clap_complete::Shell;

use crate::logging::LineForm;

pub(crate) use netpol::{
    ClusterArguments, ExplainFlowArguments, ExplainMatrixArguments, ExplainPoliciesArguments,
    LiveFlows, NetpolArguments, OwnNode, TableOwner, traffic,
};
pub(crate) use nodes::{
    ExplainNodeArguments, IpamControllerArguments, IpamPlanArguments, NodeBlocksArguments,
    NodeFileArguments,
};
pub(crate) use origin::OriginArguments;
pub(crate) use status::{SampledQueries, StatusArguments};

/// Where the admin endpoints of a role are, unless it is told otherwise.
pub(crate) const DEFAULT_ADMIN: &str = "127.0.0.1:9353";

/// Where the blocks of this node are, from which the IPAM plugin gives addresses.
const NODE_BLOCKS: &str = "/run/portolan/node-blocks.json";

/// Where the stores of the IPAM plugin are, unless its configuration says otherwise.
const DEFAULT_STORES: &str = "/run/portolan/ipam";

/// Names, addresses and rules for a cluster.
///
/// `portolan COMMAND --help` says more of each, and so does `man portolan-COMMAND`.
#[derive(Debug, Parser)]
#[command(name = "portolan", version, disable_help_subcommand = true, max_term_width = 100)]
pub(crate) struct Cli {
    /// The role to run, or the question to ask.
    #[command(subcommand)]
    pub command: Command,
}

/// The roles and questions.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Serve DNS from a Corefile, or from a directory of manifests.
    ///
    /// CoreDNS's own flags are understood with one dash, too: -conf, -dns.port, -p, -pidfile, -plugins, -quiet
    /// and -version. Of a flag that is given twice the last counts.
    ///
    /// Called as `coredns`, the program is this role. Exit codes: 0 after a signal, 1 when it cannot start, 2 for a
    /// flag that there is not and after a second signal.
    #[command(args_override_self = true, after_help = examples::DNS)]
    Dns(DnsArguments),
    /// Name every mistake of a Corefile, and what is allowed and hardly meant.
    ///
    /// The exit code is 0 without mistakes and 1 otherwise. Files that the Corefile names are read; no socket is
    /// opened and no cluster is asked.
    Check(CheckArguments),
    /// Print the resolv.conf that a Pod gets on a node.
    ///
    /// It is what kubelet makes of the Pod's dnsPolicy and dnsConfig. Warnings go to the standard error with the
    /// reasons and messages of kubelet's events. The exit code is 0 when the file was printed, with warnings, too; 1
    /// when there is none, because something cannot be read or an API server would refuse the Pod; 2 for a wrong
    /// command line.
    ResolvConf(ResolvConfArguments),
    /// Enforce the NetworkPolicies for the pods of this node.
    ///
    /// Rules are nftables', in the table `inet portolan-netpol`; it needs CAP_NET_ADMIN. The kernel is not touched
    /// until everything is listed. Nothing is removed at the end: the rules stay in force until --uninstall. Exit
    /// codes: 0 after a signal and when what was asked for is done, 1 when it cannot be done, 2 for a wrong command
    /// line and after a second signal.
    #[command(after_help = examples::NETPOL)]
    Netpol(NetpolArguments),
    /// Look after the addresses that the IPAM plugin gave out on this host.
    ///
    /// List them, free those of containers that are gone, check the stores, plan the blocks of nodes. Called as
    /// `portolan-ipam`, the program is that plugin.
    Ipam {
        /// What to do.
        #[command(subcommand)]
        what: IpamCommand,
    },
    /// Keep the file of this node's pod blocks.
    ///
    /// The IPAM plugin gives addresses from it. The Node's `spec.podCIDRs` says which they are. The file is replaced as
    /// a whole, never emptied and never removed: pods get addresses whatever becomes of the API server. Exit codes: 0
    /// after a signal, and with --once when the file is written; 1 when it cannot be.
    NodeBlocks(NodeFileArguments),
    /// Give nodes their pod blocks, and Services their addresses.
    ///
    /// Services get them with --service-addresses, where no API server gives them. It takes the place of
    /// kube-controller-manager's --allocate-node-cidrs, with pools of several sizes (IPPool). Of several replicas the
    /// one that holds a Lease writes. Exit codes: 0 after a signal, 1 when it cannot start, 2 for a wrong command line
    /// and after a second signal.
    IpamController(IpamControllerArguments),
    /// Show how running roles are, and what is not well.
    ///
    /// What they follow, how much is asked and denied, how full pools are. The same is at /status of a role's admin
    /// address, for a browser. Exit codes: 0 when all that was asked is well, 1 when something is not, which is told as
    /// a problem, or a role does not answer, 2 for a wrong command line.
    #[command(after_help = examples::STATUS)]
    Status(StatusArguments),
    /// Explain why something is as it is.
    Explain {
        /// What to explain.
        #[command(subcommand)]
        what: ExplainCommand,
    },
    /// Print the version, and how the program was built.
    Version {
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Print completions for a shell.
    ///
    /// `make install` puts them where shells look.
    Completions {
        /// The shell.
        shell: Shell,
    },
    /// Write manual pages to a folder.
    ManPages {
        /// The folder.
        folder: PathBuf,
    },
}

/// What can be explained.
#[derive(Debug, Subcommand)]
pub(crate) enum ExplainCommand {
    /// Explain an answer of the DNS server.
    ///
    /// Which server block, plugin, object and rule gave it, and for a miss what would have matched. A running server is
    /// asked, unless --conf or --manifests says what it would serve.
    #[command(after_help = examples::EXPLAIN_DNS)]
    Dns(ExplainDnsArguments),
    /// Explain whether policies let one pod or address talk to another.
    ///
    /// The policy, rule and peer that decide, and for a denial what would have matched nearly.
    #[command(after_help = examples::EXPLAIN_FLOW)]
    Flow(ExplainFlowArguments),
    /// Show which pods may talk to which, as a table.
    Matrix(ExplainMatrixArguments),
    /// Show what in the policies is allowed and hardly meant.
    Policies(ExplainPoliciesArguments),
    /// Explain an address that the IPAM plugin of this host gives out.
    ///
    /// Who holds it since when, and what keeps it; of one that is not held, whether it can be given out, and of a full
    /// pool why it is full.
    Ip(ExplainIpArguments),
    /// Explain the pod blocks of a node.
    ///
    /// Which it has or should get, of which pools, and what is wrong with them.
    Node(ExplainNodeArguments),
}

/// What can be done with the addresses of this host.
#[derive(Debug, Subcommand)]
pub(crate) enum IpamCommand {
    /// List who holds which address since when.
    List(IpamArguments),
    /// Free the addresses whose containers are proven to be gone.
    ///
    /// The boot, the network namespace, the runtime's cache of results and the runtime itself are asked. An address is
    /// freed only when they agree; what stays, and why, is printed.
    Gc(IpamGcArguments),
    /// Check that the stores are whole.
    ///
    /// The exit code is 1 when one is not. Nothing is changed.
    Verify(IpamArguments),
    /// Show which pod blocks the nodes of a cluster should have.
    ///
    /// Those that have none and what they would get, what is wrong with those that there are, and how full the pools
    /// are. Nothing is written.
    ///
    /// The exit code is 1 when something is wrong: a node that gets no block, blocks that overlap or are in no pool.
    Plan(IpamPlanArguments),
}

/// Which stores are meant.
#[derive(Debug, Args)]
pub(crate) struct IpamArguments {
    /// The name of a network; all networks otherwise.
    pub network: Option<String>,
    /// Where the stores are, as `storeDir` in the configuration says.
    #[arg(long, value_name = "FOLDER", default_value = DEFAULT_STORES)]
    pub store_dir: PathBuf,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
}

/// The flags of `portolan ipam gc`.
#[derive(Debug, Args)]
pub(crate) struct IpamGcArguments {
    /// Which stores are meant, and how to print.
    #[command(flatten)]
    pub stores: IpamArguments,
    /// The socket of the container runtime (CRI), unix:///PATH; `off` asks none. Otherwise the first that is there of
    /// containerd's, CRI-O's, cri-dockerd's and k3s's.
    #[arg(long, value_name = "ENDPOINT")]
    pub runtime_endpoint: Option<String>,
}

/// The flags of `portolan explain ip`.
#[derive(Debug, Args)]
pub(crate) struct ExplainIpArguments {
    /// The address.
    pub address: IpAddr,
    /// Where the stores are, as `storeDir` in the configuration says.
    #[arg(long, value_name = "FOLDER", default_value = DEFAULT_STORES)]
    pub store_dir: PathBuf,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
}

/// The flags of `portolan dns`.
#[derive(Debug, Args)]
pub(crate) struct DnsArguments {
    /// The Corefile; `stdin` reads the standard input. Without it `Corefile` in the working directory, and
    /// without that the one that CoreDNS has built in.
    #[arg(long = "conf", value_name = "FILE", conflicts_with = "manifests")]
    pub conf: Option<PathBuf>,
    /// Serve this YAML file or directory of Kubernetes manifests over a built-in Corefile.
    #[arg(long, value_name = "PATH")]
    pub manifests: Option<PathBuf>,
    /// With --manifests: the address to listen on.
    #[arg(long, value_name = "ADDRESS", requires = "manifests", default_value = "127.0.0.1:5300")]
    pub listen: SocketAddr,
    /// The port of server blocks that name none.
    #[arg(
        long = "dns.port",
        short = 'p',
        value_name = "PORT",
        default_value_t = 53,
        conflicts_with = "manifests"
    )]
    pub port: u16,
    /// Write the process id to this file.
    #[arg(long = "pidfile", value_name = "FILE")]
    pub pidfile: Option<PathBuf>,
    /// List the plugins and exit.
    #[arg(long = "plugins")]
    pub plugins: bool,
    /// Do not print the zones at the start.
    #[arg(long = "quiet")]
    pub quiet: bool,
    /// Show the version and exit.
    #[arg(long = "version")]
    pub version: bool,
    /// Take the addresses over from a running server of the same user: listen beside it once everything is listed,
    /// and answer. Then stop the other one: it answers what it was asked, and no query is lost.
    #[arg(long)]
    pub takeover: bool,
    /// Be the DNS cache of this node at these addresses, which server blocks `bind`: put them on `lo`, and keep port 53
    /// of them out of connection tracking. Several with commas. It needs CAP_NET_ADMIN.
    #[arg(long = "node-local", value_name = "ADDRESSES", value_delimiter = ',')]
    pub node_local: Vec<IpAddr>,
    /// Remove what a server with --node-local left because it did not end in order, and end.
    #[arg(long = "node-local-remove", conflicts_with = "node_local")]
    pub node_local_remove: bool,
    /// The form of log lines; otherwise what PORTOLAN_LOG_FORMAT says, or text.
    #[arg(long = "log-format", value_name = "FORM")]
    pub log_format: Option<LineForm>,
    /// What the status page tells of queries, from samples of them: names, and the addresses of clients.
    #[arg(long = "sample-queries", value_name = "WHAT", default_value = "names-and-clients")]
    pub sample_queries: SampledQueries,
    /// Where the admin endpoints listen: /status, /healthz, /readyz, /metrics, /debug/cluster and /debug/explain. `off`
    /// for nowhere; otherwise 127.0.0.1:9353.
    /// When the default is taken by another process, the server starts without them.
    #[arg(long, value_name = "ADDRESS")]
    pub admin: Option<String>,
}

/// The flags of `portolan check`.
#[derive(Debug, Args)]
pub(crate) struct CheckArguments {
    /// The Corefile; `-` or `stdin` reads the standard input.
    #[arg(default_value = "Corefile")]
    pub corefile: PathBuf,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
    /// Fail on warnings, too.
    #[arg(long)]
    pub strict: bool,
    /// The port of server blocks that name none.
    #[arg(long = "dns.port", short = 'p', value_name = "PORT", default_value_t = 53)]
    pub port: u16,
}

/// The flags of `portolan resolv-conf`.
#[derive(Debug, Args)]
pub(crate) struct ResolvConfArguments {
    /// The Pod. May be left out where --file or --manifests has a single one.
    #[arg(long, value_name = "[NAMESPACE/]NAME")]
    pub pod: Option<PodName>,
    /// Read the Pod from this YAML or JSON file; `-` reads the standard input.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["manifests", "kubeconfig"])]
    pub file: Option<PathBuf>,
    /// Where the Pod is, without --file.
    #[command(flatten)]
    pub origin: OriginArguments,
    /// Take clusterDNS, clusterDomain and resolvConf from this KubeletConfiguration. The flags below win over it.
    #[arg(long, value_name = "FILE")]
    pub kubelet_config: Option<PathBuf>,
    /// Where the cluster's DNS is (kubelet's clusterDNS); several addresses with commas.
    #[arg(long, value_name = "ADDRESSES", value_delimiter = ',')]
    pub cluster_dns: Option<Vec<IpAddr>>,
    /// The cluster's domain (kubelet's clusterDomain), or '' for none. `cluster.local` unless --kubelet-config is
    /// given.
    #[arg(long, value_name = "DOMAIN")]
    pub cluster_domain: Option<String>,
    /// The node's file (kubelet's resolvConf), or '' for none. /etc/resolv.conf otherwise.
    #[arg(long, value_name = "FILE", value_parser = OsStringValueParser::new().map(PathBuf::from))]
    pub resolv_conf: Option<PathBuf>,
    /// The node's addresses, one of each family, with a comma. They only count with --resolv-conf ''.
    #[arg(long, value_name = "ADDRESSES", value_delimiter = ',')]
    pub node_ip: Vec<IpAddr>,
    /// Show what kubelet would make of a Pod that no API server takes.
    #[arg(long)]
    pub no_validation: bool,
}

/// The name of a Pod on the command line: `NAMESPACE/NAME`, or `NAME` in the namespace `default`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct PodName {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
}

impl FromStr for PodName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (namespace, name) = text.split_once('/').unwrap_or(("default", text));
        let is_name = |text: &str| {
            let is_inner =
                |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "-.".contains(c);
            !text.is_empty() && text.chars().all(is_inner)
        };
        if !is_name(namespace) || !is_name(name) {
            return Err("write NAMESPACE/NAME, for example shop/web-0".to_owned());
        }
        Ok(Self { namespace: namespace.to_owned(), name: name.to_owned() })
    }
}

impl fmt::Display for PodName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.namespace, self.name)
    }
}

/// The flags of `portolan explain dns`.
#[derive(Debug, Args)]
pub(crate) struct ExplainDnsArguments {
    /// The name to look up, with the escapes of zone files (`\.`, `\DDD`).
    pub name: String,
    /// The type of the records: a mnemonic, TYPEnn or a number.
    #[arg(default_value = "A")]
    pub qtype: String,
    /// Ask the running server with this admin address.
    #[arg(long, value_name = "ADDRESS", default_value = DEFAULT_ADMIN)]
    pub server: String,
    /// Ask no server, but what this Corefile says.
    #[arg(long = "conf", value_name = "FILE", conflicts_with = "manifests")]
    pub conf: Option<PathBuf>,
    /// Ask no server, but what these manifests say over the built-in Corefile.
    #[arg(long, value_name = "PATH")]
    pub manifests: Option<PathBuf>,
    /// Explain what a client with this address gets, for `view`, `acl` and `autopath @kubernetes`.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1")]
    pub client: IpAddr,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn a_pod_has_a_namespace_and_a_name() {
        let read = |text: &str| text.parse::<PodName>().map(|pod| pod.to_string()).ok();
        assert_eq!(read("shop/web-0").as_deref(), Some("shop/web-0"));
        assert_eq!(read("web.0").as_deref(), Some("default/web.0"));
        for text in ["", "/", "shop/", "/web", "shop/web/0", "shop/Web", "shop/web 0", "a/b?c"] {
            assert_eq!(read(text), None, "{text}");
        }
    }
}

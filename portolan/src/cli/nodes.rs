//! The flags of what is about nodes and their blocks.

use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::str::FromStr;

use clap::{ArgAction, Args};
use ipnet::IpNet;

use super::OriginArguments;
use crate::logging::LineForm;

/// The flags of `portolan node-blocks`.
#[derive(Debug, Args)]
pub(crate) struct NodeFileArguments {
    /// The name of this node.
    #[arg(long, value_name = "NAME")]
    pub node: String,
    /// Where the Node is.
    #[command(flatten)]
    pub origin: OriginArguments,
    /// The file to write.
    #[arg(long, value_name = "FILE", default_value = super::NODE_BLOCKS)]
    pub file: PathBuf,
    /// Follow the node's NodeBlock, too, and write its further blocks: the IPAM controller gives them.
    #[arg(long)]
    pub further_blocks: bool,
    /// Ask for a further block when fewer addresses than this are free in the node's blocks of a family; 0 for never.
    #[arg(long, value_name = "ADDRESSES", default_value_t = 8, requires = "further_blocks")]
    pub ask_below: u32,
    /// The folder of the IPAM plugin's stores, where is looked how many addresses are free.
    #[arg(long, value_name = "FOLDER", default_value = super::DEFAULT_STORES, requires = "further_blocks")]
    pub store_dir: PathBuf,
    /// A network configuration list to install when the node has blocks: before, no runtime takes the network for
    /// ready.
    #[arg(long, value_name = "FILE")]
    pub conflist: Option<PathBuf>,
    /// The folder to install it in, under its own name.
    #[arg(long, value_name = "FOLDER", default_value = "/etc/cni/net.d", requires = "conflist")]
    pub conflist_dir: PathBuf,
    /// A CNI plugin to install, portolan-ipam for one, before anything else: what runs pods does not look for it sooner.
    #[arg(long, value_name = "FILE")]
    pub plugin: Option<PathBuf>,
    /// The folder to install it in, under its own name.
    #[arg(long, value_name = "FOLDER", default_value = "/opt/cni/bin", requires = "plugin")]
    pub plugin_dir: PathBuf,
    /// End when the file is written: an init container before what needs it.
    #[arg(long)]
    pub once: bool,
    /// The form of log lines; otherwise what PORTOLAN_LOG_FORMAT says, or text.
    #[arg(long = "log-format", value_name = "FORM")]
    pub log_format: Option<LineForm>,
}

/// The flags of `portolan ipam plan`.
#[derive(Debug, Args)]
pub(crate) struct IpamPlanArguments {
    /// Where the nodes are, and the pools.
    #[command(flatten)]
    pub blocks: NodeBlocksArguments,
}

/// The flags of `portolan explain node`.
#[derive(Debug, Args)]
pub(crate) struct ExplainNodeArguments {
    /// The name of the node.
    pub name: String,
    /// The IPAM controller's --quarantine: how long the blocks of a node that is gone go to nobody, in seconds.
    #[arg(long, value_name = "SECONDS", default_value_t = 600)]
    pub quarantine: u64,
    /// Where the nodes are, and the pools.
    #[command(flatten)]
    pub blocks: NodeBlocksArguments,
}

/// Ports from one to another.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct PortRange(pub RangeInclusive<u16>);

impl FromStr for PortRange {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let ends = text.split_once('-').and_then(|(first, last)| {
            Some((first.trim().parse::<u16>().ok()?, last.trim().parse::<u16>().ok()?))
        });
        match ends {
            Some((first @ 1.., last)) if first <= last => Ok(Self(first..=last)),
            _ => Err("write FIRST-LAST, for example 30000-32767".to_owned()),
        }
    }
}

/// The flags of `portolan ipam-controller`.
#[derive(Debug, Args)]
pub(crate) struct IpamControllerArguments {
    /// Where the objects are, and what kube-controller-manager would be told. --manifests needs --dry-run.
    #[command(flatten)]
    pub blocks: NodeBlocksArguments,
    /// Give nodes their blocks; kube-controller-manager must not, then.
    #[arg(long, value_name = "BOOL", default_value_t = true, action = ArgAction::Set)]
    pub allocate_node_cidrs: bool,
    /// Give Services their cluster addresses and node ports, and keep IPAddress and ServiceCIDR objects: for an API server that
    /// does not. Of --service-cidrs the ServiceCIDR `kubernetes` is made where there is none.
    #[arg(long)]
    pub service_addresses: bool,
    /// The node ports of --service-addresses.
    #[arg(long, value_name = "FIRST-LAST", default_value = "30000-32767")]
    pub service_node_port_range: PortRange,
    /// How long the blocks of a node that is gone go to nobody, in seconds.
    #[arg(long, value_name = "SECONDS", default_value_t = 600)]
    pub quarantine: u64,
    /// Print what would be written and why, and end. The exit code is 1 when something is wrong.
    #[arg(long)]
    pub dry_run: bool,
    /// Writes to the API server a second, and looks that follow a failure; as many at once after a pause.
    #[arg(long, value_name = "RATE", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub writes_per_second: u32,
    /// Lead by a Lease, so that several replicas are safe. Without it there must be one.
    #[arg(long, value_name = "BOOL", default_value_t = true, action = ArgAction::Set)]
    pub leader_elect: bool,
    /// The namespace of the Lease; the pod's own otherwise, or kube-system.
    #[arg(long, value_name = "NAMESPACE")]
    pub leader_elect_resource_namespace: Option<String>,
    /// The name of the Lease.
    #[arg(long, value_name = "NAME", default_value = "portolan-ipam-controller")]
    pub leader_elect_resource_name: String,
    /// How long after its last renewal a Lease is taken over, in seconds.
    #[arg(long, value_name = "SECONDS", default_value_t = 15)]
    pub leader_elect_lease_duration: u64,
    /// How long a leader goes on without a renewal, in seconds; less than the lease duration.
    #[arg(long, value_name = "SECONDS", default_value_t = 10)]
    pub leader_elect_renew_deadline: u64,
    /// How often the Lease is renewed or asked for, in seconds; less than the renew deadline.
    #[arg(long, value_name = "SECONDS", default_value_t = 2)]
    pub leader_elect_retry_period: u64,
    /// Where the admin endpoints listen: /status, /healthz, /readyz and /metrics; `off` for nowhere.
    #[arg(long, value_name = "ADDRESS", default_value = super::DEFAULT_ADMIN)]
    pub admin: String,
    /// The form of log lines; otherwise what PORTOLAN_LOG_FORMAT says, or text.
    #[arg(long = "log-format", value_name = "FORM")]
    pub log_format: Option<LineForm>,
}

/// Where Nodes and IPPools are, and what kube-controller-manager would be told.
#[derive(Debug, Args)]
pub(crate) struct NodeBlocksArguments {
    /// Where the objects are.
    #[command(flatten)]
    pub origin: OriginArguments,
    /// Networks that are pools for all nodes, beside the IPPools; several with commas. kube-controller-manager's
    /// --cluster-cidr.
    #[arg(long, value_name = "CIDRS", value_delimiter = ',', value_parser = network)]
    pub cluster_cidrs: Vec<IpNet>,
    /// The prefix length of the IPv4 blocks of --cluster-cidrs.
    #[arg(long, value_name = "LENGTH", default_value_t = 24)]
    pub node_mask_size_ipv4: u8,
    /// The prefix length of the IPv6 blocks of --cluster-cidrs.
    #[arg(long, value_name = "LENGTH", default_value_t = 64)]
    pub node_mask_size_ipv6: u8,
    /// Networks of Services, which no block may overlap; several with commas.
    #[arg(long, value_name = "CIDRS", value_delimiter = ',', value_parser = network)]
    pub service_cidrs: Vec<IpNet>,
    /// Most blocks of a family, 1 to 16, that a node gets because it asks for them itself. The annotation portolan.dev/blocks
    /// and an IPPool's blocksPerNode stand beside it.
    #[arg(long, value_name = "BLOCKS", default_value_t = 4, value_parser = clap::value_parser!(u8).range(1..=16))]
    pub blocks_per_node: u8,
}

/// Reads a network; whether it has host bits is said by who uses it.
fn network(text: &str) -> Result<IpNet, String> {
    text.parse()
        .map_err(|_| "write networks, for example 10.244.0.0/16 or fd00:10:244::/56".to_owned())
}

//! The flags of what is about nodes and their blocks.

use std::path::PathBuf;

use clap::Args;
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
    #[arg(long, value_name = "FILE", default_value = "/run/portolan/node-blocks.json")]
    pub file: PathBuf,
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
    /// Where the nodes are, and the pools.
    #[command(flatten)]
    pub blocks: NodeBlocksArguments,
}

/// Where Nodes and IPPools are, and what kube-controller-manager would be told.
#[derive(Debug, Args)]
pub(crate) struct NodeBlocksArguments {
    /// Where the objects are.
    #[command(flatten)]
    pub origin: OriginArguments,
    /// Networks that are pools for all nodes, beside the IPPools; several with commas. kube-controller-manager's
    /// --cluster-cidr.
    #[arg(long, value_name = "CIDRS", value_delimiter = ',')]
    pub cluster_cidrs: Vec<IpNet>,
    /// The prefix length of the IPv4 blocks of --cluster-cidrs.
    #[arg(long, value_name = "LENGTH", default_value_t = 24)]
    pub node_mask_size_ipv4: u8,
    /// The prefix length of the IPv6 blocks of --cluster-cidrs.
    #[arg(long, value_name = "LENGTH", default_value_t = 64)]
    pub node_mask_size_ipv6: u8,
    /// Networks of Services, which no block may overlap; several with commas.
    #[arg(long, value_name = "CIDRS", value_delimiter = ',')]
    pub service_cidrs: Vec<IpNet>,
}

//! The flags of `portolan status`, and what is sampled for it.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use dns::sampling::Sampled;

/// The flags of `portolan status`.
#[derive(Debug, Args)]
pub(crate) struct StatusArguments {
    /// The admin addresses of the roles to ask; several with commas. `off` asks none.
    #[arg(long, value_name = "ADDRESS", value_delimiter = ',', default_value = super::DEFAULT_ADMIN)]
    pub admin: Vec<String>,
    /// Where the IPAM plugin of this host has its stores: how full they are is told where there are any. `off` leaves
    /// them and the blocks of the node out.
    #[arg(long, value_name = "FOLDER", default_value = super::DEFAULT_STORES)]
    pub store_dir: PathBuf,
    /// The file with the blocks of this node, which are told where there is one.
    #[arg(long, value_name = "FILE", default_value = super::NODE_BLOCKS)]
    pub node_blocks: PathBuf,
    /// Print JSON: an array with an object for each role.
    #[arg(long)]
    pub json: bool,
}

/// What the status page tells of queries.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub(crate) enum SampledQueries {
    /// The names that are asked for most, and the addresses that ask most.
    NamesAndClients,
    /// The names that are asked for most.
    Names,
    /// Neither.
    Nothing,
}

impl From<SampledQueries> for Sampled {
    fn from(chosen: SampledQueries) -> Self {
        match chosen {
            SampledQueries::NamesAndClients => Self::NamesAndClients,
            SampledQueries::Names => Self::Names,
            SampledQueries::Nothing => Self::Nothing,
        }
    }
}

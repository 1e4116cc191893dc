//! From a plugin's configuration to the plugin at work.

use std::error::Error;
use std::fmt::Debug;

use hickory_proto::rr::LowerName;

use super::cache::Stores;
use super::{Plugin, PluginMetrics};

/// The configuration of a plugin that needs nothing but its place among the server blocks.
///
/// Reading a Corefile has no effect; what opens files or starts tasks does it here. It is called within a tokio
/// runtime. Tasks that it starts end when the plugin is dropped.
pub trait Setup: Debug + Send + Sync {
    /// Returns the name of the plugin as the Corefile spells it.
    fn name(&self) -> &'static str;

    /// Returns the plugin.
    ///
    /// # Errors
    /// What the plugin needs cannot be had: a file, an address.
    fn set_up(&self, site: &Site<'_>) -> Result<Box<dyn Plugin>, SetupError>;
}

/// Says why a plugin cannot be put to work: what, why, and what to do.
pub type SetupError = Box<dyn Error + Send + Sync>;

/// Where a plugin stands, for its metrics and what it serves.
#[derive(Clone, Copy, Debug)]
pub struct Site<'a> {
    /// The label of the block's first listener: `dns://:53`.
    pub server: &'a str,
    /// The name of the block's view; empty without one.
    pub view: &'a str,
    /// The canonical text of the block: equal blocks have equal texts.
    pub block: &'a str,
    /// The zones of the block.
    pub zones: &'a [LowerName],
    /// The metrics of all plugins.
    pub metrics: &'a PluginMetrics,
    /// What caches keep across a reload.
    pub stores: &'a Stores,
}

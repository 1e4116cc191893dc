//! One server block.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use hickory_proto::rr::LowerName;

use super::Surroundings;
use super::registry::{self, Support};
use crate::corefile::{
    CorefileError, Directive, Position, ServerBlock, Token, Transport, ZoneKey, zone_keys,
};
use crate::plugin::bind::BindConfig;
use crate::plugin::cache::CacheConfig;
use crate::plugin::errors::ErrorsConfig;
use crate::plugin::forward::ForwardConfig;
use crate::plugin::health::HealthConfig;
use crate::plugin::kubernetes::KubernetesConfig;
use crate::plugin::loadbalance::LoadbalanceConfig;
use crate::plugin::log::LogConfig;
use crate::plugin::r#loop::LoopConfig;
use crate::plugin::metadata::MetadataConfig;
use crate::plugin::prometheus::PrometheusConfig;
use crate::plugin::ready::ReadyConfig;
use crate::plugin::reload::ReloadConfig;
use crate::plugin::whoami::WhoamiConfig;
use crate::plugin::{Filter, Setup};

/// A server block: the zones it serves, where, and with which plugins.
#[derive(Debug)]
pub struct BlockConfig {
    /// Where the block starts.
    pub position: Position,
    /// Its keys, expanded.
    pub keys: Vec<ZoneKey>,
    /// The zones of the keys.
    pub zones: Vec<LowerName>,
    /// The addresses of `bind`; none means every address.
    pub bind: Option<Vec<IpAddr>>,
    /// `health`.
    pub health: Option<HealthConfig>,
    /// `ready`.
    pub ready: Option<ReadyConfig>,
    /// `reload`.
    pub reload: Option<ReloadConfig>,
    /// `metadata`: the zones in whose names queries have metadata.
    pub metadata: Vec<LowerName>,
    /// `view`: which queries the block takes.
    pub view: Option<Arc<dyn Filter>>,
    /// The plugins that see queries, in their order.
    pub plugins: Vec<PluginConfig>,
}

/// A plugin that sees queries, configured.
#[derive(Debug)]
pub enum PluginConfig {
    /// `prometheus`.
    Prometheus(PrometheusConfig),
    /// `errors`.
    Errors(ErrorsConfig),
    /// `log`.
    Log(LogConfig),
    /// `loadbalance`.
    Loadbalance(LoadbalanceConfig),
    /// `kubernetes`.
    Kubernetes(Box<KubernetesConfig>),
    /// `loop`.
    Loop(LoopConfig),
    /// One `forward` of possibly several.
    Forward(Box<ForwardConfig>),
    /// `whoami`.
    Whoami(WhoamiConfig),
    /// Any plugin that needs nothing but its place.
    Plain(Box<dyn Setup>),
}

/// The directives of a block, by the place of their plugin in the order.
type ByPlugin<'a> = BTreeMap<usize, Vec<&'a Directive>>;

impl BlockConfig {
    /// Reads a block.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub(super) fn parse(
        block: &ServerBlock,
        around: Surroundings<'_>,
    ) -> Result<Self, Vec<CorefileError>> {
        let mut errors = Vec::new();
        let keys = keep(&mut errors, keys_of(&block.keys, around.default_port)).unwrap_or_default();
        let mut config = Self {
            position: block.position.clone(),
            zones: zones_of(&keys),
            keys,
            bind: None,
            health: None,
            ready: None,
            reload: None,
            metadata: Vec::new(),
            view: None,
            plugins: Vec::new(),
        };
        let (by_plugin, unknown) = sort_directives(&block.directives);
        errors.extend(unknown);
        for (at, directives) in by_plugin {
            let read = config.add(registry::PLUGINS[at].0, &directives, around);
            keep(&mut errors, read);
        }
        errors.sort_by_key(|error| error.position().line);
        if errors.is_empty() { Ok(config) } else { Err(errors) }
    }

    /// Returns the name of the block's view; empty without one.
    pub fn view_name(&self) -> &str {
        self.view.as_ref().map_or("", |view| view.name())
    }

    /// Says whether the block has `loop`.
    pub fn has_loop(&self) -> bool {
        self.plugins.iter().any(|plugin| matches!(plugin, PluginConfig::Loop(_)))
    }

    fn add(
        &mut self,
        name: &str,
        directives: &[&Directive],
        around: Surroundings<'_>,
    ) -> Result<(), CorefileError> {
        let plugin = match name {
            "bind" => {
                self.bind = Some(BindConfig::parse(directives)?.resolve(around.interfaces)?);
                return Ok(());
            }
            "ready" => {
                self.ready = Some(ReadyConfig::parse(directives)?);
                return Ok(());
            }
            "reload" => {
                self.reload = Some(ReloadConfig::parse(directives)?);
                return Ok(());
            }
            "health" => {
                self.health = Some(HealthConfig::parse(directives)?);
                return Ok(());
            }
            "metadata" => {
                self.metadata = MetadataConfig::parse(directives, &self.zones)?.zones;
                return Ok(());
            }
            "forward" => {
                return self.add_forwards(directives, around);
            }
            "cache" => PluginConfig::Plain(Box::new(CacheConfig::parse(directives, &self.zones)?)),
            "prometheus" => PluginConfig::Prometheus(PrometheusConfig::parse(directives)?),
            "errors" => PluginConfig::Errors(ErrorsConfig::parse(directives)?),
            "log" => PluginConfig::Log(LogConfig::parse(directives)?),
            "loop" => PluginConfig::Loop(LoopConfig::parse(directives)?),
            "loadbalance" => PluginConfig::Loadbalance(LoadbalanceConfig::parse(directives)?),
            "kubernetes" => {
                let config = KubernetesConfig::parse(directives, &self.zones)?;
                PluginConfig::Kubernetes(Box::new(config))
            }
            _ => PluginConfig::Whoami(WhoamiConfig::parse(directives)?),
        };
        self.plugins.push(plugin);
        Ok(())
    }
}

impl BlockConfig {
    fn add_forwards(
        &mut self,
        directives: &[&Directive],
        around: Surroundings<'_>,
    ) -> Result<(), CorefileError> {
        for (at, directive) in directives.iter().enumerate() {
            let mut forward = ForwardConfig::parse(directive, around.files)?;
            forward.has_successor = at + 1 < directives.len();
            self.plugins.push(PluginConfig::Forward(Box::new(forward)));
        }
        Ok(())
    }
}

fn keep<T>(errors: &mut Vec<CorefileError>, result: Result<T, CorefileError>) -> Option<T> {
    result.map_err(|error| errors.push(error)).ok()
}

fn keys_of(tokens: &[Token], default_port: u16) -> Result<Vec<ZoneKey>, CorefileError> {
    let mut keys = Vec::new();
    for token in tokens {
        let expanded = zone_keys(&token.text, default_port);
        let expanded = expanded.map_err(|error| token.error(error.to_string()))?;
        if let Some(key) = expanded.iter().find(|key| key.transport != Transport::Dns) {
            let scheme = key.transport.scheme();
            return Err(token.error(format!("{scheme}:// is not available yet; use dns://")));
        }
        keys.extend(expanded);
    }
    Ok(keys)
}

fn zones_of(keys: &[ZoneKey]) -> Vec<LowerName> {
    let mut zones: Vec<LowerName> = Vec::new();
    for zone in keys.iter().filter_map(|key| key.zone.parse().ok()) {
        if !zones.contains(&zone) {
            zones.push(zone);
        }
    }
    zones
}

fn sort_directives(directives: &[Directive]) -> (ByPlugin<'_>, Vec<CorefileError>) {
    let (mut by_plugin, mut errors) = (ByPlugin::new(), Vec::new());
    for directive in directives {
        let name = &directive.name.text;
        match registry::find(name) {
            Some((at, Support::Available)) => by_plugin.entry(at).or_default().push(directive),
            Some((_, Support::Planned)) => errors.push(directive.error(format!(
                "the plugin '{name}' is not available in this version of Portolan; remove it"
            ))),
            Some((_, Support::Unsupported(instead))) => errors.push(
                directive.error(format!("the plugin '{name}' is not part of Portolan; {instead}")),
            ),
            None => errors.push(directive.error(unknown(name))),
        }
    }
    (by_plugin, errors)
}

fn unknown(name: &str) -> String {
    let hint = registry::nearest(name).map(|meant| format!("; did you mean '{meant}'?"));
    format!("Unknown directive '{name}'{}", hint.unwrap_or_default())
}

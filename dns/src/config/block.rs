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
use crate::plugin::acl::AclConfig;
use crate::plugin::any::AnyConfig;
use crate::plugin::autopath::AutopathConfig;
use crate::plugin::bind::BindConfig;
use crate::plugin::bufsize::BufsizeConfig;
use crate::plugin::cache::CacheConfig;
use crate::plugin::cancel::CancelConfig;
use crate::plugin::chaos::ChaosConfig;
use crate::plugin::cookie::CookieConfig;
use crate::plugin::dns64::Dns64Config;
use crate::plugin::dnstap::DnstapConfig;
use crate::plugin::erratic::ErraticConfig;
use crate::plugin::errors::ErrorsConfig;
use crate::plugin::file::FileConfig;
use crate::plugin::forward::ForwardConfig;
use crate::plugin::header::HeaderConfig;
use crate::plugin::health::HealthConfig;
use crate::plugin::hosts::HostsConfig;
use crate::plugin::k8s_external::K8sExternalConfig;
use crate::plugin::kubernetes::KubernetesConfig;
use crate::plugin::loadbalance::LoadbalanceConfig;
use crate::plugin::local::LocalConfig;
use crate::plugin::log::LogConfig;
use crate::plugin::r#loop::LoopConfig;
use crate::plugin::metadata::MetadataConfig;
use crate::plugin::minimal::MinimalConfig;
use crate::plugin::multisocket::MultisocketConfig;
use crate::plugin::nsid::NsidConfig;
use crate::plugin::prometheus::PrometheusConfig;
use crate::plugin::ratelimit::RatelimitConfig;
use crate::plugin::ready::ReadyConfig;
use crate::plugin::reload::ReloadConfig;
use crate::plugin::rewrite::RewriteConfig;
use crate::plugin::root::Root;
use crate::plugin::stream_limits::StreamLimits;
use crate::plugin::template::TemplateConfig;
use crate::plugin::timeouts::TimeoutsConfig;
use crate::plugin::tls::TlsConfig;
use crate::plugin::view::View;
use crate::plugin::whoami::WhoamiConfig;
use crate::plugin::{Filter, Setup, debug};

/// A server block: the zones it serves, where, and with which plugins.
#[derive(Debug)]
pub struct BlockConfig {
    /// Where the block starts.
    pub position: Position,
    /// Its canonical text, with imports and environment in place: equal texts mean equal blocks.
    pub text: String,
    /// Its keys, expanded.
    pub keys: Vec<ZoneKey>,
    /// The zones of the keys.
    pub zones: Vec<LowerName>,
    /// `root`: where relative paths of the block start.
    pub root: Root,
    /// The addresses of `bind`; none means every address.
    pub bind: Option<Vec<IpAddr>>,
    /// `multisocket`.
    pub multisocket: Option<MultisocketConfig>,
    /// `cookie`, which holds for the whole server.
    pub cookie: Option<Arc<CookieConfig>>,
    /// `timeouts`.
    pub timeouts: TimeoutsConfig,
    /// `https`, `https3` and `quic`, by their name.
    pub stream_limits: BTreeMap<&'static str, StreamLimits>,
    /// `tls`.
    pub tls: Option<TlsConfig>,
    /// Where `tls` stands.
    pub tls_position: Option<Position>,
    /// `health`.
    pub health: Option<HealthConfig>,
    /// `ready`.
    pub ready: Option<ReadyConfig>,
    /// `reload`.
    pub reload: Option<ReloadConfig>,
    /// `debug`: what is done to each query is logged.
    pub debug: bool,
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
    /// `k8s_external`; the block has a `kubernetes`, too.
    K8sExternal(K8sExternalConfig),
    /// `autopath`.
    Autopath(AutopathConfig),
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
            text: block.to_string(),
            zones: zones_of(&keys),
            keys,
            root: Root::default(),
            bind: None,
            multisocket: None,
            cookie: None,
            timeouts: TimeoutsConfig::default(),
            stream_limits: BTreeMap::new(),
            tls: None,
            tls_position: None,
            health: None,
            ready: None,
            reload: None,
            debug: false,
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
        let named = |name: &str| block.directives.iter().find(|d| d.name.text == name);
        if let (Some(directive), None) = (named("k8s_external"), named("kubernetes")) {
            errors.push(directive.error(
                "k8s_external reads the cluster of the plugin kubernetes in the same server block; add one",
            ));
        }
        if errors.is_empty() && config.tls.is_none() && config.encrypted().is_some() {
            let text = format!(
                "{} requires TLS to be configured, see the tls plugin; add 'tls CERT KEY'",
                config.encrypted().unwrap_or_default()
            );
            let position = block.position.clone();
            errors.push(CorefileError::Syntax { position, text });
        }
        if errors.is_empty() {
            keep(&mut errors, config.check_autopath());
        }
        errors.sort_by_key(|error| error.position().line);
        if errors.is_empty() { Ok(config) } else { Err(errors) }
    }

    /// Returns the block's `kubernetes`.
    pub fn kubernetes(&self) -> Option<&KubernetesConfig> {
        self.plugins.iter().find_map(|plugin| match plugin {
            PluginConfig::Kubernetes(config) => Some(&**config),
            _ => None,
        })
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
        if self.set(name, directives, around)? || self.add_each(name, directives, around)? {
            return Ok(());
        }
        let plugin = match plain(name, directives, &self.zones)? {
            Some(plain) => PluginConfig::Plain(plain),
            None => self.placed(name, directives, around)?,
        };
        self.plugins.push(plugin);
        Ok(())
    }

    /// Reads a plugin that sees no queries but sets something of the block; says whether it is one. `root` comes
    /// first of all in the order, so that the others find it.
    fn set(
        &mut self,
        name: &str,
        directives: &[&Directive],
        around: Surroundings<'_>,
    ) -> Result<bool, CorefileError> {
        match name {
            "root" => self.root = Root::parse(directives)?,
            "bind" => self.bind = Some(BindConfig::parse(directives)?.resolve(around.interfaces)?),
            "multisocket" => self.multisocket = Some(MultisocketConfig::parse(directives)?),
            "cookie" => self.cookie = Some(Arc::new(CookieConfig::parse(directives)?)),
            "timeouts" => self.timeouts = TimeoutsConfig::parse(directives)?,
            "https" | "https3" | "quic" => {
                let name = registry::PLUGINS.iter().find(|(plugin, _)| *plugin == name);
                let limits = StreamLimits::parse(directives)?;
                self.stream_limits.extend(name.map(|(name, _)| (*name, limits)));
            }
            "tls" => {
                self.tls = TlsConfig::parse(directives)?.map(|tls| tls.in_root(&self.root));
                self.tls_position = directives.first().map(|tls| tls.name.position.clone());
            }
            "debug" => self.debug = debug::parse(directives)?,
            "ready" => self.ready = Some(ReadyConfig::parse(directives)?),
            "reload" => self.reload = Some(ReloadConfig::parse(directives)?),
            "health" => self.health = Some(HealthConfig::parse(directives)?),
            "view" => self.view = Some(Arc::new(View::parse(directives)?)),
            "metadata" => {
                self.metadata = MetadataConfig::parse(directives, &self.zones)?.zones;
            }
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// Reads a plugin each of whose directives is one of its own; says whether it is such a one.
    fn add_each(
        &mut self,
        name: &str,
        directives: &[&Directive],
        around: Surroundings<'_>,
    ) -> Result<bool, CorefileError> {
        for (at, directive) in directives.iter().enumerate() {
            let plugin = match name {
                "forward" => {
                    let mut forward = ForwardConfig::parse(directive, around.files)?;
                    forward.has_successor = at + 1 < directives.len();
                    PluginConfig::Forward(Box::new(forward))
                }
                "dnstap" => {
                    PluginConfig::Plain(Box::new(DnstapConfig::parse(directive, around.files)?))
                }
                _ => return Ok(false),
            };
            self.plugins.push(plugin);
        }
        Ok(true)
    }

    /// Reads a plugin that needs more than its place among the others.
    fn placed(
        &self,
        name: &str,
        directives: &[&Directive],
        around: Surroundings<'_>,
    ) -> Result<PluginConfig, CorefileError> {
        let zones = &self.zones;
        Ok(match name {
            "prometheus" => PluginConfig::Prometheus(PrometheusConfig::parse(directives)?),
            "errors" => PluginConfig::Errors(ErrorsConfig::parse(directives)?),
            "log" => PluginConfig::Log(LogConfig::parse(directives)?),
            "k8s_external" => {
                PluginConfig::K8sExternal(K8sExternalConfig::parse(directives, zones)?)
            }
            "autopath" => {
                PluginConfig::Autopath(AutopathConfig::parse(directives, zones, around.files)?)
            }
            "loadbalance" => {
                PluginConfig::Loadbalance(LoadbalanceConfig::parse(directives)?.in_root(&self.root))
            }
            "file" => {
                PluginConfig::Plain(Box::new(FileConfig::parse(directives, zones, &self.root)?))
            }
            "hosts" => {
                PluginConfig::Plain(Box::new(HostsConfig::parse(directives, zones, &self.root)?))
            }
            "loop" => PluginConfig::Loop(LoopConfig::parse(directives)?),
            "kubernetes" => {
                let mut config = KubernetesConfig::parse(directives, zones)?;
                // Metadata tells labels of the pod that asks.
                config.keep_pod_labels = !self.metadata.is_empty();
                PluginConfig::Kubernetes(Box::new(config))
            }
            _ => PluginConfig::Whoami(WhoamiConfig::parse(directives)?),
        })
    }
}

/// Reads a plugin that needs nothing but its place; none if it is another one.
fn plain(
    name: &str,
    directives: &[&Directive],
    zones: &[LowerName],
) -> Result<Option<Box<dyn Setup>>, CorefileError> {
    Ok(Some(match name {
        "acl" => Box::new(AclConfig::parse(directives, zones)?),
        "any" => Box::new(AnyConfig::parse(directives)?),
        "bufsize" => Box::new(BufsizeConfig::parse(directives)?),
        "cache" => Box::new(CacheConfig::parse(directives, zones)?),
        "cancel" => Box::new(CancelConfig::parse(directives)?),
        "chaos" => Box::new(ChaosConfig::parse(directives)?),
        "dns64" => Box::new(Dns64Config::parse(directives)?),
        "erratic" => Box::new(ErraticConfig::parse(directives)?),
        "header" => Box::new(HeaderConfig::parse(directives)?),
        "local" => Box::new(LocalConfig::parse(directives)?),
        "minimal" => Box::new(MinimalConfig::parse(directives)?),
        "nsid" => Box::new(NsidConfig::parse(directives)?),
        "ratelimit" => Box::new(RatelimitConfig::parse(directives)?),
        "rewrite" => Box::new(RewriteConfig::parse(directives)?),
        "template" => Box::new(TemplateConfig::parse(directives, zones)?),
        _ => return Ok(None),
    }))
}

impl BlockConfig {
    /// Returns the first transport of its keys that is none without a certificate. HTTPS is plain HTTP then, as
    /// with CoreDNS: something in front of it speaks TLS.
    fn encrypted(&self) -> Option<&'static str> {
        self.keys.iter().find_map(|key| match key.transport {
            Transport::Tls => Some("DoT"),
            Transport::Quic => Some("DoQ"),
            Transport::Https3 => Some("DoH3"),
            Transport::Dns | Transport::Https | Transport::Grpc => None,
        })
    }

    /// Checks that an `autopath @kubernetes` knows the pods.
    fn check_autopath(&self) -> Result<(), CorefileError> {
        let pods = self.kubernetes().map(|config| config.options.pods);
        self.plugins.iter().try_for_each(|plugin| match plugin {
            PluginConfig::Autopath(config) => config.check(pods),
            _ => Ok(()),
        })
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
        if expanded.iter().any(|key| key.transport == Transport::Grpc) {
            let text =
                "grpc:// is not available; use dns://, tls://, https://, https3:// or quic://";
            return Err(token.error(text));
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
            Some((_, Support::Unsupported(instead))) => errors.push(
                directive.error(format!("the plugin '{name}' is not part of Portolan; {instead}")),
            ),
            None => errors.push(directive.error(unknown(name))),
        }
    }
    (by_plugin, errors)
}

fn unknown(name: &str) -> String {
    let remedy = match name {
        "proxy" => "write 'forward', which took its place".to_owned(),
        "federation" => {
            "remove it: Kubernetes has no federation any more; 'multicluster' in the block of 'kubernetes' has \
             names of several clusters"
                .to_owned()
        }
        _ => match registry::nearest(name) {
            Some(meant) => format!("did you mean '{meant}'?"),
            None => "remove it, or write a plugin that `-plugins` lists".to_owned(),
        },
    };
    format!("Unknown directive '{name}'; {remedy}")
}

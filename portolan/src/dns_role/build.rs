//! From a checked configuration to an engine that can answer.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use dns::config::{BlockConfig, Config, PluginConfig};
use dns::edge::error_flush::{FLUSH_INTERVAL, flush_errors};
use dns::edge::interfaces::interfaces;
use dns::edge::server::{Responder, ServerMetrics};
use dns::edge::weight_file::{replace_weights, weight_file};
use dns::engine::{Block, Router};
use dns::kubernetes::Zone;
use dns::plugin::errors::Errors;
use dns::plugin::forward::{Forward, ForwardMetrics};
use dns::plugin::kubernetes::{Kubernetes, KubernetesConfig};
use dns::plugin::loadbalance::{Balancing, Loadbalance, LoadbalanceConfig};
use dns::plugin::log::Log;
use dns::plugin::prometheus::{BuildInfo, DnsMetrics, DroppedQueries, Prometheus};
use dns::plugin::whoami::Whoami;
use dns::plugin::{Plugin, PluginMetrics, Sent, Setup, Site};
use dns::{Engine, Query};
use prometheus::Registry;
use tokio::sync::watch;

use super::runtime_metrics::RuntimeCollector;
use super::source_metrics::SourceMetrics;
use super::sources::{Live, Sources};
use crate::logging;
use crate::output::Output;

/// A server without its sockets.
#[derive(Debug)]
pub(crate) struct Built {
    /// Answers messages.
    pub responder: Arc<Responder>,
    /// The clusters behind it.
    pub sources: Sources,
    /// Every metric.
    pub registry: Registry,
    /// Metrics that are read when somebody asks.
    pub source_metrics: SourceMetrics,
    /// The metrics of CoreDNS.
    pub dns_metrics: DnsMetrics,
    /// How long the start waits for the clusters to be listed.
    pub startup_timeout: Duration,
}

/// What plugins of all blocks share while they are built.
struct Workshop {
    sources: Sources,
    registry: Registry,
    dns_metrics: DnsMetrics,
    forward_metrics: ForwardMetrics,
    plugin_metrics: PluginMetrics,
    own_addresses: Vec<IpAddr>,
    startup_timeout: Duration,
    wants_runtime_metrics: bool,
    output: Output,
}

/// Builds the engine and starts what it reads from.
///
/// # Errors
/// A cluster, a file or an address that a plugin needs cannot be used.
pub(crate) async fn build(config: &Config, output: &Output) -> Result<Arc<Built>> {
    let mut workshop = Workshop::new(output)?;
    let mut blocks = Vec::new();
    for (index, block) in config.blocks.iter().enumerate() {
        let label = label_of(config, index);
        blocks.push(workshop.block(block, &label).await?);
    }
    let routers = config.listeners.iter().map(|listener| {
        let mut router = Router::default();
        for (zone, block) in &listener.zones {
            router.add(zone.clone(), *block);
        }
        router
    });
    let engine = Engine::new(blocks, routers.collect());
    workshop.finish(engine, config)
}

/// Returns the label of the first listener of a block.
fn label_of(config: &Config, block: usize) -> String {
    let serves = |zones: &[(_, usize)]| zones.iter().any(|(_, index)| *index == block);
    let listener = config.listeners.iter().find(|listener| serves(&listener.zones));
    listener.map(|listener| listener.label()).unwrap_or_default()
}

impl Workshop {
    fn new(output: &Output) -> Result<Self> {
        let registry = Registry::new();
        registry.register(Box::new(output.dropped().clone()))?;
        let dns_metrics = DnsMetrics::register(&registry)?;
        dns_metrics.set_build_info(BuildInfo {
            version: env!("CARGO_PKG_VERSION"),
            revision: "",
            compiler: "",
        });
        registry.register(Box::new(dns::edge::process_metrics::ProcessCollector::new()?))?;
        let addresses = interfaces().context("cannot list the network interfaces")?;
        let addresses = addresses.into_iter().flat_map(|interface| interface.addresses);
        Ok(Self {
            sources: Sources::default(),
            forward_metrics: ForwardMetrics::register(&registry)?,
            plugin_metrics: PluginMetrics::register(&registry)?,
            registry,
            dns_metrics,
            own_addresses: addresses.filter(|ip| !ip.is_loopback()).collect(),
            startup_timeout: Duration::ZERO,
            wants_runtime_metrics: false,
            output: output.clone(),
        })
    }

    async fn block(&mut self, config: &BlockConfig, label: &str) -> Result<Block> {
        if let Some(root) = config.root.path().filter(|root| !root.exists()) {
            tracing::warn!(root = %root.display(), "the directory of `root` does not exist");
        }
        let mut plugins = Vec::new();
        for plugin in &config.plugins {
            plugins.push(self.plugin(plugin, config, label).await?);
        }
        for (plugin, zone) in plugins.iter().flat_map(|p| config.zones.iter().map(move |z| (p, z)))
        {
            let zone = zone.to_string();
            let view = config.view_name();
            self.dns_metrics.set_plugin_enabled(label, &zone, view, plugin.name());
        }
        let view = config.view.clone();
        let metadata = config.metadata.clone();
        Ok(Block { view, metadata, ..Block::new(config.position.to_string(), plugins) })
    }

    async fn plugin(
        &mut self,
        plugin: &PluginConfig,
        block: &BlockConfig,
        label: &str,
    ) -> Result<Box<dyn Plugin>> {
        Ok(match plugin {
            PluginConfig::Prometheus(config) => {
                self.wants_runtime_metrics |= config.runtime_metrics;
                Box::new(Prometheus::new(&self.dns_metrics, label, block.view_name(), &block.zones))
            }
            PluginConfig::Errors(config) => {
                let errors = Errors::new(config.clone(), logging::sink(&self.output));
                tokio::spawn(flush_errors(Arc::downgrade(errors.journal()), FLUSH_INTERVAL));
                Box::new(errors)
            }
            PluginConfig::Log(config) => {
                Box::new(Log::new(config.clone(), logging::sink(&self.output)))
            }
            PluginConfig::Loadbalance(config) => Box::new(loadbalance(config)?),
            PluginConfig::Kubernetes(config) => Box::new(self.kubernetes(config, block).await?),
            PluginConfig::Forward(config) => {
                Box::new(Forward::new((**config).clone(), self.forward_metrics.clone()))
            }
            PluginConfig::Whoami(_) => Box::new(Whoami),
            PluginConfig::Plain(config) => self.plain(&**config, block, label)?,
        })
    }

    fn plain(
        &self,
        config: &dyn Setup,
        block: &BlockConfig,
        label: &str,
    ) -> Result<Box<dyn Plugin>> {
        let site = Site {
            server: label,
            view: block.view_name(),
            zones: &block.zones,
            metrics: &self.plugin_metrics,
        };
        let plugin = config.set_up(&site).map_err(anyhow::Error::from_boxed);
        plugin.with_context(|| format!("the server block at {}", block.position))
    }

    async fn kubernetes(
        &mut self,
        config: &KubernetesConfig,
        block: &BlockConfig,
    ) -> Result<Kubernetes> {
        let bound = block.bind.as_ref().filter(|ips| !ips.iter().any(IpAddr::is_unspecified));
        let own_addresses = match bound {
            Some(ips) => ips.iter().copied().filter(|ip| !ip.is_loopback()).collect(),
            None => self.own_addresses.clone(),
        };
        let zone =
            Zone { zones: config.zones.clone(), options: config.options.clone(), own_addresses };
        let source = self.sources.of(config, &zone).await.with_context(|| {
            format!("the kubernetes block of the server block at {}", block.position)
        })?;
        self.startup_timeout = self.startup_timeout.max(config.startup_timeout);
        Ok(Kubernetes::new(zone, config.fallthrough.clone(), Arc::new(Live(source))))
    }

    fn finish(self, engine: Engine, config: &Config) -> Result<Arc<Built>> {
        if self.wants_runtime_metrics {
            self.registry.register(Box::new(RuntimeCollector::new()?))?;
        }
        let metrics = ServerMetrics::register(&self.registry, self.dns_metrics.panics().clone())?;
        let label = config.listeners.first().map(|listener| listener.label()).unwrap_or_default();
        let dropped = DroppedQueries::new(&self.dns_metrics, &label);
        let unserved = move |query: &Query, sent: &Sent<'_>| dropped.record(query, sent);
        let source_metrics = SourceMetrics::register(&self.registry)?;
        Ok(Arc::new(Built {
            responder: Arc::new(Responder::new(engine, metrics, Box::new(unserved))),
            sources: self.sources,
            registry: self.registry,
            source_metrics,
            dns_metrics: self.dns_metrics,
            startup_timeout: self.startup_timeout,
        }))
    }
}

fn loadbalance(config: &LoadbalanceConfig) -> Result<Loadbalance> {
    let seed = rand::random();
    let prefer = config.prefer.clone();
    let Balancing::Weighted { file, reload } = &config.balancing else {
        return Ok(Loadbalance::round_robin(prefer, seed));
    };
    let mut weights = weight_file(file);
    let (sender, receiver) = watch::channel(weights.read()?.unwrap_or_default());
    if let Some(interval) = reload {
        tokio::spawn(weights.follow(*interval, sender, replace_weights));
    }
    Ok(Loadbalance::weighted(receiver, prefer, seed))
}

impl Built {
    /// Returns what is not ready, by the plugin's name and then in detail; empty when everything is.
    pub(crate) fn unready(&self) -> Vec<String> {
        let missing = self.sources.iter().flat_map(|(_, source)| {
            if source.status().is_synced() { Vec::new() } else { source.status().missing() }
        });
        let missing: Vec<String> = missing.collect();
        if missing.is_empty() { missing } else { [vec!["kubernetes".to_owned()], missing].concat() }
    }

    /// Brings the metrics up to date that nothing counts along the way.
    pub(crate) fn refresh_metrics(&self) {
        self.source_metrics.refresh(&self.sources);
    }
}

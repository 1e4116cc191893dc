//! From a checked configuration to an engine that can answer.

use std::hash::RandomState;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use arc_swap::ArcSwap;
use cluster::Cluster;
use cluster_source::Source;
use dns::config::{BlockConfig, Config, ListenerConfig, PluginConfig};
use dns::edge::acme::Acme;
use dns::edge::error_flush::{FLUSH_INTERVAL, flush_errors};
use dns::edge::interfaces::interfaces;
use dns::edge::server::{Responder, ServerMetrics};
use dns::edge::weight_file::{replace_weights, weight_file};
use dns::engine::{Block, ListenerId, Router};
use dns::kubernetes::Zone;
use dns::kubernetes::host_domains;
use dns::plugin::autopath::{Autopath, AutopathConfig, SearchList};
use dns::plugin::cache::Stores;
use dns::plugin::errors::Errors;
use dns::plugin::forward::{Forward, ForwardMetrics};
use dns::plugin::k8s_external::{K8sExternal, K8sExternalConfig};
use dns::plugin::kubernetes::{Kubernetes, KubernetesConfig};
use dns::plugin::loadbalance::{Balancing, Loadbalance, LoadbalanceConfig};
use dns::plugin::log::Log;
use dns::plugin::r#loop::{Loop, LoopGuard};
use dns::plugin::prometheus::{BuildInfo, DnsMetrics, Prometheus};
use dns::plugin::whoami::Whoami;
use dns::plugin::{Plugin, PluginMetrics, Sent, Setup, Site};
use dns::sampling::Sampled;
use dns::{Engine, Query};
use hickory_proto::rr::{LowerName, Name};
use prometheus::Registry;
use tokio::sync::watch;

use super::kubernetes_metrics::KubernetesMetrics;
use super::rates::Readings;
use super::runtime_metrics::RuntimeCollector;
use super::sources::{Live, PodSearch, Sources};
use super::unserved::{Recorders, Unserved, recorders};
use crate::logging;
use crate::output::Output;
use crate::source_metrics::SourceMetrics;
use crate::status::Process;

/// A server without its sockets. It lives as long as the process; a reload gives it another engine.
#[derive(Debug)]
pub(crate) struct Built {
    /// Answers messages.
    pub responder: Arc<Responder>,
    /// Every metric.
    pub registry: Registry,
    /// Metrics that are read when somebody asks.
    pub source_metrics: SourceMetrics,
    /// The metrics of CoreDNS.
    pub dns_metrics: DnsMetrics,
    /// What they were.
    pub(super) readings: Arc<Readings>,
    /// What the process says of itself.
    pub(super) process: Process,
    unserved: Unserved,
    shared: Shared,
    served: ArcSwap<Served>,
}

/// What belongs to one Corefile beside its engine.
#[derive(Debug, Default)]
pub(crate) struct Served {
    /// The clusters that it reads.
    pub sources: Sources,
    /// The first forward zone of each `kubernetes`, and its cluster.
    zones: Vec<(LowerName, Source)>,
    /// How long the start waits for the clusters to be listed.
    pub startup_timeout: Duration,
    /// Becomes true when questions reach the engine.
    serving: watch::Sender<bool>,
}

/// A Corefile put together: nothing of it is served yet.
#[derive(Debug)]
pub(crate) struct Assembly {
    engine: Engine,
    /// The rest.
    pub served: Served,
    enabled: Vec<Enabled>,
    unserved: Recorders,
}

/// A plugin of a zone, as `coredns_plugin_enabled` tells it.
#[derive(Debug)]
struct Enabled {
    server: String,
    zone: String,
    view: String,
    plugin: &'static str,
}

/// What all Corefiles of the process share.
#[derive(Clone, Debug)]
struct Shared {
    registry: Registry,
    dns_metrics: DnsMetrics,
    forward_metrics: ForwardMetrics,
    kubernetes_metrics: KubernetesMetrics,
    plugin_metrics: PluginMetrics,
    stores: Stores,
    acme: Acme,
    output: Output,
}

/// What plugins of all blocks share while they are built.
struct Workshop<'a> {
    shared: &'a Shared,
    previous: &'a Sources,
    served: Served,
    own_addresses: Vec<IpAddr>,
}

/// Builds the server of a Corefile and starts what it reads from; `listeners` are the numbers of the configured
/// ones.
///
/// # Errors
/// A cluster, a file or an address that a plugin needs cannot be used.
pub(crate) async fn build(
    config: &Config,
    listeners: &[ListenerId],
    acme: Acme,
    (output, sampled): (&Output, Sampled),
) -> Result<Arc<Built>> {
    let shared = Shared::new(acme, output)?;
    let assembly = shared.assemble(config, listeners, &Sources::default()).await?;
    let Shared { registry, dns_metrics, .. } = &shared;
    let metrics = ServerMetrics::register(registry, dns_metrics.panics().clone())?;
    let unserved = Unserved::default();
    let counted = unserved.clone();
    let count = move |listener: ListenerId, query: &Query, sent: &Sent<'_>| {
        counted.record(listener, query, sent);
    };
    let responder = Responder::new(assembly.engine.clone(), metrics, Box::new(count));
    let built = Built {
        responder: Arc::new(responder.sampling(sampled)),
        readings: Readings::start(dns_metrics),
        process: Process::start("dns"),
        unserved,
        registry: registry.clone(),
        source_metrics: SourceMetrics::register(registry)?,
        dns_metrics: dns_metrics.clone(),
        served: ArcSwap::default(),
        shared,
    };
    built.adopt(assembly);
    Ok(Arc::new(built))
}

/// A listener of a server block: its number and its label.
type Server = (ListenerId, String);

/// Returns the listeners of a block.
fn servers_of(config: &Config, listeners: &[ListenerId], block: usize) -> Vec<Server> {
    let serves = |listener: &ListenerConfig| listener.zones.iter().any(|(_, at)| *at == block);
    let all = config.listeners.iter().zip(listeners);
    all.filter(|(of, _)| serves(of)).map(|(of, id)| (*id, of.label())).collect()
}

/// Returns the label of what a plugin counts for all listeners of its block: that of the first.
fn label_of(servers: &[Server]) -> &str {
    servers.first().map_or("", |(_, label)| label)
}

/// Returns the plugins of a block as CoreDNS counts them: those that see queries, `metadata` and `view`.
fn names_of_plugins(config: &BlockConfig, block: &Block) -> Vec<&'static str> {
    let metadata = (!config.metadata.is_empty()).then_some("metadata");
    let view = config.view.is_some().then_some("view");
    block.plugins.iter().map(|plugin| plugin.name()).chain(metadata).chain(view).collect()
}

/// Returns what `coredns_plugin_enabled` tells: the `plugins` of each block that has `prometheus`, for each zone at each
/// listener.
fn enabled(config: &Config, plugins: &[Vec<&'static str>]) -> Vec<Enabled> {
    let mut enabled = Vec::new();
    for listener in &config.listeners {
        for (zone, index) in &listener.zones {
            let (Some(block), Some(plugins)) = (config.blocks.get(*index), plugins.get(*index))
            else {
                continue;
            };
            if !plugins.contains(&"prometheus") {
                continue;
            }
            enabled.extend(plugins.iter().map(|plugin| Enabled {
                server: listener.label(),
                zone: zone.to_string(),
                view: block.view_name().to_owned(),
                plugin,
            }));
        }
    }
    enabled
}

impl Shared {
    /// Adds metrics of the async runtime, once.
    fn measure_runtime(&self) -> Result<()> {
        match self.registry.register(Box::new(RuntimeCollector::new()?)) {
            Ok(()) | Err(prometheus::Error::AlreadyReg) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    fn new(acme: Acme, output: &Output) -> Result<Self> {
        let registry = Registry::new();
        acme.register(&registry)?;
        registry.register(Box::new(output.dropped().clone()))?;
        let dns_metrics = DnsMetrics::register(&registry)?;
        dns_metrics.set_build_info(BuildInfo {
            version: env!("CARGO_PKG_VERSION"),
            revision: crate::version::REVISION,
            compiler: "",
        });
        registry.register(Box::new(dns::edge::process_metrics::ProcessCollector::new()?))?;
        Ok(Self {
            forward_metrics: ForwardMetrics::register(&registry)?,
            kubernetes_metrics: KubernetesMetrics::register(&registry)?,
            plugin_metrics: PluginMetrics::register(&registry)?,
            stores: Stores::default(),
            acme,
            registry,
            dns_metrics,
            output: output.clone(),
        })
    }

    /// Puts a Corefile together. A cluster that is among the `previous` ones is read on, not again.
    async fn assemble(
        &self,
        config: &Config,
        listeners: &[ListenerId],
        previous: &Sources,
    ) -> Result<Assembly> {
        let mut workshop = Workshop::new(self, previous)?;
        let (mut blocks, mut plugins) = (Vec::new(), Vec::new());
        for (index, block_config) in config.blocks.iter().enumerate() {
            let servers = servers_of(config, listeners, index);
            let mut block = workshop.block(block_config, &servers).await?;
            plugins.push(names_of_plugins(block_config, &block));
            if config.uses_acme() {
                self.acme.challenges().add_to(&mut block.plugins);
            }
            blocks.push(block);
        }
        let routers = config.listeners.iter().zip(listeners).map(|(listener, id)| {
            let mut router = Router::default();
            for (zone, block) in &listener.zones {
                router.add(zone.clone(), *block);
            }
            (*id, router)
        });
        let engine = Engine::of_listeners(blocks, routers.collect());
        let unserved = recorders(&self.dns_metrics, &config.listeners, listeners);
        let enabled = enabled(config, &plugins);
        Ok(Assembly { engine, served: workshop.served, enabled, unserved })
    }
}

impl<'a> Workshop<'a> {
    fn new(shared: &'a Shared, previous: &'a Sources) -> Result<Self> {
        let addresses = interfaces().context("cannot list the network interfaces")?;
        let addresses = addresses.into_iter().flat_map(|interface| interface.addresses);
        Ok(Self {
            shared,
            previous,
            served: Served::default(),
            own_addresses: addresses.filter(|ip| !ip.is_loopback()).collect(),
        })
    }

    async fn block(&mut self, config: &BlockConfig, servers: &[Server]) -> Result<Block> {
        if let Some(root) = config.root.path().filter(|root| !root.exists()) {
            tracing::warn!(root = %root.display(), "the directory of `root` does not exist");
        }
        let mut plugins = Vec::new();
        let guard = LoopGuard::new(&config.zones, self.served.serving.subscribe());
        for plugin in &config.plugins {
            plugins.push(self.plugin(plugin, config, servers, &guard).await?);
        }
        let view = config.view.clone();
        let (metadata, cookie) = (config.metadata.clone(), config.cookie.clone());
        Ok(Block { view, metadata, cookie, ..Block::new(config.position.to_string(), plugins) })
    }

    async fn plugin(
        &mut self,
        plugin: &PluginConfig,
        block: &BlockConfig,
        servers: &[Server],
        guard: &LoopGuard,
    ) -> Result<Box<dyn Plugin>> {
        let label = label_of(servers);
        Ok(match plugin {
            PluginConfig::Prometheus(config) => {
                if config.runtime_metrics {
                    self.shared.measure_runtime()?;
                }
                Box::new(Prometheus::new(
                    &self.shared.dns_metrics,
                    servers,
                    block.view_name(),
                    &block.zones,
                ))
            }
            PluginConfig::Errors(config) => {
                let (sink, metrics) =
                    (logging::sink(&self.shared.output), &self.shared.plugin_metrics);
                let errors = Errors::counting(config.clone(), sink, metrics.errors_dropped.clone());
                tokio::spawn(flush_errors(Arc::downgrade(errors.journal()), FLUSH_INTERVAL));
                Box::new(errors)
            }
            PluginConfig::Log(config) => {
                Box::new(Log::new(config.clone(), logging::sink(&self.shared.output)))
            }
            PluginConfig::Loadbalance(config) => Box::new(loadbalance(config)?),
            PluginConfig::Autopath(config) => Box::new(self.autopath(config, block, label).await?),
            PluginConfig::Kubernetes(config) => Box::new(self.kubernetes(config, block).await?),
            PluginConfig::K8sExternal(config) => Box::new(self.external(config, block).await?),
            PluginConfig::Loop(_) => Box::new(Loop::new(guard.clone())),
            PluginConfig::Forward(config) => {
                let guard = block.has_loop().then(|| guard.clone());
                let metrics = self.shared.forward_metrics.clone();
                Box::new(Forward::guarded((**config).clone(), metrics, guard))
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
            block: &block.text,
            zones: &block.zones,
            metrics: &self.shared.plugin_metrics,
            stores: &self.shared.stores,
        };
        let plugin = config.set_up(&site).map_err(anyhow::Error::from_boxed);
        plugin.with_context(|| format!("the server block at {}", block.position))
    }

    async fn autopath(
        &mut self,
        config: &AutopathConfig,
        block: &BlockConfig,
        label: &str,
    ) -> Result<Autopath> {
        let (zones, metrics) = (config.zones.clone(), &self.shared.plugin_metrics);
        let host = match &config.search {
            SearchList::Fixed(list) => {
                return Ok(Autopath::fixed(zones, list.clone(), label, metrics));
            }
            SearchList::Kubernetes { host, .. } => host.clone(),
        };
        let kubernetes =
            block.kubernetes().context("autopath needs kubernetes in its server block")?;
        let (zone, source) = self.cluster(kubernetes, block).await?;
        let host = host_domains(&zone, host);
        let paths = PodSearch { zone, source, host, hasher: RandomState::new() };
        let metrics = &self.shared.plugin_metrics;
        Ok(Autopath::by_client(zones, Arc::new(paths), label, metrics))
    }

    async fn kubernetes(
        &mut self,
        config: &KubernetesConfig,
        block: &BlockConfig,
    ) -> Result<Kubernetes> {
        let (zone, source) = self.cluster(config, block).await?;
        self.served.zones.extend(zone.primary().map(|zone| (zone.clone(), source.clone())));
        self.served.startup_timeout = self.served.startup_timeout.max(config.startup_timeout);
        Ok(Kubernetes::new(zone, config.fallthrough.clone(), Arc::new(Live(source))))
    }

    async fn external(
        &mut self,
        config: &K8sExternalConfig,
        block: &BlockConfig,
    ) -> Result<K8sExternal> {
        let kubernetes =
            block.kubernetes().context("k8s_external needs kubernetes in its server block")?;
        let (zone, source) = self.cluster(kubernetes, block).await?;
        Ok(K8sExternal::new(config.clone(), zone, Arc::new(Live(source))))
    }

    /// Returns what a `kubernetes` block serves and the source of it, the same one for equal blocks.
    async fn cluster(
        &mut self,
        config: &KubernetesConfig,
        block: &BlockConfig,
    ) -> Result<(Zone, Source)> {
        let bound = block.bind.as_ref().filter(|ips| !ips.iter().any(IpAddr::is_unspecified));
        let own_addresses = match bound {
            Some(ips) => ips.iter().copied().filter(|ip| !ip.is_loopback()).collect(),
            None => self.own_addresses.clone(),
        };
        let zone =
            Zone { zones: config.zones.clone(), options: config.options.clone(), own_addresses };
        let metrics = &self.shared.kubernetes_metrics;
        let source = self.served.sources.of(config, &zone, self.previous, metrics).await;
        let source = source.with_context(|| {
            format!("the kubernetes block of the server block at {}", block.position)
        })?;
        Ok((zone, source))
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
    /// Returns what belongs to the Corefile that is served.
    pub(crate) fn served(&self) -> Arc<Served> {
        self.served.load_full()
    }

    /// Puts another Corefile together, with the clusters and caches of the present one where they are the same.
    ///
    /// # Errors
    /// A cluster, a file or an address that a plugin needs cannot be used.
    pub(crate) async fn assemble(
        &self,
        config: &Config,
        listeners: &[ListenerId],
    ) -> Result<Assembly> {
        self.shared.assemble(config, listeners, &self.served().sources).await
    }

    /// Serves what was put together from here on. Questions under way keep the engine before.
    pub(crate) fn adopt(&self, assembly: Assembly) {
        self.dns_metrics.reset_plugins();
        for Enabled { server, zone, view, plugin } in &assembly.enabled {
            self.dns_metrics.set_plugin_enabled(server, zone, view, plugin);
        }
        self.unserved.replace(assembly.unserved);
        self.responder.replace(assembly.engine);
        self.served.store(Arc::new(assembly.served));
    }

    /// Says that questions reach the engine from here on: what has waited for that, such as the probes of `loop`,
    /// begins.
    pub(crate) fn begin(&self) {
        self.served().serving.send_replace(true);
    }

    /// Returns what the process does by ACME.
    pub(crate) fn acme(&self) -> &Acme {
        &self.shared.acme
    }

    /// Returns what is not ready, by the plugin's name and then in detail; empty when everything is.
    pub(crate) fn unready(&self) -> Vec<String> {
        let served = self.served();
        let missing = served.sources.iter().flat_map(|(_, source)| {
            if source.status().is_synced() { Vec::new() } else { source.status().missing() }
        });
        let missing: Vec<String> = missing.collect();
        if missing.is_empty() { missing } else { [vec!["kubernetes".to_owned()], missing].concat() }
    }

    /// Returns the first forward zone of each `kubernetes` and the latest view of its cluster.
    pub(crate) fn clusters(&self) -> Vec<(Name, Arc<Cluster>)> {
        let latest = |(zone, source): &(LowerName, Source)| (zone.into(), source.snapshot());
        self.served().zones.iter().map(latest).collect()
    }

    /// Brings the metrics up to date that nothing counts along the way.
    pub(crate) fn refresh_metrics(&self) {
        self.source_metrics.refresh(self.served().sources.iter());
    }
}

//! From the start of the controller to a signal.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use cluster_source::{ApiServer, Timing};
use cluster_writer::{Elector, EventRecorder, LeaseTimes, Reporter, Term, WriteRate, Writer};
use ipam_controller::Family;
use ipam_controller::blocks::{Controller, Input, Settings};
use ipam_controller::services::{Ranges, ServiceController, ServiceSettings};
use prometheus::Registry;
use tokio::sync::watch;

use super::admin;
use super::drive::{Shared, drive, over};
use super::metrics::Metrics;
use super::nodes::Nodes;
use super::services::Services;
use crate::admin::{bind, name_in};
use crate::cli::IpamControllerArguments;
use crate::node_blocks::cluster_pools;
use crate::signals::Signals;

/// Who Events are from.
const REPORTER: &str = "portolan.dev/ipam-controller";

/// Where a pod finds the name of its namespace.
const OWN_NAMESPACE: &str = "/var/run/secrets/kubernetes.io/serviceaccount/namespace";

/// How long the last Events may take.
const FLUSH: Duration = Duration::from_secs(3);

/// How long a single process leads that no other shares its work with.
const ALWAYS: Duration = Duration::from_secs(100 * 365 * 24 * 3_600);

/// Leads whenever it can until a signal.
///
/// # Errors
/// A flag, the API server's access or the admin address cannot be used.
pub(super) async fn live(arguments: &IpamControllerArguments) -> Result<()> {
    let mut signals = Signals::listen()?;
    let times = lease_times(arguments)?;
    // Refused before anything is begun.
    controller(arguments)?;
    check_service_cidrs(arguments)?;
    let listener = bind(&arguments.admin).await?;
    let server = ApiServer::open(arguments.blocks.origin.access(), Timing::default()).await?;
    let registry = Registry::new();
    let metrics = Arc::new(Metrics::register(&registry)?);
    let rate =
        WriteRate { per_second: arguments.writes_per_second, burst: arguments.writes_per_second };
    let observer = Arc::clone(&metrics);
    let writer = Writer::new(server.clone(), rate, times.write_wait(), observer);
    let identity = identity();
    let reporter = Reporter { controller: REPORTER, instance: identity.clone() };
    let events = EventRecorder::start(&writer, reporter);
    let (unready, told) = watch::channel(BTreeMap::new());
    let (stop_http, http_stopped) = watch::channel(false);
    if let Some(listener) = listener {
        let name = name_in(&arguments.admin);
        let (metrics, events) = (Arc::clone(&metrics), events.clone());
        let handler = admin::handler(registry, metrics, events, told, name);
        tokio::spawn(listener.serve(handler, http_stopped));
    }
    let namespace = namespace(arguments);
    let lease = (namespace.as_str(), arguments.leader_elect_resource_name.as_str());
    let elector = arguments.leader_elect.then(|| Elector::start(&writer, lease, identity, times));
    let (alone, single) = watch::channel::<Term>(Some(Instant::now() + ALWAYS));
    let term = elector.as_ref().map_or(single, Elector::term);
    let (stop, stopped) = watch::channel(false);
    let shared = Shared {
        server,
        writer: writer.of_leader(term.clone()),
        events: events.clone(),
        metrics,
        unready: Arc::new(unready),
        term,
        stop: stopped,
    };
    let mut leading = Box::pin(lead(arguments, &shared));
    let signal = tokio::select! {
        signal = signals.stop() => signal,
        ended = &mut leading => return ended,
    };
    tracing::info!(signal, "ending");
    stop.send_replace(true);
    let ended = async {
        leading.await?;
        drop(alone);
        if let Some(elector) = elector {
            elector.release().await;
        }
        events.flush(FLUSH).await;
        Ok(())
    };
    let ended = tokio::select! {
        ended = ended => ended,
        signal = signals.stop() => {
            tracing::warn!(signal, "second signal: ending at once");
            std::process::exit(2);
        }
    };
    stop_http.send_replace(true);
    ended
}

/// Leads whenever it can, until it is to end.
async fn lead(arguments: &IpamControllerArguments, shared: &Shared) -> Result<()> {
    let (mut term, mut stop) = (shared.term.clone(), shared.stop.clone());
    loop {
        let leads = |term: &Term| term.is_some_and(|until| until > Instant::now());
        tokio::select! {
            leading = term.wait_for(leads) => drop(leading.context("the Lease is not asked for any more")?),
            // An error is the end of the process, too.
            _ = stop.wait_for(|stop| *stop) => return Ok(()),
        }
        shared.metrics.leader.set(1);
        let told = || (shared.events.clone(), Arc::clone(&shared.metrics));
        let nodes = async {
            if arguments.allocate_node_cidrs {
                let (events, metrics) = told();
                drive(Nodes::new(controller(arguments)?, events, metrics), shared).await;
            }
            anyhow::Ok(())
        };
        let services = async {
            if arguments.service_addresses {
                let (events, metrics) = told();
                drive(Services::new(service_controller(arguments), events, metrics), shared).await;
            }
        };
        // Both end with the term; without either there is only the Lease to hold.
        let (ended, (), ()) =
            tokio::join!(nodes, services, over(shared.term.clone(), shared.stop.clone()));
        ended?;
        shared.metrics.leader.set(0);
        if *stop.borrow() {
            return Ok(());
        }
    }
}

/// Returns a controller that knows the pools of the command line.
pub(super) fn controller(arguments: &IpamControllerArguments) -> Result<Controller> {
    let reserved = arguments.blocks.service_cidrs.iter().map(ipnet::IpNet::trunc).collect();
    let (quarantine, most_asked) = (arguments.quarantine, arguments.blocks.blocks_per_node);
    let mut controller = Controller::new(Settings { reserved, quarantine, most_asked });
    for pool in cluster_pools(&arguments.blocks)? {
        controller.apply(Input::Pool(pool));
    }
    Ok(controller)
}

/// Returns a controller that knows the ranges of the command line.
pub(super) fn service_controller(arguments: &IpamControllerArguments) -> ServiceController {
    let node_ports = arguments.service_node_port_range.0.clone();
    ServiceController::new(ServiceSettings { networks: service_networks(arguments), node_ports })
}

fn service_networks(arguments: &IpamControllerArguments) -> Vec<ipnet::IpNet> {
    arguments.blocks.service_cidrs.iter().map(ipnet::IpNet::trunc).collect()
}

/// Checks the flags about Services: an API server would refuse the object that comes of them.
pub(super) fn check_service_cidrs(arguments: &IpamControllerArguments) -> Result<()> {
    let networks = service_networks(arguments);
    if !arguments.service_addresses {
        return Ok(());
    }
    Ranges::new(&networks).context("--service-cidrs")?;
    let families: BTreeSet<Family> = networks.iter().map(|it| Family::of(*it)).collect();
    if families.len() < networks.len() {
        bail!(
            "--service-cidrs: write one network of each family; further ones are ServiceCIDR objects"
        );
    }
    Ok(())
}

fn lease_times(arguments: &IpamControllerArguments) -> Result<LeaseTimes> {
    let seconds = Duration::from_secs;
    let times = LeaseTimes {
        lease_duration: seconds(arguments.leader_elect_lease_duration),
        renew_deadline: seconds(arguments.leader_elect_renew_deadline),
        retry_period: seconds(arguments.leader_elect_retry_period),
    };
    let is_ordered = times.retry_period < times.renew_deadline
        && times.renew_deadline < times.lease_duration
        && !times.retry_period.is_zero();
    if !is_ordered {
        bail!(
            "--leader-elect-retry-period, --leader-elect-renew-deadline, --leader-elect-lease-duration: each has to be longer \
             than the one before; write for example 2, 10 and 15"
        );
    }
    Ok(times)
}

fn namespace(arguments: &IpamControllerArguments) -> String {
    let own = || std::fs::read_to_string(Path::new(OWN_NAMESPACE)).ok();
    let chosen = arguments.leader_elect_resource_namespace.clone().or_else(own);
    let chosen = chosen.map(|text| text.trim().to_owned()).filter(|text| !text.is_empty());
    chosen.unwrap_or_else(|| "kube-system".to_owned())
}

/// Returns a name of this process alone: the host's, and a random number.
fn identity() -> String {
    let host = nix::unistd::gethostname().ok().and_then(|name| name.into_string().ok());
    format!("{}_{:016x}", host.unwrap_or_default(), rand::random::<u64>())
}

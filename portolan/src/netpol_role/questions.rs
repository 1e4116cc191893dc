//! `portolan explain flow`, `matrix` and `policies`: what policies mean, without the kernel.

use std::fmt::Write;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use cluster::{Cluster, Kind, KindSet};
use netpol::{Flow, Matrix, Options};

use super::{known, live, node_local_dns, own_node, view};
use crate::cli::{
    ClusterArguments, ExplainFlowArguments, ExplainMatrixArguments, ExplainPoliciesArguments,
};
use crate::words::several;
use crate::{logging, print};

/// Notes on Services need them and their endpoints.
const KINDS: KindSet = view::KINDS.with(Kind::Service).with(Kind::EndpointSlice);

/// Prints why one may talk to another or not.
///
/// # Errors
/// The cluster cannot be read, or there is no such pod or node.
pub(crate) fn flow(arguments: &ExplainFlowArguments) -> Result<()> {
    let cluster = read(&arguments.cluster)?;
    if let Some(node) = &arguments.node {
        known::node(&cluster, node)?;
    }
    let (from, to) = (addresses(&cluster, &arguments.from)?, addresses(&cluster, &arguments.to)?);
    let pairs = from.iter().flat_map(|from| to.iter().map(move |to| (*from, *to)));
    let Some((source, destination)) = pairs.clone().find(|(a, b)| a.is_ipv4() == b.is_ipv4())
    else {
        bail!("{} and {} have no addresses of the same family", arguments.from, arguments.to);
    };
    let options = Options {
        pod_to_own_node: own_node(arguments.pod_to_own_node),
        node_local_dns: node_local_dns(&arguments.node_local_dns)?,
        ..Options::default()
    };
    let flow = Flow::between(&cluster, &options, source, destination, arguments.port);
    let explanation = netpol::explain(&cluster, &options, &flow);
    print::answer(&in_line(&explanation.to_string()))?;
    match &arguments.node {
        Some(node) if arguments.live => {
            let patience = Duration::from_secs(arguments.live_timeout);
            print::answer(&live::trace(&cluster, node, &explanation, patience)?)
        }
        Some(_) | None => Ok(()),
    }
}

/// Prints who may talk to whom.
///
/// # Errors
/// The cluster cannot be read, or there is no such namespace.
pub(crate) fn matrix(arguments: &ExplainMatrixArguments) -> Result<()> {
    let cluster = read(&arguments.cluster)?;
    let namespace = arguments.namespace.as_deref();
    if let Some(namespace) = namespace {
        known::namespace(&cluster, namespace)?;
    }
    let matrix = Matrix::of(&cluster, &Options::default(), namespace, arguments.port);
    print::answer(&in_line(&if arguments.html { matrix.html() } else { matrix.to_string() }))
}

/// Prints what in policies is hardly meant.
///
/// # Errors
/// The cluster cannot be read.
pub(crate) fn policies(arguments: &ExplainPoliciesArguments) -> Result<()> {
    let cluster = read(&arguments.cluster)?;
    let findings = netpol::lint(&cluster);
    let mut text = String::new();
    findings.iter().for_each(|finding| _ = writeln!(text, "{finding}"));
    let count = findings.len();
    let _ = writeln!(text, "{count} remark{}", if count == 1 { "" } else { "s" });
    print::answer(&text)
}

fn read(arguments: &ClusterArguments) -> Result<Arc<Cluster>> {
    logging::remarks()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(view::listed(arguments, KINDS))
}

/// Returns the addresses that a text stands for.
fn addresses(cluster: &Cluster, text: &str) -> Result<Vec<IpAddr>> {
    if let Ok(address) = text.parse() {
        return Ok(vec![address]);
    }
    let (namespace, name) = text
        .split_once('/')
        .with_context(|| format!("{text}: write NAMESPACE/POD or an address"))?;
    let Some(pod) = cluster.pod(namespace, name) else {
        known::namespace(cluster, namespace)?;
        let others = running(cluster, namespace);
        bail!("there is no pod {text} that runs; the namespace {namespace} has {others}");
    };
    if pod.ips.is_empty() {
        bail!("the pod {text} has no address yet");
    }
    Ok(pod.ips.to_vec())
}

/// Names the pods of a namespace that run, but not all of a crowd.
fn running(cluster: &Cluster, namespace: &str) -> String {
    let pods = cluster.pods().filter(|pod| &*pod.key.namespace == namespace);
    let mut names: Vec<&str> = pods.map(|pod| &*pod.key.name).collect();
    names.sort_unstable();
    several("Pod", &names)
}

/// Ends a text with the end of a line.
fn in_line(text: &str) -> String {
    format!("{}\n", text.trim_end())
}

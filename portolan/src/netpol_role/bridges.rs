//! Bridges whose packets pass the rules by.
//!
//! What one pod of a bridge sends to another is not routed: it meets the hooks of IP, and so the rules, only where the
//! module `br_netfilter` is loaded and `net.bridge.bridge-nf-call-iptables`, or the bridge itself, says so.

use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use cluster::{Cluster, Phase};
use cluster_source::Source;
use netfilter::{Bridge, Links};
use netpol::Family;

use super::metrics::Metrics;
use super::view;

/// How often bridges and settings are looked at: nobody tells of a change of settings.
const LOOK: Duration = Duration::from_secs(10);

/// Where the settings of this network namespace are.
const SETTINGS: &str = "/proc/sys/net/bridge";

/// Pods of this node whose packets to one another no rule sees.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Bypass {
    /// The name of the bridge.
    pub bridge: String,
    /// The version of IP.
    pub family: Family,
    /// How many pods of the node have an address behind the bridge.
    pub pods: usize,
}

/// Whether the packets of all bridges meet the hooks of IP.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Settings {
    ip4: bool,
    ip6: bool,
}

/// Looks for bridges that pass the rules by, and tells of them when they change, until the source ends.
pub(super) async fn watch(source: Source, node: String, metrics: Arc<Metrics>) {
    let mut changes = source.changes();
    while !view::is_synced(&source) {
        if changes.changed().await.is_err() {
            return;
        }
    }
    let mut known = Vec::new();
    loop {
        // The kernel is asked for the route to each pod.
        match tokio::task::block_in_place(|| bypasses(&source.snapshot(), &node)) {
            Ok(found) => {
                if found != known {
                    tell(&found);
                }
                for family in Family::ALL {
                    let of_family = found.iter().filter(|bypass| bypass.family == family);
                    metrics.set_bypassing(family, of_family.map(|bypass| bypass.pods).sum());
                }
                known = found;
            }
            Err(error) => {
                let error = format!("{error:#}");
                tracing::warn!(error, "bridges cannot be looked at");
            }
        }
        tokio::time::sleep(LOOK).await;
    }
}

fn tell(found: &[Bypass]) {
    if found.is_empty() {
        tracing::info!("packets between pods of bridges meet the rules");
    }
    for Bypass { bridge, family, pods } in found {
        tracing::warn!(
            bridge,
            pods,
            setting = setting(*family),
            "packets between pods of a bridge pass the rules by; load br_netfilter and set the setting to 1"
        );
    }
}

/// Returns the setting that leads bridged packets through the rules.
pub(super) fn setting(family: Family) -> &'static str {
    match family {
        Family::V4 => "net.bridge.bridge-nf-call-iptables",
        Family::V6 => "net.bridge.bridge-nf-call-ip6tables",
    }
}

/// Finds the bridges of the pods of this node that pass the rules by.
///
/// # Errors
/// Links and routes cannot be asked for.
pub(super) fn bypasses(cluster: &Cluster, node: &str) -> Result<Vec<Bypass>> {
    let mut links = Links::open().context("cannot ask for links")?;
    let bridges = links.bridges().context("cannot list links")?;
    if bridges.is_empty() {
        return Ok(Vec::new());
    }
    let mut pods = Vec::new();
    for address in addresses(cluster, node) {
        if let Some(link) = links.leads_to(address).context("cannot ask for routes")? {
            pods.push((Family::of(address), link));
        }
    }
    Ok(passing(&bridges, read_settings(Path::new(SETTINGS)), &pods))
}

/// Returns the addresses of the pods of a node that have some of their own.
fn addresses(cluster: &Cluster, node: &str) -> Vec<IpAddr> {
    let is_here = |pod: &&Arc<cluster::Pod>| {
        pod.node_name.as_deref() == Some(node)
            && !pod.host_network
            && !matches!(pod.phase, Phase::Succeeded | Phase::Failed)
    };
    cluster.pods().filter(is_here).flat_map(|pod| pod.ips.iter().copied()).collect()
}

/// Reads the settings; without the module there are none, and no packet meets the hooks.
fn read_settings(folder: &Path) -> Settings {
    let is_on = |name: &str| {
        let text = std::fs::read_to_string(folder.join(name)).unwrap_or_default();
        !matches!(text.trim(), "" | "0")
    };
    Settings { ip4: is_on("bridge-nf-call-iptables"), ip6: is_on("bridge-nf-call-ip6tables") }
}

/// Returns the bridges that lead to pods and whose packets meet no hook. `pods` are the links that lead to their addresses.
fn passing(bridges: &[Bridge], settings: Settings, pods: &[(Family, u32)]) -> Vec<Bypass> {
    let both = bridges.iter().flat_map(|bridge| Family::ALL.map(|family| (bridge, family)));
    both.filter_map(|(bridge, family)| {
        let meets = match family {
            Family::V4 => settings.ip4 || bridge.calls_ip4,
            Family::V6 => settings.ip6 || bridge.calls_ip6,
        };
        let pods = pods.iter().filter(|pod| **pod == (family, bridge.index)).count();
        (!meets && pods > 0).then(|| Bypass { bridge: bridge.name.clone(), family, pods })
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bridge_passes_the_rules_by_when_neither_it_nor_the_namespace_says_otherwise() {
        let bridge = |index: u32, calls_ip4| {
            let name = format!("br{index}");
            Bridge { index, name, calls_ip4, calls_ip6: false }
        };
        let bridges = [bridge(1, false), bridge(2, true), bridge(3, false)];
        let pods =
            [(Family::V4, 1), (Family::V4, 1), (Family::V6, 1), (Family::V4, 2), (Family::V6, 2)];
        let found = |ip4, ip6| -> Vec<String> {
            let found = passing(&bridges, Settings { ip4, ip6 }, &pods);
            found
                .iter()
                .map(|it| format!("{}/{}: {}", it.bridge, it.family.digit(), it.pods))
                .collect()
        };
        assert_eq!(found(false, false), ["br1/4: 2", "br1/6: 1", "br2/6: 1"]);
        assert_eq!(found(true, false), ["br1/6: 1", "br2/6: 1"]);
        assert_eq!(found(true, true), [""; 0]);
    }

    #[test]
    fn settings_that_are_not_there_are_off() {
        let folder = std::env::temp_dir().join(format!("portolan-bridges-{}", std::process::id()));
        assert_eq!(read_settings(&folder), Settings { ip4: false, ip6: false });
        std::fs::create_dir(&folder).unwrap();
        std::fs::write(folder.join("bridge-nf-call-iptables"), "1\n").unwrap();
        std::fs::write(folder.join("bridge-nf-call-ip6tables"), "0\n").unwrap();
        assert_eq!(read_settings(&folder), Settings { ip4: true, ip6: false });
        std::fs::remove_dir_all(&folder).unwrap();
    }
}

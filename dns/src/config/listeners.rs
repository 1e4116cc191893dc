//! Where the server listens, and which block serves which zone there.

use std::collections::BTreeMap;
use std::net::IpAddr;

use hickory_proto::rr::LowerName;

use super::BlockConfig;
use crate::corefile::CorefileError;

/// A listen address and what is served there.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ListenerConfig {
    /// The address; none means every address of the host.
    pub host: Option<IpAddr>,
    /// The port, 0 for a free one.
    pub port: u16,
    /// Each zone with the index of its block.
    pub zones: Vec<(LowerName, usize)>,
}

impl ListenerConfig {
    /// Returns the listener as metrics label it: `dns://:53` or `dns://10.0.0.10:53`.
    pub fn label(&self) -> String {
        match self.host {
            None => format!("dns://:{}", self.port),
            Some(IpAddr::V4(ip)) => format!("dns://{ip}:{}", self.port),
            Some(IpAddr::V6(ip)) => format!("dns://[{ip}]:{}", self.port),
        }
    }
}

type ByAddress = BTreeMap<(u16, Option<IpAddr>), Vec<(LowerName, usize)>>;

/// Collects the listeners of all blocks.
///
/// # Errors
/// A zone is served twice at an address, or at every address and at a single one.
pub(super) fn of(blocks: &[BlockConfig]) -> Result<Vec<ListenerConfig>, Vec<CorefileError>> {
    let mut by_address = ByAddress::new();
    let mut errors = Vec::new();
    for (index, block) in blocks.iter().enumerate() {
        for key in &block.keys {
            let Ok(zone) = key.zone.parse::<LowerName>() else { continue };
            for host in hosts(block) {
                if let Some(text) = conflict(blocks, &by_address, &zone, key.port, host) {
                    errors.push(block.error(text));
                    continue;
                }
                by_address.entry((key.port, host)).or_default().push((zone.clone(), index));
            }
        }
    }
    if !errors.is_empty() {
        return Err(errors);
    }
    let listeners = by_address.into_iter();
    Ok(listeners.map(|((port, host), zones)| ListenerConfig { host, port, zones }).collect())
}

fn hosts(block: &BlockConfig) -> Vec<Option<IpAddr>> {
    match &block.bind {
        None => vec![None],
        // An unspecified address is every address.
        Some(ips) => ips.iter().map(|ip| Some(*ip).filter(|ip| !ip.is_unspecified())).collect(),
    }
}

/// Says why a zone cannot be served at an address. A block that has a view leaves queries to the blocks after it.
fn conflict(
    blocks: &[BlockConfig],
    by_address: &ByAddress,
    zone: &LowerName,
    port: u16,
    host: Option<IpAddr>,
) -> Option<String> {
    let takes_all = |block: &usize| blocks.get(*block).is_some_and(|block| block.view.is_none());
    let serves = |zones: &Vec<(LowerName, usize)>| {
        zones.iter().any(|(other, block)| other == zone && takes_all(block))
    };
    let same_port = by_address.iter().filter(|((other, _), zones)| *other == port && serves(zones));
    for ((_, other), _) in same_port {
        if *other == host {
            return Some(format!(
                "cannot serve dns://{zone}:{port} - it is already defined; merge the two server blocks"
            ));
        }
        if other.is_none() || host.is_none() {
            return Some(format!(
                "cannot serve dns://{zone}:{port} - zone overlap listener capacity: one server block \
                 binds every address, another a single one; give both a `bind`"
            ));
        }
    }
    None
}

impl BlockConfig {
    fn error(&self, text: String) -> CorefileError {
        CorefileError::Syntax { position: self.position.clone(), text }
    }
}

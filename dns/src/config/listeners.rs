//! Where the server listens, and which block serves which zone there.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use hickory_proto::rr::LowerName;

use super::BlockConfig;
use crate::corefile::{CorefileError, Transport, ZoneKey};

/// A listen address and what is served there.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ListenerConfig {
    /// How questions arrive.
    pub transport: Transport,
    /// The address; none means every address of the host.
    pub host: Option<IpAddr>,
    /// The port, 0 for a free one.
    pub port: u16,
    /// Each zone with the index of its block.
    pub zones: Vec<(LowerName, usize)>,
}

/// What makes a listener the same one in another configuration.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct ListenerKey {
    /// How questions arrive.
    pub transport: Transport,
    /// The address; none means every address of the host.
    pub host: Option<IpAddr>,
    /// The port, 0 for a free one.
    pub port: u16,
}

impl ListenerConfig {
    /// Returns what makes the listener the same one in another configuration.
    pub fn key(&self) -> ListenerKey {
        ListenerKey { transport: self.transport, host: self.host, port: self.port }
    }

    /// Returns the address to bind; `[::]` for every address.
    pub fn address(&self) -> SocketAddr {
        SocketAddr::new(self.host.unwrap_or(Ipv6Addr::UNSPECIFIED.into()), self.port)
    }

    /// Returns the listener as metrics label it: `dns://:53` or `dns://10.0.0.10:53`.
    pub fn label(&self) -> String {
        let scheme = self.transport.scheme();
        match self.host {
            None => format!("{scheme}://:{}", self.port),
            Some(IpAddr::V4(ip)) => format!("{scheme}://{ip}:{}", self.port),
            Some(IpAddr::V6(ip)) => format!("{scheme}://[{ip}]:{}", self.port),
        }
    }
}

/// By port, host and transport: the order in which listeners are bound and listed.
type ByAddress = BTreeMap<(u16, Option<IpAddr>, Transport), Vec<(LowerName, usize)>>;

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
                if let Some(text) = conflict(blocks, &by_address, &zone, key, host) {
                    errors.push(block.error(text));
                    continue;
                }
                let zones = by_address.entry((key.port, host, key.transport)).or_default();
                zones.push((zone.clone(), index));
            }
        }
    }
    if !errors.is_empty() {
        return Err(errors);
    }
    let listeners = by_address.into_iter();
    let listener =
        |((port, host, transport), zones)| ListenerConfig { transport, host, port, zones };
    Ok(listeners.map(listener).collect())
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
    key: &ZoneKey,
    host: Option<IpAddr>,
) -> Option<String> {
    let takes_all = |block: &usize| blocks.get(*block).is_some_and(|block| block.view.is_none());
    let serves = |zones: &Vec<(LowerName, usize)>| {
        zones.iter().any(|(other, block)| other == zone && takes_all(block))
    };
    let listeners = by_address.iter().filter(|((port, _, transport), zones)| {
        (*port, *transport) == (key.port, key.transport) && serves(zones)
    });
    let shown = format!("{}://{zone}:{}", key.transport.scheme(), key.port);
    for ((_, other, _), _) in listeners {
        if *other == host {
            return Some(format!(
                "cannot serve {shown} - it is already defined; merge the two server blocks"
            ));
        }
        if other.is_none() || host.is_none() {
            return Some(format!(
                "cannot serve {shown} - zone overlap listener capacity: one server block \
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

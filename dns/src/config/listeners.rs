//! Where the server listens, and which block serves which zone there.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use hickory_proto::rr::LowerName;

use super::BlockConfig;
use crate::corefile::{CorefileError, Position, Transport, ZoneKey};
use crate::plugin::stream_limits::StreamLimits;
use crate::plugin::timeouts::TimeoutsConfig;
use crate::plugin::tls::TlsConfig;

/// A listen address and what is served there.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ListenerConfig {
    /// How questions arrive.
    pub transport: Transport,
    /// The address; none means every address of the host.
    pub host: Option<IpAddr>,
    /// The port, 0 for a free one.
    pub port: u16,
    /// How many sockets share the address: what the first block says with `multisocket`.
    pub sockets: Sockets,
    /// What the blocks say with `timeouts`, the last of them first.
    pub timeouts: TimeoutsConfig,
    /// What the first block says that has `https`, `https3` or `quic`, whichever is the transport's.
    pub stream_limits: StreamLimits,
    /// The certificate of an encrypted listener.
    pub tls: Option<TlsConfig>,
    /// Where the certificate is named first.
    pub tls_position: Option<Position>,
    /// Each zone with the index of its block.
    pub zones: Vec<(LowerName, usize)>,
}

/// How many sockets share an address.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Sockets {
    /// This many.
    Number(usize),
    /// As many as there are processors.
    Processors,
}

impl Sockets {
    /// Returns how many those are on this machine, at least 1.
    pub fn number(self) -> usize {
        match self {
            Self::Number(number) => number.max(1),
            Self::Processors => std::thread::available_parallelism().map_or(1, usize::from),
        }
    }
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
    let (found, errors): (Vec<_>, Vec<_>) = listeners
        .map(|((port, host, transport), zones)| {
            let key = ListenerKey { transport, host, port };
            ListenerConfig::of(key, zones, blocks)
        })
        .partition(Result::is_ok);
    if errors.is_empty() {
        Ok(found.into_iter().flatten().collect())
    } else {
        Err(errors.into_iter().filter_map(Result::err).collect())
    }
}

impl ListenerConfig {
    fn of(
        key: ListenerKey,
        zones: Vec<(LowerName, usize)>,
        blocks: &[BlockConfig],
    ) -> Result<Self, CorefileError> {
        let ListenerKey { transport, host, port } = key;
        let served = || zones.iter().filter_map(|(_, block)| blocks.get(*block));
        let multisocket = served().next().and_then(|block| block.multisocket);
        let sockets = multisocket.map_or(Sockets::Number(1), |multisocket| {
            multisocket.sockets.map_or(Sockets::Processors, Sockets::Number)
        });
        let timeouts = served().fold(TimeoutsConfig::default(), |timeouts, block| {
            timeouts.overridden_by(&block.timeouts)
        });
        let tls = if transport == Transport::Dns {
            None
        } else {
            served().next().and_then(|block| block.tls.clone())
        };
        if let Some(other) = served().find(|block| tls.is_some() && block.tls != tls) {
            return Err(other.error(format!(
                "'tls' differs from that of another server block on {}://:{port}; a port has one \
                 certificate, so give both the same",
                transport.scheme()
            )));
        }
        let plugin = StreamLimits::plugin_of(transport);
        let limits = served().find_map(|block| block.stream_limits.get(plugin?)).copied();
        let stream_limits = limits.unwrap_or_default();
        let position = served().next().and_then(|block| block.tls_position.clone());
        let tls_position = position.filter(|_| tls.is_some());
        Ok(Self {
            transport,
            host,
            port,
            sockets,
            timeouts,
            stream_limits,
            tls,
            tls_position,
            zones,
        })
    }
}

fn hosts(block: &BlockConfig) -> Vec<Option<IpAddr>> {
    match &block.bind {
        None => vec![None],
        // An unspecified address is every address.
        Some(ips) => {
            let hosts = ips.iter().map(|ip| Some(*ip).filter(|ip| !ip.is_unspecified()));
            // `bind 0.0.0.0 ::` names every address twice.
            hosts.fold(Vec::new(), |mut hosts, host| {
                if !hosts.contains(&host) {
                    hosts.push(host);
                }
                hosts
            })
        }
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
    if let Some(text) = shared_socket(by_address, key, host) {
        return Some(text);
    }
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

/// Refuses a transport where another one has the socket: half of the clients would meet the other one.
fn shared_socket(by_address: &ByAddress, key: &ZoneKey, host: Option<IpAddr>) -> Option<String> {
    let (transport, port) = (key.transport, key.port);
    let mut others = by_address.keys().filter(|(other_port, other_host, other)| {
        port != 0 && (*other_port, *other_host) == (port, host) && *other != transport
    });
    let other =
        others.find_map(|(_, _, other)| shares_socket(*other, transport).then_some(*other))?;
    let (scheme, other) = (transport.scheme(), other.scheme());
    Some(format!(
        "cannot serve {scheme}://{}:{port} - {other}:// is served at this port; choose another one",
        key.zone
    ))
}

/// Says whether two transports need the same kind of socket: UDP, TCP, or for plain DNS both.
fn shares_socket(one: Transport, other: Transport) -> bool {
    let kinds = |transport| match transport {
        Transport::Dns => (true, true),
        Transport::Tls | Transport::Grpc | Transport::Https => (false, true),
        Transport::Quic | Transport::Https3 => (true, false),
    };
    let ((udp, tcp), (other_udp, other_tcp)) = (kinds(one), kinds(other));
    udp && other_udp || tcp && other_tcp
}

impl BlockConfig {
    fn error(&self, text: String) -> CorefileError {
        CorefileError::Syntax { position: self.position.clone(), text }
    }
}

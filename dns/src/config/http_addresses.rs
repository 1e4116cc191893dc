//! Where `prometheus`, `health` and `ready` cannot listen, because the server answers questions there.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::{BlockConfig, ListenerConfig, PluginConfig};
use crate::corefile::{Corefile, CorefileError, Transport};
use crate::plugin::{ListenAddress, ListenHost};

/// Finds directives whose address and port TCP questions go to. Without this the bind fails later, with the
/// system's "Address already in use".
pub(super) fn conflicts(
    corefile: &Corefile,
    blocks: &[BlockConfig],
    listeners: &[ListenerConfig],
) -> Vec<CorefileError> {
    let mut found = Vec::new();
    for (text, block) in corefile.blocks.iter().zip(blocks) {
        for (name, address) in addresses(block) {
            let directive = text.directives.iter().find(|directive| directive.name.text == name);
            let listener = listeners.iter().find(|listener| is_same(address, listener));
            if let (Some(directive), Some(listener)) = (directive, listener) {
                found.push(directive.error(format!(
                    "'{name}' cannot use {address}: the server listens at {} for questions; use another port",
                    listener.label()
                )));
            }
        }
    }
    found
}

/// Returns the addresses of a block by the plugin that listens there.
fn addresses(block: &BlockConfig) -> impl Iterator<Item = (&'static str, &ListenAddress)> {
    let prometheus = block.plugins.iter().find_map(|plugin| match plugin {
        PluginConfig::Prometheus(config) => Some(("prometheus", &config.address)),
        _ => None,
    });
    let health = block.health.as_ref().map(|health| ("health", &health.address));
    let ready = block.ready.as_ref().map(|ready| ("ready", &ready.address));
    prometheus.into_iter().chain(health).chain(ready)
}

/// Says whether a listener has the TCP port of an address for sure.
fn is_same(address: &ListenAddress, listener: &ListenerConfig) -> bool {
    let uses_tcp = matches!(listener.transport, Transport::Dns | Transport::Tls | Transport::Https);
    let host: IpAddr = match &address.host {
        ListenHost::Any => Ipv6Addr::UNSPECIFIED.into(),
        ListenHost::Address(host) => *host,
        // RFC 6761 §6.3.
        ListenHost::Name(name) if name == "localhost" => Ipv4Addr::LOCALHOST.into(),
        // Nothing is looked up for this.
        ListenHost::Name(_) => return false,
    };
    // Port 0 is a free one.
    let is_fixed = address.port != 0 && address.port == listener.port;
    uses_tcp && is_fixed && overlap(host, listener.address().ip())
}

/// Says whether sockets at these addresses are in each other's way: `[::]` is every address, `0.0.0.0` every IPv4
/// address.
fn overlap(a: IpAddr, b: IpAddr) -> bool {
    let is_every = |a: IpAddr, b: IpAddr| {
        a.is_unspecified() && (a.is_ipv6() || b.is_ipv4() || b.is_unspecified())
    };
    a == b || is_every(a, b) || is_every(b, a)
}

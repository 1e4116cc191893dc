//! `forward` to where the queries came in.

use std::net::SocketAddr;

use hickory_proto::rr::LowerName;

use super::{Linted, warning};
use crate::config::{ListenerConfig, PluginConfig};
use crate::corefile::{Directive, Transport, Warning};
use crate::plugin::forward::{ForwardConfig, Host, Scheme, Target};

pub(super) fn warnings(linted: Linted<'_>) -> Vec<Warning> {
    // What the view does not take does not come back.
    if linted.block.view.is_some() {
        return Vec::new();
    }
    let forwards = linted.block.plugins.iter().filter_map(|plugin| match plugin {
        PluginConfig::Forward(forward) => Some(&**forward),
        _ => None,
    });
    // Both are in the order of the text.
    let directives = linted.directives("forward");
    let pairs = directives.into_iter().zip(forwards);
    pairs.filter_map(|(directive, forward)| looping(linted, directive, forward)).collect()
}

fn looping(linted: Linted<'_>, directive: &Directive, forward: &ForwardConfig) -> Option<Warning> {
    let zones = linted.served(&forward.from);
    let mut zones = zones.iter().filter(|zone| forward.serves(zone));
    let (zone, target, address) = zones.find_map(|zone| {
        let own = |target: &&Target| address_of(target).is_some_and(|to| returns(linted, zone, to));
        let target = forward.upstreams.iter().find(own)?;
        Some((zone, target, address_of(target)?.1))
    })?;
    let written = |to: &str| to.contains(&address.ip().to_string());
    let file = directive.args.iter().skip(1).find(|to| to.text.starts_with('/'));
    let is_from_file = !directive.args.iter().skip(1).any(|to| written(&to.text));
    let text = match file.filter(|_| is_from_file) {
        Some(file) => format!(
            "'forward' loops: {} names {target}, where this server block itself answers names in {zone}; name \
             the real servers instead, or the file that has them: with systemd-resolved that is \
             /run/systemd/resolve/resolv.conf",
            file.text
        ),
        None => format!(
            "'forward' loops: {target} is this server block itself, which answers names in {zone} there; name \
             another server, or let 'bind' leave the address out"
        ),
    };
    Some(warning(&directive.name, text))
}

/// Returns the transport and the address of an upstream; none of a host name.
fn address_of(target: &Target) -> Option<(Transport, SocketAddr)> {
    let transport = match target.scheme {
        Scheme::Dns => Transport::Dns,
        Scheme::Tls(_) => Transport::Tls,
        Scheme::Https { .. } => Transport::Https,
    };
    match target.host {
        Host::Address(address) => Some((transport, address)),
        Host::Name { .. } => None,
    }
}

/// Says whether a question for a name in the zone that is sent there comes back to the block.
fn returns(linted: Linted<'_>, zone: &LowerName, to: (Transport, SocketAddr)) -> bool {
    let listeners = linted.config.listeners.iter().filter(|listener| is_at(linted, listener, to));
    // What is sent to an address that is bound by itself goes there.
    let Some(listener) = listeners.max_by_key(|listener| listener.host.is_some()) else {
        return false;
    };
    let matching = listener.zones.iter().filter(|(served, _)| served.zone_of(zone));
    let longest = matching.max_by_key(|(served, _)| served.num_labels());
    longest.is_some_and(|(_, block)| *block == linted.index)
}

fn is_at(
    linted: Linted<'_>,
    listener: &ListenerConfig,
    (transport, to): (Transport, SocketAddr),
) -> bool {
    let ip = to.ip();
    let is_own = || {
        let mut all = linted.around.interfaces.iter().flat_map(|interface| &interface.addresses);
        ip.is_loopback() || ip.is_unspecified() || all.any(|own| *own == ip)
    };
    listener.transport == transport
        && listener.port == to.port()
        && listener.host.map_or_else(is_own, |host| host == ip)
}

#[cfg(test)]
mod tests {
    use crate::config::lints::tests::{assert_hit, assert_miss};

    #[test]
    fn an_own_address() {
        for own in ["127.0.0.1", "192.0.2.1", "127.1.2.3:53"] {
            let text = format!(".:53 {{\nforward . {own}\n}}\n");
            assert_hit(&text, 2, &["'forward' loops", "is this server block itself", "in ."]);
        }
        assert_miss(".:53 {\nforward . 192.0.2.2\n}\n");
        assert_miss(".:1053 {\nforward . 127.0.0.1\n}\n");
        assert_miss(".:53 {\nbind 127.0.0.1\nforward . 192.0.2.1\n}\n");
        let beside = "a.example:53 {\nbind 127.0.0.1\nwhoami\n}\n";
        assert_miss(&format!("{beside}.:53 {{\nforward a.example 127.0.0.1\n}}\n"));
        assert_hit(".:53 {\nbind 127.0.0.1\nforward . 127.0.0.1\n}\n", 3, &["loops"]);
    }

    #[test]
    fn another_block_of_the_same_server() {
        assert_miss("a.example:53 {\nwhoami\n}\n.:53 {\nforward a.example 127.0.0.1\n}\n");
        assert_miss(".:53 {\nforward . 127.0.0.1:1053\n}\n.:1053 {\nwhoami\n}\n");
        assert_hit(
            "a.example:53 {\nforward . 127.0.0.1\n}\n.:53 {\nwhoami\n}\n",
            2,
            &["a.example."],
        );
    }

    #[test]
    fn a_resolver_of_the_host_that_is_this_one() {
        let text = ".:53 {\nforward . /etc/resolv.conf\n}\n";
        let parts = ["/etc/resolv.conf names 127.0.0.53:53", "/run/systemd/resolve/resolv.conf"];
        assert_hit(text, 2, &parts);
        assert_miss(&text.replace("/etc/", "/run/"));
        assert_miss(&text.replace("forward", "bind 192.0.2.1\nforward"));
    }
}

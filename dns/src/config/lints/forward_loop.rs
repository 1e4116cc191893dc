//! `forward` to where the queries came in, directly or over other server blocks.

use std::net::SocketAddr;

use hickory_proto::rr::LowerName;

use super::claim::claims;
use super::{Linted, warning};
use crate::config::{ListenerConfig, PluginConfig};
use crate::corefile::{Directive, Transport, Warning};
use crate::plugin::forward::{ForwardConfig, Host, Scheme, Target};

/// What has to be whole in a server block for its `forward` to be sure.
const DECIDING: [&str; 5] = ["autopath", "bind", "forward", "rewrite", "view"];

/// A question on its way from one server block to the next.
#[derive(Clone, Copy)]
struct Hop<'a> {
    directive: &'a Directive,
    target: &'a Target,
    /// The server block that gets it.
    to: usize,
}

/// A way of a question back to the server block where it began.
struct Cycle<'a> {
    zone: LowerName,
    hops: Vec<Hop<'a>>,
}

pub(super) fn warnings(linted: Linted<'_>) -> Vec<Warning> {
    let is_told_before = |cycle: &Cycle<'_>| {
        let first = cycle.hops.iter().map(|hop| hop.to).min().unwrap_or(linted.index);
        let first = Some(first).filter(|first| *first != linted.index);
        first.and_then(|first| linted.at(first)).is_some_and(|first| {
            cycles(first).iter().any(|other| other.hops.iter().any(|hop| hop.to == linted.index))
        })
    };
    let cycles = cycles(linted).into_iter().filter(|cycle| !is_told_before(cycle));
    cycles.filter_map(|cycle| told(linted, &cycle)).collect()
}

/// Returns the ways back to a server block, at most one for each of its `forward`.
fn cycles(linted: Linted<'_>) -> Vec<Cycle<'_>> {
    if !is_sure(linted) {
        return Vec::new();
    }
    forwards(linted).into_iter().filter_map(|forward| cycle(linted, forward)).collect()
}

fn cycle<'a>(linted: Linted<'a>, of: (&'a Directive, &'a ForwardConfig)) -> Option<Cycle<'a>> {
    let zones = linted.served(&of.1.from);
    let mut zones = zones.into_iter().filter(|zone| of.1.serves(zone));
    zones.find_map(|zone| {
        let hops = way_back(linted, linted, of, &zone, &mut vec![linted.index])?;
        Some(Cycle { zone, hops })
    })
}

/// Says whether what the server block forwards is known: what a view does not take does not come back, and a mistake
/// may stand for what ends the loop.
fn is_sure(linted: Linted<'_>) -> bool {
    linted.block.view.is_none() && !linted.sound.lacks_blocks && linted.missing.has(&DECIDING)
}

/// Says whether it is known which server blocks have a port, and at which addresses.
fn is_known(linted: Linted<'_>, port: u16) -> bool {
    let blocks = linted.config.blocks.iter().zip(&linted.sound.missing);
    let mut there = blocks.filter(|(block, _)| block.keys.iter().any(|key| key.port == port));
    there.all(|(_, missing)| missing.has(&["bind", "view"]))
}

/// Returns the `forward` of a server block, text and meaning: both are in the order of the text.
fn forwards<'a>(linted: Linted<'a>) -> Vec<(&'a Directive, &'a ForwardConfig)> {
    let configs = linted.block.plugins.iter().filter_map(|plugin| match plugin {
        PluginConfig::Forward(forward) => Some(&**forward),
        _ => None,
    });
    linted.directives("forward").into_iter().zip(configs).collect()
}

/// Returns how questions for names in a zone come from a `forward` back to the first server block.
fn way_back<'a>(
    start: Linted<'a>,
    here: Linted<'a>,
    (directive, forward): (&'a Directive, &'a ForwardConfig),
    zone: &LowerName,
    seen: &mut Vec<usize>,
) -> Option<Vec<Hop<'a>>> {
    for target in &forward.upstreams {
        let Some(to) = address_of(target).and_then(|to| receiver(here, zone, to)) else { continue };
        let hop = Hop { directive, target, to };
        if to == start.index {
            return Some(vec![hop]);
        }
        if seen.contains(&to) {
            continue;
        }
        seen.push(to);
        let next = start.at(to).filter(|next| is_sure(*next) && !next.changes_names());
        let Some((next, onward)) = next.and_then(|next| Some((next, onward(next, zone)?))) else {
            continue;
        };
        if let Some(mut hops) = way_back(start, next, onward, zone, seen) {
            hops.insert(0, hop);
            return Some(hops);
        }
    }
    None
}

/// Returns the `forward` of a server block that gets the names of a zone; none when another plugin answers them.
fn onward<'a>(linted: Linted<'a>, zone: &LowerName) -> Option<(&'a Directive, &'a ForwardConfig)> {
    if !linted.missing.has(&super::ANSWERING) {
        return None;
    }
    let forwards = forwards(linted);
    let (directive, forward) = *forwards.iter().find(|(_, forward)| forward.serves(zone))?;
    let claims = claims(linted);
    let mut before = claims.iter().take_while(|claim| !std::ptr::eq(claim.directive, directive));
    let is_kept = before.any(|claim| claim.kept.iter().any(|kept| kept.zone_of(zone)));
    (!is_kept).then_some((directive, forward))
}

fn told(linted: Linted<'_>, cycle: &Cycle<'_>) -> Option<Warning> {
    let Cycle { zone, hops } = cycle;
    let (first, more) = hops.split_first()?;
    let directive = first.directive;
    let target = first.target;
    if let Some(last) = more.last() {
        let blocks = hops.iter().filter(|hop| hop.to != linted.index);
        let blocks: Vec<String> =
            blocks.filter_map(|hop| Some(linted.at(hop.to)?.text.position.to_string())).collect();
        let text = format!(
            "'forward' loops: {target} is the server block at {}, and 'forward' at {} sends names in {zone} back \
             to this one, at {}; name another server in one of them",
            blocks.join(", which forwards to that at "),
            last.directive.name.position,
            last.target
        );
        return Some(warning(&directive.name, text));
    }
    let address = address_of(target)?.1;
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

/// Returns the server block that gets a question for a name in the zone that is sent there.
fn receiver(linted: Linted<'_>, zone: &LowerName, to: (Transport, SocketAddr)) -> Option<usize> {
    if !is_known(linted, to.1.port()) {
        return None;
    }
    let listeners = linted.config.listeners.iter().filter(|listener| is_at(linted, listener, to));
    // What is sent to an address that is bound by itself goes there.
    let listener = listeners.max_by_key(|listener| listener.host.is_some())?;
    let matching = listener.zones.iter().filter(|(served, _)| served.zone_of(zone));
    // Of several blocks with one zone, which have views, the first is asked first.
    let longest = matching.rev().max_by_key(|(served, _)| served.num_labels());
    longest.map(|(_, block)| *block)
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
    fn over_other_server_blocks() {
        let two = ".:53 {\nforward . 127.0.0.1:5301\n}\n.:5301 {\ncache\nforward . 192.0.2.1\n}\n";
        let parts =
            ["127.0.0.1:5301 is the server block at Corefile:4", "Corefile:6 sends names in ."];
        assert_hit(two, 2, &parts);
        // The second one's zone is smaller.
        let smaller = two.replace(".:5301 {", "a.example:5301 {");
        assert_hit(&smaller, 6, &["192.0.2.1:53 is the server block at Corefile:1", "a.example."]);
        // By the addresses of interfaces, to which `bind` with a name listens.
        let bound = two.replace("cache", "bind lo");
        assert_hit(&bound, 2, &parts);
        assert_miss(&bound.replace("127.0.0.1:5301", "192.0.2.1:5301"));
        let three = "a.example:53 {\nforward . 127.0.0.1:5301\n}\n.:5301 {\nforward . 127.0.0.1:5302\n}\n\
                     .:5302 {\nforward . 127.0.0.1\n}\n";
        assert_hit(
            three,
            2,
            &["at Corefile:4, which forwards to that at Corefile:7", "Corefile:8"],
        );
        assert_miss(
            &three
                .replace("a.example:53", "b.example:53")
                .replace("forward . 127.0.0.1\n", "forward . 127.0.0.1 {\nexcept b.example\n}\n"),
        );
    }

    #[test]
    fn what_ends_a_loop_over_other_server_blocks() {
        let text = |line: &str| {
            format!(
                "a.b:53 {{\nforward . 127.0.0.1:5301\n}}\n.:5301 {{\n{line}\nforward . 127.0.0.1\n}}\n"
            )
        };
        assert_hit(&text("hosts {\nfallthrough\n}"), 2, &["loops"]);
        assert_miss(&text("template ANY ANY a.b {\nrcode NXDOMAIN\n}"));
        assert_miss(&text("rewrite name suffix a.b c.d"));
        assert_miss(&text("view v {\nexpr type() == 'A'\n}"));
        assert_miss(&text("forward b 192.0.2.2"));
        // Host names of upstreams are not looked up.
        assert_miss(
            &text("").replace(
                "forward . 127.0.0.1\n",
                "forward . dns.example {\nresolver 192.0.2.2\n}\n",
            ),
        );
    }

    #[test]
    fn beside_mistakes() {
        assert_hit(".:53 {\ncahce mistake\nforward . 127.0.0.1\n}\n", 3, &["loops"]);
        assert_hit(".:53 {\nforward . 127.0.0.1\n}\nb {\nwhoami mistake\n}\n", 2, &["loops"]);
        assert_miss(".:53 {\nbind mistake\nforward . 127.0.0.1\n}\n");
        assert_miss(".:53 {\nrewite mistake\nforward . 127.0.0.1\n}\n");
        assert_miss("import mistake\n.:53 {\nforward . 127.0.0.1\n}\n");
        assert_miss(".:53 {\nimport mistake\nforward . 127.0.0.1\n}\n");
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

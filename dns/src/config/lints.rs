//! What a Corefile may say and hardly means.
//!
//! Each lint is a plain function of a server block and returns warnings with file, line, reason and remedy. A lint
//! says nothing unless it is sure: a Corefile that does what its author wants has no warning.

mod challenge;
mod claim;
mod delay;
mod forward_loop;
mod idle;
mod nowhere;
mod outside;
mod shadow;
mod view;

use hickory_proto::rr::LowerName;

use super::{BlockConfig, Config, Surroundings};
use crate::corefile::{Corefile, Directive, ServerBlock, Token, Warning};

/// A server block as the lints see it.
#[derive(Clone, Copy)]
struct Linted<'a> {
    /// Its text.
    text: &'a ServerBlock,
    /// What it means.
    block: &'a BlockConfig,
    /// Its place among the server blocks.
    index: usize,
    /// The text of all server blocks.
    texts: &'a [ServerBlock],
    /// The whole configuration.
    config: &'a Config,
    /// The machine.
    around: Surroundings<'a>,
}

/// Returns the warnings of a Corefile and of what it means, by file and line.
pub fn lints(corefile: &Corefile, config: &Config, around: Surroundings<'_>) -> Vec<Warning> {
    let mut warnings = Vec::new();
    for (index, (text, block)) in corefile.blocks.iter().zip(&config.blocks).enumerate() {
        let linted = Linted { text, block, index, texts: &corefile.blocks, config, around };
        warnings.extend(forward_loop::warnings(linted));
        warnings.extend(shadow::warnings(linted));
        warnings.extend(nowhere::warnings(linted));
        warnings.extend(outside::warnings(linted));
        warnings.extend(idle::warnings(linted));
        warnings.extend(delay::warnings(linted));
        warnings.extend(view::warnings(linted));
        warnings.extend(challenge::warnings(linted));
    }
    warnings.sort_by(|a, b| a.position.cmp(&b.position));
    // A snippet that several server blocks import says the same for each.
    warnings.dedup();
    warnings
}

impl<'a> Linted<'a> {
    /// Returns the directives of a plugin in their order.
    fn directives(self, plugin: &str) -> Vec<&'a Directive> {
        self.text.directives.iter().filter(|directive| directive.name.text == plugin).collect()
    }

    /// Says whether names may be others behind the first plugins than the client's.
    fn changes_names(self) -> bool {
        let changes =
            |directive: &Directive| matches!(directive.name.text.as_str(), "rewrite" | "autopath");
        self.text.directives.iter().any(changes)
    }

    /// Says whether another plugin of the block reads the cluster of this directive, whoever answers.
    fn is_read_by_others(self, directive: &Directive) -> bool {
        let reads = |other: &Directive| {
            matches!(other.name.text.as_str(), "autopath" | "k8s_external" | "metadata")
        };
        directive.name.text == "kubernetes" && self.text.directives.iter().any(reads)
    }

    /// Returns those of a plugin's zones, or the parts of them, whose names come to the block.
    fn served(self, zones: &[LowerName]) -> Vec<LowerName> {
        if self.changes_names() {
            return zones.to_vec();
        }
        let mut served: Vec<LowerName> = Vec::new();
        for zone in zones {
            let parts = self.block.zones.iter().filter_map(|own| common(own, zone));
            served.extend(parts);
        }
        served
    }
}

/// Returns what two zones have in common: the longer one, or nothing.
fn common(a: &LowerName, b: &LowerName) -> Option<LowerName> {
    if a.zone_of(b) { Some(b.clone()) } else { b.zone_of(a).then(|| a.clone()) }
}

/// Says whether a zone has names of addresses.
fn is_reverse(zone: &LowerName) -> bool {
    let arpa = ["in-addr.arpa.", "ip6.arpa."].map(|name| name.parse::<LowerName>());
    arpa.into_iter().flatten().any(|arpa| arpa.zone_of(zone))
}

/// Returns zones as one reads them: `a.example. and b.example.`
fn listed(zones: &[LowerName]) -> String {
    let names: Vec<String> = zones.iter().map(ToString::to_string).collect();
    names.join(" and ")
}

fn warning(at: &Token, text: String) -> Warning {
    Warning { position: at.position.clone(), text }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::corefile::{Files, parse};
    use crate::plugin::bind::Interface;

    /// `/etc/resolv.conf` of a host with systemd-resolved.
    struct Host;

    impl Files for Host {
        fn read(&self, path: &Path) -> std::io::Result<Vec<u8>> {
            match path.to_str() {
                Some("/etc/resolv.conf") => Ok(b"nameserver 127.0.0.53\n".to_vec()),
                Some("/run/resolv.conf") => Ok(b"nameserver 192.0.2.53\n".to_vec()),
                _ => Err(std::io::ErrorKind::NotFound.into()),
            }
        }

        fn list(&self, _: &Path) -> std::io::Result<Vec<std::ffi::OsString>> {
            Err(std::io::ErrorKind::NotFound.into())
        }
    }

    fn warnings(text: &str) -> Vec<String> {
        let corefile = parse(Path::new("Corefile"), text.as_bytes(), &Host, &|_| None).unwrap();
        let interfaces = [
            Interface { name: "lo".into(), addresses: vec!["127.0.0.1".parse().unwrap()] },
            Interface { name: "eth0".into(), addresses: vec!["192.0.2.1".parse().unwrap()] },
        ];
        let around = Surroundings { files: &Host, interfaces: &interfaces, default_port: 53 };
        let config =
            Config::of(&corefile, around).unwrap_or_else(|errors| panic!("{text}\n{}", errors[0]));
        lints(&corefile, &config, around).iter().map(ToString::to_string).collect()
    }

    /// Asserts that a Corefile has this one warning at this line.
    pub(super) fn assert_hit(text: &str, line: u32, parts: &[&str]) {
        let warnings = warnings(text);
        let start = format!("Corefile:{line} - Warning: ");
        let is_it = |warning: &String| {
            warning.starts_with(&start) && parts.iter().all(|part| warning.contains(part))
        };
        assert!(warnings.len() == 1 && is_it(&warnings[0]), "{text}\n{warnings:#?}");
    }

    /// Asserts that a Corefile has no warning.
    pub(super) fn assert_miss(text: &str) {
        assert_eq!(warnings(text), [""; 0], "{text}");
    }
}

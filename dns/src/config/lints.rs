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
mod placeholder;
mod shadow;
mod unreached;
mod unused;
mod view;

use hickory_proto::rr::LowerName;

use super::mistakes::{Missing, Sound};
use super::{BlockConfig, Config, Surroundings};
use crate::corefile::{Directive, ServerBlock, Token, Warning};

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
    /// What it lacks, because there is a mistake in it.
    missing: &'a Missing,
    /// The whole configuration.
    config: &'a Config,
    /// What is sound of all server blocks.
    sound: &'a Sound,
    /// The machine.
    around: Surroundings<'a>,
}

/// Returns the warnings of what is sound in a Corefile, by file and line: those that hold whatever stands where a
/// mistake is.
pub fn lints(sound: &Sound, around: Surroundings<'_>) -> Vec<Warning> {
    let Sound { corefile, config, missing, .. } = sound;
    let texts = &corefile.blocks;
    let mut warnings = Vec::new();
    for (index, (text, block)) in texts.iter().zip(&config.blocks).enumerate() {
        let Some(missing) = missing.get(index) else { continue };
        let linted = Linted { text, block, index, texts, missing, config, sound, around };
        warnings.extend(forward_loop::warnings(linted));
        if missing.has(&["autopath", "metadata", "rewrite"]) && missing.has(&ANSWERING) {
            warnings.extend(shadow::warnings(linted));
            warnings.extend(nowhere::warnings(linted));
            warnings.extend(outside::warnings(linted));
        }
        if missing.is_nothing() {
            warnings.extend(idle::warnings(linted));
        }
        if missing.has(&["acl", "log", "rewrite", "template"]) {
            warnings.extend(unreached::warnings(linted));
        }
        warnings.extend(placeholder::warnings(linted));
        warnings.extend(unused::warnings(linted));
        if missing.has(&["autopath", "cache", "kubernetes", "rewrite"]) {
            warnings.extend(delay::warnings(linted));
        }
        let is_whole = || sound.missing.iter().all(|missing| missing.has(&["bind", "view"]));
        if !sound.lacks_blocks && is_whole() {
            warnings.extend(view::warnings(linted));
        }
        if missing.is_nothing() {
            warnings.extend(challenge::warnings(linted));
        }
    }
    warnings.sort_by(|a, b| a.position.cmp(&b.position));
    // A snippet that several server blocks import says the same for each.
    warnings.dedup();
    warnings
}

/// The plugins that answer names of zones.
const ANSWERING: [&str; 8] =
    ["template", "hosts", "k8s_external", "kubernetes", "file", "forward", "whoami", "erratic"];

impl<'a> Linted<'a> {
    /// Returns another server block.
    fn at(self, index: usize) -> Option<Self> {
        let (text, block) = (self.texts.get(index)?, self.config.blocks.get(index)?);
        let missing = self.sound.missing.get(index)?;
        Some(Self { text, block, index, missing, ..self })
    }

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
    use crate::config::mistakes::examine;
    use crate::corefile::Files;
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
        let interfaces = [
            Interface { name: "lo".into(), addresses: vec!["127.0.0.1".parse().unwrap()] },
            Interface { name: "eth0".into(), addresses: vec!["192.0.2.1".parse().unwrap()] },
        ];
        let around = Surroundings { files: &Host, interfaces: &interfaces, default_port: 53 };
        let entry = (Path::new("Corefile"), text.as_bytes());
        let examined = examine(entry, around, &|_| None).unwrap();
        assert!(
            examined.mistakes.is_empty() || text.contains("mistake"),
            "{:?}",
            examined.mistakes
        );
        lints(&examined.sound.unwrap(), around).iter().map(ToString::to_string).collect()
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

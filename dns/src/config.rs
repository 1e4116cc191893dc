//! From a Corefile to what the server is made of, still without any effect.
//!
//! Every mistake of a Corefile is found in one pass and named with its file and line.

mod block;
mod http_addresses;
pub mod lints;
mod listener_changes;
mod listeners;
pub mod mistakes;
mod registry;

use crate::corefile::{Corefile, CorefileError, Files, Warning};
use crate::plugin::bind::Interface;
use crate::plugin::reload::ReloadConfig;
use crate::plugin::tls::acme;

pub use block::{BlockConfig, PluginConfig};
pub use listener_changes::{ListenerChanges, ListenerIds};
pub use listeners::{ListenerConfig, ListenerKey, Sockets};
pub use registry::{PLUGINS, Support};

/// A configured server.
#[derive(Debug)]
pub struct Config {
    /// The server blocks in the order of the Corefile.
    pub blocks: Vec<BlockConfig>,
    /// Where the server listens, and which block serves which zone there.
    pub listeners: Vec<ListenerConfig>,
    /// What is allowed and probably not meant.
    pub warnings: Vec<Warning>,
}

/// What of the machine a configuration depends on.
#[derive(Clone, Copy)]
pub struct Surroundings<'a> {
    /// The files that directives name.
    pub files: &'a dyn Files,
    /// The network interfaces, for `bind`.
    pub interfaces: &'a [Interface],
    /// The port of keys that name none (`-dns.port`).
    pub default_port: u16,
}

impl Config {
    /// Reads every server block.
    ///
    /// # Errors
    /// Everything that is wrong, in the order of the Corefile.
    pub fn of(corefile: &Corefile, around: Surroundings<'_>) -> Result<Self, Vec<CorefileError>> {
        let (mut blocks, mut errors) = (Vec::new(), Vec::new());
        for block in &corefile.blocks {
            match BlockConfig::parse(block, around) {
                Ok(block) => blocks.push(block),
                Err(found) => errors.extend(found),
            }
        }
        if errors.is_empty() {
            errors.extend(acme_conflicts(corefile, &blocks));
        }
        if !errors.is_empty() {
            return Err(errors);
        }
        check_cookies(&blocks)?;
        let listeners = listeners::of(&blocks)?;
        let conflicts = http_addresses::conflicts(corefile, &blocks, &listeners);
        if !conflicts.is_empty() {
            return Err(conflicts);
        }
        Ok(Self { blocks, listeners, warnings: corefile.warnings.clone() })
    }

    /// Returns `reload`; of several the last counts, none without one.
    pub fn reload(&self) -> Option<ReloadConfig> {
        self.blocks.iter().filter_map(|block| block.reload).next_back()
    }

    /// Says whether a certificate comes from an authority, which then asks for challenges.
    pub fn uses_acme(&self) -> bool {
        self.blocks.iter().any(|block| block.tls.as_ref().is_some_and(|tls| tls.acme().is_some()))
    }
}

/// Checks that all blocks with `cookie` say the same: it holds for the whole server.
fn check_cookies(blocks: &[BlockConfig]) -> Result<(), Vec<CorefileError>> {
    let mut with = blocks.iter().filter(|block| block.cookie.is_some());
    let Some(first) = with.next() else { return Ok(()) };
    let Some(other) = with.find(|block| block.cookie != first.cookie) else { return Ok(()) };
    let text = format!(
        "`cookie` holds for the whole server and says something else in the server block at {}; \
         write it once, or the same in both",
        first.position
    );
    Err(vec![CorefileError::Syntax { position: other.position.clone(), text }])
}

/// Finds domains that several server blocks have certificates for, each in its own way.
fn acme_conflicts(corefile: &Corefile, blocks: &[BlockConfig]) -> Vec<CorefileError> {
    let pairs = corefile.blocks.iter().zip(blocks);
    let configured: Vec<_> = pairs
        .filter_map(|(text, block)| {
            let directive =
                text.directives.iter().find(|directive| directive.name.text == "tls")?;
            let line = directive.lines().iter().find(|line| line.name.text == "acme")?;
            Some((block.tls.as_ref()?.acme()?, line))
        })
        .collect();
    acme::conflicts(&configured)
}

#[cfg(test)]
mod tests;

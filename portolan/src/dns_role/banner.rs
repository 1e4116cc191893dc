//! What `portolan dns` prints at its start, in CoreDNS's shape.

use std::fmt::Write;
use std::net::SocketAddr;

use dns::config::{Config, PLUGINS, Support};
use dns::corefile::Transport;

use crate::cli::DnsArguments;

/// Answers `-version` or `-plugins`.
#[expect(clippy::print_stdout, reason = "these flags ask for text")]
pub(crate) fn print_facts(arguments: &DnsArguments) {
    if arguments.version {
        println!("Portolan-{}", env!("CARGO_PKG_VERSION"));
        println!("{}/{}", std::env::consts::OS, std::env::consts::ARCH);
        return;
    }
    println!("Server types:\n  dns\n\nOther plugins:");
    let mut names: Vec<&str> = PLUGINS
        .iter()
        .filter(|(_, support)| *support == Support::Available)
        .map(|(name, _)| *name)
        .collect();
    names.sort_unstable();
    for name in names {
        println!("  dns.{name}");
    }
}

/// Returns each zone with its port, and the version. One text, so that no log line comes in between.
pub(crate) fn zones(config: &Config, addresses: &[SocketAddr]) -> String {
    let mut text = String::new();
    for (listener, address) in config.listeners.iter().zip(addresses) {
        for (zone, _) in &listener.zones {
            let scheme = match listener.transport {
                Transport::Dns => String::new(),
                other => format!("{}://", other.scheme()),
            };
            // Writing to a String cannot fail.
            let _ = match listener.host {
                None => writeln!(text, "{scheme}{zone}:{}", address.port()),
                Some(_) => writeln!(text, "{scheme}{zone}:{} on {}", address.port(), address.ip()),
            };
        }
    }
    text + "Portolan-" + env!("CARGO_PKG_VERSION") + "\n"
}

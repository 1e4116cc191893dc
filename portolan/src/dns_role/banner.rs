//! What `portolan dns` prints at its start, in CoreDNS's shape.

use std::net::SocketAddr;

use dns::config::{Config, PLUGINS, Support};

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

/// Prints each zone with its port, and the version.
#[expect(clippy::print_stdout, reason = "the banner is what CoreDNS's users look for")]
pub(crate) fn print_zones(config: &Config, addresses: &[SocketAddr]) {
    for (listener, address) in config.listeners.iter().zip(addresses) {
        for (zone, _) in &listener.zones {
            match listener.host {
                None => println!("{zone}:{}", address.port()),
                Some(_) => println!("{zone}:{} on {}", address.port(), address.ip()),
            }
        }
    }
    println!("Portolan-{}", env!("CARGO_PKG_VERSION"));
}

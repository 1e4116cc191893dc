//! What `portolan dns` prints at its start, in CoreDNS's shape.

use std::net::SocketAddr;

use anyhow::Result;
use dns::config::{Config, PLUGINS, Support};
use dns::corefile::Transport;
use dns::plugin::Level;

use crate::cli::DnsArguments;
use crate::logging::LineForm;
use crate::output::Output;
use crate::print;
use crate::version::{self, REVISION};

/// The name and the version, as CoreDNS puts them.
const VERSION: &str = concat!("Portolan-", env!("CARGO_PKG_VERSION"));

/// Answers `-version` or `-plugins`.
///
/// # Errors
/// The standard output cannot be written to.
pub(crate) fn print_facts(arguments: &DnsArguments) -> Result<()> {
    if arguments.version {
        return print::answer(&format!("{VERSION}\n{}\n", platform()));
    }
    let mut names: Vec<&str> = PLUGINS
        .iter()
        .filter(|(_, support)| *support == Support::Available)
        .map(|(name, _)| *name)
        .collect();
    names.sort_unstable();
    let lines: String = names.iter().map(|name| format!("  dns.{name}\n")).collect();
    print::answer(&format!("Server types:\n  dns\n\nOther plugins:\n{lines}"))
}

/// Returns the platform, the compiler that is needed at least, and the commit.
fn platform() -> String {
    format!("{}, rust{}, {REVISION}", version::platform(), env!("CARGO_PKG_RUST_VERSION"))
}

/// What is served, and by which version.
#[derive(Debug)]
pub(crate) struct Banner {
    /// The zone and where it is served.
    zones: Vec<(String, SocketAddr)>,
    /// As CoreDNS prints them.
    lines: Vec<String>,
}

impl Banner {
    /// Returns the zones of listeners with their addresses.
    pub(crate) fn of(config: &Config, addresses: &[SocketAddr]) -> Self {
        let mut banner = Self { zones: Vec::new(), lines: Vec::new() };
        for (listener, address) in config.listeners.iter().zip(addresses) {
            let scheme = match listener.transport {
                Transport::Dns => String::new(),
                other => format!("{}://", other.scheme()),
            };
            let (ip, port) = (address.ip(), address.port());
            for (zone, _) in &listener.zones {
                banner.lines.push(match listener.host {
                    None => format!("{scheme}{zone}:{port}"),
                    Some(_) => format!("{scheme}{zone}:{port} on {ip}"),
                });
                banner.zones.push((format!("{scheme}{zone}"), *address));
            }
        }
        banner
    }

    /// Prints each zone and the version.
    pub(crate) fn print(&self, output: &Output) {
        match output.form() {
            LineForm::Text => {
                // One text, so that no log line comes in between.
                let lines = self.lines.iter().map(|line| format!("{line}\n"));
                let text = lines.collect::<String>() + VERSION + "\n" + &platform() + "\n";
                output.write(text.into_bytes());
            }
            LineForm::Json => {
                for (zone, address) in &self.zones {
                    let fields = [("zone", zone.as_str()), ("address", &address.to_string())];
                    output.say_of(Level::Info, "serving", &fields);
                }
                let version = [("version", VERSION), ("platform", &platform())];
                output.say_of(Level::Info, "started", &version);
            }
        }
    }
}

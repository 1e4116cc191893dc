//! Knot DNS (`knotd`): a name server that is not ours, as what is outside of the cluster.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

use crate::server::{Server, write};

/// Where Debian's package `knot` has it; not on every user's `PATH`.
const KNOTD: &str = "/usr/sbin/knotd";

/// A running `knotd`, which serves one zone file as the root zone; dropping it kills it.
#[derive(Debug)]
pub struct Knot {
    _process: Server,
}

impl Knot {
    /// Starts it and waits until it serves.
    ///
    /// # Panics
    /// It is missing, or does not start.
    pub fn start(zone: &Path, address: SocketAddr) -> Self {
        assert!(Path::new(KNOTD).exists(), "{KNOTD} is missing (`make test` installs it)");
        let directory = tempfile::tempdir().unwrap();
        let (home, file) = (directory.path().display(), zone.display());
        let (ip, port) = (address.ip(), address.port());
        let config = directory.path().join("knot.conf");
        write(
            &config,
            &format!(
                "server:
    rundir: \"{home}\"
    listen: {ip}@{port}
    udp-workers: 1
    tcp-workers: 1
    background-workers: 1
database:
    storage: \"{home}\"
log:
  - target: stdout
    any: info
zone:
  - domain: .
    file: \"{file}\"
    zonefile-sync: -1
    zonefile-load: whole
    journal-content: none
"
            ),
        );
        let mut command = Command::new(KNOTD);
        command.arg("--config").arg(&config);
        let mut process = Server::of(command, directory);
        // A zone that cannot be loaded does not keep it from starting.
        process.wait_for_line("[.] loaded");
        process.wait_for_line("server started");
        Self { _process: process }
    }
}

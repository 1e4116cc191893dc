//! Where things are on this host, and what time it is.

use std::io;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use cni::NetworkName;

use crate::config::Placement;
use crate::failure::Failure;
use crate::lease::{Boot, Millis};

/// How long a process waits for the store.
pub const LOCK_WAIT: Duration = Duration::from_secs(10);

/// Where results of CNI are kept: by runtimes, and by Multus those of its delegates, of which the runtime's own cache has
/// nothing (libcni, `results` in its cache directory; Multus, `cniDir`).
pub const RESULT_CACHES: [&str; 3] =
    ["/var/lib/cni/results", "/var/lib/cni/cache/results", "/var/lib/cni/multus/results"];

/// The host as the plugin sees it. Tests have one of their own.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Site {
    /// The directory of stores, one for each network.
    pub store_root: PathBuf,
    /// The file with the blocks of this node.
    pub node_blocks: PathBuf,
    /// The file with the id of this boot.
    pub boot_id: PathBuf,
    /// The file that says when the host booted.
    pub proc_stat: PathBuf,
    /// The directories in which runtimes keep the results of CNI; those that there are count.
    pub result_caches: Vec<PathBuf>,
    /// The time of the call.
    pub now: Millis,
    /// How long to wait for the store.
    pub lock_wait: Duration,
}

impl Site {
    /// Returns this host, at this time.
    pub fn host() -> Self {
        let since_epoch =
            SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        Self {
            store_root: PathBuf::from("/run/portolan/ipam"),
            node_blocks: PathBuf::from("/run/portolan/node-blocks.json"),
            boot_id: PathBuf::from("/proc/sys/kernel/random/boot_id"),
            proc_stat: PathBuf::from("/proc/stat"),
            result_caches: RESULT_CACHES.map(PathBuf::from).to_vec(),
            now: Millis(u64::try_from(since_epoch.as_millis()).unwrap_or(u64::MAX)),
            lock_wait: LOCK_WAIT,
        }
    }

    /// Returns the directory of a network's store.
    pub fn store_of(&self, network: &NetworkName, placement: &Placement) -> PathBuf {
        placement.store_dir.as_deref().unwrap_or(&self.store_root).join(network.as_str())
    }

    /// Returns the directories with results of CNI.
    pub fn result_caches<'a>(&'a self, placement: &'a Placement) -> &'a [PathBuf] {
        placement.result_caches.as_deref().unwrap_or(&self.result_caches)
    }

    /// Reads the id of this boot.
    ///
    /// # Errors
    /// It cannot be read. Without it nobody knows whether the leases of a store are gone with another boot.
    pub fn boot(&self) -> Result<Boot, Failure> {
        let failed = |error| Failure::io("read", &self.boot_id, error);
        let text = std::fs::read_to_string(&self.boot_id).map_err(failed)?;
        let digits: String = text.trim().chars().filter(|letter| *letter != '-').collect();
        match u128::from_str_radix(&digits, 16) {
            Ok(number) if number != 0 => Ok(Boot(number)),
            _ => Err(failed(io::Error::new(io::ErrorKind::InvalidData, "it is no boot id"))),
        }
    }

    /// Reads when the host booted; none when it cannot be read.
    pub fn booted(&self) -> Option<Millis> {
        let text = std::fs::read_to_string(&self.proc_stat).ok()?;
        let seconds: u64 =
            text.lines().find_map(|line| line.strip_prefix("btime "))?.trim().parse().ok()?;
        Some(Millis(seconds.saturating_mul(1000)))
    }
}

//! Asks the witnesses of an attachment: the boot id, its network namespace, the runtime's cache of results.

use std::cell::OnceCell;
use std::collections::BTreeSet;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use cni::NetworkName;
use cni::edge::netns::check;

use crate::config::Placement;
use crate::edge::host_local::holder;
use crate::edge::site::Site;
use crate::failure::Failure;
use crate::gc::{Testimony, Vote};
use crate::lease::{Boot, Lease, Millis, Netns, Origin};

/// How old a lease has to be before anything but another boot can prove that it is dead.
pub const GRACE: Duration = Duration::from_secs(60);

/// Longest path of a namespace that is kept, in octets.
const MAX_PATH: usize = 255;

/// Most files of the runtime's caches that are looked through for the results of any interface of a container.
pub const MAX_RESULTS: usize = 1 << 16;

/// What is asked.
#[derive(Clone, Debug)]
pub struct Witnesses<'a> {
    boot: Boot,
    network: &'a NetworkName,
    caches: Vec<PathBuf>,
    runtime: Option<&'a BTreeSet<String>>,
    now: Millis,
    site: &'a Site,
    booted: OnceCell<Option<Millis>>,
    mounted: OnceCell<BTreeSet<u64>>,
    /// The names of all cached results; none when they cannot be read, or are too many.
    results: OnceCell<Option<BTreeSet<String>>>,
    host_local: PathBuf,
}

impl<'a> Witnesses<'a> {
    /// Makes the witnesses of a network's attachments. `runtime` are the ids of all containers that the runtime knows, if
    /// it has been asked.
    ///
    /// # Errors
    /// The id of the boot cannot be read.
    pub fn new(
        site: &'a Site,
        network: &'a NetworkName,
        placement: &Placement,
        runtime: Option<&'a BTreeSet<String>>,
    ) -> Result<Self, Failure> {
        let host_local = placement.data_dir.join(network.as_str());
        let caches =
            site.result_caches(placement).iter().filter(|path| path.is_dir()).cloned().collect();
        Ok(Self {
            boot: site.boot()?,
            network,
            caches,
            runtime,
            now: site.now,
            site,
            booted: OnceCell::new(),
            mounted: OnceCell::new(),
            results: OnceCell::new(),
            host_local,
        })
    }

    /// Asks all witnesses of a lease.
    pub fn ask(&self, lease: &Lease) -> Testimony {
        let age = self.now.0.saturating_sub(lease.since.0);
        let ahead = lease.since.0.saturating_sub(self.now.0);
        Testimony {
            boot: self.boot_of(lease.boot),
            imported: self.imported(lease),
            netns: self.netns(&lease.netns),
            result_cache: self.result_cache(lease),
            runtime: match self.runtime {
                Some(known) if known.contains(lease.attachment.container_id.as_str()) => {
                    Vote::Alive
                }
                Some(_) => Vote::Dead,
                None => Vote::Unknown,
            },
            // Who set the clock back since makes a lease of the future; it is not young until then.
            is_young: u128::from(age) < GRACE.as_millis() && u128::from(ahead) < GRACE.as_millis(),
        }
    }

    fn boot_of(&self, boot: Boot) -> Vote {
        let unknown = Boot::default();
        match boot {
            boot if boot == unknown || self.boot == unknown => Vote::Unknown,
            boot if boot == self.boot => Vote::Alive,
            _ => Vote::Dead,
        }
    }

    /// A path below /proc goes with its process, and the namespace may live on where it is mounted: then the witness cannot
    /// tell. Other paths are mounts themselves, and an inode that is mounted elsewhere is another namespace's by then.
    fn netns(&self, recorded: &Netns) -> Vote {
        let is_of_process = recorded.path.starts_with("/proc/");
        match netns(recorded) {
            Vote::Dead
                if is_of_process
                    && self.mounted.get_or_init(mounted_namespaces).contains(&recorded.inode) =>
            {
                Vote::Unknown
            }
            vote => vote,
        }
    }

    /// Looks whether host-local's file of an imported lease is older than this boot, or gone, or names another attachment.
    fn imported(&self, lease: &Lease) -> Vote {
        if lease.origin != Origin::Imported {
            return Vote::Unknown;
        }
        let is_older = self
            .booted
            .get_or_init(|| self.site.booted())
            .is_some_and(|booted| lease.since < booted);
        let is_gone = self.host_local.is_dir()
            && holder(&self.host_local, lease.address).is_ok_and(|holder| {
                holder.is_none_or(|(attachment, _)| attachment != lease.attachment)
            });
        if is_older || is_gone { Vote::Dead } else { Vote::Unknown }
    }

    /// Looks for the result of an attachment (libcni: `<network>-<container id>-<ifname>`), and for a lease without an
    /// interface for that of any interface of its container.
    pub fn result_cache(&self, lease: &Lease) -> Vote {
        let attachment = &lease.attachment;
        if lease.is_of_any_interface() && !self.caches.is_empty() {
            return self.result_of_any(&format!("{}-{}-", self.network, attachment.container_id));
        }
        let name =
            format!("{}-{}-{}", self.network, attachment.container_id, attachment.ifname.as_str());
        match self.caches.iter().any(|directory| directory.join(&name).exists()) {
            true => Vote::Alive,
            false if self.caches.is_empty() => Vote::Unknown,
            false => Vote::Dead,
        }
    }

    /// Looks for a result whose name begins so. The container whose id goes on after a `-` counts, too: in doubt one lives.
    fn result_of_any(&self, beginning: &str) -> Vote {
        let names = self.results.get_or_init(|| result_names(&self.caches, MAX_RESULTS));
        let Some(names) = names else { return Vote::Unknown };
        let mut behind = names.range(beginning.to_owned()..);
        match behind.next().is_some_and(|name| name.starts_with(beginning)) {
            true => Vote::Alive,
            false => Vote::Dead,
        }
    }
}

/// Returns the names of the files in these directories; none when one cannot be read, or when there are more than `most`.
fn result_names(directories: &[PathBuf], most: usize) -> Option<BTreeSet<String>> {
    let mut names = BTreeSet::new();
    for directory in directories {
        for entry in std::fs::read_dir(directory).ok()? {
            names.extend(entry.ok()?.file_name().into_string());
            if names.len() > most {
                return None;
            }
        }
    }
    Some(names)
}

/// Reads the identity of the namespace that a runtime names; not known when nothing is there, which is for the main plugin
/// to complain about.
///
/// # Errors
/// Something else is there, or the plugin's own namespace where that is not allowed: code 8.
pub fn identify(path: Option<&Path>, allows_own: bool) -> Result<Netns, Failure> {
    let Some(path) = path else { return Ok(Netns::default()) };
    let Some(found) = check(path, allows_own)? else { return Ok(Netns::default()) };
    // For each reader these are others.
    let is_own = path.starts_with("/proc/self") || path.starts_with("/proc/thread-self");
    let text = path.to_str().filter(|text| text.len() <= MAX_PATH && !is_own).unwrap_or_default();
    Ok(Netns { device: found.device, inode: found.inode, path: text.to_owned() })
}

/// Returns the inodes of the network namespaces that are mounted somewhere (proc(5), `mountinfo`): `net:[4026532000]`.
fn mounted_namespaces() -> BTreeSet<u64> {
    let text = std::fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    let inode =
        |line: &str| line.split(' ').nth(3)?.strip_prefix("net:[")?.strip_suffix(']')?.parse().ok();
    text.lines().filter_map(inode).collect()
}

/// Looks whether a namespace is at its path.
pub fn netns(recorded: &Netns) -> Vote {
    if !recorded.is_known() || recorded.path.is_empty() {
        return Vote::Unknown;
    }
    match Path::new(&recorded.path).metadata() {
        Ok(there) if (there.dev(), there.ino()) == (recorded.device, recorded.inode) => Vote::Alive,
        Ok(_) => Vote::Dead,
        Err(error)
            if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) =>
        {
            Vote::Dead
        }
        Err(_) => Vote::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn so_many_results_are_looked_through_and_no_more() {
        let root = tempfile::tempdir().unwrap();
        let caches = [root.path().join("one"), root.path().join("other")];
        for (cache, name) in caches.iter().zip(["net-a-eth0", "net-b-eth0"]) {
            std::fs::create_dir(cache).unwrap();
            std::fs::write(cache.join(name), "").unwrap();
        }
        let both = BTreeSet::from(["net-a-eth0".to_owned(), "net-b-eth0".to_owned()]);
        assert_eq!(result_names(&caches, 2), Some(both));
        assert_eq!(result_names(&caches, 1), None);
        std::fs::remove_dir_all(&caches[1]).unwrap();
        assert_eq!(result_names(&caches, 2), None);
    }
}

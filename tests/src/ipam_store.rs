//! A network and what a runtime believes of it, for tests that cut the plugin short: which attachments live, and that the
//! store says nothing else.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::fs;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use cni::{AddResult, Environment, Request};
use cni_ipam::{Failure, Site, tools, verbs};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::cni::{Call, ipam_binary};

/// Returns a directory in memory where there is one: what is tested are system calls, and disks are slow to sync.
///
/// # Panics
/// There is no place for it.
pub fn folder() -> TempDir {
    tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap()
}

/// A network below a directory of its own: `store/net`, and host-local's `host-local/net`.
#[derive(Clone, Debug)]
pub struct Network {
    root: PathBuf,
    ipam: Value,
    boot_id: Option<PathBuf>,
    /// What the runtime believes to live, with the addresses that it was told.
    pub live: BTreeMap<String, BTreeSet<IpAddr>>,
}

impl Network {
    /// Makes a network with this `ipam`, without the places of its files.
    pub fn new(root: &Path, ipam: Value) -> Self {
        Self { root: root.to_owned(), ipam, boot_id: None, live: BTreeMap::new() }
    }

    /// Copies the network with its files to another directory.
    ///
    /// # Panics
    /// Files cannot be copied.
    pub fn copy_to(&self, root: &Path) -> Self {
        for folder in ["store/net", "host-local/net"] {
            let Ok(entries) = fs::read_dir(self.root.join(folder)) else { continue };
            fs::create_dir_all(root.join(folder)).unwrap();
            for entry in entries {
                let entry = entry.unwrap();
                fs::copy(entry.path(), root.join(folder).join(entry.file_name())).unwrap();
            }
        }
        Self { root: root.to_owned(), ..self.clone() }
    }

    /// Puts what follows into another boot than the one that the host is in, or into that again.
    ///
    /// # Panics
    /// No file can be written.
    pub fn be_in_another_boot(&mut self, is_another: bool) {
        let path = self.root.join("boot_id");
        fs::write(&path, "11111111-2222-3333-4444-555555555555\n").unwrap();
        self.boot_id = is_another.then_some(path);
    }

    /// Returns the path of a file of the store.
    pub fn file(&self, name: &str) -> PathBuf {
        self.root.join("store/net").join(name)
    }

    /// Returns the configuration.
    pub fn config(&self) -> Value {
        let mut ipam = self.ipam.clone();
        ipam["type"] = json!("portolan-ipam");
        ipam["storeDir"] = json!(self.root.join("store"));
        ipam["dataDir"] = json!(self.root.join("host-local"));
        ipam["resultCaches"] = json!([]);
        json!({"cniVersion": "1.1.0", "name": "net", "ipam": ipam})
    }

    /// Returns the configuration of a GC with what the runtime believes to live.
    pub fn gc_config(&self) -> Value {
        let valid = |container: &String| json!({"containerID": container, "ifname": "eth0"});
        let mut config = self.config();
        config["cni.dev/valid-attachments"] = self.live.keys().map(valid).collect();
        config
    }

    /// Returns the host as the plugin sees it.
    pub fn site(&self) -> Site {
        let host = Site::host();
        let boot_id = self.boot_id.clone().unwrap_or(host.boot_id);
        Site { store_root: self.root.join("store"), result_caches: Vec::new(), boot_id, ..host }
    }

    /// Serves ADD in this process.
    ///
    /// # Errors
    /// As the verb.
    pub fn add(&self, container: &str) -> Result<BTreeSet<IpAddr>, Failure> {
        let Request::Add(request) = self.request("ADD", container, &self.config()) else {
            unreachable!()
        };
        verbs::add(&request, &self.site()).map(|result| addresses(&result))
    }

    /// Serves DEL in this process.
    ///
    /// # Errors
    /// As the verb.
    pub fn del(&self, container: &str) -> Result<(), Failure> {
        let Request::Del(request) = self.request("DEL", container, &self.config()) else {
            unreachable!()
        };
        verbs::del(&request, &self.site())
    }

    /// Serves GC in this process.
    ///
    /// # Errors
    /// As the verb.
    pub fn gc(&self) -> Result<(), Failure> {
        let Request::Gc(request) = self.request("GC", "", &self.gc_config()) else {
            unreachable!()
        };
        verbs::gc(&request, &self.site())
    }

    /// ADDs an attachment in this process, which the runtime learns.
    ///
    /// # Panics
    /// It fails.
    pub fn attach(&mut self, container: &str) {
        let addresses =
            self.add(container).unwrap_or_else(|failure| panic!("{container}: {failure}"));
        self.live.insert(container.to_owned(), addresses);
    }

    /// Returns a call of the real plugin.
    pub fn call(&self, program: impl AsRef<Path>, verb: &str, container: &str) -> Call {
        if verb == "GC" {
            Call::new(program, verb)
        } else {
            Call::attachment(program, verb, container)
        }
    }

    /// Returns what the store says is held.
    ///
    /// # Panics
    /// The store cannot be read, or an address is held twice.
    pub fn held(&self) -> BTreeMap<String, BTreeSet<IpAddr>> {
        let mut held: BTreeMap<String, BTreeSet<IpAddr>> = BTreeMap::new();
        let mut seen = BTreeSet::new();
        let listing = tools::list(&self.site(), None).unwrap();
        for lease in listing.leases.into_iter().filter(|lease| lease.state == "held") {
            assert!(seen.insert(lease.address), "{} is held twice", lease.address);
            held.entry(lease.container).or_default().insert(lease.address);
        }
        held
    }

    /// Checks that every attachment that lives holds what it was given.
    ///
    /// # Panics
    /// One does not.
    pub fn assert_nothing_is_lost(&self) {
        let held = self.held();
        for (container, addresses) in &self.live {
            assert_eq!(held.get(container), Some(addresses), "{container} has lost its addresses");
        }
    }

    /// Checks that the store is exactly what the runtime believes, after a GC, and is sound.
    ///
    /// # Panics
    /// It is not.
    pub fn assert_equals_live_attachments(&self) {
        self.gc().unwrap();
        assert_eq!(self.held(), self.live);
        for store in tools::verify(&self.site(), None).unwrap().stores {
            assert_eq!(store.problems, Vec::<String>::new());
            assert_eq!(store.mended_on_use, Vec::<String>::new());
        }
    }

    /// Checks that new attachments get all addresses that live ones do not have, and no other.
    ///
    /// # Panics
    /// One is missing or given twice.
    pub fn assert_all_others_can_be_given(&mut self, capacity: usize) {
        let mut taken: BTreeSet<IpAddr> = self.live.values().flatten().copied().collect();
        for at in taken.len()..capacity {
            let given = self
                .add(&format!("filler{at}"))
                .unwrap_or_else(|failure| panic!("{at} of {capacity}: {failure}"));
            for address in given {
                assert!(taken.insert(address), "{address} is given twice");
            }
        }
        assert!(matches!(self.add("one-too-many"), Err(Failure::Exhausted { .. })));
    }

    /// Returns what is sent to a verb.
    pub fn stdin(&self, verb: &str) -> Value {
        if verb == "GC" { self.gc_config() } else { self.config() }
    }

    fn request(&self, verb: &str, container: &str, config: &Value) -> Request {
        let variable = |name: &str| {
            let text = match name {
                "CNI_COMMAND" => verb,
                "CNI_PATH" => "/nowhere",
                "CNI_CONTAINERID" => container,
                "CNI_IFNAME" => "eth0",
                "CNI_NETNS" => "/some/where",
                _ => return None,
            };
            Some(OsString::from(text))
        };
        let environment = Environment::read(variable).unwrap();
        Request::parse(&environment, config.to_string().as_bytes()).unwrap()
    }
}

/// Returns the addresses of a result.
pub fn addresses(result: &AddResult) -> BTreeSet<IpAddr> {
    result.ips.iter().map(|ip| ip.address.addr()).collect()
}

/// Returns the addresses of a printed result.
///
/// # Panics
/// It is none.
pub fn printed_addresses(result: &Value) -> BTreeSet<IpAddr> {
    let address = |ip: &Value| {
        let text = ip["address"].as_str().unwrap();
        text.split_once('/').unwrap().0.parse().unwrap()
    };
    result["ips"].as_array().unwrap().iter().map(address).collect()
}

/// Returns the real plugin.
pub fn plugin() -> PathBuf {
    ipam_binary()
}

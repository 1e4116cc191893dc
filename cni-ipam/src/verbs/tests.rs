//! The verbs on stores of their own, at times and in boots that the tests choose.

mod choices;
mod files;
mod life;
mod stores;

use std::ffi::OsString;
use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use cni::{Environment, Request};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::*;
use crate::edge::site::Site;
use crate::failure::Failure;
use crate::lease::Millis;
use crate::tools;

/// A host with a network `net`.
struct Host {
    root: TempDir,
    site: Site,
    ipam: Value,
    /// Other keys of the configuration.
    more: Value,
}

/// One call.
struct Call<'a> {
    container: &'a str,
    ifname: &'a str,
    netns: String,
    arguments: &'a str,
}

fn call(container: &str) -> Call<'_> {
    Call { container, ifname: "eth0", netns: "/some/where".to_owned(), arguments: "" }
}

impl Host {
    fn new(ipam: Value) -> Self {
        let root = tempfile::tempdir().unwrap();
        let path = |name: &str| root.path().join(name);
        fs::write(path("boot_id"), "00000000-0000-0000-0000-000000000001\n").unwrap();
        fs::write(path("stat"), "cpu 1 2\nbtime 1000\n").unwrap();
        let site = Site {
            store_root: path("store"),
            node_blocks: path("node-blocks.json"),
            boot_id: path("boot_id"),
            proc_stat: path("stat"),
            result_caches: vec![path("results")],
            now: Millis(5_000_000),
            lock_wait: Duration::from_millis(20),
        };
        Self { root, site, ipam, more: json!({}) }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    fn later(&mut self, seconds: u64) {
        self.site.now = Millis(self.site.now.0 + 1000 * seconds);
    }

    fn reboot(&self) {
        fs::write(&self.site.boot_id, "00000000-0000-0000-0000-000000000002\n").unwrap();
    }

    fn request(&self, verb: &str, call: &Call<'_>) -> Request {
        let mut config = json!({"cniVersion": "1.1.0", "name": "net", "ipam": self.ipam});
        if config["ipam"].is_object() && config["ipam"].get("dataDir").is_none() {
            config["ipam"]["dataDir"] = json!(self.path("host-local"));
        }
        config.as_object_mut().unwrap().extend(self.more.as_object().unwrap().clone());
        let variable = |name: &str| {
            Some(OsString::from(match name {
                "CNI_COMMAND" => verb,
                "CNI_PATH" => "/nowhere",
                "CNI_CONTAINERID" => call.container,
                "CNI_IFNAME" => call.ifname,
                "CNI_NETNS" => &call.netns,
                "CNI_NETNS_OVERRIDE" => "1",
                "CNI_ARGS" => call.arguments,
                _ => return None,
            }))
        };
        Request::parse(&Environment::read(variable).unwrap(), config.to_string().as_bytes())
            .unwrap()
    }

    fn try_add(&self, call: &Call<'_>) -> Result<Vec<String>, Failure> {
        let Request::Add(request) = self.request("ADD", call) else { unreachable!() };
        let result = add(&request, &self.site)?;
        Ok(result.ips.iter().map(|ip| ip.address.addr().to_string()).collect())
    }

    fn add(&self, container: &str) -> Vec<String> {
        self.try_add(&call(container)).unwrap()
    }

    fn add_with(&self, container: &str, arguments: &str) -> Result<Vec<String>, Failure> {
        self.try_add(&Call { arguments, ..call(container) })
    }

    fn del(&self, container: &str) {
        let Request::Del(request) = self.request("DEL", &call(container)) else { unreachable!() };
        del(&request, &self.site).unwrap();
    }

    fn check(&self, container: &str) -> Result<(), Failure> {
        let Request::Check(request) = self.request("CHECK", &call(container)) else {
            unreachable!()
        };
        check(&request, &self.site)
    }

    fn gc(&self) {
        self.try_gc().unwrap();
    }

    fn try_gc(&self) -> Result<(), Failure> {
        let Request::Gc(request) = self.request("GC", &call("")) else { unreachable!() };
        gc(&request, &self.site)
    }

    fn status(&self) -> Result<(), Failure> {
        let Request::Status(config) = self.request("STATUS", &call("")) else { unreachable!() };
        status(&config, &self.site)
    }

    /// Returns the containers that hold addresses, with these.
    fn held(&self) -> Vec<(String, String)> {
        let listing = tools::list(&self.site, None).unwrap();
        let held = listing.leases.into_iter().filter(|lease| lease.state == "held");
        held.map(|lease| (lease.container, lease.address.to_string())).collect()
    }

    fn assert_sound(&self) {
        for store in tools::verify(&self.site, None).unwrap().stores {
            assert_eq!((store.problems, store.mended_on_use), (Vec::new(), Vec::new()));
        }
    }
}

fn code(failure: &Failure) -> u32 {
    failure.code().0
}

fn small() -> Value {
    json!({"ranges": [[{"subnet": "10.0.0.0/29"}]]})
}

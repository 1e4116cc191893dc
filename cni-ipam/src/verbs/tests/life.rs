//! How long a lease lives: DEL, GC, witnesses, boots, host-local's files, and stores that cannot be used.

use std::collections::BTreeMap;
use std::process::{Child, Command};

use super::*;
use crate::edge::lock::Lock;

fn small() -> Value {
    json!({"ranges": [[{"subnet": "10.0.0.0/29"}]]})
}

/// A process whose namespace stands for a container's: it is there while the process lives.
struct Container(Child);

impl Container {
    fn start() -> Self {
        Self(Command::new("sleep").arg("1000").spawn().unwrap())
    }

    fn netns(&self) -> String {
        format!("/proc/{}/ns/net", self.0.id())
    }
}

impl Drop for Container {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Returns the content of all files of a store but those of its locks.
fn content(host: &Host) -> BTreeMap<String, Vec<u8>> {
    let entries = fs::read_dir(host.path("store/net")).unwrap().map(|entry| entry.unwrap().path());
    entries.map(|path| (path.display().to_string(), fs::read(path).unwrap())).collect()
}

#[test]
fn del_needs_no_more_than_names_and_may_come_again() {
    let mut host = Host::new(small());
    host.del("never-added");
    assert!(!host.path("store").exists());
    host.add("a");
    host.add("b");
    host.ipam = json!({"ranges": "broken", "dataDir": host.site.boot_id});
    host.del("a");
    host.del("a");
    assert_eq!(host.held(), [("b".to_owned(), "10.0.0.3".to_owned())]);
    host.ipam = json!(null);
    host.del("b");
    assert_eq!(host.held(), []);
    host.assert_sound();
}

#[test]
fn gc_frees_what_is_not_listed_and_nothing_without_a_list() {
    let mut host = Host::new(small());
    for container in ["a", "b", "c"] {
        host.add(container);
    }
    host.gc();
    host.more = json!({"cni.dev/valid-attachments": null});
    host.gc();
    assert_eq!(host.held().len(), 3);
    let b = json!({"containerID": "b", "ifname": "eth0"});
    let other = json!({"containerID": "c", "ifname": "eth1"});
    host.more = json!({"cni.dev/valid-attachments": [b, other]});
    host.gc();
    assert_eq!(host.held(), [("b".to_owned(), "10.0.0.3".to_owned())]);
    host.more = json!({"cni.dev/attachments": []});
    host.gc();
    assert_eq!(host.held(), []);
    host.assert_sound();
}

/// Two witnesses have to agree before a full pool frees an address on its own.
#[test]
fn a_full_pool_frees_the_dead_and_only_them() {
    for (has_cache, has_result, is_freed) in
        [(true, false, true), (true, true, false), (false, false, false)]
    {
        let mut host = Host::new(small());
        if has_cache {
            fs::create_dir(host.path("results")).unwrap();
        }
        let containers: Vec<Container> = (0..5).map(|_| Container::start()).collect();
        for (at, container) in containers.iter().enumerate() {
            let name = format!("c{at}");
            host.try_add(&Call { netns: container.netns(), ..call(&name) }).unwrap();
            if has_result || at == 4 && has_cache {
                fs::write(host.path(&format!("results/net-{name}-eth0")), "{}").unwrap();
            }
        }
        host.later(3600);
        assert_eq!(code(&host.try_add(&call("new")).unwrap_err()), 11, "all live");
        assert_eq!(code(&host.status().unwrap_err()), 50);
        let living: Vec<Container> = containers
            .into_iter()
            .enumerate()
            .filter(|(at, _)| *at != 1 && *at != 4)
            .map(|(_, container)| container)
            .collect();
        let added = host.try_add(&call("new")).map_err(|failure| code(&failure));
        assert_eq!(added, if is_freed { Ok(vec!["10.0.0.3".to_owned()]) } else { Err(11) });
        assert_eq!(living.len(), 3);
        host.assert_sound();
    }
}

#[test]
fn a_young_lease_is_not_freed_on_suspicion() {
    let mut host = Host::new(small());
    fs::create_dir(host.path("results")).unwrap();
    let container = Container::start();
    host.try_add(&Call { netns: container.netns(), ..call("a") }).unwrap();
    drop(container);
    assert_eq!(tools::collect(&host.site, None, None).unwrap().freed.len(), 0);
    host.later(60);
    let collected = tools::collect(&host.site, None, None).unwrap();
    assert_eq!((collected.freed.len(), collected.kept.len()), (1, 0));
}

/// With few addresses left, each ADD looks at some leases before the pool is full.
#[test]
fn the_dead_are_freed_before_the_pool_is_full() {
    let mut host = Host::new(json!({"ranges": [[{"subnet": "10.0.0.0/26"}]]}));
    fs::create_dir(host.path("results")).unwrap();
    let container = Container::start();
    for at in 0..50 {
        host.try_add(&Call { netns: container.netns(), ..call(&format!("c{at}")) }).unwrap();
    }
    drop(container);
    host.later(3600);
    (0..10).for_each(|at| drop(host.add(&format!("d{at}"))));
    let held = host.held().len();
    assert!((10..60).contains(&held), "{held}");
    host.assert_sound();
}

#[test]
fn the_runtime_is_a_witness_too() {
    let mut host = Host::new(small());
    for container in ["a", "b"] {
        host.add(container);
    }
    host.later(3600);
    fs::create_dir(host.path("results")).unwrap();
    assert_eq!(tools::collect(&host.site, None, None).unwrap().freed.len(), 0);
    let known = ["b".to_owned()].into();
    let collected = tools::collect(&host.site, None, Some(&known)).unwrap();
    assert_eq!(collected.freed.len(), 1);
    assert_eq!(host.held(), [("b".to_owned(), "10.0.0.3".to_owned())]);
}

#[test]
fn an_attachment_is_in_one_namespace() {
    let host = Host::new(small());
    let (old, new) = (Container::start(), "/proc/self/ns/net".to_owned());
    let add_in = |netns: &str| host.try_add(&Call { netns: netns.to_owned(), ..call("a") });
    let first = add_in(&old.netns()).unwrap();
    // Both processes share a namespace with the test: its identity is one, whatever path it has.
    assert_eq!(add_in(&new).unwrap(), first);
    drop(old);
    assert_eq!(add_in(&new).unwrap(), first);
}

#[test]
fn another_boot_empties_a_store_unless_it_is_durable() {
    let host = Host::new(small());
    for container in ["a", "b"] {
        host.add(container);
    }
    host.reboot();
    assert_eq!(host.add("c"), ["10.0.0.2"]);
    assert_eq!(host.held(), [("c".to_owned(), "10.0.0.2".to_owned())]);
    host.assert_sound();

    let mut host = Host::new(
        json!({"ranges": [[{"subnet": "10.0.0.0/29"}]], "durable": true, "sticky": true}),
    );
    let pod = "IgnoreUnknown=1;K8S_POD_NAMESPACE=alpha;K8S_POD_NAME=db-0";
    host.add_with("a", pod).unwrap();
    host.add("b");
    host.reboot();
    host.later(600);
    // What the earlier boot held is free, and waits for its pods: this one comes back in another container.
    assert_eq!(host.add("c"), ["10.0.0.4"]);
    assert_eq!(host.held(), [("c".to_owned(), "10.0.0.4".to_owned())]);
    host.later(3600);
    assert_eq!(host.add_with("d", pod).unwrap(), ["10.0.0.2"]);
    host.assert_sound();
}

#[test]
fn a_durable_store_of_another_boot_is_not_full() {
    let host = Host::new(json!({"ranges": [[{"subnet": "10.0.0.0/30"}]], "durable": true}));
    host.add("a");
    host.reboot();
    assert_eq!(host.add("b"), ["10.0.0.2"]);
}

#[test]
fn the_files_of_host_local_are_imported_once() {
    let host = Host::new(small());
    fs::create_dir_all(host.path("host-local/net")).unwrap();
    let write =
        |name: &str, text: &str| fs::write(host.path("host-local/net").join(name), text).unwrap();
    write("10.0.0.2", "a\r\neth0");
    write("10.0.0.3", "old-without-interface");
    write("10.0.0.4", "");
    write("last_reserved_ip.0", "10.0.0.5");
    assert_eq!(host.add("new"), ["10.0.0.6"]);
    host.check("a").unwrap();
    host.check("old-without-interface").unwrap();
    host.del("a");
    host.del("old-without-interface");
    // What is freed is not there for a later import, nor for host-local.
    assert!(!host.path("host-local/net/10.0.0.2").exists());
    assert!(!host.path("host-local/net/10.0.0.3").exists());
    assert_eq!(host.held(), [("new".to_owned(), "10.0.0.6".to_owned())]);
    assert!(!host.path("host-local/net/10.0.0.6").exists());
    host.assert_sound();
}

#[test]
fn files_of_an_earlier_boot_without_a_result_are_not_imported() {
    let mut host = Host::new(small());
    fs::create_dir_all(host.path("host-local/net")).unwrap();
    fs::create_dir_all(host.path("results")).unwrap();
    for (address, container) in [("10.0.0.2", "dead"), ("10.0.0.3", "living")] {
        fs::write(host.path("host-local/net").join(address), format!("{container}\r\neth0"))
            .unwrap();
    }
    fs::write(host.path("results/net-living-eth0"), "{}").unwrap();
    host.site.now = Millis(u64::MAX / 2);
    fs::write(&host.site.proc_stat, format!("btime {}\n", u64::MAX / 2000)).unwrap();
    assert_eq!(host.add("new"), ["10.0.0.2"]);
    host.check("living").unwrap();
}

#[test]
fn a_directory_in_step_has_what_the_store_has() {
    let host = Host::new(json!({"ranges": [[{"subnet": "10.0.0.0/29"}]], "keepHostLocal": true}));
    for container in ["a", "b"] {
        host.add(container);
    }
    let read = |name: &str| fs::read_to_string(host.path("host-local/net").join(name)).ok();
    assert_eq!(read("10.0.0.2").as_deref(), Some("a\r\neth0"));
    assert_eq!(read("last_reserved_ip.0").as_deref(), Some("10.0.0.3"));
    host.del("a");
    assert_eq!(read("10.0.0.2"), None);
    // Without a configuration, too, what is freed is gone from both.
    let known = Default::default();
    let mut host = host;
    host.later(3600);
    fs::create_dir(host.path("results")).unwrap();
    assert_eq!(tools::collect(&host.site, None, Some(&known)).unwrap().freed.len(), 1);
    assert!(!host.path("host-local/net/10.0.0.3").exists());
}

/// Going back to host-local and forth again: what it gave out meanwhile is not given out twice.
#[test]
fn host_local_may_be_used_in_between() {
    for keeps in [false, true] {
        let host =
            Host::new(json!({"ranges": [[{"subnet": "10.0.0.0/29"}]], "keepHostLocal": keeps}));
        fs::create_dir_all(host.path("host-local/net")).unwrap();
        assert_eq!(host.add("a"), ["10.0.0.2"]);
        for address in ["10.0.0.3", "10.0.0.4"] {
            fs::write(host.path("host-local/net").join(address), "foreign\r\neth0").unwrap();
        }
        assert_eq!(code(&host.add_with("c", "IP=10.0.0.4").unwrap_err()), 100);
        assert_eq!(host.add("b"), ["10.0.0.5"]);
        host.del("foreign");
        assert!(!host.path("host-local/net/10.0.0.3").exists());
        assert_eq!(host.held().len(), 2);
        host.assert_sound();
    }
}

/// Whatever the configuration says at DEL, no file stays that names who is gone: it would hold the address for nobody.
#[test]
fn files_are_removed_when_they_are_no_longer_kept() {
    let ipam =
        json!({"ranges": [[{"subnet": "10.0.0.0/29"}]], "keepHostLocal": true, "quarantine": 0});
    for change in ["keepHostLocal", "dataDir"] {
        let mut host = Host::new(ipam.clone());
        for container in ["a", "b", "c", "d", "e"] {
            host.add(container);
        }
        host.ipam[change] =
            if change == "dataDir" { json!(host.path("elsewhere")) } else { json!(false) };
        for container in ["a", "b", "c", "d", "e"] {
            host.del(container);
        }
        assert!(!host.path("host-local/net/10.0.0.2").exists(), "{change}");
        host.ipam = json!({"ranges": [[{"subnet": "10.0.0.0/29"}]], "quarantine": 0});
        assert_eq!(host.add("f").len(), 1);
        assert_eq!(host.held().len(), 1);
    }
}

#[test]
fn a_file_of_somebody_else_does_not_stop_the_others() {
    let mut host = Host::new(small());
    host.add("a");
    fs::create_dir_all(host.path("host-local/net")).unwrap();
    fs::write(host.path("host-local/net/10.0.0.2"), "foreign\r\neth0").unwrap();
    host.ipam = json!({"ranges": [[{"subnet": "10.0.0.0/29"}]], "keepHostLocal": true});
    assert_eq!(host.add("b"), ["10.0.0.3"]);
    assert_eq!(host.add("c"), ["10.0.0.4"]);
}

/// What host-local has freed since the import is dead for one witness.
#[test]
fn a_file_that_host_local_removed_is_a_witness() {
    let mut host = Host::new(small());
    fs::create_dir_all(host.path("host-local/net")).unwrap();
    fs::write(host.path("host-local/net/10.0.0.2"), "old\r\neth0").unwrap();
    host.site.now = Millis(u64::MAX / 2);
    host.add("a");
    host.later(3600);
    fs::create_dir(host.path("results")).unwrap();
    fs::write(host.path("results/net-a-eth0"), "{}").unwrap();
    assert_eq!(tools::collect(&host.site, None, None).unwrap().freed.len(), 0);
    fs::remove_file(host.path("host-local/net/10.0.0.2")).unwrap();
    assert_eq!(tools::collect(&host.site, None, None).unwrap().freed.len(), 1);
    assert_eq!(host.held(), [("a".to_owned(), "10.0.0.3".to_owned())]);
}

#[test]
fn a_directory_that_is_kept_in_step_later_has_all_leases() {
    let mut host = Host::new(small());
    host.add("a");
    host.ipam = json!({"ranges": [[{"subnet": "10.0.0.0/29"}]], "keepHostLocal": true});
    host.add("b");
    let read = |name: &str| fs::read_to_string(host.path("host-local/net").join(name)).ok();
    assert_eq!(read("10.0.0.2").as_deref(), Some("a\r\neth0"));
    assert_eq!(read("10.0.0.3").as_deref(), Some("b\r\neth0"));
}

#[test]
fn an_interface_may_have_the_name_that_stands_for_any() {
    let mut host = Host::new(small());
    host.try_add(&Call { ifname: "-", ..call("a") }).unwrap();
    host.del("a");
    assert_eq!(host.held().len(), 1);
    host.more = json!({"cni.dev/valid-attachments": [{"containerID": "a", "ifname": "eth0"}]});
    host.gc();
    assert_eq!(host.held(), []);
}

#[test]
fn the_store_is_not_in_the_directory_of_host_local() {
    let mut host = Host::new(small());
    host.ipam["dataDir"] = json!(host.path("store"));
    assert_eq!(code(&host.try_add(&call("a")).unwrap_err()), 7);
    host.del("a");
    std::os::unix::fs::symlink(host.path("store"), host.path("link")).unwrap();
    fs::create_dir_all(host.path("store/net")).unwrap();
    host.ipam["dataDir"] = json!(host.path("link"));
    assert_eq!(code(&host.try_add(&call("a")).unwrap_err()), 7);
    assert_eq!(fs::read_dir(host.path("store/net")).unwrap().count(), 0);
}

/// The index has no checksum but that of its header: what it calls free is looked up before it is given.
#[test]
fn an_index_that_contradicts_the_leases_gives_nothing_out_twice() {
    let host = Host::new(small());
    for container in ["a", "b", "c"] {
        host.add(container);
    }
    host.del("c");
    let path = host.path("store/net/index");
    let mut octets = fs::read(&path).unwrap();
    // The map is the last page, its counts are before it.
    let map = octets.len() - 4096 - 8;
    octets[map..].fill(0);
    fs::write(&path, octets).unwrap();
    let problems = tools::verify(&host.site, None).unwrap().stores.remove(0).problems;
    assert!(problems[0].contains("remove the file index"), "{problems:?}");
    let given: Vec<String> =
        ["d", "e"].into_iter().flat_map(|container| host.add(container)).collect();
    assert_eq!(given, ["10.0.0.5", "10.0.0.6"]);
    assert_eq!(host.add("f"), ["10.0.0.4"]);
    assert_eq!(code(&host.try_add(&call("g")).unwrap_err()), 11);
    host.assert_sound();
}

#[test]
fn del_and_check_make_no_store() {
    let host = Host::new(small());
    fs::create_dir_all(host.path("store/net")).unwrap();
    fs::write(host.path("store/net/lock"), "").unwrap();
    host.del("a");
    host.gc();
    assert_eq!(code(&host.check("a").unwrap_err()), 104);
    assert_eq!(fs::read_dir(host.path("store/net")).unwrap().count(), 1);
}

#[test]
fn only_the_owner_reads_and_writes() {
    use std::os::unix::fs::PermissionsExt;
    let host = Host::new(json!({"ranges": [[{"subnet": "10.0.0.0/29"}]], "keepHostLocal": true}));
    host.add("a");
    for folder in ["store/net", "host-local/net"] {
        for entry in fs::read_dir(host.path(folder)).unwrap() {
            let entry = entry.unwrap();
            assert_eq!(
                entry.metadata().unwrap().permissions().mode() & 0o077,
                0,
                "{:?}",
                entry.path()
            );
        }
    }
    assert_eq!(fs::metadata(host.path("store/net")).unwrap().permissions().mode() & 0o077, 0);
}

#[test]
fn a_store_of_a_newer_version_is_left_alone() {
    for file in ["index", "leases"] {
        let host = Host::new(small());
        host.add("a");
        let path = host.path("store/net").join(file);
        let mut octets = fs::read(&path).unwrap();
        octets[8] += 1;
        fs::write(&path, octets).unwrap();
        if file == "leases" {
            fs::remove_file(host.path("store/net/index")).unwrap();
        }
        let before = content(&host);
        let failure = host.try_add(&call("b")).unwrap_err();
        assert_eq!(code(&failure), 102);
        assert!(failure.remedy().contains("install the newer version"), "{failure}");
        assert_eq!(code(&host.status().unwrap_err()), 50);
        assert_eq!(content(&host), before);
    }
}

#[test]
fn a_store_that_lost_both_copies_gives_nothing_out() {
    let host = Host::new(small());
    host.add("a");
    for file in ["leases", "leases.copy"] {
        fs::write(host.path("store/net").join(file), "").unwrap();
    }
    let before = content(&host);
    assert_eq!(code(&host.try_add(&call("b")).unwrap_err()), 101);
    assert_eq!(code(&tools::verify(&host.site, None).unwrap_err()), 101);
    assert_eq!(content(&host), before);
}

/// A lease that is lost does not keep the others from being listed and freed.
#[test]
fn a_slot_that_is_damaged_in_both_files_harms_only_itself() {
    let mut host = Host::new(small());
    for container in ["a", "b", "c"] {
        host.add(container);
    }
    for file in ["leases", "leases.copy"] {
        let path = host.path("store/net").join(file);
        let mut octets = fs::read(&path).unwrap();
        octets[4096 + 768 + 90] ^= 1;
        fs::write(&path, octets).unwrap();
    }
    let names: Vec<String> = host.held().into_iter().map(|(container, _)| container).collect();
    assert_eq!(names, ["a", "c"]);
    let problems = tools::verify(&host.site, None).unwrap().stores.remove(0).problems;
    assert!(problems.iter().any(|problem| problem.contains("1 leases are lost")), "{problems:?}");
    host.more = json!({"cni.dev/valid-attachments": []});
    host.gc();
    assert_eq!(host.held(), []);
    assert_ne!(host.add("d"), ["10.0.0.3"]);
}

/// Each address is tried, and every failure is told.
#[test]
fn gc_goes_on_past_failures() {
    let mut host =
        Host::new(json!({"ranges": [[{"subnet": "10.0.0.0/29"}]], "keepHostLocal": true}));
    for container in ["a", "b", "c"] {
        host.add(container);
    }
    host.more = json!({"cni.dev/valid-attachments": [{"containerID": "b", "ifname": "eth0"}]});
    let lock = Lock::make(&host.path("host-local/net"), Duration::ZERO).unwrap();
    let failure = host.try_gc().unwrap_err();
    assert!(
        code(&failure) == 11 && failure.to_string().starts_with("2 of the addresses"),
        "{failure}"
    );
    assert_eq!(host.held().len(), 3);
    drop(lock);
    host.gc();
    assert_eq!(host.held(), [("b".to_owned(), "10.0.0.3".to_owned())]);
}

#[test]
fn a_store_in_use_is_waited_for_with_an_end() {
    let host = Host::new(small());
    host.add("a");
    let _lock = Lock::make(&host.path("store/net"), Duration::ZERO).unwrap();
    let failure = host.try_add(&call("b")).unwrap_err();
    assert_eq!(code(&failure), 11);
    assert!(failure.to_string().contains("in use"), "{failure}");
    assert_eq!(code(&host.status().unwrap_err()), 11);
}

#[test]
fn check_compares_with_what_the_container_was_given() {
    let mut host = Host::new(small());
    assert_eq!(code(&host.check("a").unwrap_err()), 104);
    host.add("a");
    host.check("a").unwrap();
    let previous = |address: &str| json!({"prevResult": {"cniVersion": "1.1.0", "ips": [{"address": address}]}});
    host.more = previous("10.0.0.2/29");
    host.check("a").unwrap();
    host.more = previous("10.0.0.5/29");
    let failure = host.check("a").unwrap_err();
    assert!(code(&failure) == 104 && failure.to_string().contains("10.0.0.2"), "{failure}");
    // One more is only wrong if it could be ours.
    for (other, is_right) in [("10.0.0.5/29", false), ("192.0.2.1/24", true)] {
        let ips = json!([{"address": "10.0.0.2/29"}, {"address": other}]);
        host.more = json!({"prevResult": {"cniVersion": "1.1.0", "ips": ips}});
        assert_eq!(host.check("a").is_ok(), is_right, "{other}");
    }
}

#[test]
fn an_address_is_explained() {
    let mut host = Host::new(small());
    host.add_with("a", "IgnoreUnknown=1;K8S_POD_NAMESPACE=alpha;K8S_POD_NAME=web").unwrap();
    host.add("b");
    host.later(5);
    host.del("b");
    let summary =
        |address: &str| tools::explain(&host.site, address.parse().unwrap()).unwrap().summary;
    for (address, words) in [
        (
            "10.0.0.2",
            "held in net by container a interface eth0, pod alpha/web for 5 s; kept by its age",
        ),
        ("10.0.0.3", "container b of net had it last"),
        ("10.0.0.5", "in a range of net and nobody has it"),
        ("10.9.9.9", "in no lease or range"),
    ] {
        assert!(summary(address).contains(words), "{}", summary(address));
    }
    let explanation = tools::explain(&host.site, "10.0.0.2".parse().unwrap()).unwrap();
    let range = &explanation.networks[0].ranges[0];
    assert_eq!((range.held, range.released, range.addresses.as_str()), (1, 1, "6"));
}

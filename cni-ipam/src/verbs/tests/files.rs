//! The files of host-local: imported, kept in step, and changed by host-local in between.

use super::*;
use crate::edge::lock::Lock;

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

/// Of what an old version has written without an interface, the result of any interface of the container counts.
#[test]
fn files_of_an_earlier_boot_without_a_result_are_not_imported() {
    for (interface, result) in
        [("\r\neth0", "net-living-eth0"), ("", "net-living-eth0"), ("", "net-living-net1")]
    {
        let mut host = Host::new(small());
        fs::create_dir_all(host.path("host-local/net")).unwrap();
        fs::create_dir_all(host.path("results")).unwrap();
        for (address, container) in [("10.0.0.2", "dead"), ("10.0.0.3", "living")] {
            let text = format!("{container}{interface}");
            fs::write(host.path("host-local/net").join(address), text).unwrap();
        }
        for name in [result, "net-deadly-eth0", "other-dead-eth0"] {
            fs::write(host.path("results").join(name), "{}").unwrap();
        }
        host.site.now = Millis(u64::MAX / 2);
        fs::write(&host.site.proc_stat, format!("btime {}\n", u64::MAX / 2000)).unwrap();
        assert_eq!(host.add("new"), ["10.0.0.2"]);
        host.check("living").unwrap();
        assert_eq!(host.held().len(), 2);
    }
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

//! Stores that cannot be used, or only in part, and what can be asked of those that can.

use std::collections::BTreeMap;

use super::*;
use crate::edge::lock::Lock;
use crate::table::layout::ReleasedCount;
use crate::table::read_header;

/// Returns the content of all files of a store but those of its locks.
fn content(host: &Host) -> BTreeMap<String, Vec<u8>> {
    let entries = fs::read_dir(host.path("store/net")).unwrap().map(|entry| entry.unwrap().path());
    entries.map(|path| (path.display().to_string(), fs::read(path).unwrap())).collect()
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

/// An earlier version has counted the released leases of a queue; the next verb counts the addresses of each range.
#[test]
fn counts_of_an_earlier_version_are_mended_where_ranges_overlap() {
    let range = |end: u8| json!({"subnet": "10.9.0.0/28", "rangeEnd": format!("10.9.0.{end}")});
    let mut host = Host::new(range(12));
    host.add("a");
    host.del("a");
    host.ipam = range(14);
    host.add("b");
    host.del("b");
    let path = host.path("store/net/index");
    let mut octets = fs::read(&path).unwrap();
    let mut header = read_header(&octets).unwrap();
    header.released_count = ReleasedCount::OfQueue;
    header.ranges[0].released = 0;
    let before = header.encode();
    octets[..before.len()].copy_from_slice(&before);
    fs::write(&path, octets).unwrap();
    host.del("c");
    let ranges = tools::usage(&host.site).unwrap().remove(0).1;
    let counts: Vec<(u64, u64)> = ranges.iter().map(|it| (it.held, it.released)).collect();
    assert_eq!(counts, [(0, 2), (0, 2)]);
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

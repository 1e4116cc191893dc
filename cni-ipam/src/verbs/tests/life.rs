//! How long a lease lives: DEL, GC, witnesses and boots.

use std::process::{Child, Command};

use super::*;

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

/// Multus keeps the results of its delegates, and the runtime's own cache has nothing of them.
#[test]
fn a_result_that_multus_has_cached_is_one() {
    let mut host = Host::new(small());
    let caches = Site::host().result_caches;
    let below = |path: &PathBuf| host.root.path().join(path.strip_prefix("/").unwrap());
    host.site.result_caches = caches.iter().map(below).collect();
    let (runtime, multus) =
        (host.path("var/lib/cni/results"), host.path("var/lib/cni/multus/results"));
    let result = multus.join("net-a-net1");
    for (directory, file) in [(&runtime, "multus-a-eth0"), (&multus, "net-a-net1")] {
        fs::create_dir_all(directory).unwrap();
        fs::write(directory.join(file), "{}").unwrap();
    }
    let container = Container::start();
    host.try_add(&Call { netns: container.netns(), ifname: "net1", ..call("a") }).unwrap();
    drop(container);
    host.later(3600);
    let collect = || tools::collect(&host.site, None, None).unwrap();
    assert_eq!((collect().freed.len(), host.held().len()), (0, 1));
    fs::remove_file(result).unwrap();
    assert_eq!((collect().freed.len(), host.held().len()), (1, 0));
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

//! `portolan ipam list|gc|verify` and `portolan explain ip`, and what proves that a container is gone.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on says so by panicking")]

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{Child, Command, Output};

use portolan_tests::cni::{Call, Node, add_an_hour_ago, held, ipam_binary};
use portolan_tests::cri;
use portolan_tests::ipam_cases::addresses;
use portolan_tests::namespace::{inside_with_mounts, run};
use portolan_tests::server::binary;
use serde_json::{Value, json};

/// Runs `portolan` with these words.
fn portolan(words: &str) -> Output {
    Command::new(binary()).args(words.split(' ')).output().unwrap()
}

/// Returns what a command prints that has to succeed.
fn printed(words: &str) -> String {
    let output = portolan(words);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{words}: {errors}");
    String::from_utf8(output.stdout).unwrap()
}

/// Returns what a command says that has to fail.
fn refused(words: &str) -> String {
    let output = portolan(words);
    assert_eq!(output.status.code(), Some(1), "{words}: {output:?}");
    String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned()
}

fn config(subnet: &str) -> Value {
    let ipam = json!({"type": "portolan-ipam", "subnet": subnet});
    json!({"cniVersion": "1.1.0", "name": "net", "ipam": ipam})
}

const POD: &str = "IgnoreUnknown=1;K8S_POD_NAMESPACE=shop;K8S_POD_NAME=web-0;K8S_POD_UID=0a1b";

#[test]
fn list_and_explain_say_who_holds_an_address() {
    inside_with_mounts("list_and_explain_say_who_holds_an_address", || {
        let node = Node::new();
        let netns = node.netns("one");
        assert_eq!(held(), [] as [String; 0]);
        let add = |container, arguments| {
            let call = node.call("portolan-ipam", "ADD", container, &netns);
            call.with("CNI_ARGS", arguments).run(&config("10.1.2.0/29")).ok()
        };
        add("sandbox-1", POD);
        add("sandbox-2", "");
        assert_eq!(held(), ["10.1.2.2", "10.1.2.3"]);
        let table = printed("ipam list");
        for word in ["net", "10.1.2.2", "sandbox-1", "eth0", "shop/web-0"] {
            assert!(table.contains(word), "{word}: {table}");
        }
        assert_eq!(printed("ipam list net"), table);
        assert!(refused("ipam list other").contains("other"));
        let text = printed("explain ip 10.1.2.2");
        for word in ["sandbox-1", "shop/web-0", "0a1b", &netns] {
            assert!(text.contains(word), "{word}: {text}");
        }
        let text = printed("explain ip 10.1.2.5");
        assert!(text.contains("free"), "{text}");
        let text = printed("explain ip 192.0.2.7");
        assert!(text.contains("in no lease or range"), "{text}");
        for more in ["", " --json"] {
            let error = refused(&format!("explain ip 10.1.2.2 --store-dir /nowhere{more}"));
            assert!(
                error.contains("there is no store of a network in /nowhere; --store-dir"),
                "{error}"
            );
        }
        for command in ["list", "verify"] {
            let output = portolan(&format!("ipam {command} --store-dir /nowhere"));
            let remarks = String::from_utf8_lossy(&output.stderr);
            assert!(output.status.success(), "{remarks}");
            assert!(
                remarks.contains("note: there is no store of a network in /nowhere"),
                "{remarks}"
            );
        }
        // Names of pods are whatever a runtime passes on.
        add("sandbox-3", "IgnoreUnknown=1;K8S_POD_NAMESPACE=a\u{1b}[31m;K8S_POD_NAME=b\tc\nd");
        for words in ["ipam list", "explain ip 10.1.2.4"] {
            let text = printed(words);
            assert!(text.contains(r"a\u{1b}[31m/b\tc\nd") && !text.contains('\u{1b}'), "{text}");
        }
        node.call("portolan-ipam", "DEL", "sandbox-3", "").run(&config("10.1.2.0/29")).ok();
        // One that was held is told, too.
        node.call("portolan-ipam", "DEL", "sandbox-2", "").run(&config("10.1.2.0/29")).ok();
        assert_eq!(held(), ["10.1.2.2"]);
        let text = printed("explain ip 10.1.2.3");
        assert!(text.contains("sandbox-2"), "{text}");
        for address in ["10.1.2.2", "10.1.2.3", "10.1.2.4", "192.0.2.7"] {
            let json = printed(&format!("explain ip {address} --json"));
            assert!(serde_json::from_str::<Value>(&json).unwrap().is_object(), "{json}");
        }
    });
}

#[test]
fn explain_says_why_a_pool_is_full() {
    inside_with_mounts("explain_says_why_a_pool_is_full", || {
        let node = Node::new();
        let netns = node.netns("one");
        for container in ["a", "b", "c", "d", "e"] {
            let call = node.call("portolan-ipam", "ADD", container, &netns);
            call.run(&config("10.1.2.0/29")).ok();
        }
        let text = printed("explain ip 10.1.2.4");
        for part in ["6 addresses", "; 5 held, 0 released", "5 kept by"] {
            assert!(text.contains(part), "{part}: {text}");
        }
        let call = node.call("portolan-ipam", "ADD", "f", &netns);
        let (code, text) = call.run(&config("10.1.2.0/29")).error();
        assert!(code == 11 && text.contains('5'), "{text}");
    });
}

#[test]
fn gc_frees_what_is_proven_to_be_gone() {
    inside_with_mounts("gc_frees_what_is_proven_to_be_gone", || {
        let node = Node::new();
        for name in ["one", "two", "three"] {
            add_an_hour_ago(name, &node.netns(name), &config("10.1.2.0/24"));
        }
        // Everything lives, and there is no runtime.
        let output = portolan("ipam gc");
        let note = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success() && note.contains("--runtime-endpoint"), "{output:?}");
        assert!(portolan("ipam gc --runtime-endpoint off").stderr.is_empty());
        assert_eq!(held().len(), 3);
        // A namespace is gone without a DEL, but the runtime knows the sandbox: they do not agree.
        run("ip", &["netns", "delete", "two"]);
        run("ip", &["netns", "delete", "three"]);
        let socket = Path::new("/run/fake.sock");
        cri::serve(socket, &["one", "three"], 0);
        let report = printed("ipam gc --runtime-endpoint unix:///run/fake.sock");
        assert!(report.contains("two"), "{report}");
        assert_eq!(held(), ["10.1.2.2", "10.1.2.4"]);
        let report = printed("ipam gc --json --runtime-endpoint /run/fake.sock");
        assert!(serde_json::from_str::<Value>(&report).unwrap().is_object(), "{report}");
        assert_eq!(held(), ["10.1.2.2", "10.1.2.4"]);
        assert!(printed("ipam verify").contains("net"));
    });
}

#[test]
fn a_runtime_that_does_not_answer_frees_nothing() {
    inside_with_mounts("a_runtime_that_does_not_answer_frees_nothing", || {
        let node = Node::new();
        add_an_hour_ago("one", &node.netns("one"), &config("10.1.2.0/24"));
        run("ip", &["netns", "delete", "one"]);
        let text = refused("ipam gc --runtime-endpoint unix:///run/nobody.sock");
        assert!(text.contains("/run/nobody.sock"), "{text}");
        cri::serve(Path::new("/run/fake.sock"), &[], 12);
        let text = refused("ipam gc --runtime-endpoint unix:///run/fake.sock");
        assert!(text.contains("gRPC status 12: the test says so"), "{text}");
        // containerd's usual place is found by itself.
        fs::create_dir("/run/containerd").unwrap();
        cri::serve(Path::new("/run/containerd/containerd.sock"), &[], 14);
        assert!(refused("ipam gc").contains("gRPC status 14"));
        let text = refused("ipam gc --runtime-endpoint tcp://127.0.0.1:1");
        assert!(text.contains("unix:///"), "{text}");
        assert_eq!(held().len(), 1);
    });
}

#[test]
fn the_verb_frees_what_the_runtime_does_not_list() {
    inside_with_mounts("the_verb_frees_what_the_runtime_does_not_list", || {
        let node = Node::new();
        let netns = node.netns("one");
        for name in ["a", "b", "c"] {
            let call = node.call("portolan-ipam", "ADD", name, &netns);
            call.run(&config("10.1.2.0/24")).ok();
        }
        let gc = |keys: Value| {
            let mut config = config("10.1.2.0/24");
            config.as_object_mut().unwrap().extend(keys.as_object().unwrap().clone());
            node.call("portolan-ipam", "GC", "", "").run(&config).ok();
            held()
        };
        // Nothing is said about what is valid.
        assert_eq!(gc(json!({})).len(), 3);
        assert_eq!(gc(json!({"cni.dev/valid-attachments": null})).len(), 3);
        let valid = |name: &str| json!({"containerID": name, "ifname": "eth0"});
        let left = gc(json!({"cni.dev/valid-attachments": [valid("a"), valid("c")]}));
        assert_eq!(left, ["10.1.2.2", "10.1.2.4"]);
        // The name that the first draft had.
        assert_eq!(gc(json!({"cni.dev/attachments": [valid("a")]})), ["10.1.2.2"]);
        // Another interface of the container is another attachment.
        let other = json!({"containerID": "a", "ifname": "eth1"});
        assert_eq!(gc(json!({"cni.dev/valid-attachments": [other]})), [] as [String; 0]);
    });
}

#[test]
fn a_full_pool_looks_for_the_dead_before_it_refuses() {
    inside_with_mounts("a_full_pool_looks_for_the_dead_before_it_refuses", || {
        let node = Node::new();
        let results = Path::new("/var/lib/cni/results");
        fs::create_dir_all(results).unwrap();
        let names = ["a", "b", "c", "d", "e"];
        for name in names {
            add_an_hour_ago(name, &node.netns(name), &config("10.1.2.0/29"));
            fs::write(results.join(format!("net-{name}-eth0")), "{}").unwrap();
        }
        let netns = node.netns("f");
        let call = node.call("portolan-ipam", "ADD", "f", &netns);
        assert_eq!(call.run(&config("10.1.2.0/29")).error().0, 11);
        let status = node.call("portolan-ipam", "STATUS", "", "").run(&config("10.1.2.0/29"));
        assert_eq!(status.error().0, 50);
        // One witness is not enough.
        run("ip", &["netns", "delete", "c"]);
        assert_eq!(call.run(&config("10.1.2.0/29")).error().0, 11);
        fs::remove_file(results.join("net-c-eth0")).unwrap();
        node.call("portolan-ipam", "STATUS", "", "").run(&config("10.1.2.0/29")).ok();
        assert_eq!(addresses(&call.run(&config("10.1.2.0/29")).ok()), ["10.1.2.4/29"]);
    });
}

#[test]
fn a_reboot_empties_the_store_and_the_namespace_is_compared() {
    inside_with_mounts("a_reboot_empties_the_store_and_the_namespace_is_compared", || {
        let node = Node::new();
        let netns = node.netns("one");
        let call = node.call("portolan-ipam", "ADD", "one", &netns);
        assert_eq!(addresses(&call.run(&config("10.1.2.0/29")).ok()), ["10.1.2.2/29"]);
        // Another namespace, at another path: the attachment lives elsewhere.
        let other = node.netns("other");
        let elsewhere = node.call("portolan-ipam", "ADD", "one", &other);
        let (code, text) = elsewhere.run(&config("10.1.2.0/29")).error();
        assert!(code == 103 && text.contains(&netns), "{text}");
        // Once its own is gone, the container was made anew.
        run("ip", &["netns", "delete", "one"]);
        let again = elsewhere.run(&config("10.1.2.0/29")).ok();
        assert_eq!(addresses(&again).len(), 1);
        let netns = other;
        // After a reboot there is nobody.
        let boot = "00000000-0000-0000-0000-00000000beef\n";
        let _boot = portolan_tests::namespace::cover("/proc/sys/kernel/random/boot_id", boot);
        let list = printed("ipam list");
        assert!(list.contains("dead"), "{list}");
        let call = node.call("portolan-ipam", "ADD", "two", &netns);
        assert_eq!(addresses(&call.run(&config("10.1.2.0/29")).ok()), ["10.1.2.2/29"]);
        assert_eq!(held(), ["10.1.2.2"]);
        let list = printed("ipam list");
        assert!(!list.contains("dead") && !list.contains("one"), "{list}");
    });
}

#[test]
fn files_of_host_local_from_before_the_boot_are_no_leases() {
    inside_with_mounts("files_of_host_local_from_before_the_boot_are_no_leases", || {
        let node = Node::new();
        let netns = node.netns("one");
        let files = Path::new("/var/lib/cni/networks/net");
        fs::create_dir_all(files).unwrap();
        for (address, container) in [("10.1.2.2", "before"), ("10.1.2.3", "now")] {
            fs::write(files.join(address), format!("{container}\r\neth0")).unwrap();
        }
        let before = files.join("10.1.2.2");
        run("touch", &["-d", "2020-01-01", before.to_str().unwrap()]);
        // One witness is not enough; the runtime is another one.
        let call = node.call("portolan-ipam", "ADD", "one", &netns);
        assert_eq!(addresses(&call.run(&config("10.1.2.0/29")).ok()), ["10.1.2.4/29"]);
        assert_eq!(held().len(), 3);
        let text = printed("explain ip 10.1.2.2");
        assert!(text.contains("file of host-local: gone"), "{text}");
        cri::serve(Path::new("/run/fake.sock"), &["now", "one"], 0);
        printed("ipam gc --runtime-endpoint /run/fake.sock");
        assert_eq!(held(), ["10.1.2.3", "10.1.2.4"]);
        assert!(!before.exists() && files.join("10.1.2.3").exists());
        // The cache of results is one, too, and asked at the import.
        fs::create_dir_all("/var/lib/cni/results").unwrap();
        fs::write(&before, "before\r\neth0").unwrap();
        run("touch", &["-d", "2020-01-01", before.to_str().unwrap()]);
        fs::remove_dir_all("/run/portolan").unwrap();
        let added = call.run(&config("10.1.2.0/29")).ok();
        assert_eq!(addresses(&added), ["10.1.2.2/29"]);
        assert_eq!(held(), ["10.1.2.2", "10.1.2.3"]);
    });
}

#[test]
fn a_sticky_address_outlives_a_reboot_in_a_durable_store() {
    inside_with_mounts("a_sticky_address_outlives_a_reboot_in_a_durable_store", || {
        let node = Node::new();
        let netns = node.netns("one");
        let mut config = config("10.1.2.0/29");
        config["ipam"]["sticky"] = json!(true);
        config["ipam"]["durable"] = json!(true);
        let add = |container: &str, pod: &str| {
            let call = node.call("portolan-ipam", "ADD", container, &netns);
            let arguments = format!("IgnoreUnknown=1;K8S_POD_NAMESPACE=shop;K8S_POD_NAME={pod}");
            addresses(&call.with("CNI_ARGS", &arguments).run(&config).ok()).remove(0)
        };
        assert_eq!(add("a", "web-0"), "10.1.2.2/29");
        assert_eq!(add("b", "web-1"), "10.1.2.3/29");
        let boot = "00000000-0000-0000-0000-00000000beef\n";
        let _boot = portolan_tests::namespace::cover("/proc/sys/kernel/random/boot_id", boot);
        // Other containers, and another order.
        assert_eq!(add("c", "web-1"), "10.1.2.3/29");
        assert_eq!(add("d", "job"), "10.1.2.4/29");
        assert_eq!(add("e", "web-0"), "10.1.2.2/29");
        assert_eq!(held(), ["10.1.2.2", "10.1.2.3", "10.1.2.4"]);
    });
}

#[test]
fn verify_tells_a_damaged_store() {
    inside_with_mounts("verify_tells_a_damaged_store", || {
        let node = Node::new();
        let netns = node.netns("one");
        let call = node.call("portolan-ipam", "ADD", "one", &netns);
        call.run(&config("10.1.2.0/29")).ok();
        assert!(printed("ipam verify").contains("net"));
        assert!(serde_json::from_str::<Value>(&printed("ipam verify --json")).unwrap().is_object());
        let store = Path::new("/run/portolan/ipam/net");
        let leases = store.join("leases");
        let mut octets = fs::read(&leases).unwrap();
        let middle = octets.len() / 2;
        octets[middle..].fill(0x5a);
        fs::write(&leases, octets).unwrap();
        let text = refused("ipam verify");
        assert!(text.contains("net"), "{text}");
    });
}

#[test]
fn node_blocks_are_used_when_the_configuration_names_no_range() {
    inside_with_mounts("node_blocks_are_used_when_the_configuration_names_no_range", || {
        let node = Node::new();
        let netns = node.netns("one");
        let config = json!({
            "cniVersion": "1.1.0", "name": "net", "ipam": {"type": "portolan-ipam"},
        });
        let call = node.call("portolan-ipam", "ADD", "one", &netns);
        let status = node.call("portolan-ipam", "STATUS", "", "");
        let (code, text) = call.run(&config).error();
        assert!(text.contains("/run/portolan/node-blocks.json"), "{code} {text}");
        assert_eq!(status.run(&config).error().0, 50);
        fs::create_dir_all("/run/portolan").unwrap();
        let blocks = json!({"blocks": [{"cidr": "10.244.3.0/24"}, "fd00:244:3::/64"]});
        fs::write("/run/portolan/node-blocks.json", blocks.to_string()).unwrap();
        status.run(&config).ok();
        let result = call.run(&config).ok();
        assert_eq!(addresses(&result), ["10.244.3.2/24", "fd00:244:3::2/64"]);
        assert_eq!(result["ips"][0]["gateway"], "10.244.3.1");
        // A node that has no address left gets another block, and addresses of it.
        let add = |name| node.call("portolan-ipam", "ADD", name, &netns).run(&config);
        let write = |blocks: Value| {
            fs::write("/run/portolan/node-blocks.json", json!({"blocks": blocks}).to_string())
        };
        write(json!(["10.244.4.0/30"])).unwrap();
        assert_eq!(addresses(&add("a").ok()), ["10.244.4.2/30"]);
        assert_eq!(add("b").error().0, 11);
        write(json!(["10.244.4.0/30", "10.244.5.0/30"])).unwrap();
        assert_eq!(addresses(&add("b").ok()), ["10.244.5.2/30"]);
        // A file that cannot be read says which, and nobody loses an address.
        fs::write("/run/portolan/node-blocks.json", "{").unwrap();
        let (code, text) = add("c").error();
        assert!(code == 7 && text.contains("/run/portolan/node-blocks.json"), "{code} {text}");
        assert_eq!(status.run(&config).error().0, 50);
        node.call("portolan-ipam", "DEL", "b", "").run(&config).ok();
        assert_eq!(held(), ["10.244.3.2", "10.244.4.2", "fd00:244:3::2"]);
    });
}

#[test]
fn a_hundred_adds_at_once_get_a_hundred_addresses() {
    inside_with_mounts("a_hundred_adds_at_once_get_a_hundred_addresses", || {
        let node = Node::new();
        let netns = node.netns("one");
        let config = config("10.1.0.0/16").to_string();
        let names: Vec<String> = (0..100).map(|at| format!("burst-{at}")).collect();
        let start = |name: &String| {
            let call = node.call("portolan-ipam", "ADD", name, &netns);
            let mut child = call.command().spawn().unwrap();
            child.stdin.take().unwrap().write_all(config.as_bytes()).unwrap();
            child
        };
        let children: Vec<Child> = names.iter().map(start).collect();
        for child in children {
            let output = child.wait_with_output().unwrap();
            assert!(output.status.success(), "{output:?}");
        }
        let expected: Vec<String> = (2..102).map(|host| format!("10.1.0.{host}")).collect();
        assert_eq!(held(), expected, "each once");
    });
}

#[test]
fn pools_are_chosen_by_annotation_or_namespace() {
    let folder = tempfile::tempdir().unwrap();
    let add = |container: &str, namespace: &str, annotation: Option<&str>| {
        let mut config = json!({
            "cniVersion": "1.1.0",
            "name": "net",
            "ipam": {
                "type": "portolan-ipam",
                "storeDir": folder.path().join("stores"),
                "dataDir": folder.path().join("none"),
                "subnet": "10.1.0.0/24",
                "pools": [
                    {"name": "red", "ranges": [[{"subnet": "10.2.0.0/24"}]], "namespaces": ["shop"]},
                    {"name": "blue", "ranges": [[{"subnet": "10.3.0.0/24"}], [{"subnet": "fd00:3::/64"}]]},
                ],
            },
        });
        if let Some(pool) = annotation {
            let annotations = json!({"portolan.dev/ipam-pool": pool});
            config["runtimeConfig"] = json!({"io.kubernetes.cri.pod-annotations": annotations});
        }
        let arguments = format!("IgnoreUnknown=1;K8S_POD_NAMESPACE={namespace};K8S_POD_NAME=web");
        let call = Call::attachment(ipam_binary(), "ADD", container);
        call.with("CNI_ARGS", &arguments).run(&config)
    };
    assert_eq!(addresses(&add("a", "other", None).ok()), ["10.1.0.2/24"]);
    assert_eq!(addresses(&add("b", "shop", None).ok()), ["10.2.0.2/24"]);
    assert_eq!(addresses(&add("c", "shop", Some("blue")).ok()), ["10.3.0.2/24", "fd00:3::2/64"]);
    let (code, text) = add("d", "shop", Some("green")).error();
    assert!(code == 7 && text.contains("green") && text.contains("red, blue"), "{text}");
}

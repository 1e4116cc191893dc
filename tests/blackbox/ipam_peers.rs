//! What host-local does, portolan-ipam does: the cases of `tests/fixtures/ipam/host-local.cases`, each run with both, and
//! their results compared.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on says so by panicking")]

use std::path::{Path, PathBuf};

use portolan_tests::cni::{Answer, Call, PLUGINS, ipam_binary, names};
use portolan_tests::fixture;
use portolan_tests::ipam_cases::{Case, Expected, Step, addresses, read};
use serde_json::{Map, Value, json};

/// Every version, the oldest first. Debian's host-local (1.1.1) speaks all but the last.
const VERSIONS: [&str; 7] = ["0.1.0", "0.2.0", "0.3.0", "0.3.1", "0.4.0", "1.0.0", "1.1.0"];

/// A plugin with a folder to keep things in.
struct Plugin {
    program: PathBuf,
    /// The key of the configuration that names the folder.
    folder_key: &'static str,
}

impl Plugin {
    fn portolan() -> Self {
        Self { program: ipam_binary(), folder_key: "storeDir" }
    }

    fn host_local() -> Self {
        Self { program: Path::new(PLUGINS).join("host-local"), folder_key: "dataDir" }
    }

    /// Runs a case at a version, and returns the answer of each call with its line.
    fn run(&self, case: &Case, version: &str) -> Vec<(usize, Expected, Expected, Answer)> {
        let folder = tempfile::tempdir().unwrap();
        let resolv_conf = folder.path().join("resolv.conf");
        let text =
            b"# a node's, \xe9\nnameserver 192.0.2.3\nsearch a.example b.example\noptions ndots:5\n";
        std::fs::write(&resolv_conf, text).unwrap();
        let (mut ipam, mut more, mut answers) = (Map::new(), Map::new(), Vec::new());
        for step in &case.steps {
            match step {
                Step::Config(config) => {
                    ipam.clone_from(config);
                    ipam.insert(self.folder_key.to_owned(), json!(folder.path().join("store")));
                    ipam.insert("type".to_owned(), json!("portolan-ipam"));
                    // Nothing of this machine is taken over.
                    ipam.entry("dataDir").or_insert(json!(folder.path().join("none")));
                    if ipam.contains_key("resolvConf") {
                        ipam.insert("resolvConf".to_owned(), json!(resolv_conf));
                    }
                }
                Step::More(keys) => more.clone_from(keys),
                Step::Call { line, verb, container, ifname, arguments, expected, host_local } => {
                    let mut config =
                        json!({"cniVersion": version, "name": "mynet", "type": "ipvlan"});
                    config["ipam"] = ipam.clone().into();
                    config.as_object_mut().unwrap().extend(more.clone());
                    let call = Call::attachment(&self.program, verb, container)
                        .with("CNI_IFNAME", ifname)
                        .with("CNI_ARGS", arguments);
                    let answer = call.run(&config);
                    answers.push((*line, expected.clone(), host_local.clone(), answer));
                }
            }
        }
        answers
    }
}

/// Compares an answer with what is expected, and says what is different.
fn difference(expected: &Expected, answer: &Answer) -> Option<String> {
    let said = format!("{}{}", answer.stdout, answer.stderr);
    let is_success = answer.code == Some(0);
    let is_good = match expected {
        Expected::Success => is_success,
        Expected::Failure => answer.code == Some(1) && answer.error().0 > 0,
        Expected::Addresses(wanted) => is_success && addresses(&answer.ok()) == *wanted,
        Expected::Error(code, words) => {
            answer.code == Some(1) && {
                let (said, text) = answer.error();
                // Other than host-local's, as the specification says.
                let has_version = answer.json()["cniVersion"].is_string();
                said == *code && text.contains(words) && has_version
            }
        }
    };
    (!is_good).then(|| format!("want {expected:?}, have {said}"))
}

fn cases() -> Vec<Case> {
    read(&std::fs::read_to_string(fixture("ipam/host-local.cases")).unwrap())
}

/// Runs every case at every version that it is for.
fn check(plugin: &Plugin, versions: &[&str], wanted: impl Fn(Expected, Expected) -> Expected) {
    let mut wrong = Vec::new();
    let mut seen = 0;
    for case in cases() {
        for version in versions.iter().filter(|version| **version >= case.oldest.as_str()) {
            for (line, ours, theirs, answer) in plugin.run(&case, version) {
                seen += 1;
                if let Some(difference) = difference(&wanted(ours, theirs), &answer) {
                    wrong.push(format!("{} at {version}, line {line}: {difference}", case.name));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{} of {seen} calls:\n{}", wrong.len(), wrong.join("\n"));
    assert!(seen > 100, "only {seen} calls");
}

#[test]
fn portolan_ipam_does_what_the_cases_say() {
    check(&Plugin::portolan(), &VERSIONS, |ours, _| ours);
}

#[test]
fn host_local_does_what_the_cases_say() {
    // Its versions do not differ otherwise; it takes ten times as long.
    check(&Plugin::host_local(), &["0.1.0", "0.4.0", "1.0.0"], |_, theirs| theirs);
}

/// Takes out of a result what the two write differently and mean equally: an empty `dns`.
fn normal(mut result: Value) -> Value {
    if result["dns"] == json!({}) || result["dns"].is_null() {
        result.as_object_mut().unwrap().remove("dns");
    }
    result
}

#[test]
fn results_are_equal_to_the_last_octet_of_their_meaning() {
    let mut compared = 0;
    for case in cases() {
        for version in VERSIONS[..6].iter().filter(|version| **version >= case.oldest.as_str()) {
            let ours = Plugin::portolan().run(&case, version);
            let theirs = Plugin::host_local().run(&case, version);
            for ((line, expected, host_local, ours), (.., theirs)) in ours.into_iter().zip(theirs) {
                if !matches!(expected, Expected::Addresses(_)) || expected != host_local {
                    continue;
                }
                let name = format!("{} at {version}, line {line}", case.name);
                assert_eq!(normal(ours.ok()), normal(theirs.ok()), "{name}");
                compared += 1;
            }
        }
    }
    assert!(compared > 100, "only {compared} results");
}

#[test]
fn a_directory_kept_in_step_is_that_of_host_local() {
    let folder = tempfile::tempdir().unwrap();
    let config = json!({
        "cniVersion": "1.0.0",
        "name": "mynet",
        "ipam": {
            "ranges": [[{"subnet": "10.1.2.0/24"}], [{"subnet": "2001:db8:1::/64"}]],
            "storeDir": folder.path().join("store"),
            "dataDir": folder.path().join("data"),
            "keepHostLocal": true,
        },
    });
    let data = folder.path().join("data/mynet");
    let call = |verb, container| Call::attachment(ipam_binary(), verb, container).run(&config);
    call("ADD", "dummy").ok();
    let leases = ["10.1.2.2", "2001:db8:1::2"];
    for name in leases {
        assert_eq!(std::fs::read_to_string(data.join(name)).unwrap(), "dummy\r\neth0");
    }
    let last = |set| std::fs::read_to_string(data.join(format!("last_reserved_ip.{set}"))).unwrap();
    assert_eq!((last(0).as_str(), last(1).as_str()), leases.into());
    // Going back: host-local knows the lease, frees it, and goes on behind it.
    let back = Path::new(PLUGINS).join("host-local");
    Call::attachment(&back, "DEL", "dummy").run(&config).ok();
    let left: Vec<String> = names(&data).into_iter().filter(|name| name.contains("::")).collect();
    assert_eq!(left, [] as [String; 0], "host-local freed them");
    let added = Call::attachment(&back, "ADD", "next").run(&config).ok();
    assert_eq!(addresses(&added), ["10.1.2.3/24", "2001:db8:1::3/64"]);
}

#[test]
fn leases_of_host_local_are_taken_over() {
    let folder = tempfile::tempdir().unwrap();
    let config = |version| {
        json!({
            "cniVersion": version,
            "name": "mynet",
            "ipam": {
                "subnet": "10.1.2.0/24",
                "storeDir": folder.path().join("store"),
                "dataDir": folder.path().join("data"),
            },
        })
    };
    let host_local = Path::new(PLUGINS).join("host-local");
    for container in ["one", "two"] {
        Call::attachment(&host_local, "ADD", container).run(&config("1.0.0")).ok();
    }
    // The older forms of its files, and one that it was killed in.
    let data = folder.path().join("data/mynet");
    for (name, text) in [("10.1.2.20", "old\neth0"), ("10.1.2.21", "oldest"), ("10.1.2.22", "")] {
        std::fs::write(data.join(name), text).unwrap();
    }
    let call = |verb: &str, container: &str, arguments: &str| {
        Call::attachment(ipam_binary(), verb, container)
            .with("CNI_ARGS", arguments)
            .run(&config("1.1.0"))
    };
    // New ones go on behind the last one, and what is taken stays taken.
    assert_eq!(addresses(&call("ADD", "three", "").ok()), ["10.1.2.4/24"]);
    for address in ["10.1.2.2", "10.1.2.3", "10.1.2.20", "10.1.2.21"] {
        let (code, text) = call("ADD", "four", &format!("IP={address}")).error();
        assert_eq!(code, 100, "{text}");
    }
    // The address of an empty file belongs to nobody.
    assert_eq!(addresses(&call("ADD", "five", "IP=10.1.2.22").ok()), ["10.1.2.22/24"]);
    // An attachment of host-local is one of ours.
    assert_eq!(addresses(&call("ADD", "one", "").ok()), ["10.1.2.2/24"]);
    for container in ["one", "two", "old", "oldest"] {
        call("DEL", container, "").ok();
    }
    for address in ["10.1.2.2", "10.1.2.20", "10.1.2.21"] {
        let container = format!("new-{}", address.replace('.', "-"));
        let added = call("ADD", &container, &format!("IP={address}")).ok();
        assert_eq!(addresses(&added), [format!("{address}/24")]);
    }
}

#[test]
fn every_step_of_the_cases_is_understood() {
    let cases = cases();
    assert!(cases.len() > 35, "{}", cases.len());
    let differs = |step: &Step| matches!(step, Step::Call { expected, host_local, .. } if expected != host_local);
    let differing = cases.iter().flat_map(|case| &case.steps).filter(|step| differs(step)).count();
    assert!(differing > 20, "{differing}");
    for case in &cases {
        let Some(Step::Config(_)) = case.steps.first() else {
            panic!("{} does not begin with a configuration", case.name)
        };
    }
}

//! Many processes at once: random ADD, DEL, CHECK and GC, some of them killed, and a hundred ADDs at the same time.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on says so by panicking")]
#![expect(clippy::panic, reason = "as above")]

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::net::IpAddr;
use std::process::Child;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use portolan_tests::cni::Answer;
use portolan_tests::ipam_store::{Network, folder, plugin, printed_addresses};
use portolan_tests::random::Random;
use portolan_tests::soak::rounds;
use serde_json::json;

/// Processes at the same time.
const PROCESSES: usize = 16;

/// Containers of each of them.
const CONTAINERS: usize = 6;

/// Who has which address as far as runtimes were told.
#[derive(Default)]
struct Known {
    owners: BTreeMap<IpAddr, String>,
    live: BTreeMap<String, BTreeSet<IpAddr>>,
}

impl Known {
    fn is_given(&mut self, container: &str, addresses: BTreeSet<IpAddr>) {
        for address in &addresses {
            let owner = self.owners.insert(*address, container.to_owned());
            assert!(
                owner.as_deref().is_none_or(|owner| owner == container),
                "{address}: {owner:?} and {container}"
            );
        }
        let before = self.live.insert(container.to_owned(), addresses.clone());
        assert!(before.is_none_or(|before| before == addresses), "{container} was given others");
    }

    fn is_gone(&mut self, container: &str) {
        self.live.remove(container);
        self.owners.retain(|_, owner| owner != container);
    }
}

fn start(network: &Network, verb: &str, container: &str) -> Child {
    let mut child = network.call(plugin(), verb, container).command().spawn().unwrap();
    let _ = child.stdin.take().unwrap().write_all(network.stdin(verb).to_string().as_bytes());
    child
}

fn end(child: Child) -> Answer {
    let output = child.wait_with_output().unwrap();
    let text = |octets: Vec<u8>| String::from_utf8(octets).unwrap();
    Answer { code: output.status.code(), stdout: text(output.stdout), stderr: text(output.stderr) }
}

/// Kills some calls after a time that is as long as a call takes, so that they end anywhere.
fn maybe_kill(child: &mut Child, random: &mut Random) {
    if random.below(4) == 0 {
        let wait = Duration::from_micros(random.below(3000) as u64);
        let start = Instant::now();
        while start.elapsed() < wait {
            std::hint::spin_loop();
        }
        let _ = child.kill();
    }
}

/// One step of a runtime with its own containers.
fn step(network: &Network, known: &Mutex<Known>, runtime: usize, random: &mut Random) {
    let container = format!("r{runtime}-{}", random.below(CONTAINERS));
    let verb = ["ADD", "ADD", "DEL", "CHECK"][random.below(4)];
    let is_live = known.lock().unwrap().live.contains_key(&container);
    if verb == "DEL" {
        // From here on somebody else may get the address.
        known.lock().unwrap().is_gone(&container);
    }
    let mut child = start(network, verb, &container);
    if verb != "CHECK" {
        maybe_kill(&mut child, random);
    }
    let answer = end(child);
    match (verb, answer.code) {
        ("ADD", Some(0)) => {
            let given = printed_addresses(&answer.json());
            known.lock().unwrap().is_given(&container, given);
        }
        // Only when all addresses are in use.
        ("ADD", Some(1)) => assert_eq!(answer.error().0, 11, "{answer:?}"),
        ("CHECK", Some(code)) => assert!(code == 0 || !is_live, "{container}: {answer:?}"),
        ("DEL", Some(code)) => assert_eq!(code, 0, "{answer:?}"),
        (_, None) => {}
        other => panic!("{other:?}"),
    }
}

#[test]
fn random_operations_of_many_processes_with_kills() {
    let steps = rounds(800, 10_000);
    for (at, ranges) in [
        json!([[{"subnet": "10.1.0.0/26"}]]),
        json!([[{"subnet": "10.1.0.0/16"}], [{"subnet": "fd00::/64"}]]),
    ]
    .into_iter()
    .enumerate()
    {
        let root = folder();
        let mut network = Network::new(root.path(), json!({"ranges": ranges, "quarantine": at}));
        let known = Mutex::new(Known::default());
        let taken = AtomicUsize::new(0);
        std::thread::scope(|scope| {
            for runtime in 0..PROCESSES {
                let (network, known, taken) = (&network, &known, &taken);
                scope.spawn(move || {
                    let mut random = Random::new(7 + runtime as u64);
                    while taken.fetch_add(1, Ordering::Relaxed) < steps {
                        step(network, known, runtime, &mut random);
                    }
                });
            }
        });
        network.live = known.into_inner().unwrap().live;
        network.assert_nothing_is_lost();
        network.assert_equals_live_attachments();
        if at == 0 {
            network.assert_all_others_can_be_given(61);
        }
    }
}

#[test]
fn a_hundred_adds_at_once_get_a_hundred_addresses() {
    let root = folder();
    let network = Network::new(root.path(), json!({"ranges": [[{"subnet": "10.1.0.0/16"}]]}));
    let children: Vec<Child> =
        (0..100).map(|at| start(&network, "ADD", &format!("c{at}"))).collect();
    let given: Vec<BTreeSet<IpAddr>> =
        children.into_iter().map(|child| printed_addresses(&end(child).ok())).collect();
    let unique: BTreeSet<IpAddr> = given.iter().flatten().copied().collect();
    assert_eq!((given.len(), unique.len()), (100, 100));
}

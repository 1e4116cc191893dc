//! What `portolan-ipam` is made of: a static binary below 2 MB without threads, the same code in `portolan`.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on says so by panicking")]

use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use portolan_tests::cni::{Call, ipam_binary};
use portolan_tests::server::binary;
use serde_json::{Value, json};

/// Returns the binary that is installed on nodes: `make release-ipam` builds it for a target that is named.
fn released() -> PathBuf {
    let this = std::env::current_exe().unwrap();
    let target = this.ancestors().nth(3).unwrap();
    let folders = std::fs::read_dir(target).unwrap().map(|folder| folder.unwrap().path());
    let found = folders.map(|folder| folder.join("ipam/portolan-ipam")).find(|path| path.exists());
    found.expect("`make test` builds the release of portolan-ipam first")
}

/// Returns an integer of an ELF file, which has the octet order of this machine.
fn number(file: &[u8], at: u64, octets: u64) -> u64 {
    let (at, octets) = (usize::try_from(at).unwrap(), usize::try_from(octets).unwrap());
    let mut number = [0; 8];
    number[..octets].copy_from_slice(&file[at..at + octets]);
    u64::from_le_bytes(number)
}

#[test]
fn the_release_is_static_stripped_and_small() {
    let file = std::fs::read(released()).unwrap();
    assert!(file.len() < 2_000_000, "{} octets", file.len());
    assert_eq!(&file[..6], b"\x7fELF\x02\x01", "64 bits, little-endian");
    // Program headers: their place, size and number (elf(5)). An interpreter would load libraries.
    let (place, size, count) = (number(&file, 32, 8), number(&file, 54, 2), number(&file, 56, 2));
    let types: Vec<u64> = (0..count).map(|at| number(&file, place + at * size, 4)).collect();
    const LOAD: u64 = 1;
    const INTERPRETER: u64 = 3;
    assert!(types.contains(&LOAD) && !types.contains(&INTERPRETER), "{types:?}");
    let (place, size, count) = (number(&file, 40, 8), number(&file, 58, 2), number(&file, 60, 2));
    let types: Vec<u64> = (0..count).map(|at| number(&file, place + at * size + 4, 4)).collect();
    const SYMBOLS: u64 = 2;
    assert!(!types.contains(&SYMBOLS), "it has a table of symbols");
}

fn config(store: &Path) -> Value {
    let none = store.join("none");
    let ipam = json!({
        "type": "portolan-ipam", "subnet": "10.1.2.0/24", "storeDir": store, "dataDir": none,
    });
    json!({"cniVersion": "1.1.0", "name": "net", "ipam": ipam})
}

#[test]
fn no_verb_starts_a_thread_or_a_process() {
    let folder = tempfile::tempdir().unwrap();
    let config = config(&folder.path().join("store"));
    for verb in ["ADD", "CHECK", "DEL", "GC", "STATUS", "VERSION"] {
        let trace = folder.path().join(verb);
        let call = Call::attachment(released(), verb, "one");
        let mut command = call.command();
        let mut traced = Command::new("strace");
        traced.args(["-f", "-e", "trace=clone,clone3,fork,vfork,execve", "-o"]).arg(&trace);
        traced.arg(command.get_program()).env_clear();
        traced.envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
        let mut with_result = config.clone();
        with_result["prevResult"] = json!({"ips": [{"address": "10.1.2.2/24"}]});
        let input = folder.path().join("config");
        std::fs::write(&input, with_result.to_string()).unwrap();
        let output = traced.stdin(std::fs::File::open(&input).unwrap()).output();
        let output = output.unwrap_or_else(|error| panic!("strace cannot be run: {error}"));
        assert!(output.status.success(), "{verb}: {output:?}");
        let calls = std::fs::read_to_string(&trace).unwrap();
        let made: Vec<&str> = calls.lines().filter(|line| line.contains('(')).collect();
        assert!(made.len() == 1 && made[0].contains("execve("), "{verb}: {calls}");
        // Keeps what it called alive until here.
        command.env_clear();
    }
}

#[test]
fn portolan_under_its_name_is_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let renamed = folder.path().join("portolan-ipam");
    symlink(binary(), &renamed).unwrap();
    let (store, bad) = (config(&folder.path().join("store")), json!({"name": "net"}));
    for (verb, config) in [
        ("ADD", &store),
        ("STATUS", &store),
        ("ADD", &bad),
        ("GC", &bad),
        ("VERSION", &bad),
        ("DEL", &store),
    ] {
        let call = |program: &Path| Call::attachment(program, verb, "one").run(config);
        assert_eq!(call(&renamed), call(&ipam_binary()), "{verb} {config}");
    }
    let without = |program: &Path| Call::new(program, "").run_text(b"");
    assert_eq!(without(&renamed), without(&ipam_binary()));
}

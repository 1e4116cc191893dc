//! Replays the corpora of the fuzz targets, and what comes of changing them a little.
//!
//! `PORTOLAN_SOAK=300 cargo test --release -p portolan-tests --test fuzz_corpus` goes on for 300 seconds a target.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on says so by panicking")]

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use portolan_tests::fuzzing::{TARGETS, Target};
use portolan_tests::random::Random;

/// How many changed inputs are tried without a soak.
const ROUNDS: usize = 3000;

/// The longest input in octets.
const MAX_LENGTH: usize = 4096;

/// Returns the inputs of a corpus in the order of their names.
fn corpus(name: &str) -> Vec<(String, Vec<u8>)> {
    let directory = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus").join(name);
    assert!(directory.is_dir(), "{} is missing", directory.display());
    let mut inputs: Vec<(String, Vec<u8>)> = std::fs::read_dir(&directory)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .map(|path| (path.display().to_string(), std::fs::read(path).unwrap()))
        .collect();
    inputs.sort();
    assert!(inputs.len() >= 10, "{} is incomplete", directory.display());
    inputs
}

/// Gives an input to a target; what makes it fail is shown as bytes.
fn feed(target: Target, origin: &str, input: &[u8]) {
    let outcome = catch_unwind(AssertUnwindSafe(|| target(input)));
    assert!(outcome.is_ok(), "{origin}: b\"{}\"", input.escape_ascii());
}

#[test]
fn every_input_of_the_corpora_passes() {
    for (name, target) in TARGETS {
        for (path, input) in corpus(name) {
            feed(target, &path, &input);
        }
    }
}

#[test]
fn changed_inputs_pass() {
    let soak = std::env::var("PORTOLAN_SOAK").ok().map(|text| text.parse().unwrap());
    let soak = soak.map(Duration::from_secs);
    for (name, target) in TARGETS {
        let inputs: Vec<Vec<u8>> = corpus(name).into_iter().map(|(_, input)| input).collect();
        let seed = if soak.is_some() { std::process::id() } else { 1 };
        let (mut random, start) = (Random::new(u64::from(seed) << 8), Instant::now());
        let goes_on = |round| soak.map_or(round < ROUNDS, |time| start.elapsed() < time);
        let mut round = 0;
        while goes_on(round) {
            let input = changed(&mut random, &inputs);
            feed(target, &format!("{name}, seed {seed}, round {round}"), &input);
            round += 1;
        }
    }
}

/// Returns an input of a corpus with some octets changed, parts left out, doubled or taken from another one.
fn changed(random: &mut Random, inputs: &[Vec<u8>]) -> Vec<u8> {
    let mut input = inputs[random.below(inputs.len())].clone();
    for _ in 0..=random.below(6) {
        let (from, to) = range(random, input.len());
        match random.below(5) {
            0 => input[from..to].fill(random.octet()),
            1 => drop(input.drain(from..to)),
            2 => {
                let part = input[from..to].to_vec();
                let at = random.below(input.len() + 1);
                input.splice(at..at, part);
            }
            3 => {
                let other = &inputs[random.below(inputs.len())];
                let (start, end) = range(random, other.len());
                input.splice(from..to, other[start..end].iter().copied());
            }
            _ if !input.is_empty() => {
                let at = random.below(input.len());
                input[at] ^= 1 << random.below(8);
            }
            _ => input.push(random.octet()),
        }
        input.truncate(MAX_LENGTH);
    }
    input
}

fn range(random: &mut Random, length: usize) -> (usize, usize) {
    let (one, other) = (random.below(length + 1), random.below(length + 1));
    (one.min(other), one.max(other))
}

//! Replays the corpora of the fuzz targets, and what comes of changing them a little.
//!
//! `make soak` goes on for an hour, shared by the targets; `PORTOLAN_SOAK=300 cargo test --release -p portolan-tests --test
//! fuzz_corpus` for 300 seconds. An input that makes a target fail, or take too long, is kept in a file that the failure
//! names.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on says so by panicking"
)]

use std::hash::{DefaultHasher, Hash, Hasher};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use portolan_tests::fuzzing::{TARGETS, Target};
use portolan_tests::random::Random;
use portolan_tests::soak;
use portolan_tests::stage::show;

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

/// How long a target may take for one input.
const SLOW: Duration = Duration::from_secs(10);

/// Gives an input to a target; one that makes it fail is kept.
fn feed(name: &str, target: Target, origin: &str, input: &[u8]) {
    let start = Instant::now();
    let outcome = catch_unwind(AssertUnwindSafe(|| target(input)));
    let took = start.elapsed();
    if outcome.is_err() || took > SLOW {
        let kept = keep(name, input);
        let what = if outcome.is_err() { "fails" } else { "takes too long" };
        panic!(
            "{name} {what} ({took:?}) with {}, from {origin}; once that is right, move the file to \
             fuzz/corpus/{name}",
            kept.display()
        );
    }
}

/// Writes an input where builds do not remove it; equal ones get one file.
fn keep(name: &str, input: &[u8]) -> PathBuf {
    let mut hasher = DefaultHasher::new();
    input.hash(&mut hasher);
    let directory = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("fuzz");
    std::fs::create_dir_all(&directory).unwrap();
    let file = directory.join(format!("{name}-{:016x}", hasher.finish()));
    std::fs::write(&file, input).unwrap();
    file
}

#[test]
fn an_input_that_fails_is_kept_and_named() {
    let target: Target = |input| assert_ne!(input, b"bad\0");
    feed("example", target, "a test", b"good");
    let failure = catch_unwind(|| feed("example", target, "a test", b"bad\0")).unwrap_err();
    let text = failure.downcast::<String>().unwrap();
    let file = text.split(' ').find(|word| word.contains("/fuzz/example-")).unwrap();
    let file = PathBuf::from(file.trim_end_matches(','));
    assert_eq!(std::fs::read(&file).unwrap(), b"bad\0");
    assert!(text.contains("fuzz/corpus/example"), "{text}");
    std::fs::remove_file(file).unwrap();
}

#[test]
fn every_input_of_the_corpora_passes() {
    for (name, target) in TARGETS {
        for (path, input) in corpus(name) {
            feed(name, target, &path, &input);
        }
    }
}

#[test]
fn changed_inputs_pass() {
    let each = soak::soak().map(|all| all / u32::try_from(TARGETS.len()).unwrap());
    for (name, target) in TARGETS {
        let inputs: Vec<Vec<u8>> = corpus(name).into_iter().map(|(_, input)| input).collect();
        let seed = if each.is_some() { std::process::id() } else { 1 };
        let (mut random, start) = (Random::new(u64::from(seed) << 8), Instant::now());
        let goes_on = |round| each.map_or(round < ROUNDS, |time| start.elapsed() < time);
        let mut round = 0;
        while goes_on(round) {
            let input = changed(&mut random, &inputs);
            feed(name, target, &format!("seed {seed}, round {round}"), &input);
            round += 1;
        }
        show(&format!("{name}: {round} inputs in {:?}, seed {seed}", start.elapsed()));
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

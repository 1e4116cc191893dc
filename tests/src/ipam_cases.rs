//! The cases of `tests/fixtures/ipam`, whose head says what they are made of.

use serde_json::{Map, Value};

/// A case: steps that are taken in order, with a store of their own.
#[derive(Clone, PartialEq, Debug)]
pub struct Case {
    /// What it is about.
    pub name: String,
    /// The oldest version of CNI that it is run at.
    pub oldest: String,
    /// The steps.
    pub steps: Vec<Step>,
}

/// A step of a case.
#[derive(Clone, PartialEq, Debug)]
pub enum Step {
    /// `ipam` of the calls from here on.
    Config(Map<String, Value>),
    /// Further keys of the configuration of the calls from here on.
    More(Map<String, Value>),
    /// A call.
    Call {
        /// The line in the file, counted from 1.
        line: usize,
        /// `CNI_COMMAND`.
        verb: String,
        /// `CNI_CONTAINERID`.
        container: String,
        /// `CNI_IFNAME`.
        ifname: String,
        /// `CNI_ARGS`.
        arguments: String,
        /// What portolan-ipam does.
        expected: Expected,
        /// What host-local does.
        host_local: Expected,
    },
}

/// What a call should come to.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Expected {
    /// It succeeds with these addresses.
    Addresses(Vec<String>),
    /// It succeeds.
    Success,
    /// It fails with this code of CNI, and words in its text.
    Error(u64, String),
    /// It fails.
    Failure,
}

/// Reads the cases of a file.
///
/// # Panics
/// A line cannot be read.
pub fn read(text: &str) -> Vec<Case> {
    let mut cases: Vec<Case> = Vec::new();
    let lines = text.lines().enumerate().map(|(at, line)| (at + 1, line.trim()));
    for (number, line) in lines.filter(|(_, line)| !line.is_empty() && !line.starts_with('#')) {
        let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
        if word == "==" {
            let (name, oldest) = (rest.to_owned(), "0.1.0".to_owned());
            cases.push(Case { name, oldest, steps: Vec::new() });
            continue;
        }
        let case = cases.last_mut().unwrap_or_else(|| panic!("line {number}: begin with =="));
        match word {
            "versions" => rest.clone_into(&mut case.oldest),
            "config" => case.steps.push(Step::Config(object(number, rest))),
            "more" => case.steps.push(Step::More(object(number, rest))),
            "host-local" => {
                let Some(Step::Call { host_local, .. }) = case.steps.last_mut() else {
                    panic!("line {number}: belongs to no call");
                };
                *host_local = expected(number, rest);
            }
            _ => case.steps.push(call(number, line)),
        }
    }
    cases
}

fn object(number: usize, text: &str) -> Map<String, Value> {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("line {number}: {error}"))
}

fn call(line: usize, text: &str) -> Step {
    let (words, wanted, differs) = match text.split_once(" => ") {
        Some((words, wanted)) => (words, wanted, true),
        None => {
            let (words, wanted) =
                text.split_once(" -> ").unwrap_or_else(|| panic!("line {line}: no -> or =>"));
            (words, wanted, false)
        }
    };
    let words: Vec<&str> = words.split(' ').collect();
    let word = |at: usize| words.get(at).copied().unwrap_or_default().to_owned();
    let expected = expected(line, wanted);
    // A line of host-local has to follow.
    let host_local = if differs { Expected::Addresses(Vec::new()) } else { expected.clone() };
    let ifname = if words.len() > 2 { word(2) } else { "eth0".to_owned() };
    Step::Call {
        line,
        verb: word(0),
        container: word(1),
        ifname,
        arguments: word(3),
        expected,
        host_local,
    }
}

fn expected(number: usize, text: &str) -> Expected {
    match text.split_once(' ').unwrap_or((text, "")) {
        ("ok", "") => Expected::Success,
        ("error", "") => Expected::Failure,
        ("error", rest) => {
            let (code, words) = rest.split_once(' ').unwrap_or((rest, ""));
            let code = code.parse().unwrap_or_else(|_| panic!("line {number}: {code} is no code"));
            Expected::Error(code, words.to_owned())
        }
        _ => Expected::Addresses(text.split(' ').map(str::to_owned).collect()),
    }
}

/// Returns the addresses of a result of any version, with their prefix lengths.
pub fn addresses(result: &Value) -> Vec<String> {
    let old = ["ip4", "ip6"].map(|family| result[family]["ip"].clone());
    let listed = result["ips"].as_array().into_iter().flatten();
    let all = old.into_iter().chain(listed.map(|ip| ip["address"].clone()));
    all.filter_map(|address| address.as_str().map(str::to_owned)).collect()
}

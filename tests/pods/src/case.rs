//! Policies with what they have to do, as data: `tests/fixtures/netpol/`.

use std::path::Path;

use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::network::name;
use super::probe::{Outcome, Probe};
use super::world::Edit;

/// Some policies, step by step.
#[derive(Clone, PartialEq, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Case {
    /// What it is about.
    pub name: String,
    /// Edits, and what holds after them.
    pub steps: Vec<Step>,
}

/// Edits, and what holds after them.
#[derive(Clone, PartialEq, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Step {
    /// The edits.
    pub edits: Vec<Edit>,
    /// What holds between pods after them, written by hand; none where only the verdict says so.
    #[serde(default)]
    pub expect: Option<Expectation>,
}

/// What holds between pods, as statements that follow each other: each is about some probes and overrules those before
/// it. At first everything is allowed; a pod always reaches itself.
#[derive(Clone, PartialEq, Debug, Deserialize)]
#[serde(try_from = "Vec<String>")]
pub struct Expectation(Vec<Statement>);

/// `allow|deny FROM -> TO [TRANSPORT[/PORT]]`, where FROM and TO are `NAMESPACE/POD` with `*` for any.
#[derive(Clone, PartialEq, Debug)]
struct Statement {
    outcome: Outcome,
    from: String,
    to: String,
    transport: Option<String>,
    port: Option<u16>,
}

impl Expectation {
    /// Returns what has to come of a probe between pods.
    pub fn of(&self, probe: &Probe) -> Outcome {
        if probe.from == probe.to {
            return Outcome::Connected;
        }
        let last = self.0.iter().rev().find(|statement| statement.is_about(probe));
        last.map_or(Outcome::Connected, |statement| statement.outcome)
    }
}

impl Statement {
    fn parse(text: &str) -> Option<Self> {
        let words: Vec<&str> = text.split_whitespace().collect();
        let ([word, from, "->", to], rest) = words.split_first_chunk::<4>()? else { return None };
        let outcome = match *word {
            "allow" => Outcome::Connected,
            "deny" => Outcome::Timeout,
            _ => return None,
        };
        let (transport, port) = match rest {
            [] => (None, None),
            [one] => match one.split_once('/') {
                Some((transport, port)) => (Some(transport), Some(port.parse().ok()?)),
                None => (Some(*one), None),
            },
            _ => return None,
        };
        let is_place = |text: &str| text.split('/').count() == 2;
        (is_place(from) && is_place(to)).then(|| Self {
            outcome,
            from: (*from).to_owned(),
            to: (*to).to_owned(),
            transport: transport.map(str::to_owned),
            port,
        })
    }

    fn is_about(&self, probe: &Probe) -> bool {
        is_place(&self.from, probe.from)
            && is_place(&self.to, probe.to)
            && self.transport.as_deref().is_none_or(|name| name == probe.transport.name())
            && self.port.is_none_or(|port| port == probe.port)
    }
}

impl TryFrom<Vec<String>> for Expectation {
    type Error = String;

    fn try_from(lines: Vec<String>) -> Result<Self, String> {
        let parse = |line: &String| {
            Statement::parse(line).ok_or_else(|| {
                format!(
                    "{line}: write allow|deny NAMESPACE/POD -> NAMESPACE/POD [TRANSPORT[/PORT]]"
                )
            })
        };
        lines.iter().map(parse).collect::<Result<_, _>>().map(Self)
    }
}

fn is_place(pattern: &str, number: usize) -> bool {
    let place = name(number);
    let mut both = pattern.split('/').zip(place.split('/'));
    both.all(|(pattern, part)| pattern == "*" || pattern == part)
}

/// Reads the 48 cases of Kubernetes' end-to-end tests of NetworkPolicy.
pub fn e2e() -> Vec<Case> {
    fixture("e2e.yaml")
}

/// Reads a fixture of policies.
///
/// # Panics
/// It is not there, or not as it should be.
pub(super) fn fixture<T: DeserializeOwned>(file: &str) -> T {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures/netpol").join(file);
    let text = std::fs::read_to_string(&path)
        .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let mut options = serde_saphyr::Options::default();
    // YAML 1.2, as manifests are read: the namespace `y` is no truth.
    options.strict_booleans = true;
    let read = serde_saphyr::from_str_with_options(&text, options);
    read.unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::probe::{Family, Transport};

    #[test]
    fn the_last_statement_about_a_probe_holds() {
        let lines = ["deny */* -> x/*", "allow y/* -> x/a TCP/80", "deny y/b -> */a TCP"];
        let expectation = Expectation::try_from(lines.map(str::to_owned).to_vec()).unwrap();
        let of = |from, to, port| {
            let (family, transport) = (Family::V4, Transport::Tcp);
            expectation.of(&Probe { from, to, family, transport, port }) == Outcome::Connected
        };
        assert!(of(3, 0, 80) && !of(3, 0, 81) && !of(4, 0, 80) && !of(6, 0, 80));
        assert!(of(0, 0, 80) && of(0, 8, 80));
        for bad in ["deny x -> y", "reject */* -> */*", "deny */* -> */* TCP/x", "allow */*"] {
            assert!(Expectation::try_from(vec![bad.to_owned()]).is_err(), "{bad}");
        }
    }

    #[test]
    fn every_case_of_the_end_to_end_tests_is_there_with_what_it_expects() {
        let cases = e2e();
        assert_eq!(cases.len(), 48);
        let mut names: Vec<_> = cases.iter().map(|case| &case.name).collect();
        names.sort();
        names.dedup();
        assert_eq!(names.len(), 48);
        assert!(cases.iter().flat_map(|case| &case.steps).all(|step| step.expect.is_some()));
    }
}

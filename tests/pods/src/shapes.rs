//! The 230 shapes of cyclonus (mattfenwick/cyclonus, `pkg/generator`), put together from their pieces in
//! `tests/fixtures/netpol/shapes.yaml`. What they have to do, the verdict says.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Value, json};

use super::case::{Case, Step, e2e, fixture};
use super::world::Edit;

/// The groups of shapes, and how many each has.
pub const GROUPS: [(&str, usize); 9] = [
    ("peers", 112),
    ("ports", 70),
    ("conflict", 16),
    ("upstream", 13),
    ("target", 6),
    ("action", 6),
    ("rules", 4),
    ("default label", 2),
    ("example", 1),
];

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Pieces {
    base: Value,
    peers: Vec<Value>,
    ports: Vec<Value>,
    pairs_of_ports: usize,
    rules: BTreeMap<String, Vec<BTreeMap<String, Value>>>,
    conflicts: Vec<Vec<String>>,
    target_namespaces: Vec<String>,
    target_pods: Vec<Value>,
    upstream: Vec<String>,
    actions: Vec<Case>,
    example: Case,
}

/// A direction: the field of its rules, that of their peers, and the policy type.
const DIRECTIONS: [(&str, &str, &str); 2] =
    [("ingress", "from", "Ingress"), ("egress", "to", "Egress")];

/// Returns all shapes, each with the name of its group before its own.
///
/// # Panics
/// The fixture is not as it should be.
pub fn all() -> Vec<Case> {
    let pieces: Pieces = fixture("shapes.yaml");
    let mut shapes = pieces.peers();
    shapes.extend(pieces.ports());
    shapes.extend(pieces.conflicts());
    let upstream = e2e().into_iter().filter(|case| pieces.upstream.contains(&case.name));
    shapes.extend(upstream.map(|case| named("upstream", case)));
    shapes.extend(pieces.targets());
    shapes.extend(pieces.actions.iter().map(|case| named("action", pieces.with_base(case))));
    shapes.extend(pieces.rules());
    shapes.extend(pieces.default_labels());
    shapes.push(named("example", pieces.example.clone()));
    shapes
}

impl Pieces {
    /// Exchanges the list of peers or of ports of the base policy.
    fn exchanged(
        &self,
        group: &str,
        (direction, peers, _): (&str, &str, &str),
        list: Vec<&Value>,
    ) -> Case {
        let mut spec = self.base.clone();
        let field = if group == "ports" { "ports" } else { peers };
        spec[direction][0][field] = json!(list);
        let name = format!("{group}: {direction}, {}", json!(list));
        one_step(name, vec![policy("x/base", spec)])
    }

    fn peers(&self) -> Vec<Case> {
        let lists = none_each_and_two(&self.peers, self.peers.len());
        self.both_directions("peers", &lists)
    }

    fn ports(&self) -> Vec<Case> {
        self.both_directions("ports", &none_each_and_two(&self.ports, self.pairs_of_ports))
    }

    fn both_directions(&self, group: &str, lists: &[Vec<&Value>]) -> Vec<Case> {
        let of = |direction| {
            lists.iter().map(move |list| self.exchanged(group, direction, list.clone()))
        };
        DIRECTIONS.into_iter().flat_map(of).collect()
    }

    fn conflicts(&self) -> Vec<Case> {
        let (source, destination) = ("x/b", "y/c");
        let [ingress, egress] = DIRECTIONS;
        let mut shapes = Vec::new();
        for (out, into) in [("deny", "allow"), ("allow", "deny")] {
            let edits = vec![
                self.of_rules(source, "out", egress, out),
                self.of_rules(destination, "in", ingress, into),
            ];
            shapes.push(one_step(format!("conflict: egress {out}, ingress {into}"), edits));
        }
        for (target, direction) in [(source, egress), (destination, ingress)] {
            for rules in &self.conflicts {
                let edit =
                    |rule: &String| self.of_rules(target, &rule.to_lowercase(), direction, rule);
                let name = format!("conflict: {} {}", direction.0, rules.join(", "));
                shapes.push(one_step(name, rules.iter().map(edit).collect()));
            }
        }
        shapes
    }

    /// Returns a policy for one pod whose rules are of a kind.
    fn of_rules(
        &self,
        target: &str,
        name: &str,
        (direction, peers, policy_type): (&str, &str, &str),
        rules: &str,
    ) -> Edit {
        let (namespace, pod) = target.split_once('/').unwrap();
        let rule = |rule: &BTreeMap<String, Value>| {
            rule.get("peers").map_or_else(|| json!({}), |list| json!({peers: list}))
        };
        let rules: Vec<Value> = self.rules[rules].iter().map(rule).collect();
        let spec = json!({
            "podSelector": {"matchLabels": {"pod": pod}},
            "policyTypes": [policy_type],
            direction: rules,
        });
        policy(&format!("{namespace}/{name}"), spec)
    }

    fn targets(&self) -> Vec<Case> {
        let mut shapes = Vec::new();
        for namespace in &self.target_namespaces {
            let edit = policy(&format!("{namespace}/base"), self.base.clone());
            shapes.push(one_step(format!("target: namespace {namespace}"), vec![edit]));
        }
        for pods in &self.target_pods {
            let mut spec = self.base.clone();
            spec["podSelector"] = pods.clone();
            shapes.push(one_step(format!("target: pods {pods}"), vec![policy("x/base", spec)]));
        }
        shapes
    }

    fn rules(&self) -> Vec<Case> {
        let of = |direction: (&str, &str, &str)| {
            ["deny", "allow"].map(|kind| {
                let mut spec = self.base.clone();
                spec[direction.0] = json!(self.rules[kind]);
                let name = format!("rules: {} {kind}", direction.0);
                one_step(name, vec![policy("x/base", spec)])
            })
        };
        DIRECTIONS.into_iter().flat_map(of).collect()
    }

    fn default_labels(&self) -> Vec<Case> {
        let peer =
            json!({"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "z"}}});
        self.both_directions("default label", &[vec![&peer]])
    }

    /// Puts the base policy where a case says `base`.
    fn with_base(&self, case: &Case) -> Case {
        let mut case = case.clone();
        for edit in case.steps.iter_mut().flat_map(|step| &mut step.edits) {
            if let Edit::Policy { spec, .. } = edit
                && *spec == json!("base")
            {
                *spec = self.base.clone();
            }
        }
        case
    }
}

fn none_each_and_two(pieces: &[Value], pairs_of: usize) -> Vec<Vec<&Value>> {
    let mut lists = vec![Vec::new()];
    lists.extend(pieces.iter().map(|one| vec![one]));
    for (at, first) in pieces.iter().take(pairs_of).enumerate() {
        lists.extend(pieces[at + 1..pairs_of].iter().map(|second| vec![first, second]));
    }
    lists
}

fn named(group: &str, case: Case) -> Case {
    Case { name: format!("{group}: {}", case.name), ..case }
}

fn one_step(name: String, edits: Vec<Edit>) -> Case {
    Case { name, steps: vec![Step { edits, expect: None }] }
}

fn policy(name: &str, spec: Value) -> Edit {
    Edit::Policy { name: name.to_owned(), spec }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::world::World;

    #[test]
    fn every_group_has_its_shapes_and_all_differ() {
        let shapes = all();
        assert_eq!(shapes.len(), 230);
        for (group, count) in GROUPS {
            let prefix = format!("{group}: ");
            let found = shapes.iter().filter(|shape| shape.name.starts_with(&prefix)).count();
            assert_eq!(found, count, "{group}");
        }
        let mut names: Vec<_> = shapes.iter().map(|shape| &shape.name).collect();
        names.sort();
        names.dedup();
        assert_eq!(names.len(), 230);
    }

    #[test]
    fn every_edit_of_every_case_can_be_made() {
        for case in all().into_iter().chain(e2e()) {
            let mut world = World::new();
            let count = world.objects().len();
            case.steps.iter().flat_map(|step| &step.edits).for_each(|edit| world.edit(edit));
            assert!(world.objects().len() >= count - 1, "{}", case.name);
        }
    }
}

//! Random edits of a cluster with policies.

use serde_json::Value;
use test_pods::shapes;
use test_pods::world::{Edit, Labels, World};

use crate::random::Random;

/// The most policies at a time.
const MOST_POLICIES: usize = 8;

/// Edits, one after the other, always the same for a seed.
#[derive(Debug)]
pub struct Edits {
    random: Random,
    /// Names and specs of the policies of all shapes.
    policies: Vec<(String, Value)>,
    number: usize,
}

impl Edits {
    /// Returns the edits of a seed.
    pub fn new(seed: u64) -> Self {
        let steps = shapes::all().into_iter().flat_map(|shape| shape.steps);
        let policies = steps.flat_map(|step| step.edits).filter_map(|edit| match edit {
            Edit::Policy { name, spec } => Some((name, spec)),
            _ => None,
        });
        Self { random: Random::new(seed), policies: policies.collect(), number: 0 }
    }

    /// Returns an edit of a world, and one that makes every step a change: some say what is there already.
    pub fn next(&mut self, world: &World) -> Vec<Edit> {
        self.number += 1;
        let step = ("step".to_owned(), self.number.to_string());
        let labels = [("ns".to_owned(), "z".to_owned()), step].into();
        let mark = Edit::Namespace { name: "z".to_owned(), labels };
        let policies = world.policies();
        let (free, pods) = (world.free_places(), world.pods());
        let edit = match self.random.below(20) {
            _ if policies.len() > MOST_POLICIES => {
                Edit::DeletePolicy((*self.choose(&policies)).to_owned())
            }
            0..9 => {
                let policies = std::mem::take(&mut self.policies);
                let (name, spec) = self.choose(&policies).clone();
                self.policies = policies;
                // Of one name are many shapes: some are added to others, some take their place.
                let name = format!("{name}-{}", self.random.below(3));
                Edit::Policy { name, spec }
            }
            9..12 if !policies.is_empty() => {
                Edit::DeletePolicy((*self.choose(&policies)).to_owned())
            }
            12..15 => {
                let pod = (*self.choose(&pods)).to_owned();
                Edit::LabelPod { pod, labels: self.labels("pod", &["a", "b", "c"]) }
            }
            15..17 if pods.len() > 5 => Edit::DeletePod((*self.choose(&pods)).to_owned()),
            15..19 if !free.is_empty() => {
                let place = self.choose(&free).clone();
                let (namespace, _) = place.split_once('/').unwrap();
                let pod = format!("{namespace}/new-{}", self.number);
                Edit::Pod { pod, labels: self.labels("pod", &["a", "b", "c"]), place }
            }
            _ => {
                let name = (*self.choose(&["x", "y"])).to_owned();
                Edit::Namespace { name, labels: self.labels("ns", &["x", "y", "z"]) }
            }
        };
        vec![edit, mark]
    }

    /// Returns one of some probes, or any others.
    pub fn choose<'a, T>(&mut self, all: &'a [T]) -> &'a T {
        &all[self.random.below(all.len())]
    }

    fn labels(&mut self, key: &str, values: &[&str]) -> Labels {
        let value = *self.choose(values);
        [(key.to_owned(), value.to_owned())].into()
    }
}

//! What is written in a way that says something else than it means.

use cluster::Oddity;

use super::{Finding, Subject};

/// Tells what was found when the policy was read.
pub(super) fn check(subject: &Subject<'_>, to: &mut Vec<Finding>) {
    let found = subject.policy.oddities.iter().map(told);
    to.extend(found.map(|(field, text)| subject.finding(field, text)));
}

/// Returns the field, what is odd about it, and what to write instead.
fn told(oddity: &Oddity) -> (String, String) {
    let types = || "spec.policyTypes".to_owned();
    match oddity {
        Oddity::UnusedRules(direction) => {
            let name = if *direction == "ingress" { "Ingress" } else { "Egress" };
            let text = format!(
                "leaves {name} out, so that the rules of spec.{direction} mean nothing; add {name}, or remove them"
            );
            (types(), text)
        }
        Oddity::ImpliedIngress => {
            let text = "is not written, so that the policy isolates ingress, too, and allows nothing there; \
                        write [Egress] if it is about egress alone";
            (types(), text.to_owned())
        }
        Oddity::EmptyEgress => {
            let text = "is not written, and no egress rule means nothing then: the policy isolates ingress alone; \
                        write [Egress] to forbid egress";
            (types(), text.to_owned())
        }
        Oddity::Spelling { field, written, network } => {
            let text = format!(
                "{written} means {network}; write it so, newer API servers refuse the other"
            );
            (field.to_string(), text)
        }
    }
}

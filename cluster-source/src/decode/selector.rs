//! `LabelSelector` of the Kubernetes API.

use cluster::{Operator, Requirement, Selector};
use serde::Deserialize;

use super::wire::{Word, Words, each, text};
use super::{Context, Fault};

/// A `LabelSelector`; without any requirement it selects everything.
#[derive(Deserialize, Default)]
pub(super) struct WireSelector<'a> {
    #[serde(borrow, rename = "matchLabels")]
    match_labels: Option<Words<'a>>,
    #[serde(borrow, rename = "matchExpressions")]
    match_expressions: Option<Vec<Expression<'a>>>,
}

#[derive(Deserialize)]
struct Expression<'a> {
    #[serde(borrow)]
    key: Option<Word<'a>>,
    #[serde(borrow)]
    operator: Option<Word<'a>>,
    #[serde(borrow)]
    values: Option<Vec<Word<'a>>>,
}

impl WireSelector<'_> {
    pub(super) fn decode(&self, context: &mut Context<'_>) -> Result<Selector, Fault> {
        let mut requirements = Vec::new();
        for (key, value) in self.match_labels.iter().flatten() {
            requirements.push(Requirement {
                key: context.names.text(key),
                operator: Operator::In,
                values: vec![context.names.text(text(value))],
            });
        }
        for (at, expression) in each(&self.match_expressions) {
            let place = || format!(".matchExpressions[{at}]");
            requirements
                .push(requirement(expression, context).map_err(|fault| fault.under(&place()))?);
        }
        Ok(Selector::new(requirements))
    }
}

fn requirement(
    expression: &Expression<'_>,
    context: &mut Context<'_>,
) -> Result<Requirement, Fault> {
    let operator = operator(text(&expression.operator))?;
    let values: Vec<_> =
        each(&expression.values).map(|(_, value)| context.names.text(value)).collect();
    let takes_values = matches!(operator, Operator::In | Operator::NotIn);
    if takes_values == values.is_empty() {
        let problem = if takes_values {
            "is empty; In and NotIn need at least one value"
        } else {
            "has entries; leave it out for Exists and DoesNotExist"
        };
        return Err(Fault::new(".values", problem));
    }
    let key = text(&expression.key);
    if key.is_empty() {
        return Err(Fault::new(".key", "is empty; write the key of a label"));
    }
    Ok(Requirement { key: context.names.text(key), operator, values })
}

fn operator(text: &str) -> Result<Operator, Fault> {
    match text {
        "In" => Ok(Operator::In),
        "NotIn" => Ok(Operator::NotIn),
        "Exists" => Ok(Operator::Exists),
        "DoesNotExist" => Ok(Operator::DoesNotExist),
        _ => {
            let problem =
                format!("{text:?} is no operator; write In, NotIn, Exists or DoesNotExist");
            Err(Fault::new(".operator", problem))
        }
    }
}

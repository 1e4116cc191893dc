//! What is known of a node's blocks, and why it has them or not.

use super::choose::{Choice, choose};
use super::controller::Controller;
use super::ledger::Owner;

impl Controller {
    /// Returns lines that say what the node of a name has, what it would get, and what is wrong with it. The first line
    /// is a whole answer.
    pub fn explain(&self, name: &str) -> Vec<String> {
        let Some(entry) = self.entry_of(name) else {
            return vec![format!(
                "{name}: there is no such node; `kubectl get nodes` lists those that there are"
            )];
        };
        let Some(node) = &entry.node else { return Vec::new() };
        let mut lines = Vec::new();
        if node.pod_cidrs.is_empty() {
            match choose(self.pools(), self.ledger(), &node.labels) {
                Ok(choices) => {
                    lines.push(format!("{name} has no block and would get {}", listed(&choices)));
                }
                Err(refusal) => lines.push(format!("{name} has no block: {refusal}")),
            }
        } else {
            lines.push(format!("{name} has {}", node.pod_cidrs.join(", ")));
        }
        let recorded = entry.record.iter().flat_map(|record| &record.blocks);
        let further: Vec<Choice> =
            recorded.filter(|c| !entry.pod_cidrs().contains(&c.block)).cloned().collect();
        if !further.is_empty() {
            lines.push(format!("  further blocks: {}", listed(&further)));
        }
        for pool in self.pools().values() {
            let verdict = match (pool.is_closed, pool.selects(&node.labels)) {
                (true, _) => "is closed",
                (false, false) => "does not select the node",
                (false, true) => match self.ledger().first_free(pool.network, pool.block_length) {
                    Some(_) => "selects the node and has free blocks",
                    None => "selects the node and is full",
                },
            };
            lines.push(format!(
                "  pool {} ({}, blocks of /{}) {verdict}",
                pool.name, pool.network, pool.block_length
            ));
        }
        let owner = Owner::Node(node.uid.clone());
        let conflicts = entry.held.iter().flat_map(|block| self.ledger().conflicts(*block, &owner));
        lines.extend(conflicts.map(|conflict| {
            format!("  {} overlaps {} of {}", conflict.block, conflict.other, conflict.owner)
        }));
        lines
    }
}

fn listed(choices: &[Choice]) -> String {
    let one = |choice: &Choice| match &choice.pool {
        Some(pool) => format!("{} of pool {pool}", choice.block),
        None => format!("{} of no pool", choice.block),
    };
    choices.iter().map(one).collect::<Vec<_>>().join(", ")
}

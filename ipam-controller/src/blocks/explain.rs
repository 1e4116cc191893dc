//! What is known of a node's blocks, and why it has them or not.

use super::choose::{Choice, choose};
use super::controller::Controller;

impl Controller {
    /// Returns lines that say what the node of a name has or gets and which pools there are for it; the first line is a
    /// whole answer. None when there is no such node.
    ///
    /// What it gets is known when [`Self::actions`] has been asked, which also reports what is wrong; before, it is what it
    /// would get if it came first.
    pub fn explain(&self, name: &str) -> Option<Vec<String>> {
        let entry = self.entry_of(name)?;
        let node = entry.node.as_ref()?;
        let mut lines = Vec::new();
        lines.push(if !entry.intent.is_empty() {
            format!("{name} has no block yet and gets {}", listed(&entry.intent))
        } else if node.pod_cidrs.is_empty() {
            match choose(self.pools(), self.ledger(), &node.labels) {
                Ok(choices) => format!("{name} has no block and would get {}", listed(&choices)),
                Err(refusal) => format!("{name} has no block: {refusal}"),
            }
        } else {
            format!("{name} has {}", node.pod_cidrs.join(", "))
        });
        let own = entry.pod_cidrs();
        let recorded = entry.record.iter().flat_map(|record| &record.blocks);
        let recorded = recorded.filter(|choice| !own.contains(&choice.block));
        let further: Vec<Choice> = recorded.chain(&entry.further).cloned().collect();
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
            let (name, network, length) = (&pool.name, pool.network, pool.block_length);
            lines.push(format!("  pool {name} ({network}, blocks of /{length}) {verdict}"));
        }
        Some(lines)
    }
}

fn listed(choices: &[Choice]) -> String {
    choices.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

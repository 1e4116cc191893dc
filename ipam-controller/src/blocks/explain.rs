//! What is known of a node's blocks, and why it has them or not.

use ipnet::IpNet;

use super::ask::Ask;
use super::choose::{Choice, choose};
use super::controller::Controller;
use super::entry::{Entry, NodeState};
use super::pool::Family;

/// Blocks in quarantine that are named one by one.
const MOST_NAMED: usize = 10;

impl Controller {
    /// Returns lines that say what the node of a name has, gets or had, what it asks for, and which pools there are for it; the
    /// first line is a whole answer. None when nothing is known of such a node. `time` writes seconds since 1970.
    ///
    /// What it gets is known when [`Self::actions`] has been asked, which also reports what is wrong; before, it is what it
    /// would get if it came first.
    pub fn explain(&self, name: &str, time: impl Fn(u64) -> String) -> Option<Vec<String>> {
        let mut lines = Vec::new();
        let there = self.entry_of(name).and_then(|entry| Some((entry, entry.node.as_ref()?)));
        if let Some((entry, node)) = there {
            lines.push(self.possession(name, entry, node));
            lines.extend(further(entry));
            lines.extend(asks(entry, node));
        }
        let gone: Vec<&Entry> = self.gone().filter(|entry| *entry.name() == *name).collect();
        for entry in &gone {
            let before = if lines.is_empty() { "" } else { "  before: " };
            lines.push(format!("{before}{}", self.quarantine(name, entry, &time)));
        }
        if let Some((_, node)) = there {
            lines.extend(self.pools().values().map(|pool| {
                let verdict = match (pool.is_closed, pool.selects(&node.labels)) {
                    (true, _) => "is closed",
                    (false, false) => "does not select the node",
                    (false, true) => {
                        match self.ledger().first_free(pool.network, pool.block_length) {
                            Some(_) => "selects the node and has free blocks",
                            None => "selects the node and is full",
                        }
                    }
                };
                let (name, network, length) = (&pool.name, pool.network, pool.block_length);
                format!("  pool {name} ({network}, blocks of /{length}) {verdict}")
            }));
            if self.is_starved(&node.uid) {
                lines.extend(self.waited_for(node, &time));
            }
        }
        (!lines.is_empty()).then_some(lines)
    }

    fn possession(&self, name: &str, entry: &Entry, node: &NodeState) -> String {
        if !entry.intent.is_empty() {
            format!("{name} has no block yet and gets {}", listed(&entry.intent))
        } else if node.pod_cidrs.is_empty() {
            match choose(self.pools(), self.ledger(), &node.labels) {
                Ok(choices) => format!("{name} has no block and would get {}", listed(&choices)),
                Err(refusal) => format!("{name} has no block: {refusal}"),
            }
        } else {
            format!("{name} has {}", node.pod_cidrs.join(", "))
        }
    }

    /// Says what a node had that is gone, and how long it goes to nobody.
    fn quarantine(&self, name: &str, entry: &Entry, time: &impl Fn(u64) -> String) -> String {
        let record = entry.record.as_ref();
        let (uid, blocks) = match record {
            Some(record) => (&*record.uid, listed(&record.blocks)),
            None => ("unknown", joined(entry.held.iter())),
        };
        let since = match record.and_then(|record| record.released_at) {
            Some(at) => {
                let over = at.saturating_add(self.quarantine_length());
                format!("since {}; {blocks} goes to nobody before {}", time(at), time(over))
            }
            None => {
                format!("and the IPAM controller has not noted it yet; {blocks} goes to nobody")
            }
        };
        format!("{name} (UID {uid}) is gone {since}")
    }

    /// Says which blocks in quarantine a node waits for, and whose they were.
    fn waited_for(&self, node: &NodeState, time: &impl Fn(u64) -> String) -> Vec<String> {
        let serves = |block: &IpNet| {
            let mut pools = self.pools().values();
            pools.any(|pool| {
                !pool.is_closed && pool.network.contains(block) && pool.selects(&node.labels)
            })
        };
        let waiting: Vec<&Entry> =
            self.gone().filter(|entry| entry.held.iter().any(serves)).collect();
        let line = |entry: &&Entry| format!("  {}", self.quarantine(&entry.name(), entry, time));
        let mut lines: Vec<String> = waiting.iter().take(MOST_NAMED).map(line).collect();
        if waiting.len() > MOST_NAMED {
            lines.push(format!("  and {} more nodes that are gone", waiting.len() - MOST_NAMED));
        }
        lines
    }
}

/// Says which blocks a node has beside those of `spec.podCIDRs`.
fn further(entry: &Entry) -> Option<String> {
    let own = entry.pod_cidrs();
    let recorded = entry.record.iter().flat_map(|record| &record.blocks);
    let further: Vec<Choice> =
        recorded.filter(|choice| !own.contains(&choice.block)).cloned().collect();
    (!further.is_empty()).then(|| format!("  further blocks: {}", listed(&further)))
}

/// Says what was asked for and is not there, by whom; why not is reported.
fn asks(entry: &Entry, node: &NodeState) -> Vec<String> {
    let recorded = entry.record.iter().flat_map(|record| &record.blocks);
    let recorded: Vec<Family> = recorded.map(|choice| Family::of(choice.block)).collect();
    let of = |family: Family| {
        let have = recorded.iter().filter(|of| **of == family).count();
        let missing = |blocks: u8| have > 0 && usize::from(blocks) > have;
        let asked = entry.ask(family).filter(|ask| missing(ask.blocks));
        let asked = asked.map(|Ask { blocks, free, .. }| {
            format!(
                "  asks for {blocks} {family} blocks and has {have}: {free} addresses were free"
            )
        });
        let annotated = missing(node.wanted).then(|| {
            format!("  portolan.dev/blocks is {}, and it has {have} {family} blocks", node.wanted)
        });
        asked.into_iter().chain(annotated)
    };
    Family::ALL.into_iter().flat_map(of).collect()
}

fn listed(choices: &[Choice]) -> String {
    joined(choices.iter())
}

fn joined(items: impl Iterator<Item = impl ToString>) -> String {
    items.map(|item| item.to_string()).collect::<Vec<_>>().join(", ")
}

//! Which further blocks a node gets.

use ipnet::IpNet;

use super::{Controller, decide::report, reason_of};
use crate::blocks::ask::MOST_BLOCKS;
use crate::blocks::choose::{Choice, choose_further};
use crate::blocks::entry::{Action, Entry, NodeState, Reason};
use crate::blocks::pool::Family;

impl Controller {
    /// Returns the blocks that the record should name: those of the node, further ones that it has, and those that it is
    /// to get. None is taken from it: what `spec.podCIDRs` and the record name stays.
    pub(super) fn wanted_blocks(
        &mut self,
        node: &NodeState,
        entry: &mut Entry,
        actions: &mut Vec<Action>,
    ) -> Vec<Choice> {
        let recorded = entry.record.as_ref().map(|record| record.blocks.clone());
        let recorded = recorded.unwrap_or_default();
        let as_recorded = |block: IpNet| recorded.iter().find(|choice| choice.block == block);
        let own = entry.pod_cidrs();
        let first = own
            .iter()
            .map(|block| as_recorded(*block).cloned().unwrap_or_else(|| self.choice(*block)));
        let further = recorded.iter().chain(&entry.further).filter(|c| !own.contains(&c.block));
        let mut blocks: Vec<Choice> = first.collect();
        for choice in further {
            if !blocks.contains(choice) {
                blocks.push(choice.clone());
            }
        }
        if node.is_deleting {
            return blocks;
        }
        for family in Family::ALL {
            self.extend(node, entry, family, &mut blocks, actions);
        }
        blocks
    }

    /// Chooses the blocks of a family that are still missing.
    fn extend(
        &mut self,
        node: &NodeState,
        entry: &mut Entry,
        family: Family,
        blocks: &mut Vec<Choice>,
        actions: &mut Vec<Action>,
    ) {
        let have = blocks.iter().filter(|choice| Family::of(choice.block) == family).count();
        if have == 0 {
            return;
        }
        let ask = entry.ask(family);
        let asked = ask.map_or(0, |ask| ask.blocks).min(MOST_BLOCKS);
        let annotated = node.wanted.min(MOST_BLOCKS);
        let allowed = annotated.max(asked.min(self.settings.most_asked));
        for number in have + 1..=usize::from(allowed) {
            match choose_further(&self.pools, &self.ledger, &node.labels, family, blocks) {
                Ok(choice) => {
                    let why = match ask.filter(|_| number > usize::from(annotated)) {
                        Some(ask) => format!("{} addresses were free", ask.free),
                        None => format!("portolan.dev/blocks is {annotated}"),
                    };
                    let message = format!("{choice} is {family} block {number} of the node: {why}");
                    report(node, entry, Reason::FurtherBlockAssigned, message, actions);
                    entry.further.push(choice.clone());
                    self.settle(&node.uid, entry);
                    blocks.push(choice);
                }
                Err(refusal) => {
                    self.starved.insert(node.uid.clone());
                    report(node, entry, reason_of(&refusal), refusal.to_string(), actions);
                    return;
                }
            }
        }
        if usize::from(asked) > have.max(usize::from(allowed)) {
            let message = format!(
                "asks for {asked} {family} blocks, and --blocks-per-node is {}; raise it, or annotate the node with \
                 portolan.dev/blocks={asked}",
                self.settings.most_asked
            );
            report(node, entry, Reason::FurtherBlockLimit, message, actions);
        }
    }
}

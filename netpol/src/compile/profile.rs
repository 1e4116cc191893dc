//! What all policies that select a pod allow together, put in order.

use std::collections::BTreeMap;

use cluster::{IpBlock, NetworkPolicy, Peer, Selector, Text};
use ipnet::IpNet;

use super::id::{Content, Id};
use super::ports::{Ports, describe_ranges};
use super::ranges::Ranges;
use super::{Family, Mode};
use crate::Direction;

/// Pods that a peer selects, in a form that is the same for every policy that selects the same.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(super) struct PodSelection {
    pub(super) namespaces: Namespaces,
    pub(super) pods: Selector,
}

/// Which namespaces a [`PodSelection`] looks into.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(super) enum Namespaces {
    /// The one of this name.
    Named(Text),
    /// Those with such labels.
    Selected(Selector),
}

/// What is allowed with whom, in one direction and family: the union of the rules of some policies.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Allowed {
    /// With any address.
    pub(super) anyone: Ports,
    /// With selected pods.
    pub(super) pods: BTreeMap<PodSelection, Ports>,
    /// With ranges of addresses.
    pub(super) blocks: BTreeMap<Ports, Ranges>,
}

impl Allowed {
    /// Puts the rules of a direction together, as far as they are about a family.
    pub(super) fn by(policies: &[&NetworkPolicy], direction: Direction, family: Family) -> Self {
        let mut allowed =
            Self { anyone: Ports::none(), pods: BTreeMap::new(), blocks: BTreeMap::new() };
        let mut blocks: BTreeMap<(IpNet, Vec<IpNet>), (&IpBlock, Ports)> = BTreeMap::new();
        for policy in policies {
            for rule in direction.of(policy).iter().flat_map(|direction| &direction.rules) {
                let ports = Ports::of_rule(&rule.ports);
                if rule.peers.is_empty() {
                    allowed.anyone.add(&ports);
                }
                for peer in &rule.peers {
                    match peer {
                        Peer::Nobody => {}
                        Peer::Pods { pods, namespaces } => {
                            let selection = selection(policy, pods.as_ref(), namespaces.as_ref());
                            allowed.pods.entry(selection).or_insert_with(Ports::none).add(&ports);
                        }
                        Peer::IpBlock(block) => {
                            let key = (block.cidr, block.except.clone());
                            let known = blocks.entry(key).or_insert_with(|| (block, Ports::none()));
                            known.1.add(&ports);
                        }
                    }
                }
            }
        }
        allowed.add_blocks(blocks.into_values(), family);
        allowed.leave_out_what_anyone_may();
        allowed
    }

    /// Unites blocks with the same ports. One that holds every address is anyone.
    fn add_blocks<'a>(
        &mut self,
        blocks: impl Iterator<Item = (&'a IpBlock, Ports)>,
        family: Family,
    ) {
        let mut by_ports: BTreeMap<Ports, Vec<&IpBlock>> = BTreeMap::new();
        blocks.for_each(|(block, ports)| by_ports.entry(ports).or_default().push(block));
        for (ports, blocks) in by_ports {
            let ranges = Ranges::of_blocks(blocks, family);
            if ranges.is_whole(family) {
                self.anyone.add(&ports);
            } else if !ranges.is_empty() {
                self.blocks.insert(ports, ranges);
            }
        }
    }

    fn leave_out_what_anyone_may(&mut self) {
        let useless = |ports: &Ports| ports.is_none() || *ports == self.anyone;
        self.pods.retain(|_, ports| !useless(ports));
        self.blocks.retain(|ports, _| !useless(ports));
        if self.anyone == Ports::All {
            self.pods.clear();
            self.blocks.clear();
        }
    }

    /// Returns the id of a profile: what it allows, which policies say so, and how it is enforced.
    ///
    /// The policies belong to it, so that what is dropped can be told by their names.
    pub(super) fn id(&self, policies: &[&NetworkPolicy], direction: Direction, mode: Mode) -> Id {
        let mut content = Content::of("profile");
        content.text(direction.name());
        content.text(mode.name());
        content.number(policies.len());
        for policy in policies {
            content.text(&policy.key.namespace);
            content.text(&policy.key.name);
        }
        self.anyone.describe(&mut content);
        content.number(self.pods.len());
        for (selection, ports) in &self.pods {
            selection.describe(&mut content);
            ports.describe(&mut content);
        }
        content.number(self.blocks.len());
        for (ports, ranges) in &self.blocks {
            ports.describe(&mut content);
            describe_ranges(&mut content, ranges);
        }
        content.id()
    }
}

fn selection(
    policy: &NetworkPolicy,
    pods: Option<&Selector>,
    namespaces: Option<&Selector>,
) -> PodSelection {
    PodSelection {
        namespaces: match namespaces {
            None => Namespaces::Named(policy.key.namespace.clone()),
            Some(selector) => Namespaces::Selected(selector.clone()),
        },
        pods: pods.cloned().unwrap_or_default(),
    }
}

impl PodSelection {
    pub(super) fn describe(&self, content: &mut Content) {
        match &self.namespaces {
            Namespaces::Named(name) => {
                content.text("namespace");
                content.text(name);
            }
            Namespaces::Selected(selector) => {
                content.text("namespaces");
                content.selector(selector);
            }
        }
        content.selector(&self.pods);
    }

    pub(super) fn id(&self) -> Id {
        let mut content = Content::of("pods");
        self.describe(&mut content);
        content.id()
    }

    /// Returns it in words, for people who list the ruleset.
    pub(super) fn words(&self) -> String {
        let all = |selector: &Selector| match selector.is_everything() {
            true => "all".to_owned(),
            false => selector.to_string(),
        };
        match &self.namespaces {
            Namespaces::Named(name) => format!("pods {} of {name}", all(&self.pods)),
            Namespaces::Selected(selector) => {
                format!("pods {} of namespaces {}", all(&self.pods), all(selector))
            }
        }
    }
}

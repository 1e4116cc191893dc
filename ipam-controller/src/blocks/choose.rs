//! Which blocks a node gets: choosing changes nothing.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::fmt;

use cluster::{Labels, Text};
use ipnet::IpNet;
use thiserror::Error;

use super::ledger::Ledger;
use super::pool::{Family, Pool};

/// A block for a node.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Choice {
    /// The block.
    pub block: IpNet,
    /// The pool that it is from; none when no pool has it.
    pub pool: Option<Text>,
}

/// Writes `10.244.3.0/24 of pool NAME`.
impl fmt::Display for Choice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.pool {
            Some(pool) => write!(f, "{} of pool {pool}", self.block),
            None => write!(f, "{} of no pool", self.block),
        }
    }
}

/// Why a node gets no block.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
pub enum Refusal {
    /// No open pool selects the node.
    #[error(
        "no open pool selects the node; add an IPPool whose nodeSelector matches its labels, or one without nodeSelector"
    )]
    NoPool,
    /// Pools select it, and all of a family are full.
    #[error(
        "no free {family} block in {}; enlarge it, add an IPPool, or wait until the blocks of deleted nodes are released",
        pools.join(", ")
    )]
    Full {
        /// The family.
        family: Family,
        /// `pool NAME (NETWORK, blocks of /LENGTH)` for each.
        pools: Vec<String>,
    },
    /// Pools that are not full select it, and it has as many blocks of each as one node may.
    #[error(
        "the node has as many {family} blocks of {} as spec.blocksPerNode allows; raise it there, or add an IPPool",
        pools.join(", ")
    )]
    Limited {
        /// The family.
        family: Family,
        /// As of [`Self::Full`].
        pools: Vec<String>,
    },
}

/// Chooses the first block of each family for a node with these labels: one of every family that an open pool which
/// selects the node has, or none at all.
///
/// Of several pools with a free block the one counts whose selector has most requirements, then the one with the fewest
/// free addresses, then the one with the smallest blocks, then the first name (KEP-2593, "Tie-breaking"). The block is the lowest
/// free one.
///
/// # Errors
/// No pool selects the node, or a family is exhausted.
pub fn choose(
    pools: &BTreeMap<Text, Pool>,
    ledger: &Ledger,
    labels: &Labels,
) -> Result<Vec<Choice>, Refusal> {
    let mut choices = Vec::new();
    for family in Family::ALL {
        if candidates(pools, labels, family).next().is_some() {
            choices.push(choose_further(pools, ledger, labels, family, &[])?);
        }
    }
    if choices.is_empty() { Err(Refusal::NoPool) } else { Ok(choices) }
}

/// Chooses one more block of a family for a node that has these.
///
/// # Errors
/// No pool of the family selects the node, all of them are full, or give it no more.
pub fn choose_further(
    pools: &BTreeMap<Text, Pool>,
    ledger: &Ledger,
    labels: &Labels,
    family: Family,
    own: &[Choice],
) -> Result<Choice, Refusal> {
    let is_limited = |pool: &&Pool| {
        let of_pool = own.iter().filter(|choice| pool.network.contains(&choice.block)).count();
        pool.most_per_node.is_some_and(|most| of_pool >= usize::from(most))
    };
    let free = candidates(pools, labels, family)
        .filter(|pool| !is_limited(pool))
        .filter_map(|pool| Some((ledger.first_free(pool.network, pool.block_length)?, pool)));
    let best = free.min_by_key(|(_, pool)| {
        let all = super::tree::size(family, pool.network.prefix_len());
        let free = all.saturating_sub(ledger.used(pool.network));
        let requirements = pool.nodes.requirements().len();
        (Reverse(requirements), free, Reverse(pool.block_length), &pool.name)
    });
    if let Some((block, pool)) = best {
        return Ok(Choice { block, pool: Some(pool.name.clone()) });
    }
    let (limited, full): (Vec<&Pool>, Vec<&Pool>) =
        candidates(pools, labels, family).partition(|pool| is_limited(pool));
    let described = |pools: Vec<&Pool>| pools.into_iter().map(described).collect();
    Err(match (limited.is_empty(), full.is_empty()) {
        (true, true) => Refusal::NoPool,
        (_, false) => Refusal::Full { family, pools: described(full) },
        (false, true) => Refusal::Limited { family, pools: described(limited) },
    })
}

fn candidates<'a>(
    pools: &'a BTreeMap<Text, Pool>,
    labels: &'a Labels,
    family: Family,
) -> impl Iterator<Item = &'a Pool> {
    pools
        .values()
        .filter(move |pool| !pool.is_closed && pool.family() == family && pool.selects(labels))
}

fn described(pool: &Pool) -> String {
    format!("pool {} ({}, blocks of /{})", pool.name, pool.network, pool.block_length)
}

#[cfg(test)]
mod tests;

//! Asks for a further block when those of the node fill up.
//!
//! The node says in the status of its NodeBlock how many blocks it asks to have, and the IPAM controller decides whether it
//! gets them. The status is all that the node may write: what it has stands in the spec.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use cluster_source::ApiServer;
use cluster_writer::{Change, Found, Resource, Write, WriteRate, Writer, Written};
use cni_ipam::Site;
use cni_ipam::tools::Fullness;
use ipam_controller::Family;
use ipam_controller::blocks::{Ask, Fill, Record, blocks_to_ask_for};
use tokio::time::{Interval, MissedTickBehavior, interval};

use crate::node_blocks::objects;

/// How often the stores are looked at.
const LOOK: Duration = Duration::from_secs(1);

/// The longest delay after a write that failed; the first is as long as between two looks, and they double.
const MOST_DELAY: Duration = Duration::from_secs(60);

/// How fast is written; it is seldom that there is anything to write.
const RATE: WriteRate = WriteRate { per_second: 1, burst: 5 };

/// The longest wait for an answer.
const WAIT: Duration = Duration::from_secs(10);

const NODE_BLOCK: Resource =
    Resource { api_version: "portolan.dev/v1alpha1", plural: "nodeblocks" };

/// The NodeBlock of the node.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Known {
    /// `metadata.uid`.
    pub(super) uid: String,
    /// What it says.
    pub(super) record: Record,
}

/// Looks at the stores, and asks.
#[derive(Debug)]
pub(super) struct Asking {
    writer: Writer,
    stores: PathBuf,
    below: u32,
    looks: Interval,
    /// Writes that failed in a row, and before when there is no other.
    failures: u32,
    not_before: Instant,
    /// Why the stores could not be read last.
    problem: Option<String>,
}

impl Asking {
    /// Returns what asks an API server when fewer addresses than `below` are free in the stores of a folder; with 0 never.
    pub(super) fn new(server: ApiServer, stores: PathBuf, below: u32) -> Self {
        let mut looks = interval(LOOK);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self {
            writer: Writer::new(server, RATE, WAIT, Arc::new(())),
            stores,
            below,
            looks,
            failures: 0,
            not_before: Instant::now(),
            problem: None,
        }
    }

    /// Waits until it is time to look.
    pub(super) async fn due(&mut self) {
        if self.below == 0 {
            std::future::pending::<()>().await;
        }
        self.looks.tick().await;
    }

    /// Looks, and asks for what is missing. Returns the NodeBlock as it is then, if something was written or another change
    /// was found.
    pub(super) async fn look(&mut self, known: &Known) -> Option<String> {
        if Instant::now() < self.not_before {
            return None;
        }
        let fullness = self.fullness()?;
        let asks = asks(&known.record, self.below, |block| fullness.free(block));
        if asks == known.record.asks {
            return None;
        }
        let write = Write {
            target: NODE_BLOCK.named(&*known.record.uid).status(),
            change: Change::Patch {
                fields: objects::written_asks(&asks),
                uid: known.uid.clone(),
                resource_version: known.record.resource_version.clone(),
            },
        };
        match self.writer.write(&write).await {
            Written::Done(json) => {
                self.failures = 0;
                tell(&known.record, &asks);
                Some(json)
            }
            Written::NotDone { failure, found } => {
                let delay = LOOK.saturating_mul(1 << self.failures.min(6)).min(MOST_DELAY);
                self.not_before = Instant::now() + delay;
                self.failures = self.failures.saturating_add(1);
                if self.failures.is_power_of_two() {
                    tracing::warn!(error = %failure, failures = self.failures, "further block not asked for");
                }
                match found {
                    Found::There(json) => Some(json),
                    Found::Nothing | Found::Unknown => None,
                }
            }
        }
    }

    fn fullness(&mut self) -> Option<Fullness> {
        let site = Site { store_root: self.stores.clone(), ..Site::host() };
        match Fullness::read(&site) {
            Ok(found) => {
                self.problem = None;
                found
            }
            Err(failure) => {
                let problem = failure.to_string();
                if self.problem.as_ref() != Some(&problem) {
                    tracing::warn!(problem, "stores not readable: no further block is asked for");
                }
                self.problem = Some(problem);
                None
            }
        }
    }
}

/// Returns what a node asks for whose blocks have so many free addresses.
fn asks(record: &Record, below: u32, free: impl Fn(ipnet::IpNet) -> u128) -> Vec<Ask> {
    let of = |family: Family| {
        let blocks = record.blocks.iter().map(|choice| choice.block);
        let blocks: Vec<_> = blocks.filter(|block| Family::of(*block) == family).collect();
        let free = blocks.iter().fold(0_u128, |sum, block| sum.saturating_add(free(*block)));
        let fill = Fill { blocks: u8::try_from(blocks.len()).unwrap_or(u8::MAX), free };
        let before = record.asks.iter().find(|ask| ask.family == family);
        match blocks_to_ask_for(before.map_or(0, |ask| ask.blocks), fill, below) {
            0 => None,
            same if before.is_some_and(|ask| ask.blocks == same) => before.copied(),
            blocks => Some(Ask { family, blocks, free: u64::try_from(free).unwrap_or(u64::MAX) }),
        }
    };
    Family::ALL.into_iter().filter_map(of).collect()
}

fn tell(record: &Record, asks: &[Ask]) {
    for ask in asks.iter().filter(|ask| !record.asks.contains(ask)) {
        let have = record.blocks.iter().filter(|it| Family::of(it.block) == ask.family).count();
        let (family, blocks, free) = (ask.family.to_string(), ask.blocks, ask.free);
        if usize::from(blocks) > have {
            tracing::info!(family, blocks, free, "further block asked for");
        } else {
            tracing::info!(family, blocks, free, "no further block needed any more");
        }
    }
}

#[cfg(test)]
mod tests {
    use ipam_controller::blocks::Choice;

    use super::*;

    #[test]
    fn each_family_is_asked_for_by_itself_and_what_was_asked_stays() {
        let choice = |block: &str| Choice { block: block.parse().unwrap(), pool: None };
        let ask = |family, blocks, free| Ask { family, blocks, free };
        let record = |blocks: &[&str], asks: &[Ask]| Record {
            uid: "u".into(),
            node: "a".into(),
            resource_version: "1".to_owned(),
            blocks: blocks.iter().map(|block| choice(block)).collect(),
            released_at: None,
            asks: asks.to_vec(),
        };
        let (v4, v6) = (Family::V4, Family::V6);
        let both = ["10.0.0.0/28", "fd00::/124", "10.0.0.16/28"];
        for (blocks, before, free, expected) in [
            (&both[..], &[][..], [9, 9, 9], &[][..]),
            // The blocks of a family count together.
            (&both, &[], [3, 9, 5], &[]),
            (&both, &[], [3, 9, 4], &[ask(v4, 3, 7)]),
            (&both, &[], [0, 2, 0], &[ask(v4, 3, 0), ask(v6, 2, 2)]),
            // Asked already, with other numbers: nothing changes.
            (&both, &[ask(v4, 3, 7)], [1, 9, 1], &[ask(v4, 3, 7)]),
            (&both, &[ask(v4, 3, 7)], [8, 9, 8], &[ask(v4, 2, 16)]),
            // A family that is gone is not asked for.
            (&both[..1], &[ask(v6, 2, 0)], [9, 0, 0], &[]),
        ] {
            let record = record(blocks, before);
            let free = |block| {
                let at = both.iter().position(|text| text.parse().ok() == Some(block));
                at.map_or(0, |at| free[at])
            };
            assert_eq!(asks(&record, 8, free), expected, "{blocks:?} {before:?}");
        }
    }
}

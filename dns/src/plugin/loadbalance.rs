//! `loadbalance`: spreads clients over the addresses of an answer by their order.

mod config;
mod order;
mod weights;

pub use config::{Balancing, LoadbalanceConfig};
pub use weights::{Weights, WeightsError};

use hickory_proto::op::ResponseCode;
use hickory_proto::rr::{LowerName, Record, RecordType};
use ipnet::IpNet;
use tokio::sync::watch;

use super::{Handling, Plugin};
use crate::engine::{Context, ListenerId};
use crate::random::Seeds;
use crate::{Query, Repetition, Reply};

/// Reorders the records of successful answers; never adds, removes or changes one.
///
/// Zone transfers keep their order, which has a meaning (RFC 5936 §2.2).
#[derive(Debug)]
pub struct Loadbalance {
    policy: Policy,
    prefer: Vec<IpNet>,
    seeds: Seeds,
}

#[derive(Debug)]
enum Policy {
    RoundRobin,
    Weighted(watch::Receiver<Weights>),
}

impl Loadbalance {
    /// Returns a plugin that gives every order the same chance, then puts `prefer`red addresses first.
    ///
    /// Equal seeds give equal orders.
    pub fn round_robin(prefer: Vec<IpNet>, seed: u64) -> Self {
        Self { policy: Policy::RoundRobin, prefer, seeds: Seeds::new(seed) }
    }

    /// Returns a plugin that draws the first address by weight, then puts `prefer`red addresses first.
    ///
    /// Uses the weights that the sender has last sent.
    pub fn weighted(weights: watch::Receiver<Weights>, prefer: Vec<IpNet>, seed: u64) -> Self {
        Self { policy: Policy::Weighted(weights), prefer, seeds: Seeds::new(seed) }
    }

    fn order(&self, reply: &mut Reply, qtype: RecordType) {
        let random = &mut self.seeds.next();
        match &self.policy {
            Policy::RoundRobin => {
                order::round_robin(&mut reply.answers, random);
                order::round_robin(&mut reply.additionals, random);
            }
            Policy::Weighted(weights) if has_addresses(qtype) => {
                let weights = weights.borrow();
                order::weighted(&mut reply.answers, &weights, random);
                order::weighted(&mut reply.additionals, &weights, random);
            }
            Policy::Weighted(_) => {}
        }
        order::prefer(&mut reply.answers, &self.prefer);
    }
}

/// Says whether answers to a question have addresses: in the answer, or for SRV in the additional section.
fn has_addresses(qtype: RecordType) -> bool {
    matches!(qtype, RecordType::A | RecordType::AAAA | RecordType::SRV)
}

impl Plugin for Loadbalance {
    fn name(&self) -> &'static str {
        "loadbalance"
    }

    fn query<'a>(&'a self, _: &'a mut Query, _: &'a Context<'a>) -> Handling<'a> {
        Handling::NEXT
    }

    fn treats_alike(&self, _: &LowerName) -> bool {
        true
    }

    fn repetition(&self, _: ListenerId, _: &Query, reply: &Reply) -> Repetition {
        match &self.policy {
            _ if reply.rcode != ResponseCode::NoError => Repetition::Nothing,
            Policy::RoundRobin if self.prefer.is_empty() => Repetition::Order,
            Policy::RoundRobin | Policy::Weighted(_) => Repetition::Never,
        }
    }

    fn reply(&self, query: &Query, reply: &mut Reply, context: &Context<'_>) {
        let is_transfer = matches!(query.qtype, RecordType::AXFR | RecordType::IXFR);
        if reply.rcode != ResponseCode::NoError || is_transfer {
            return;
        }
        self.order(reply, query.qtype);
        let is_address =
            |record: &&Record| matches!(record.record_type(), RecordType::A | RecordType::AAAA);
        if reply.answers.iter().filter(is_address).count() > 1 {
            context.note(self.name(), || "ordered the addresses of the reply anew".to_owned());
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::plugin::testing::{answer, query, record};

    fn addresses(count: u8) -> Reply {
        let mut reply = Reply::default();
        let address = |last| record("a.example.", &format!("10.0.0.{last}"));
        reply.answers = (1..=count).map(address).collect();
        reply
    }

    #[tokio::test]
    async fn equal_seeds_give_equal_orders() {
        let ask = |seed| {
            let plugin = Loadbalance::round_robin(Vec::new(), seed);
            answer(plugin, query("a.example.", RecordType::A), addresses(8))
        };
        let first = ask(7).await;
        assert_eq!(first, ask(7).await);
        let mut orders = BTreeSet::new();
        for seed in 0..50 {
            orders.insert(format!("{:?}", ask(seed).await.answers));
        }
        assert!(orders.len() > 45, "{}", orders.len());
    }

    #[tokio::test]
    async fn transfers_and_failures_keep_their_order() {
        for (qtype, rcode) in
            [(RecordType::AXFR, ResponseCode::NoError), (RecordType::A, ResponseCode::NXDomain)]
        {
            let reply = Reply { rcode, ..addresses(8) };
            let plugin = Loadbalance::round_robin(Vec::new(), 1);
            let answered = answer(plugin, query("a.example.", qtype), reply.clone()).await;
            assert_eq!(answered.answers, reply.answers, "{qtype} {rcode}");
        }
    }

    #[tokio::test]
    async fn weights_change_while_the_plugin_runs() {
        let (sender, weights) = watch::channel(Weights::default());
        let plugin = Loadbalance::weighted(weights, Vec::new(), 1);
        sender.send("a.example\n10.0.0.2 255\n".parse().unwrap()).unwrap();
        let mut second_first = 0;
        for _ in 0..1_000 {
            let mut reply = addresses(2);
            plugin.order(&mut reply, RecordType::A);
            second_first +=
                u32::from(reply.answers == [2, 1].map(|n| addresses(2).answers[n - 1].clone()));
        }
        assert!(second_first > 970, "{second_first}");
        let mut reply = addresses(2);
        plugin.order(&mut reply, RecordType::TXT);
        assert_eq!(reply, addresses(2), "only questions for addresses");
    }
}

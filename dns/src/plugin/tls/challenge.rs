//! The TXT records that show an authority that a domain is ours, while a certificate is ordered (RFC 8555 §8.4).

use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use hickory_proto::rr::rdata::TXT;
use hickory_proto::rr::{LowerName, RData, Record, RecordType};
use thiserror::Error;

use crate::config::PLUGINS;
use crate::engine::Context;
use crate::plugin::{Handling, Plugin};
use crate::{Query, Reply};

/// The most records at a time. An order needs one.
pub const MAX_CHALLENGES: usize = 256;

/// The records of the orders that are under way; clones share them.
#[derive(Clone, Default)]
pub struct Challenges(Arc<Table>);

#[derive(Default)]
struct Table {
    /// The number of records, so that other questions cost nothing.
    count: AtomicUsize,
    values: Mutex<BTreeMap<LowerName, Vec<String>>>,
}

/// A record that is answered until this is dropped.
#[derive(Debug)]
pub(crate) struct Published {
    challenges: Challenges,
    name: LowerName,
    value: String,
}

/// There are [`MAX_CHALLENGES`] records already.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
#[error("{MAX_CHALLENGES} challenges are under way already; the order is made again later")]
pub(crate) struct TooManyChallenges;

impl Challenges {
    /// Answers a question for the name with this value until what is returned is dropped.
    ///
    /// # Errors
    /// The table is full.
    pub(crate) fn publish(
        &self,
        name: LowerName,
        value: String,
    ) -> Result<Published, TooManyChallenges> {
        let mut values = self.values();
        if self.0.count.load(Ordering::Relaxed) >= MAX_CHALLENGES {
            return Err(TooManyChallenges);
        }
        values.entry(name.clone()).or_default().push(value.clone());
        self.0.count.fetch_add(1, Ordering::Relaxed);
        drop(values);
        Ok(Published { challenges: self.clone(), name, value })
    }

    /// Returns the values of a name in their order, without repetition.
    fn of(&self, name: &LowerName) -> Vec<String> {
        if self.0.count.load(Ordering::Relaxed) == 0 {
            return Vec::new();
        }
        let mut found = self.values().get(name).cloned().unwrap_or_default();
        found.sort_unstable();
        found.dedup();
        found
    }

    fn values(&self) -> std::sync::MutexGuard<'_, BTreeMap<LowerName, Vec<String>>> {
        // No change can be left half done.
        self.0.values.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts what answers among the plugins of a server block: ahead of `cache`, which may have kept that there was no
    /// such record, and behind `acl`.
    ///
    /// CoreDNS has it behind `cache`, at the place of `tls`.
    pub fn add_to(&self, plugins: &mut Vec<Box<dyn Plugin>>) {
        let place = |name: &str| PLUGINS.iter().position(|(plugin, _)| *plugin == name);
        let cache = place("cache");
        let at = plugins.iter().position(|plugin| place(plugin.name()) >= cache);
        plugins.insert(at.unwrap_or(plugins.len()), Box::new(Answers(self.clone())));
    }
}

impl fmt::Debug for Challenges {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // A value is public, but of no use to who reads it.
        let names: Vec<String> = self.values().keys().map(ToString::to_string).collect();
        f.debug_tuple("Challenges").field(&names).finish()
    }
}

impl Drop for Published {
    fn drop(&mut self) {
        let mut values = self.challenges.values();
        if let Some(of_name) = values.get_mut(&self.name) {
            if let Some(at) = of_name.iter().position(|value| *value == self.value) {
                of_name.remove(at);
                self.challenges.0.count.fetch_sub(1, Ordering::Relaxed);
            }
            if of_name.is_empty() {
                values.remove(&self.name);
            }
        }
    }
}

/// Answers questions for challenges in a server block, as the plugin `tls`.
#[derive(Debug)]
struct Answers(Challenges);

impl Plugin for Answers {
    fn name(&self) -> &'static str {
        "tls"
    }

    fn query<'a>(&'a self, query: &'a mut Query, context: &'a Context<'a>) -> Handling<'a> {
        if query.qtype != RecordType::TXT {
            return Handling::NEXT;
        }
        let values = self.0.of(&query.lower);
        if values.is_empty() {
            return Handling::NEXT;
        }
        context.note(self.name(), || {
            format!(
                "answers the challenge of an ACME order that is under way, {} records",
                values.len()
            )
        });
        // TTL 0: the next order has another value.
        let record =
            |value| Record::from_rdata(query.name.clone(), 0, RData::TXT(TXT::new(vec![value])));
        let answers = values.into_iter().map(record).collect();
        Handling::reply(Reply { authoritative: true, answers, ..Reply::default() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plugin::testing::{answer, query};

    const NAME: &str = "_acme-challenge.dns.example.";

    fn publish(challenges: &Challenges, value: &str) -> Published {
        challenges.publish(NAME.parse().unwrap(), value.to_owned()).unwrap()
    }

    async fn asked(challenges: &Challenges, name: &str, qtype: RecordType) -> Vec<String> {
        let plugin = Answers(challenges.clone());
        let reply = answer(plugin, query(name, qtype), Reply::default()).await;
        reply.answers.iter().map(ToString::to_string).collect()
    }

    #[tokio::test]
    async fn records_are_answered_while_their_order_is_under_way() {
        let challenges = Challenges::default();
        assert!(asked(&challenges, NAME, RecordType::TXT).await.is_empty());
        let first = publish(&challenges, "b");
        let (second, again) = (publish(&challenges, "a"), publish(&challenges, "b"));
        let spelled = "_ACME-challenge.DNS.example.";
        let expected = [format!("{spelled} 0 IN TXT a"), format!("{spelled} 0 IN TXT b")];
        assert_eq!(asked(&challenges, spelled, RecordType::TXT).await, expected);
        // Nothing else is answered, neither another type nor another name.
        assert!(asked(&challenges, NAME, RecordType::A).await.is_empty());
        assert!(asked(&challenges, "dns.example.", RecordType::TXT).await.is_empty());
        drop((first, second));
        assert_eq!(
            asked(&challenges, NAME, RecordType::TXT).await.len(),
            1,
            "the same value twice"
        );
        drop(again);
        assert!(asked(&challenges, NAME, RecordType::TXT).await.is_empty());
    }

    #[test]
    fn the_table_is_bounded() {
        let challenges = Challenges::default();
        let held: Vec<_> =
            (0..MAX_CHALLENGES).map(|n| publish(&challenges, &n.to_string())).collect();
        let more = challenges.publish(NAME.parse().unwrap(), "x".into());
        assert_eq!(more.err(), Some(TooManyChallenges));
        drop(held);
        publish(&challenges, "x");
    }

    /// A plugin of any name.
    #[derive(Debug)]
    struct Named(&'static str);

    impl Plugin for Named {
        fn name(&self) -> &'static str {
            self.0
        }

        fn query<'a>(&'a self, _: &'a mut Query, _: &'a Context<'a>) -> Handling<'a> {
            Handling::NEXT
        }
    }

    #[test]
    fn its_place_is_behind_acl_and_ahead_of_cache() {
        for (names, expected) in [
            (
                &["errors", "acl", "cache", "file"][..],
                &["errors", "acl", "tls", "cache", "file"][..],
            ),
            (&["errors"], &["errors", "tls"]),
            (&["hosts"], &["tls", "hosts"]),
            (&[], &["tls"]),
        ] {
            let mut plugins: Vec<Box<dyn Plugin>> =
                names.iter().map(|name| Box::new(Named(name)) as Box<dyn Plugin>).collect();
            Challenges::default().add_to(&mut plugins);
            let placed: Vec<_> = plugins.iter().map(|plugin| plugin.name()).collect();
            assert_eq!(placed, expected);
        }
    }
}

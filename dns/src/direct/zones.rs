//! The zones of a listener whose names are answered directly.

use std::sync::Arc;

use hickory_proto::rr::{LowerName, RecordType};

use super::effects::{Effects, Kind, Known};
use super::writer::Pair;
use super::{PlainQuestion, ReadAhead, Uncounted, Writer, octets_of};
use crate::engine::{Answered, Block, Router};
use crate::plugin::Plugin;
use crate::random::Seeds;
use crate::repeat::{Again, Duties};
use crate::wire::{Arrival, HEADER};
use crate::{Query, Sizes};

/// The zones of one listener; longest first.
#[derive(Debug)]
pub(crate) struct Zones {
    zones: Vec<Zone>,
    /// Decides which of two addresses comes first; no secret depends on it.
    seeds: Seeds,
}

#[derive(Debug)]
struct Zone {
    /// In lower case, as octets.
    apex: Box<[u8]>,
    labels: usize,
    /// The number of the zone among those of the plugin.
    number: usize,
    block: usize,
    plugin: usize,
    effects: Arc<Effects>,
}

/// An answer that is to be given by the plugins, so that what they have to do for others like it is learnt.
#[derive(Clone, Debug)]
pub(crate) struct Lacking {
    effects: Arc<Effects>,
    /// Which plugin of its block gives it.
    plugin: usize,
    kind: Kind,
}

impl Lacking {
    /// Learns what to do, if the reply is what has been looked for; none when a plugin has to see each such query.
    pub(crate) fn learn(&self, query: &Query, answered: &Answered<'_>, duties: Option<Duties>) {
        let kind = answered.reply.as_ref().and_then(|reply| Kind::of_reply(query, reply));
        if kind == Some(self.kind) && answered.passed == self.plugin {
            self.effects.learn(self.kind, duties);
        }
    }
}

impl Zones {
    /// Finds the zones of a listener: those that a plugin of their block answers for directly, with nothing below
    /// them that belongs to another block, behind plugins that treat every name in them alike.
    pub(crate) fn of(blocks: &[Block], router: &Router) -> Self {
        let mut zones = Vec::new();
        for (number, block) in blocks.iter().enumerate() {
            for (at, plugin) in block.plugins.iter().enumerate() {
                for (own, apex) in plugin.direct_zones().into_iter().enumerate() {
                    let is_routed = router.blocks_of(&apex, RecordType::A).next() == Some(number);
                    let are_alike = block.plugins[..at].iter().all(|p| p.treats_alike(&apex));
                    if is_routed && are_alike && !router.has_zone_below(&apex) {
                        zones.push(Zone::new(&apex, own, number, at));
                    }
                }
            }
        }
        zones.sort_by_key(|zone| std::cmp::Reverse(zone.labels));
        Self { zones, seeds: Seeds::new(0) }
    }

    /// Reads a message.
    pub(crate) fn read(&self, message: &[u8], ahead: &mut ReadAhead) {
        if self.zones.is_empty() {
            return ahead.clear();
        }
        ahead.read(message, |question| self.zones.iter().position(|zone| zone.has(question)));
    }

    /// Lets the plugins fetch together what the answers to these messages need.
    pub(crate) fn look_ahead(&self, blocks: &[Block], ahead: &[ReadAhead]) {
        let plain = || ahead.iter().filter_map(ReadAhead::plain);
        for (at, zone) in self.zones.iter().enumerate() {
            let is_first = !self.zones[..at].iter().any(|before| before.has_plugin_of(zone));
            if let Some(plugin) = zone.plugin(blocks).filter(|_| is_first) {
                let own = plain().map(|(question, zone)| (question, &self.zones[zone]));
                let own = own.filter(|(_, own)| own.has_plugin_of(zone));
                plugin.look_ahead(&mut own.map(|(question, own)| (own.number, question)));
            }
        }
    }

    /// Answers a message, if that can be done directly: `reply` has the answer then, in the place of
    /// what was there, and it is among the `uncounted`, which go to [`Self::count`] before the reply is sent.
    ///
    /// # Errors
    /// It could be done if it were known what the plugins have to do for it.
    pub(crate) fn answer(
        &self,
        blocks: &[Block],
        message: &[u8],
        ahead: &ReadAhead,
        arrival: Arrival,
        uncounted: &mut Uncounted,
        reply: &mut Vec<u8>,
    ) -> Result<bool, Lacking> {
        let Some((question, number)) = ahead.plain() else { return Ok(false) };
        let Some(zone) = self.zones.get(number) else { return Ok(false) };
        let Some((kind, pair)) = zone.write(blocks, message, question, arrival, reply) else {
            return Ok(false);
        };
        match zone.effects.of(kind) {
            Known::Duties(duties) => {
                if !uncounted.takes(number, kind) {
                    self.count(uncounted);
                }
                if let Some(pair) =
                    pair.filter(|_| duties.is_ordered && self.seeds.next().below(2) == 1)
                {
                    pair.swap(reply);
                }
                uncounted.add(number, kind, Sizes { question: message.len(), reply: reply.len() });
                Ok(true)
            }
            Known::Never => Ok(false),
            Known::Unknown => {
                let effects = Arc::clone(&zone.effects);
                Err(Lacking { effects, plugin: zone.plugin, kind })
            }
        }
    }

    /// Counts answers that have been given.
    pub(crate) fn count(&self, uncounted: &mut Uncounted) {
        let Some((zone, kind, sizes)) = uncounted.take() else { return };
        let Some(zone) = self.zones.get(zone) else { return };
        if let Known::Duties(duties) = zone.effects.of(kind) {
            let again = Again { sizes: &sizes, elapsed: uncounted.start().elapsed() };
            duties.counts.iter().for_each(|count| count.count(again));
        }
    }
}

impl Zone {
    fn new(apex: &LowerName, number: usize, block: usize, plugin: usize) -> Self {
        let labels = apex.iter().count();
        Self { apex: octets_of(apex), labels, number, block, plugin, effects: Arc::default() }
    }

    fn plugin<'b>(&self, blocks: &'b [Block]) -> Option<&'b dyn Plugin> {
        blocks.get(self.block)?.plugins.get(self.plugin).map(|plugin| &**plugin)
    }

    fn has_plugin_of(&self, other: &Self) -> bool {
        (self.block, self.plugin) == (other.block, other.plugin)
    }

    fn has(&self, question: &PlainQuestion) -> bool {
        // An end of as many labels and octets starts where a label does.
        let start = question.position(self.labels).map(|at| at - HEADER);
        start.is_some_and(|start| question.name().get(start..) == Some(&self.apex))
    }

    /// Writes the answer, and returns what kind it is and which addresses in it may change places.
    fn write(
        &self,
        blocks: &[Block],
        message: &[u8],
        question: &PlainQuestion,
        arrival: Arrival,
        reply: &mut Vec<u8>,
    ) -> Option<(Kind, Option<Pair>)> {
        let plugin = self.plugin(blocks)?;
        let mut writer = Writer::new(reply, question, message, self.labels)?;
        let said = plugin.answer_directly(self.number, question, &mut writer)?;
        let pair = writer.finish()?;
        Some((Kind::of(question, arrival, said)?, pair))
    }
}

//! The zones of a listener whose names are answered directly.

use std::sync::Arc;

use arrayvec::ArrayVec;
use hickory_proto::rr::{LowerName, RecordType};

use super::effects::{Effects, Kind, Known};
use super::{Draft, PlainQuestion, ReadAhead, TOGETHER, Uncounted, Writer, octets_of};
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

    /// Reads messages, and lets the plugins write the replies to those that they answer directly: each in the place of
    /// what was there, but none is given before [`Self::give`] says so.
    pub(crate) fn write<'m>(
        &self,
        blocks: &[Block],
        messages: impl Iterator<Item = (&'m [u8], &'m mut Vec<u8>)>,
        ahead: &mut [ReadAhead],
    ) {
        if self.zones.is_empty() {
            return ahead.iter_mut().for_each(ReadAhead::clear);
        }
        let mut drafts = ArrayVec::<_, TOGETHER>::new();
        let mut owner: Option<&Zone> = None;
        for ((message, reply), ahead) in messages.zip(ahead) {
            ahead.read(message, |question| self.zones.iter().position(|zone| zone.has(question)));
            let ReadAhead { question, zone, written } = ahead;
            let Some(zone) = zone.and_then(|number| self.zones.get(number)) else { continue };
            let Some(writer) = Writer::new(reply, question, message, zone.labels) else { continue };
            let before = owner.replace(zone).filter(|before| !before.has_plugin_of(zone));
            if before.is_some() || drafts.is_full() {
                before.unwrap_or(zone).answer(blocks, &mut drafts);
            }
            drafts.push(Draft::new(zone.number, question, writer, written));
        }
        if let Some(zone) = owner {
            zone.answer(blocks, &mut drafts);
        }
    }

    /// Gives the reply to a message, if one has been written: it is among the `uncounted` then, which go to
    /// [`Self::count`] before it is sent.
    ///
    /// # Errors
    /// It could be given if it were known what the plugins have to do for it.
    pub(crate) fn give(
        &self,
        message: &[u8],
        ahead: &ReadAhead,
        arrival: Arrival,
        uncounted: &mut Uncounted,
        reply: &mut [u8],
    ) -> Result<bool, Lacking> {
        let (Some(number), Some(written)) = (ahead.zone, ahead.written) else { return Ok(false) };
        let Some(zone) = self.zones.get(number) else { return Ok(false) };
        let Some(kind) = Kind::of(&ahead.question, arrival, written.said) else { return Ok(false) };
        match zone.effects.of(kind) {
            Known::Duties(duties) => {
                if !uncounted.takes(number, kind) {
                    self.count(uncounted);
                }
                if let Some(pair) =
                    written.pair.filter(|_| duties.is_ordered && self.seeds.next().below(2) == 1)
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

    /// Lets the zone's plugin write replies, and takes them out.
    fn answer(&self, blocks: &[Block], drafts: &mut ArrayVec<Draft<'_>, TOGETHER>) {
        if let Some(plugin) = self.plugin(blocks) {
            plugin.answer_directly(drafts);
        }
        drafts.drain(..).for_each(Draft::finish);
    }
}

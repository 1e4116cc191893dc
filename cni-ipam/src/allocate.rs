//! Which addresses an attachment gets: chosen first, without changing anything, then put into the table at once.

use std::net::IpAddr;

use cni::Attachment;

use crate::address::{Family, number};
use crate::config::Pool;
use crate::failure::Failure;
use crate::lease::{Boot, Lease, Millis, Netns, Origin, Pod, State};
use crate::range::{Range, Span};
use crate::range_set::RangeSet;
use crate::table::{Found, Table, rest_of};

/// What to do when only addresses are left that were released a short while ago.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Quarantine {
    /// Leave them alone.
    Respect,
    /// Take the one that was released first.
    Yield,
}

/// What an attachment asks for.
#[derive(Clone, Debug)]
pub struct Wanted<'a> {
    /// The attachment.
    pub attachment: &'a Attachment,
    /// Its pod.
    pub pod: &'a Pod,
    /// The pool that it gets its addresses of.
    pub pool: &'a Pool,
    /// The addresses that it asks for; each has to be of another range set.
    pub requested: &'a [IpAddr],
    /// Whether the pod gets the addresses that it had.
    pub is_sticky: bool,
    /// What to do about addresses in quarantine.
    pub quarantine: Quarantine,
    /// The time.
    pub now: Millis,
}

/// Where an address comes from.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Source {
    /// The attachment has it already.
    Held(Found),
    /// Nobody has it or had it recently.
    Free,
    /// It was released.
    Released(Found),
}

/// The address of a range set.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Choice<'a> {
    /// The range that it is of.
    pub range: &'a Range,
    /// The address.
    pub address: IpAddr,
    /// Where it comes from.
    pub source: Source,
}

/// What an ADD changes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Plan<'a> {
    /// An address for each range set of the pool, in their order. What the attachment holds besides it keeps until DEL: its
    /// interface may have it.
    pub choices: Vec<Choice<'a>>,
}

/// What a lease says besides its address.
#[derive(Clone, Debug)]
pub struct Holder<'a> {
    /// The attachment.
    pub attachment: &'a Attachment,
    /// The namespace of its container.
    pub netns: &'a Netns,
    /// Its pod.
    pub pod: &'a Pod,
    /// The time.
    pub now: Millis,
    /// The boot.
    pub boot: Boot,
}

/// Chooses an address of each range set. The ranges of the pool are in the table.
///
/// # Errors
/// No address is left, a requested one is held by another attachment or in no set, or the attachment holds another one
/// than it asks for.
pub fn allocate<'a>(table: &Table<'_>, wanted: &Wanted<'a>) -> Result<Plan<'a>, Failure> {
    let mut all_held = table.held_by(wanted.attachment)?;
    let mut requested = wanted.requested.to_vec();
    let mut choices = Vec::new();
    for set in &wanted.pool.sets {
        let asked = requested.iter().position(|address| set.range_of(*address).is_some());
        let asked = asked.map(|at| requested.remove(at));
        let held = all_held.iter().position(|found| set.range_of(found.lease.address).is_some());
        let held = held.map(|at| all_held.remove(at));
        let (address, source) = choose(table, wanted, set, asked, held)?;
        let Some(range) = set.range_of(address) else {
            return Err(Failure::NotInRanges { address, ranges: set.to_string() });
        };
        choices.push(Choice { range, address, source });
    }
    match requested.first() {
        Some(address) => {
            Err(Failure::NotInRanges { address: *address, ranges: wanted.pool.title() })
        }
        None => Ok(Plan { choices }),
    }
}

/// Puts a plan into the table that it was made for.
///
/// # Errors
/// The files cannot be read.
pub fn carry_out(
    table: &mut Table<'_>,
    plan: &Plan<'_>,
    holder: &Holder<'_>,
) -> Result<(), Failure> {
    for choice in &plan.choices {
        let range = table.header().range_at(choice.range.family(), choice.range.span());
        match &choice.source {
            Source::Held(found) => {
                let lease = Lease {
                    netns: holder.netns.clone(),
                    pod: holder.pod.clone(),
                    boot: holder.boot,
                    ..found.lease.clone()
                };
                if lease != found.lease {
                    table.hold(found.slot, lease)?;
                }
                continue;
            }
            Source::Released(found) => table.hold(found.slot, lease(choice.address, holder))?,
            Source::Free => table.insert(lease(choice.address, holder))?,
        }
        if let Some(range) = range {
            table.advance(range, number(choice.address));
        }
    }
    Ok(())
}

/// Says what holds the addresses of a pool.
pub fn usage(table: &Table<'_>, pool: &Pool) -> String {
    let set = |set: &RangeSet| {
        let parts: Vec<String> = set.ranges().iter().map(|range| usage_of(table, range)).collect();
        parts.join(", ")
    };
    pool.sets.iter().map(set).collect::<Vec<_>>().join("; ")
}

fn usage_of(table: &Table<'_>, range: &Range) -> String {
    let header = table.header();
    let state = header.range_at(range.family(), range.span()).map(|at| &header.ranges[at]);
    let (taken, released) = state.map_or((0, 0), |state| (state.taken, u64::from(state.released)));
    let capacity = range.capacity();
    format!(
        "{range}: {} held and {released} released of {capacity} addresses",
        taken.saturating_sub(released)
    )
}

fn lease(address: IpAddr, holder: &Holder<'_>) -> Lease {
    Lease {
        address,
        state: State::Held,
        attachment: holder.attachment.clone(),
        netns: holder.netns.clone(),
        pod: holder.pod.clone(),
        since: holder.now,
        boot: holder.boot,
        origin: Origin::Granted,
    }
}

fn choose(
    table: &Table<'_>,
    wanted: &Wanted<'_>,
    set: &RangeSet,
    asked: Option<IpAddr>,
    held: Option<Found>,
) -> Result<(IpAddr, Source), Failure> {
    if let Some(found) = held {
        let address = found.lease.address;
        return match asked {
            Some(asked) if asked != address => Err(Failure::Conflict(format!(
                "the attachment {} asks for {asked} and holds {address}",
                wanted.attachment
            ))),
            _ => Ok((address, Source::Held(found))),
        };
    }
    if let Some(asked) = asked {
        return match table.at(asked)? {
            None => Ok((asked, Source::Free)),
            Some(found) if found.lease.is_held() => {
                Err(Failure::Taken { address: asked, holder: found.lease.attachment.to_string() })
            }
            Some(found) => Ok((asked, Source::Released(found))),
        };
    }
    if wanted.is_sticky && wanted.pod.is_known() {
        let had = table.released_by(wanted.pod, wanted.attachment)?;
        if let Some(found) =
            had.into_iter().find(|found| set.range_of(found.lease.address).is_some())
        {
            return Ok((found.lease.address, Source::Released(found)));
        }
    }
    if let Some(address) = next_free(table, set)? {
        return Ok((address, Source::Free));
    }
    if let Some(found) = oldest_released(table, set)? {
        let is_over =
            matches!(found.lease.state, State::Released { until, .. } if until <= wanted.now);
        if is_over || wanted.quarantine == Quarantine::Yield {
            return Ok((found.lease.address, Source::Released(found)));
        }
    }
    Err(Failure::Exhausted { pool: set.to_string(), why: usage(table, wanted.pool) })
}

/// Returns the next free address of a set: behind the one that was taken last, through all ranges and around.
fn next_free(table: &Table<'_>, set: &RangeSet) -> Result<Option<IpAddr>, Failure> {
    let ranges = set.ranges();
    let states: Vec<Option<usize>> =
        ranges.iter().map(|range| table.header().range_at(range.family(), range.span())).collect();
    let served = |at: usize| states[at].map_or(0, |state| table.header().ranges[state].served);
    let last = (0..ranges.len()).rev().max_by_key(|at| served(*at)).unwrap_or(0);
    let cursor = states[last].map_or(0, |state| table.header().ranges[state].cursor);
    let span = ranges[last].span();
    // A cursor at the start of its range has gone around: the next range comes first, as for host-local.
    let has_wrapped = cursor == span.first && served(last) > 0 && ranges.len() > 1;
    let mut parts = Vec::new();
    if !has_wrapped {
        parts.push((last, Span { first: cursor, last: span.last }));
    }
    for step in 1..ranges.len() {
        let at = (last + step) % ranges.len();
        parts.push((at, ranges[at].span()));
    }
    parts.push((last, span));
    for (at, part) in parts {
        let Some(state) = states[at] else { continue };
        for segment in ranges[at].segments() {
            let Some(searched) = rest_of(*segment, part.first) else { continue };
            if let Some(found) = table.first_free(state, searched.first, searched.last)? {
                return Ok(Some(ranges[at].family().address(found)));
            }
        }
    }
    Ok(None)
}

/// Returns the address of a set that was released first.
fn oldest_released(table: &Table<'_>, set: &RangeSet) -> Result<Option<Found>, Failure> {
    let mut oldest: Option<(Millis, Found)> = None;
    for range in set.ranges() {
        let Some(state) = table.header().range_at(range.family(), range.span()) else { continue };
        let found = table.oldest_released(state, |address| range.offers(address))?;
        let Some(found) = found else { continue };
        let State::Released { at, .. } = found.lease.state else { continue };
        if oldest.as_ref().is_none_or(|(before, _)| at < *before) {
            oldest = Some((at, found));
        }
    }
    Ok(oldest.map(|(_, found)| found))
}

/// Returns the spans that a store has to know for these pools, each once.
pub fn spans(pools: &[Pool]) -> Vec<(Family, Span)> {
    let mut spans = Vec::new();
    for range in pools.iter().flat_map(|pool| &pool.sets).flat_map(RangeSet::ranges) {
        let span = (range.family(), range.span());
        if !spans.contains(&span) {
            spans.push(span);
        }
    }
    spans
}

#[cfg(test)]
mod tests;

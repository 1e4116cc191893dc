//! Ranges as they are written, in every place that host-local reads them from.

use std::net::IpAddr;

use cni::{Config, Field, FieldError};
use ipnet::IpNet;

use crate::address::{Family, canonical, number};
use crate::range::{Range, RangeText, Span};
use crate::range_set::RangeSet;

/// Reads the range sets of the section itself in host-local's order: `runtimeConfig.ipRanges`, the legacy range of the
/// section, `ranges`.
pub(super) fn top_level(config: &Config, ipam: &Field<'_>) -> Result<Vec<RangeSet>, FieldError> {
    let common = exclusions(ipam)?;
    let mut sets = of_runtime(config, &common)?;
    if ipam.get("subnet")?.is_some() {
        let range = range(ipam, &[])?;
        sets.push(RangeSet::new(vec![range]).map_err(|problem| ipam.error(problem))?);
    }
    if let Some(list) = ipam.get("ranges")? {
        sets.append(&mut self::sets(&list, &common)?);
    }
    Ok(sets)
}

/// Reads `runtimeConfig.ipRanges`.
pub(super) fn of_runtime(
    config: &Config,
    common: &[Exclusion],
) -> Result<Vec<RangeSet>, FieldError> {
    config.capability("ipRanges")?.map_or(Ok(Vec::new()), |list| sets(&list, common))
}

/// Reads a list of range sets.
pub(super) fn sets(list: &Field<'_>, common: &[Exclusion]) -> Result<Vec<RangeSet>, FieldError> {
    let set = |set: &Field<'_>| {
        let ranges =
            set.list()?.iter().map(|field| range(field, common)).collect::<Result<_, _>>()?;
        RangeSet::new(ranges).map_err(|problem| set.error(problem))
    };
    list.list()?.iter().map(set).collect()
}

/// Addresses that are not given out.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Exclusion {
    family: Family,
    span: Span,
}

/// Makes the range of a block of the node.
pub(super) fn of_block(subnet: IpNet, common: &[Exclusion]) -> Result<Range, String> {
    let family = Family::of(subnet.addr());
    let excluded = common.iter().filter(|exclusion| exclusion.family == family);
    let exclusions = excluded.map(|exclusion| exclusion.span).collect();
    let (start, end, gateway) = (None, None, None);
    Range::new(RangeText { subnet, start, end, gateway, exclusions })
}

/// Reads `exclude`: a list of addresses, subnets and `FIRST-LAST`.
pub(super) fn exclusions(field: &Field<'_>) -> Result<Vec<Exclusion>, FieldError> {
    let Some(list) = field.get("exclude")? else { return Ok(Vec::new()) };
    let read = |item: &Field<'_>| {
        let text = item.string()?;
        exclusion(text).ok_or_else(|| {
            item.error(format!(
                "want an address, a subnet or FIRST-LAST such as 10.0.0.5-10.0.0.9, have {text:?}"
            ))
        })
    };
    list.list()?.iter().map(read).collect()
}

fn exclusion(text: &str) -> Option<Exclusion> {
    let span = |first: IpAddr, last: IpAddr| {
        let span = Span { first: number(first), last: number(last) };
        let is_span = Family::of(first) == Family::of(last) && span.first <= span.last;
        is_span.then_some(Exclusion { family: Family::of(first), span })
    };
    if let Ok(address) = text.parse() {
        return span(address, address);
    }
    if let Some((first, last)) = text.split_once('-') {
        return span(first.trim().parse().ok()?, last.trim().parse().ok()?);
    }
    let (address, length) = text.split_once('/')?;
    let subnet = IpNet::new(address.parse().ok()?, length.parse().ok()?).ok()?;
    span(subnet.network(), subnet.broadcast())
}

fn range(field: &Field<'_>, common: &[Exclusion]) -> Result<Range, FieldError> {
    let Some(subnet) = field.get("subnet")? else {
        return Err(field.error("a range needs a key subnet, such as \"10.1.0.0/16\""));
    };
    let own = exclusions(field)?;
    let subnet = subnet.network()?;
    let family = Family::of(subnet.addr());
    let excluded = common.iter().chain(&own).filter(|exclusion| exclusion.family == family);
    let text = RangeText {
        subnet,
        start: address(field, "rangeStart")?,
        end: address(field, "rangeEnd")?,
        gateway: address(field, "gateway")?,
        exclusions: excluded.map(|exclusion| exclusion.span).collect(),
    };
    Range::new(text).map_err(|problem| field.error(problem))
}

/// Reads an address; an empty one is none, as for Go.
fn address(field: &Field<'_>, key: &str) -> Result<Option<IpAddr>, FieldError> {
    let Some(address) = field.get(key)? else { return Ok(None) };
    if address.string()?.is_empty() {
        return Ok(None);
    }
    address.parse("an IP address").map(|address| Some(canonical(address)))
}

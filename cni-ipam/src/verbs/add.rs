//! ADD: addresses for an attachment. The same attachment gets the same ones again.

use std::io;
use std::net::IpAddr;

use cni::{AddResult, AttachmentRequest, Dns, IpConfig, Route};
use ipnet::IpNet;

use super::session::{Cause, Session};
use crate::allocate::{
    Choice, Holder, Plan, Quarantine, Source, Wanted, allocate, carry_out, spans,
};
use crate::config::{IpamConfig, Pool, requested};
use crate::edge::host_local::Directory;
use crate::edge::site::Site;
use crate::edge::store::Commit;
use crate::edge::witness::{identify, netns};
use crate::failure::Failure;
use crate::gc::Vote;
use crate::lease::{Netns, Pod};
use crate::table::Found;
use crate::table::layout::Header;
use crate::table::transaction::Changes;
use crate::{node_blocks, resolv_conf};

/// Leases that are looked at by an ADD while few addresses are left.
const LOOKED_AT: u32 = 16;

/// How often an ADD chooses: host-local may have given out what it chose.
const MAX_CHOICES: usize = 4096;

/// Serves ADD.
///
/// # Errors
/// The configuration is invalid, no address is left, a requested one is taken, or the store cannot be used.
pub fn add(request: &AttachmentRequest, site: &Site) -> Result<AddResult, Failure> {
    let config = read_config(&request.config, site)?;
    let requested = requested(request)?;
    let pool = config.pool_of(request)?;
    let dns = read_dns(&config)?;
    let netns = identify(request.netns.as_deref(), request.allows_own_netns)?;
    let pod = pod_of(request);
    let placement = &config.placement;
    let is_durable = Some(placement.is_durable);
    let session =
        Session::open(site, &config.network, placement, &spans(&config.pools), is_durable)?;
    let mut session = session.with_settings(config.rest())?;
    session.free_earlier_boots()?;
    refuse_other_namespace(&session.held_by(&request.attachment)?, request, &netns)?;
    let mut wanted = Wanted {
        attachment: &request.attachment,
        pod: &pod,
        pool,
        requested: &requested,
        is_sticky: config.is_sticky,
        quarantine: Quarantine::Respect,
        now: site.now,
    };
    let holder = Holder {
        attachment: &request.attachment,
        netns: &netns,
        pod: &pod,
        now: site.now,
        boot: site.boot()?,
    };
    let plan = match serve(&mut session, &wanted, &holder) {
        Err(Failure::Exhausted { .. }) => {
            session.sweep(Cause::Exhausted, None)?;
            wanted.quarantine = Quarantine::Yield;
            serve(&mut session, &wanted, &holder)?
        }
        served => served?,
    };
    keep_in_step(&mut session, &config, &plan, request, site)?;
    if is_scarce(&session, pool) {
        // The address is given; that others were not freed is for the next ADD to say.
        let _ = session.sweep(Cause::Scarce(LOOKED_AT), None);
    }
    Ok(result(&plan, pool, dns))
}

/// Reads the configuration, with the blocks of the node when it names no range.
pub(super) fn read_config(config: &cni::Config, site: &Site) -> Result<IpamConfig, Failure> {
    let mut read = IpamConfig::parse(config)?;
    if read.names_no_range() {
        let path = &site.node_blocks;
        let octets = std::fs::read(path).map_err(|error| {
            let problem = format!(
                "ipam names no range, and the blocks of the node cannot be read: {}: {error}",
                path.display()
            );
            Failure::config(
                problem,
                "add ranges to ipam, or write the file: {\"blocks\": [\"10.244.1.0/24\"]}",
            )
        })?;
        let blocks = node_blocks::parse(&octets).map_err(|problem| {
            let problem =
                format!("ipam names no range, and {} gives none: {problem}", path.display());
            Failure::config(
                problem,
                "add ranges to ipam, or blocks to the file: {\"blocks\": [\"10.244.1.0/24\"]}",
            )
        })?;
        read.use_blocks(&blocks)?;
    }
    Ok(read)
}

/// Reads `resolvConf`. Octets that are no UTF-8, which comments may have, spoil nothing else.
pub(super) fn read_dns(config: &IpamConfig) -> Result<Dns, Failure> {
    let Some(path) = &config.resolv_conf else { return Ok(Dns::default()) };
    let failed = |error| Failure::io("read", path, error);
    if !path.metadata().map_err(failed)?.is_file() {
        // Reading a pipe might never end.
        return Err(failed(io::Error::new(io::ErrorKind::InvalidInput, "it is no file")));
    }
    let octets = std::fs::read(path).map_err(failed)?;
    Ok(resolv_conf::parse(&String::from_utf8_lossy(&octets)))
}

fn pod_of(request: &AttachmentRequest) -> Pod {
    let text = |key| request.arguments.get(key).unwrap_or_default();
    Pod::new(text("K8S_POD_NAMESPACE"), text("K8S_POD_NAME"), text("K8S_POD_UID"))
}

/// An attachment in two namespaces that both live would have its address twice.
fn refuse_other_namespace(
    held: &[Found],
    request: &AttachmentRequest,
    new: &Netns,
) -> Result<(), Failure> {
    let lives_elsewhere = |found: &&Found| {
        let old = &found.lease.netns;
        new.is_known() && old.is_known() && !old.is_same(new) && netns(old) == Vote::Alive
    };
    let Some(found) = held.iter().find(lives_elsewhere) else { return Ok(()) };
    Err(Failure::Conflict(format!(
        "the attachment {} holds {} in the namespace {}, which still lives",
        request.attachment, found.lease.address, found.lease.netns.path
    )))
}

/// Chooses addresses and commits them; chooses again when the store had to be changed for it.
fn serve<'a>(
    session: &mut Session<'_>,
    wanted: &Wanted<'a>,
    holder: &Holder<'_>,
) -> Result<Plan<'a>, Failure> {
    session.store.settle()?;
    let mut is_anew = false;
    for _ in 0..MAX_CHOICES {
        let (chosen, changes) = match plan(session, wanted, holder)? {
            Planned::Done(chosen, changes) => (chosen, changes),
            Planned::NeedsRoom(leases) => {
                session.store.make_room_for(leases)?;
                continue;
            }
            Planned::Contradiction(_) if !is_anew => {
                session.store.make_index_anew()?;
                is_anew = true;
                continue;
            }
            Planned::Contradiction(address) => {
                let problem = format!("{address} is free and has a lease");
                return Err(Failure::Damaged {
                    path: session.store.directory().to_owned(),
                    problem,
                });
            }
        };
        if belongs_to_host_local(session, &chosen, wanted)? {
            continue;
        }
        // From the journal on the addresses are given, even if their places cannot be written at this time.
        return match session.store.commit(changes)? {
            Commit::Done | Commit::Pending(_) => Ok(chosen),
        };
    }
    let pool = wanted.pool.title();
    Err(Failure::Exhausted {
        pool,
        why: format!("host-local holds {MAX_CHOICES} addresses of it; try again"),
    })
}

/// Looks whether host-local has given a chosen address out meanwhile, and imports the lease if so.
fn belongs_to_host_local(
    session: &mut Session<'_>,
    chosen: &Plan<'_>,
    wanted: &Wanted<'_>,
) -> Result<bool, Failure> {
    let is_new = |choice: &&Choice<'_>| !matches!(choice.source, Source::Held(_));
    for choice in chosen.choices.iter().filter(is_new) {
        if session.adopt_holder(choice.address, wanted.attachment)? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// What is to be committed.
enum Planned<'a> {
    /// This, for these addresses.
    Done(Plan<'a>, Option<(Header, Changes)>),
    /// Nothing before there is room for so many leases.
    NeedsRoom(usize),
    /// Nothing: the index says that this address is free, and finds a lease of it.
    Contradiction(IpAddr),
}

fn plan<'a>(
    session: &Session<'_>,
    wanted: &Wanted<'a>,
    holder: &Holder<'_>,
) -> Result<Planned<'a>, Failure> {
    let mut table = session.store.table();
    for (family, span) in spans(std::slice::from_ref(wanted.pool)) {
        if let Some(range) = table.header().range_at(family, span) {
            table.expire(range, wanted.now)?;
        }
    }
    let plan = allocate(&table, wanted)?;
    let new: Vec<IpAddr> = plan
        .choices
        .iter()
        .filter(|choice| choice.source == Source::Free)
        .map(|choice| choice.address)
        .collect();
    for address in &new {
        if table.at(*address)?.is_some() {
            return Ok(Planned::Contradiction(*address));
        }
    }
    if !table.has_room_for(new.len())? {
        return Ok(Planned::NeedsRoom(new.len()));
    }
    carry_out(&mut table, &plan, holder)?;
    Ok(Planned::Done(plan, table.into_changes()))
}

/// Writes host-local's files; when that fails, the addresses are given back.
fn keep_in_step(
    session: &mut Session<'_>,
    config: &IpamConfig,
    plan: &Plan<'_>,
    request: &AttachmentRequest,
    site: &Site,
) -> Result<(), Failure> {
    if !config.placement.keeps_host_local {
        return Ok(());
    }
    let files = plan.choices.iter().enumerate();
    let written =
        Directory::make(&config.placement, &config.network, site.lock_wait).and_then(|directory| {
            files.clone().try_for_each(|(set, choice)| {
                directory.put(choice.address, &request.attachment, Some(set))
            })
        });
    let Err(failure) = written else { return Ok(()) };
    for found in session.held_by(&request.attachment)? {
        let is_new = |choice: &&Choice<'_>| {
            choice.address == found.lease.address && !matches!(choice.source, Source::Held(_))
        };
        if plan.choices.iter().any(|choice| is_new(&choice)) {
            session.give_back(&found)?;
        }
    }
    Err(failure)
}

/// Tells whether fewer than a tenth of a set's addresses are free.
fn is_scarce(session: &Session<'_>, pool: &Pool) -> bool {
    let table = session.store.table();
    let header = table.header();
    pool.sets.iter().any(|set| {
        let (mut free, mut all) = (0, 0_u128);
        for range in set.ranges() {
            let state = header.range_at(range.family(), range.span()).map(|at| &header.ranges[at]);
            let held =
                state.map_or(0, |state| state.taken.saturating_sub(u64::from(state.released)));
            all = all.saturating_add(range.capacity());
            free += range.capacity().saturating_sub(u128::from(held)).min(u128::from(u64::MAX));
        }
        free.saturating_mul(10) < all
    })
}

fn result(plan: &Plan<'_>, pool: &Pool, dns: Dns) -> AddResult {
    let ip = |choice: &Choice<'_>| {
        let length = choice.range.subnet().prefix_len();
        let address =
            IpNet::new(choice.address, length).unwrap_or_else(|_| IpNet::from(choice.address));
        IpConfig { interface: None, address, gateway: choice.range.gateway() }
    };
    let ips: Vec<IpConfig> = plan.choices.iter().map(ip).collect();
    // Without a gateway of its own, a route of a family that the attachment has no address of would be one to nowhere.
    let is_of_use = |route: &&Route| {
        let is_v4 = route.destination.addr().is_ipv4();
        route.gateway.is_some() || ips.iter().any(|ip| ip.address.addr().is_ipv4() == is_v4)
    };
    let routes = pool.routes.iter().filter(is_of_use).cloned().collect();
    AddResult { interfaces: Vec::new(), ips, routes, dns }
}

//! Leases, explanations and reports as people read them.

use std::collections::BTreeMap;

use cni_ipam::gc::{Testimony, Vote};
use cni_ipam::tools::{Collected, Explanation, Listed, RangeUse, Verification, Verified};

use crate::words::{age, plain, table};

/// Writes leases as a table; of none, that there is none.
pub(super) fn leases(leases: &[Listed]) -> String {
    if leases.is_empty() {
        return "no leases\n".to_owned();
    }
    let head = ["NETWORK", "ADDRESS", "STATE", "AGE", "POD", "CONTAINER", "INTERFACE", "NOTE"];
    let mut rows = vec![head.map(str::to_owned)];
    rows.extend(leases.iter().map(|lease| {
        [
            lease.network.clone(),
            lease.address.to_string(),
            lease.state.to_owned(),
            age(lease.age),
            pod(lease).unwrap_or_else(|| "-".to_owned()),
            lease.container.clone(),
            lease.ifname.clone(),
            note(lease),
        ]
    }));
    table(&rows)
}

/// Writes what was freed and what was kept, and why.
pub(super) fn collected(collected: &Collected) -> String {
    let line = |word: &str, lease: &Listed| {
        let pod = pod(lease).map_or(String::new(), |pod| format!(", pod {pod}"));
        let verdict = lease.verdict.as_deref().filter(|_| word == "kept").unwrap_or_default();
        let verdict = verdict.strip_prefix("kept ").map_or(String::new(), |why| format!(": {why}"));
        format!(
            "{word} {} of {}: container {} interface {}{pod}{verdict}\n",
            lease.address, lease.network, lease.container, lease.ifname
        )
    };
    let freed = collected.freed.iter().map(|lease| line("freed", lease));
    let kept = collected.kept.iter().map(|lease| line("kept", lease));
    let lines: String = freed.chain(kept).collect();
    lines + &format!("{} freed, {} kept\n", collected.freed.len(), collected.kept.len())
}

/// Writes what is wrong with each store.
pub(super) fn verification(verification: &Verification) -> String {
    if verification.stores.is_empty() {
        return "no stores\n".to_owned();
    }
    verification.stores.iter().map(store).collect()
}

fn store(store: &Verified) -> String {
    let Verified { network, directory, held, released, problems, mended_on_use } = store;
    let state = match (problems.is_empty(), mended_on_use.is_empty()) {
        (true, true) => "sound",
        (true, false) => "sound once it is used, which mends it",
        (false, _) => "damaged",
    };
    let head = format!("{network}: {state}; {held} held, {released} released; {directory}\n");
    let problems = problems.iter().map(|problem| format!("  problem: {problem}\n"));
    let mended = mended_on_use.iter().map(|problem| format!("  mended on use: {problem}\n"));
    head + &problems.chain(mended).collect::<String>()
}

/// Writes what is known of an address, and from the other leases of its networks what fills them.
pub(super) fn explanation(explanation: &Explanation, neighbours: &[Listed]) -> String {
    let mut text = plain(&explanation.summary) + "\n";
    for finding in &explanation.networks {
        text += &format!("  network {}\n", finding.network);
        if let Some(lease) = &finding.lease {
            text += &details(lease);
        }
        text.extend(finding.ranges.iter().map(range));
        text += &holders(neighbours.iter().filter(|lease| lease.network == finding.network));
    }
    text
}

/// Says what keeps the leases of a network that are held, the most frequent reason first.
fn holders<'a>(leases: impl Iterator<Item = &'a Listed>) -> String {
    let mut reasons: BTreeMap<&str, usize> = BTreeMap::new();
    for verdict in leases.filter_map(|lease| lease.verdict.as_deref()) {
        *reasons.entry(verdict).or_default() += 1;
    }
    let mut reasons: Vec<(&str, usize)> = reasons.into_iter().collect();
    reasons.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    let lines = reasons.into_iter().map(|(verdict, count)| format!("      {count} {verdict}\n"));
    let lines: String = lines.collect();
    if lines.is_empty() { lines } else { format!("    held in this network:\n{lines}") }
}

fn details(lease: &Listed) -> String {
    let mut lines = vec![
        format!("container: {} interface {}", lease.container, lease.ifname),
        format!("state: {}, given out {} ago by {}", lease.state, age(lease.age), lease.origin),
    ];
    if let Some(pod) = &lease.pod {
        let uid = if pod.uid.is_empty() { "not known" } else { &pod.uid };
        lines.push(format!("pod: {}/{}, uid {uid}", pod.namespace, pod.name));
    }
    if !lease.netns.is_empty() {
        lines.push(format!("network namespace: {}", lease.netns));
    }
    lines.extend(lease.witnesses.as_ref().map(witnesses));
    lines.extend(lease.verdict.as_ref().map(|verdict| format!("verdict: {verdict}")));
    lines.into_iter().map(|line| format!("    {}\n", plain(&line))).collect()
}

fn witnesses(testimony: &Testimony) -> String {
    let word = |vote| match vote {
        Vote::Alive => "alive",
        Vote::Dead => "gone",
        Vote::Unknown => "cannot tell",
    };
    let file = match testimony.imported {
        Vote::Unknown => String::new(),
        vote => format!("; file of host-local: {}", word(vote)),
    };
    format!(
        "witnesses: boot: {}{file}; network namespace: {}; cached result: {}; runtime: {}",
        word(testimony.boot),
        word(testimony.netns),
        word(testimony.result_cache),
        word(testimony.runtime),
    )
}

fn range(range: &RangeUse) -> String {
    let RangeUse { first, last, addresses, held, released } = range;
    format!(
        "    range {first}-{last}: {addresses} addresses, the gateway and exclusions among them; {held} held, \
         {released} released and left alone\n"
    )
}

/// Returns the pod of a lease as `NAMESPACE/NAME`.
fn pod(lease: &Listed) -> Option<String> {
    lease.pod.as_ref().map(|pod| plain(&format!("{}/{}", pod.namespace, pod.name)))
}

/// Says who keeps a lease, or how long an address is left alone.
fn note(lease: &Listed) -> String {
    match (&lease.verdict, lease.quarantined_until) {
        (Some(verdict), _) => verdict.clone(),
        (None, Some(until)) => {
            let now = lease.since.saturating_add(lease.age);
            match until.saturating_sub(now) {
                0 => "may be given out again".to_owned(),
                left => format!("left alone for {} more", age(left)),
            }
        }
        (None, None) => String::new(),
    }
}

//! `spec.ipFamilyPolicy`: of which families a Service has addresses.
//!
//! Source: Kubernetes documentation, "IPv4/IPv6 dual-stack", and `pkg/registry/core/service/storage/alloc.go`.

use std::net::IpAddr;

use super::wish::{Wish, Written};
use crate::Family;

/// `spec.ipFamilyPolicy`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum FamilyPolicy {
    /// One family.
    SingleStack,
    /// Both where there are both.
    PreferDualStack,
    /// Both.
    RequireDualStack,
}

/// Returns the families of which a Service has a cluster address, the primary first; none for headless and external ones.
/// `available` are the families that there are ranges of, the default first.
///
/// # Errors
/// What the Service says contradicts itself or cannot be had; the text names the field and the remedy.
pub fn families_of(wish: &Wish, available: &[Family]) -> Result<Vec<Family>, String> {
    let written: &[IpAddr] = match &wish.cluster_ips {
        Written::Headless => return Ok(Vec::new()),
        _ if wish.service_type == cluster::ServiceType::ExternalName => return Ok(Vec::new()),
        Written::Nothing => &[],
        Written::Addresses(ips) => ips,
    };
    let of_addresses: Vec<Family> = written.iter().map(family_of).collect();
    if written.len() > 2 || (written.len() == 2 && of_addresses[0] == of_addresses[1]) {
        return Err(
            "spec.clusterIPs has more than one address of a family; keep one of each".to_owned()
        );
    }
    if wish.families.len() > 2 || (wish.families.len() == 2 && wish.families[0] == wish.families[1])
    {
        return Err("spec.ipFamilies names a family twice; keep each once".to_owned());
    }
    for (at, (address, family)) in of_addresses.iter().zip(&wish.families).enumerate() {
        if address != family {
            return Err(format!(
                "spec.clusterIPs[{at}] is not of the family {family} of spec.ipFamilies[{at}]; write both in the same order"
            ));
        }
    }
    let longer =
        if of_addresses.len() > wish.families.len() { &of_addresses } else { &wish.families };
    let mut families = longer.clone();
    if families.is_empty() {
        families.extend(available.first());
    }
    let policy = wish.policy.unwrap_or(FamilyPolicy::SingleStack);
    match policy {
        FamilyPolicy::SingleStack if families.len() > 1 => {
            return Err(
                "spec has two families; write ipFamilyPolicy: PreferDualStack or RequireDualStack"
                    .to_owned(),
            );
        }
        FamilyPolicy::SingleStack => {}
        FamilyPolicy::PreferDualStack | FamilyPolicy::RequireDualStack => {
            let missing = Family::ALL.into_iter().find(|family| !families.contains(family));
            let missing = missing.filter(|family| available.contains(family));
            families.extend(missing);
        }
    }
    let unavailable = families
        .iter()
        .enumerate()
        .find(|(at, family)| !available.contains(family) && of_addresses.get(*at).is_none());
    match unavailable {
        // What is preferred may be missing, as long as it is not the first.
        Some((1, _)) if policy == FamilyPolicy::PreferDualStack => families.truncate(1),
        Some((_, family)) => return Err(no_range(*family)),
        None => {}
    }
    if policy == FamilyPolicy::RequireDualStack && families.len() < 2 {
        let missing = Family::ALL.into_iter().find(|family| !families.contains(family));
        return Err(no_range(missing.unwrap_or(Family::V6)));
    }
    Ok(families)
}

fn no_range(family: Family) -> String {
    format!(
        "there is no range of {family} for Services; add one, or take the family out of the Service"
    )
}

pub(super) fn family_of(ip: &IpAddr) -> Family {
    if ip.is_ipv6() { Family::V6 } else { Family::V4 }
}

#[cfg(test)]
mod tests {
    use FamilyPolicy::{
        PreferDualStack as Prefer, RequireDualStack as Require, SingleStack as Single,
    };

    use super::*;

    const FOUR: &[Family] = &[Family::V4];
    const SIX: &[Family] = &[Family::V6];
    const FOUR_SIX: &[Family] = &[Family::V4, Family::V6];
    const SIX_FOUR: &[Family] = &[Family::V6, Family::V4];

    /// The matrix of `TestFeatureClusterIPs`/`TestCreateInitIPFields` in Kubernetes' `storage_test.go`: cluster, policy, families,
    /// addresses, and what comes of it; nothing where it is refused.
    #[test]
    fn the_matrix_of_ip_family_policy() {
        type Row<'a> =
            (&'a [Family], Option<FamilyPolicy>, &'a [Family], &'a [&'a str], Option<&'a [Family]>);
        let rows: &[Row<'_>] = &[
            (FOUR, None, &[], &[], Some(FOUR)),
            (SIX, None, &[], &[], Some(SIX)),
            (FOUR_SIX, None, &[], &[], Some(FOUR)),
            (SIX_FOUR, None, &[], &[], Some(SIX)),
            (FOUR_SIX, Some(Single), &[], &[], Some(FOUR)),
            (FOUR_SIX, Some(Single), SIX, &[], Some(SIX)),
            (FOUR_SIX, None, SIX, &[], Some(SIX)),
            (FOUR, None, SIX, &[], None),
            (FOUR_SIX, Some(Single), FOUR_SIX, &[], None),
            (FOUR_SIX, None, FOUR_SIX, &[], None),
            (FOUR, Some(Prefer), &[], &[], Some(FOUR)),
            (SIX, Some(Prefer), &[], &[], Some(SIX)),
            (FOUR_SIX, Some(Prefer), &[], &[], Some(FOUR_SIX)),
            (FOUR_SIX, Some(Prefer), SIX, &[], Some(SIX_FOUR)),
            (FOUR_SIX, Some(Prefer), SIX_FOUR, &[], Some(SIX_FOUR)),
            (FOUR, Some(Prefer), FOUR_SIX, &[], Some(FOUR)),
            (FOUR, Some(Prefer), SIX_FOUR, &[], None),
            (FOUR, Some(Require), &[], &[], None),
            (SIX, Some(Require), &[], &[], None),
            (FOUR_SIX, Some(Require), &[], &[], Some(FOUR_SIX)),
            (SIX_FOUR, Some(Require), &[], &[], Some(SIX_FOUR)),
            (FOUR_SIX, Some(Require), SIX, &[], Some(SIX_FOUR)),
            (FOUR_SIX, Some(Require), FOUR_SIX, &[], Some(FOUR_SIX)),
            // Families are those of the addresses.
            (FOUR_SIX, None, &[], &["fd00::1"], Some(SIX)),
            (FOUR_SIX, Some(Require), &[], &["fd00::1"], Some(SIX_FOUR)),
            (FOUR_SIX, Some(Prefer), &[], &["fd00::1", "10.0.0.1"], Some(SIX_FOUR)),
            (FOUR_SIX, None, &[], &["fd00::1", "10.0.0.1"], None),
            (FOUR_SIX, Some(Require), FOUR_SIX, &["fd00::1"], None),
            (FOUR_SIX, Some(Require), &[], &["10.0.0.1", "10.0.0.2"], None),
            (FOUR_SIX, Some(Require), &[Family::V4, Family::V4], &[], None),
            // An address that is written needs no range.
            (FOUR, None, &[], &["fd00::1"], Some(SIX)),
        ];
        for (available, policy, families, ips, expected) in rows {
            let ips: Vec<IpAddr> = ips.iter().map(|ip| ip.parse().unwrap()).collect();
            let cluster_ips =
                if ips.is_empty() { Written::Nothing } else { Written::Addresses(ips) };
            let wish = Wish {
                policy: *policy,
                families: families.to_vec(),
                cluster_ips,
                ..Wish::default()
            };
            let found = families_of(&wish, available);
            assert_eq!(found.as_deref().ok(), *expected, "{available:?} {wish:?}: {found:?}");
        }
        let headless =
            Wish { cluster_ips: Written::Headless, policy: Some(Require), ..Wish::default() };
        assert_eq!(families_of(&headless, FOUR), Ok(Vec::new()));
        let external = Wish { service_type: cluster::ServiceType::ExternalName, ..Wish::default() };
        assert_eq!(families_of(&external, FOUR), Ok(Vec::new()));
    }
}

//! Properties of answers over random clusters and questions.

use std::collections::BTreeSet;

use cluster::{Kind, Object, ServiceAddress};
use hickory_proto::rr::{LowerName, Name, RData, Record, RecordType};
use proptest::collection::vec;
use proptest::prelude::*;

use super::fixture::{World, absolute, ends_in_alias};
use super::oracle::{Expected, Line, ZoneFile, line, text};
use super::random::{TYPES, block, in_mixed_case, labels, named, objects, world};
use crate::kubernetes::{Answer, Rule, Status};

/// Returns the names that a zone file has, names one label off, and names made of `soup`.
fn names_of(file: &ZoneFile, world: &World, soup: &[Vec<Vec<u8>>]) -> Vec<Name> {
    let existing: BTreeSet<&str> = file.names().collect();
    let mut names: Vec<Name> = Vec::new();
    for (at, text) in existing.into_iter().enumerate() {
        let name = absolute(text);
        let extra = soup.get(at % soup.len().max(1)).and_then(|labels| labels.first());
        names.extend(extra.and_then(|label| name.prepend_label(label.as_slice()).ok()));
        names.push(name.base_name());
        names.push(name);
    }
    for (at, labels) in soup.iter().enumerate() {
        let zone = &world.zone.zones[at % world.zone.zones.len()];
        let zone = zone.iter().map(<[u8]>::to_vec);
        names.extend(named(&labels.iter().cloned().chain(zone).collect::<Vec<_>>()));
    }
    names.retain(|name| world.zone.matching(&LowerName::new(name)).is_some());
    names
}

fn lines(records: &[Record], what: &str) -> Result<BTreeSet<Line>, TestCaseError> {
    let lines: BTreeSet<Line> = records.iter().map(line).collect();
    prop_assert_eq!(lines.len(), records.len(), "{}: no record comes twice: {:?}", what, records);
    Ok(lines)
}

fn as_expected(answer: &Answer, what: &str) -> Result<Expected, TestCaseError> {
    Ok(Expected {
        status: answer.status,
        answers: lines(&answer.answers, what)?,
        additionals: lines(&answer.additionals, what)?,
        chase: answer.chase.as_ref().map(|chase| text(&chase.target)),
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn answers_are_what_the_zone_file_says(
        objects in objects(),
        block in block(),
        soup in vec(labels(), 1..60),
        bits in any::<u64>(),
    ) {
        let world = world(objects, block);
        let file = ZoneFile::of(&world);
        for name in names_of(&file, &world, &soup) {
            let apex = text(world.zone.matching(&LowerName::new(&name)).unwrap());
            for qtype in TYPES {
                let what = format!("{name} {qtype} with {:?}", world.zone.options);
                let answer = world.ask_name(&in_mixed_case(&name, bits), qtype);
                let expected = file.answer(&text(&name), &apex, qtype);
                prop_assert_eq!(as_expected(&answer, &what)?, expected, "{}", what);
                let negative = answer.status == Status::NameError
                    || (answer.status == Status::Exists && answer.answers.is_empty());
                let dangles = world.zone.options.strict && ends_in_alias(&answer, qtype);
                prop_assert_eq!(answer.soa.is_some(), negative || dangles, "{}: SOA", what);
            }
        }
    }

    #[test]
    fn the_order_of_events_does_not_matter(
        (objects, shuffled) in objects().prop_flat_map(|objects| {
            let objects = distinct(objects);
            (Just(objects.clone()), Just(objects).prop_shuffle())
        }),
        stale in objects(),
        block in block(),
        soup in vec(labels(), 1..20),
    ) {
        let one = world(objects.clone(), block.clone());
        // First other objects, some under the same names; then those that are not, leave.
        let mut other = world(stale.iter().cloned().chain(shuffled), block);
        for object in stale {
            let (kind, key) = (object.kind(), object.key());
            if !objects.iter().any(|kept| kept.kind() == kind && kept.key() == key) {
                other.remove(kind, &key);
            }
        }
        prop_assert_eq!(&*one.cluster(), &*other.cluster());
        for name in names_of(&ZoneFile::of(&one), &one, &soup) {
            for qtype in TYPES {
                let [one, other] = [&one, &other].map(|world| world.ask_name(&name, qtype));
                prop_assert_eq!(one, other, "{} {}", name, qtype);
            }
        }
    }

    #[test]
    fn answers_of_random_clusters_hang_together(
        objects in objects(),
        block in block(),
        soup in vec(labels(), 1..20),
    ) {
        let world = world(objects, block);
        for name in names_of(&ZoneFile::of(&world), &world, &soup) {
            both_families_exist_or_none(&world, &name)?;
            targets_of_srv_records_have_their_addresses(&world, &name)?;
            names_of_addresses_lead_back(&world, &name)?;
        }
    }

    #[test]
    fn before_everything_is_listed_only_misses_change(
        objects in objects(),
        block in block(),
        soup in vec(labels(), 1..20),
        listed in proptest::sample::subsequence(&Kind::ALL[..], 0..=5),
    ) {
        let full = world(objects, block);
        let mut part = World::unsynced();
        part.remove(Kind::Namespace, &cluster::ObjectKey::cluster_scoped("testns"));
        part.zone = full.zone.clone();
        for object in full.cluster().objects() {
            part.put(object);
        }
        for kind in listed {
            part.sync(kind);
        }
        for name in names_of(&ZoneFile::of(&full), &full, &soup) {
            let apex = part.zone.matching(&LowerName::new(&name)).unwrap();
            let synced = part.synced().contains_all(part.zone.required_in(apex));
            for qtype in TYPES {
                let (sure, unsure) = (full.ask_name(&name, qtype), part.ask_name(&name, qtype));
                let may_come = matches!(
                    sure.ruling.rule,
                    Rule::Headless | Rule::Endpoint | Rule::Within | Rule::NoEndpointWithin
                );
                let miss = sure.status == Status::NameError
                    || (sure.status == Status::Exists && sure.answers.is_empty() && may_come);
                let status = if miss && !synced { Status::NotSynced } else { sure.status };
                prop_assert_eq!(unsure.status, status, "{} {}", name, qtype);
                prop_assert_eq!(unsure.answers, sure.answers, "{} {}", name, qtype);
                prop_assert_eq!(unsure.soa.is_some(), sure.soa.is_some(), "{} {}", name, qtype);
            }
        }
    }
}

proptest! {
    #[test]
    fn no_question_is_too_odd(
        objects in objects(),
        block in block(),
        labels in vec(vec(any::<u8>(), 1..64), 0..128),
        words in labels(),
        qtype in any::<u16>(),
        zone in any::<prop::sample::Index>(),
    ) {
        let world = world(objects, block);
        let apex = zone.get(&world.zone.zones).iter().map(<[u8]>::to_vec).collect::<Vec<_>>();
        for labels in [labels, words] {
            // The longest name that the labels make.
            let mut names = (0..=labels.len()).map(|from| named(&[&labels[from..], &apex].concat()));
            let name = names.find_map(|name| name).expect("a zone is a name");
            let answer = world.ask_name(&name, RecordType::from(qtype));
            prop_assert_ne!(answer.status, Status::NotSynced, "{}", name);
        }
    }
}

/// Returns the last of each object, so that order alone differs between permutations.
fn distinct(objects: Vec<Object>) -> Vec<Object> {
    let mut seen = BTreeSet::new();
    let last =
        objects.into_iter().rev().filter(|object| seen.insert((object.kind(), object.key())));
    last.collect()
}

fn both_families_exist_or_none(world: &World, name: &Name) -> Result<(), TestCaseError> {
    let [four, six] =
        [RecordType::A, RecordType::AAAA].map(|qtype| world.ask_name(name, qtype).status);
    // With `strict` an alias has the rcode of its target, for both families too.
    prop_assert_eq!(four, six, "{}", name);
    Ok(())
}

/// Every target of an SRV record has at least the addresses that came with it, and one of them.
fn targets_of_srv_records_have_their_addresses(
    world: &World,
    name: &Name,
) -> Result<(), TestCaseError> {
    let answer = world.ask_name(name, RecordType::SRV);
    // Pod names with dots are no names of endpoints; see `strict`.
    if world.zone.options.endpoint_pod_names && !world.zone.options.strict {
        return Ok(());
    }
    let addresses_of = |target: &Name| {
        let answers =
            [RecordType::A, RecordType::AAAA].map(|qtype| world.ask_name(target, qtype).answers);
        answers.concat().iter().map(line).collect::<BTreeSet<Line>>()
    };
    for record in &answer.answers {
        let RData::SRV(srv) = &record.data else { continue };
        let found = addresses_of(&srv.target);
        let with: BTreeSet<Line> = answer
            .additionals
            .iter()
            .filter(|record| record.name == srv.target)
            .map(line)
            .collect();
        prop_assert!(!with.is_empty(), "{}: nothing came with {}", name, srv.target);
        prop_assert!(
            with.is_subset(&found),
            "{}: {} has {:?}, not {:?}",
            name,
            srv.target,
            found,
            with
        );
    }
    for record in &answer.additionals {
        let target = |r: &Record| matches!(&r.data, RData::SRV(srv) if srv.target == record.name);
        prop_assert!(answer.answers.iter().any(target), "{}: {} is no target", name, record.name);
    }
    Ok(())
}

/// Every name of an address has the address, except those of what does not exist (any more).
fn names_of_addresses_lead_back(world: &World, name: &Name) -> Result<(), TestCaseError> {
    let Some(ip) = crate::kubernetes::reverse::address_of(&LowerName::new(name)) else {
        return Ok(());
    };
    let qtype = if ip.is_ipv4() { RecordType::A } else { RecordType::AAAA };
    for record in world.ask_name(name, RecordType::PTR).answers {
        let RData::PTR(target) = &record.data else { continue };
        if !is_served(world, target) {
            continue;
        }
        let back = world.ask_name(target, qtype);
        let found = back.answers.iter().any(|record| record.data.ip_addr() == Some(ip));
        prop_assert!(found, "{}: {} is {:?}", name, target, back);
    }
    Ok(())
}

/// Says whether a Service that a PTR record names is there to be asked for.
fn is_served(world: &World, target: &Name) -> bool {
    let target = text(target);
    let zone = world.zone.primary().expect("a block has a zone");
    let Some(below) = target.strip_suffix(&format!(".{}", text(zone))) else { return false };
    let labels: Vec<&str> = below.split('.').collect();
    let (options, cluster) = (&world.zone.options, world.cluster());
    let [endpoint @ .., service, namespace, "svc"] = labels.as_slice() else { return false };
    let Some(service) = cluster.service(namespace, service) else { return false };
    endpoint.len() < 2
        && !target.ends_with("arpa.")
        && !options.ignore_empty_service
        && !matches!(service.address, ServiceAddress::ExternalName(_))
        && world.zone.exposes_namespace(&cluster, namespace)
}

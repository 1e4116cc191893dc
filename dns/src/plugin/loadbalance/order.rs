//! The order of the records of a section.

use std::net::IpAddr;

use hickory_proto::rr::{LowerName, RData, Record, RecordType};
use ipnet::IpNet;

use super::weights::Weights;
use crate::random::Random;

/// Puts CNAMEs first, because some stub resolvers need that, and shuffles addresses and MX records among their
/// own places. The CNAMEs and the other records keep their order.
pub(super) fn round_robin(records: &mut [Record], random: &mut Random) {
    if records.len() < 2 {
        return;
    }
    names_first(records);
    for is_shuffled in [is_address, is_exchange] {
        let places = places(records, is_shuffled);
        random.shuffle(places.len(), |a, b| records.swap(places[a], places[b]));
    }
}

/// Puts CNAMEs first and draws, by weight, the address that comes first; it changes places with the one that was.
pub(super) fn weighted(records: &mut [Record], weights: &Weights, random: &mut Random) {
    if records.len() < 2 {
        return;
    }
    names_first(records);
    let places = places(records, is_address);
    let weight = |place: &usize| {
        let record = &records[*place];
        let address = address(record).unwrap_or(IpAddr::from([0; 4]));
        usize::from(weights.of(&LowerName::new(&record.name), address))
    };
    let shares: Vec<usize> = places.iter().map(weight).collect();
    let mut drawn = random.below(shares.iter().sum());
    for (place, share) in places.iter().zip(shares) {
        if drawn < share {
            records.swap(places[0], *place);
            return;
        }
        drawn -= share;
    }
}

/// Puts addresses of an earlier network before those of a later one and of none, among the places of addresses;
/// otherwise their order stays.
pub(super) fn prefer(records: &mut [Record], networks: &[IpNet]) {
    if networks.is_empty() || records.len() < 2 {
        return;
    }
    let places = places(records, is_address);
    let rank = |record: &Record| {
        let address = address(record);
        let holds = |network: &IpNet| address.is_some_and(|address| network.contains(&address));
        networks.iter().position(holds).unwrap_or(networks.len())
    };
    let mut sorted: Vec<Record> = places.iter().map(|place| records[*place].clone()).collect();
    sorted.sort_by_key(rank);
    for (place, record) in places.into_iter().zip(sorted) {
        records[place] = record;
    }
}

fn names_first(records: &mut [Record]) {
    if records.iter().any(|record| record.record_type() == RecordType::CNAME) {
        records.sort_by_key(|record| record.record_type() != RecordType::CNAME);
    }
}

fn places(records: &[Record], is_meant: fn(&Record) -> bool) -> Vec<usize> {
    (0..records.len()).filter(|at| is_meant(&records[*at])).collect()
}

fn is_address(record: &Record) -> bool {
    address(record).is_some()
}

fn is_exchange(record: &Record) -> bool {
    record.record_type() == RecordType::MX
}

fn address(record: &Record) -> Option<IpAddr> {
    match &record.data {
        RData::A(address) => Some(address.0.into()),
        RData::AAAA(address) => Some(address.0.into()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use hickory_proto::rr::Name;
    use hickory_proto::rr::rdata::{MX, TXT};
    use proptest::prelude::*;

    use super::*;
    use crate::plugin::testing::record as address_record;
    use crate::random::Seeds;

    /// Makes a record of the kind of a letter: c(NAME), a(ddress), m(x) or t(xt).
    fn record(letter: char, number: usize) -> Record {
        let other = |rdata| Record::from_rdata(Name::root(), 5, rdata);
        match letter {
            'c' => address_record("a.example.", &format!("b{number}.example.")),
            'a' => address_record("a.example.", &format!("10.0.0.{number}")),
            'm' => other(RData::MX(MX::new(u16::try_from(number).unwrap(), Name::root()))),
            _ => other(RData::TXT(TXT::new(vec![number.to_string()]))),
        }
    }

    fn records(letters: &str) -> Vec<Record> {
        letters.chars().enumerate().map(|(at, letter)| record(letter, at)).collect()
    }

    fn sorted(records: &[Record]) -> Vec<String> {
        let mut texts: Vec<String> = records.iter().map(ToString::to_string).collect();
        texts.sort();
        texts
    }

    fn of_type(records: &[Record], record_type: RecordType) -> Vec<Record> {
        records.iter().filter(|record| record.record_type() == record_type).cloned().collect()
    }

    proptest! {
        #[test]
        fn orders_only_reorder(letters in "[camt]{0,12}", seed: u64) {
            let before = records(&letters);
            let weights: Weights = "a.example\n10.0.0.3 200".parse().unwrap();
            let random = &mut Seeds::new(seed).next();
            let (mut shuffled, mut drawn) = (before.clone(), before.clone());
            round_robin(&mut shuffled, random);
            weighted(&mut drawn, &weights, random);
            let mut preferred = shuffled.clone();
            prefer(&mut preferred, &["10.0.0.4/30".parse().unwrap()]);
            for after in [&shuffled, &drawn, &preferred] {
                prop_assert_eq!(sorted(after), sorted(&before));
                let names = of_type(&before, RecordType::CNAME);
                prop_assert_eq!(&after[..names.len()], names.as_slice());
                let texts = of_type(&before, RecordType::TXT);
                prop_assert_eq!(of_type(after, RecordType::TXT), texts);
            }
            let mut again = before.clone();
            round_robin(&mut again, &mut Seeds::new(seed).next());
            prop_assert_eq!(again, shuffled);
        }
    }

    fn addresses(texts: &[&str]) -> Vec<Record> {
        texts.iter().map(|text| address_record("a.example.", text)).collect()
    }

    #[test]
    fn mail_exchanges_are_shuffled_too() {
        let seeds = Seeds::new(3);
        let first_of = |_| {
            let mut records = records("mm");
            round_robin(&mut records, &mut seeds.next());
            records[0].to_string()
        };
        let firsts: std::collections::BTreeSet<String> = (0..50).map(first_of).collect();
        assert_eq!(firsts.len(), 2);
    }

    #[test]
    fn the_first_address_comes_up_by_weight() {
        let weights: Weights = "a.example\n10.0.0.1 3\n10.0.0.3 2".parse().unwrap();
        let seeds = Seeds::new(9);
        let mut firsts = [0_u32; 4];
        for _ in 0..6_000 {
            let mut records = addresses(&["10.0.0.1", "10.0.0.2", "10.0.0.3"]);
            weighted(&mut records, &weights, &mut seeds.next());
            let Some(IpAddr::V4(first)) = address(&records[0]) else { panic!("no address") };
            firsts[usize::from(first.octets()[3])] += 1;
        }
        let [_, three, one, two] = firsts;
        assert!((2_850..3_150).contains(&three), "{firsts:?}");
        assert!((850..1_150).contains(&one), "{firsts:?}");
        assert!((1_850..2_150).contains(&two), "{firsts:?}");
    }

    #[test]
    fn preferred_networks_come_first_in_their_order() {
        let networks = ["2001:db8::/32", "10.1.0.0/16"].map(|text| text.parse().unwrap());
        let mut records = addresses(&[
            "b.example.",
            "10.0.0.1",
            "10.1.0.1",
            "10.0.0.2",
            "2001:db8::1",
            "10.1.0.2",
        ]);
        prefer(&mut records, &networks);
        let expected = addresses(&[
            "b.example.",
            "2001:db8::1",
            "10.1.0.1",
            "10.1.0.2",
            "10.0.0.1",
            "10.0.0.2",
        ]);
        assert_eq!(records, expected);
    }
}

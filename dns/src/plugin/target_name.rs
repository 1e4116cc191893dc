//! The name that a record points at, of the types that point at one.

use hickory_proto::rr::rdata::NULL;
use hickory_proto::rr::{Name, RData, RecordType};
use hickory_proto::serialize::binary::{BinDecodable, BinDecoder, BinEncodable, BinEncoder};

/// Replaces the name that the data of a record points at: of CNAME, DNAME, MX, NAPTR, NS, PTR and SRV, and the
/// primary server of SOA. `change` returns none to leave it as it is. Says whether there was a change.
pub(crate) fn change_target(data: &mut RData, change: impl Fn(&Name) -> Option<Name>) -> bool {
    let target = match data {
        RData::CNAME(name) => &mut name.0,
        RData::NS(name) => &mut name.0,
        RData::PTR(name) => &mut name.0,
        RData::MX(mx) => &mut mx.exchange,
        RData::SRV(srv) => &mut srv.target,
        RData::SOA(soa) => &mut soa.mname,
        RData::NAPTR(naptr) => &mut naptr.replacement,
        // hickory has no type of its own for DNAME (RFC 6672 §2.1).
        RData::Unknown { code: RecordType::DNAME, rdata } => {
            let changed = dname(rdata).and_then(|name| encoded(&change(&name)?));
            return changed.map(|new| *rdata = new).is_some();
        }
        _ => return false,
    };
    change(target).map(|new| *target = new).is_some()
}

fn dname(data: &NULL) -> Option<Name> {
    Name::read(&mut BinDecoder::new(&data.anything)).ok()
}

fn encoded(name: &Name) -> Option<NULL> {
    let mut octets = Vec::new();
    name.emit(&mut BinEncoder::new(&mut octets)).ok()?;
    Some(NULL::with(octets))
}

#[cfg(test)]
mod tests {
    use hickory_proto::rr::rdata::{A, CNAME, MX, NAPTR, NS, PTR, SOA, SRV};

    use super::*;

    #[test]
    fn every_type_that_points_at_a_name() {
        let [old, other]: [Name; 2] = ["old.example.", "x."].map(|name| name.parse().unwrap());
        let data = [
            RData::CNAME(CNAME(old.clone())),
            RData::NS(NS(old.clone())),
            RData::PTR(PTR(old.clone())),
            RData::MX(MX::new(10, old.clone())),
            RData::SRV(SRV::new(1, 2, 3, old.clone())),
            RData::SOA(SOA::new(old.clone(), other, 1, 2, 3, 4, 5)),
            RData::NAPTR(NAPTR::new(1, 2, [].into(), [].into(), [].into(), old.clone())),
            RData::Unknown { code: RecordType::DNAME, rdata: encoded(&old).unwrap() },
        ];
        for mut data in data {
            assert!(!change_target(&mut data, |_| None), "{data:?}");
            let new = |name: &Name| (*name == old).then(|| "new.example.".parse().unwrap());
            assert!(change_target(&mut data, new), "{data:?}");
            assert!(!change_target(&mut data, new), "{data:?}");
        }
        let mut address = RData::A(A::new(192, 0, 2, 1));
        assert!(!change_target(&mut address, |_| Some(Name::root())));
    }
}

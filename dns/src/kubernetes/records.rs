//! Records of answers.

use std::net::IpAddr;

use hickory_proto::rr::rdata::{A, AAAA, CNAME, NS, PTR, SOA, SRV, TXT};
use hickory_proto::rr::{LowerName, Name, RData, Record, RecordType};

use super::name::count_labels;

/// The version of the Kubernetes DNS specification that is served.
pub(super) const SCHEMA_VERSION: &str = "1.1.0";

/// TTL of the schema version in seconds.
pub(super) const SCHEMA_VERSION_TTL: u32 = 28_800;

/// The longest TTL of the SOA record itself, in seconds.
pub(super) const MAX_SOA_TTL: u32 = 300;

/// The timers of the SOA record, in seconds; nobody transfers the zone.
pub(super) const REFRESH: i32 = 7200;
pub(super) const RETRY: i32 = 1800;
pub(super) const EXPIRE: i32 = 86_400;

/// A zone's apex in the case in which it was asked, and the TTL of what is in it.
#[derive(Clone, Debug)]
pub(super) struct Apex {
    pub(super) name: Name,
    pub(super) ttl: u32,
}

impl Apex {
    /// Returns the end of a qname that is the zone.
    pub(super) fn of(qname: &Name, zone: &LowerName, ttl: u32) -> Self {
        Self { name: qname.trim_to(count_labels(zone)), ttl }
    }

    /// Returns a name below the zone; none when it is longer than a name may be (RFC 1035 §2.3.4).
    /// A dot in a label, which pod names can have, divides it.
    pub(super) fn child<'a>(
        &self,
        labels: impl DoubleEndedIterator<Item = &'a str>,
    ) -> Option<Name> {
        below(&self.name, labels)
    }

    /// Returns `ns.dns.<zone>`.
    pub(super) fn name_server(&self) -> Option<Name> {
        self.child(["ns", "dns"].into_iter())
    }

    /// Returns the SOA record of the zone (RFC 1035 §3.3.13). Without room for the names of its data
    /// there is none.
    pub(super) fn soa(&self, serial: u64) -> Option<Record> {
        let (mname, rname) = (self.name_server()?, self.child(["hostmaster"].into_iter())?);
        // Serial numbers wrap (RFC 1982 §3).
        let serial = u32::try_from(serial % (1 << 32)).unwrap_or_default();
        let data = SOA::new(mname, rname, serial, REFRESH, RETRY, EXPIRE, self.ttl);
        let ttl = self.ttl.min(MAX_SOA_TTL);
        Some(Record::from_rdata(self.name.clone(), ttl, RData::SOA(data)))
    }
}

/// Returns a name below another; none when it is longer than a name may be.
pub(super) fn below<'a>(
    zone: &Name,
    labels: impl DoubleEndedIterator<Item = &'a str>,
) -> Option<Name> {
    let mut labels = labels.flat_map(|label| label.split('.')).rev();
    labels.try_fold(zone.clone(), |name, label| name.prepend_label(label.as_bytes()).ok())
}

/// Returns an A or AAAA record.
pub(super) fn address(owner: Name, ttl: u32, ip: IpAddr) -> Record {
    let data = match ip {
        IpAddr::V4(ip) => RData::A(A(ip)),
        IpAddr::V6(ip) => RData::AAAA(AAAA(ip)),
    };
    Record::from_rdata(owner, ttl, data)
}

/// Says whether an address is of the family that the type asks for.
pub(super) fn is_of_type(ip: IpAddr, qtype: RecordType) -> bool {
    match ip {
        IpAddr::V4(_) => qtype == RecordType::A,
        IpAddr::V6(_) => qtype == RecordType::AAAA,
    }
}

/// Returns a CNAME record.
pub(super) fn alias(owner: Name, ttl: u32, target: Name) -> Record {
    Record::from_rdata(owner, ttl, RData::CNAME(CNAME(target)))
}

/// Returns a PTR record.
pub(super) fn pointer(owner: Name, ttl: u32, target: Name) -> Record {
    Record::from_rdata(owner, ttl, RData::PTR(PTR(target)))
}

/// Returns an NS record.
pub(super) fn name_server(owner: Name, ttl: u32, target: Name) -> Record {
    Record::from_rdata(owner, ttl, RData::NS(NS(target)))
}

/// Returns an SRV record (RFC 2782) of priority 0.
pub(super) fn service(owner: Name, ttl: u32, weight: u16, port: u16, target: Name) -> Record {
    Record::from_rdata(owner, ttl, RData::SRV(SRV::new(0, weight, port, target)))
}

/// Returns the TXT record of the schema version.
pub(super) fn schema_version(owner: Name) -> Record {
    let data = TXT::new(vec![SCHEMA_VERSION.to_owned()]);
    Record::from_rdata(owner, SCHEMA_VERSION_TTL, RData::TXT(data))
}

//! Questions to zones.

mod denial;
mod lookup;
mod naive;
mod plugin;

use std::path::Path;

use hickory_proto::rr::{LowerName, Name, Record, RecordType};

use super::answer::{Answer, Question, answer};
use super::setup::load;
use super::zone::Zone;
use crate::corefile::DiskFiles;

/// The zone that most tests ask; the serial is 7, the negative TTL 300.
pub(super) const ZONE: &str = "$TTL 3600
@ SOA ns1 admin 7 7200 1800 86400 300
@ NS ns1
@ NS ns.elsewhere.test.
@ MX 10 mail
@ TXT \"hello world\"
ns1 A 192.0.2.1
ns1 AAAA 2001:db8::1
mail A 192.0.2.2
www 60 A 192.0.2.3
www 60 A 192.0.2.4
alias CNAME www
alias2 CNAME Alias
dangling CNAME nowhere
outside CNAME www.Elsewhere.test.
loop1 CNAME loop2
loop2 CNAME loop1
to-sub CNAME host.sub
*.wild A 192.0.2.5
*.wild MX 5 mail
exact.wild TXT exact
below.ent.wild A 192.0.2.6
*.wildalias CNAME www
_sip._tcp SRV 1 2 5060 ns1
sub NS ns.sub
sub NS ns1
sub DS 1 8 2 ABCD
ns.sub A 192.0.2.7
host.sub A 192.0.2.8
deep.er.name A 192.0.2.9
old DNAME new
a.new A 192.0.2.10
away DNAME elsewhere.test.
";

pub(super) fn zone_of(text: &str) -> Zone {
    let origin = "example.org.".parse().unwrap();
    load(&origin, Path::new("db"), text.as_bytes(), &DiskFiles).unwrap()
}

pub(super) fn ask_with(zone: &Zone, name: &str, qtype: RecordType, dnssec: bool) -> Answer {
    let name = Name::from_ascii(name).unwrap();
    let lower = LowerName::new(&name);
    answer(zone, Question { name: &name, lower: &lower, qtype, dnssec })
}

pub(super) fn ask(zone: &Zone, name: &str, qtype: RecordType) -> Answer {
    ask_with(zone, name, qtype, false)
}

pub(super) fn show(records: &[Record]) -> Vec<String> {
    records.iter().map(ToString::to_string).collect()
}

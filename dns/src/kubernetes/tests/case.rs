//! Letter case: names match in any, answers keep that of the question.

use hickory_proto::rr::RecordType::{A, NS, PTR, SOA, SRV, TXT};

use super::fixture::{absolute, fixture_f};
use crate::kubernetes::{PodMode, Status};

#[test]
fn records_are_owned_by_the_name_as_it_was_asked() {
    let cases = [
        ("59 A", "SvC1.TeStNs.SvC.cLuStEr.LoCaL.", A),
        ("60 SRV", "_HtTp._TcP.sVc1.TeStNs.SvC.cLuStEr.LoCaL.", SRV),
        ("61 SOA", "Cluster.local.", SOA),
        ("NS", "CLUSTER.local.", NS),
        ("TXT", "Dns-Version.cluster.LOCAL.", TXT),
        ("endpoint", "DUP-NAME.Hdls1.testns.svc.cluster.local.", A),
        ("reverse", "2.0.0.172.IN-ADDR.Arpa.", PTR),
        ("pod", "1-2-3-4.TESTNS.Pod.cluster.local.", A),
        ("pod v6", "FD00--A.testns.pod.cluster.local.", hickory_proto::rr::RecordType::AAAA),
    ];
    let world = fixture_f().with(|options| options.pods = PodMode::Insecure);
    for (case, name, qtype) in cases {
        let name = absolute(name);
        let answer = world.ask_name(&name, qtype);
        assert_eq!(answer.status, Status::Exists, "{case}");
        assert!(!answer.answers.is_empty(), "{case}");
        for record in &answer.answers {
            assert!(record.name.eq_case(&name), "{case}: {record}");
        }
        let lower = world.ask_name(&absolute(&name.to_ascii().to_lowercase()), qtype);
        assert_eq!(answer.answers.len(), lower.answers.len(), "{case}");
    }
}

#[test]
fn names_in_records_end_with_the_zone_as_it_was_asked() {
    let world = fixture_f();
    world.check(&[
        (
            "60 SRV target",
            "_http._tcp.SVC1.TestNS.SVC.cLuStEr.LoCaL.",
            SRV,
            "0 100 80 svc1.testns.svc.cLuStEr.LoCaL. + svc1.testns.svc.cLuStEr.LoCaL. A 10.0.0.1",
        ),
        (
            "NS",
            "cLuStEr.LoCaL.",
            NS,
            "ns.dns.cLuStEr.LoCaL. + ns.dns.cLuStEr.LoCaL. A 10.9.0.1, \
             ns.dns.cLuStEr.LoCaL. AAAA fd09::1",
        ),
        (
            "PTR names are as configured",
            "2.0.0.172.In-Addr.ARPA.",
            PTR,
            "172-0-0-2.hdls1.testns.svc",
        ),
    ]);
    let missed = world.ask_name(&absolute("not-a-service.testns.svc.ClUsTeR.lOcAl."), A);
    assert_eq!(missed.status, Status::NameError, "58");
    assert_eq!(missed.soa.unwrap().name.to_ascii(), "ClUsTeR.lOcAl.", "58 SOA owner");
}

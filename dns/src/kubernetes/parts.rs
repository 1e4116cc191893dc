//! Which parts of a cluster an answer depends on.

use cluster::Part;
use hickory_proto::rr::{LowerName, RecordType};

use super::Rule;
use super::answer::{Answer, Question, Status};
use super::endpoints::address_of_label;
use super::name::{self, Parsed};
use super::reverse;
use super::zone::{PodMode, Zone};

/// Returns the parts of the cluster that the answer to a question depends on, if they can be told from the question;
/// the answer is the same as long as nothing changes there, but for the serial of its SOA record.
///
/// None for everything that is asked rarely or depends on more, such as aliases and name servers.
pub fn parts(zone: &Zone, apex: &LowerName, question: Question<'_>) -> Option<[Part; 2]> {
    // With `strict`, a name exists when something does below it.
    if zone.options.strict {
        return None;
    }
    match question.qtype {
        RecordType::A | RecordType::AAAA | RecordType::SRV => forward(zone, apex, question),
        RecordType::PTR if zone.options.namespaces.is_none() => {
            reverse::address_of(question.lower).map(|ip| [Part::address(ip); 2])
        }
        _ => None,
    }
}

/// Says whether an answer depends on nothing but the parts of its question.
pub fn is_of_its_parts(answer: &Answer) -> bool {
    let is_sure = matches!(answer.status, Status::Exists | Status::NameError);
    is_sure && !matches!(answer.ruling.rule, Rule::ExternalName | Rule::NameServer)
}

fn forward(zone: &Zone, apex: &LowerName, question: Question<'_>) -> Option<[Part; 2]> {
    let parsed = name::parse(question.lower, name::count_labels(apex), zone.naming(apex));
    Some(match parsed {
        // No such name can be, whatever is in the cluster.
        Err(_) | Ok(Parsed::ZoneNode) => [Part::namespace(""); 2],
        Ok(Parsed::NamespaceNode { namespace, .. }) => [Part::namespace(namespace); 2],
        Ok(Parsed::Service { namespace, service, .. }) => {
            [Part::namespace(namespace), Part::service(namespace, service)]
        }
        Ok(Parsed::Pod { namespace, address, .. }) => {
            let namespace = Part::namespace(namespace);
            match address_of_label(address) {
                Some(ip) if zone.options.pods == PodMode::Verified => {
                    [namespace, Part::address(ip)]
                }
                _ => [namespace; 2],
            }
        }
    })
}

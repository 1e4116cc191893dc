//! Small answers to ANY (RFC 8482): what makes a large reply of a small question with a forged source.

use crate::{Query, Reply};

/// Takes the records out of an answer to ANY that has more than one `RRset`, if it would go to an address that may be
/// forged, and sets TC: a real client asks again over TCP and gets all of it. Says whether it did.
///
/// An answer of one `RRset`, or without any, is as large as one to the record's own type, and stays.
pub(crate) fn cut(query: &Query, reply: &mut Reply) -> bool {
    let is_any = query.qtype == hickory_proto::rr::RecordType::ANY;
    if !is_any || query.has_proven_address() || !has_several_sets(reply) {
        return false;
    }
    for section in [&mut reply.answers, &mut reply.authorities, &mut reply.additionals] {
        section.clear();
    }
    reply.truncated = true;
    true
}

fn has_several_sets(reply: &Reply) -> bool {
    let Some((first, others)) = reply.answers.split_first() else { return false };
    others
        .iter()
        .any(|other| other.record_type() != first.record_type() || other.name != first.name)
}

#[cfg(test)]
mod tests {
    use hickory_proto::rr::RecordType;

    use super::*;
    use crate::Protocol;
    use crate::cookie::{CheckedCookie, Cookie, ServerCookie};
    use crate::plugin::testing::{query, record};

    fn reply(data: &[&str]) -> Reply {
        let answers = data.iter().map(|data| record("a.example.", data)).collect();
        let additionals = vec![record("b.example.", "192.0.2.9")];
        Reply { answers, additionals, ..Reply::default() }
    }

    #[test]
    fn several_sets_go_over_tcp_or_to_who_has_a_cookie() {
        let any = query("a.example.", RecordType::ANY);
        let (one, both) = (["192.0.2.1", "192.0.2.2"], ["192.0.2.1", "2001:db8::1"]);
        let mut large = reply(&both);
        assert!(cut(&any, &mut large) && large.truncated);
        assert!(large.answers.is_empty() && large.additionals.is_empty());
        for data in [&one[..], &[]] {
            let mut small = reply(data);
            assert!(!cut(&any, &mut small) && small == reply(data));
        }
        let checked = Some(CheckedCookie { is_valid: true, reply: [0; 16] });
        let cookie = Some(Cookie { client: [0; 8], server: ServerCookie::Absent, checked });
        for proven in [
            Query { protocol: Protocol::Tcp, ..any.clone() },
            Query { cookie, ..any },
            query("a.example.", RecordType::A),
        ] {
            let mut large = reply(&both);
            assert!(!cut(&proven, &mut large) && large == reply(&both));
        }
    }
}

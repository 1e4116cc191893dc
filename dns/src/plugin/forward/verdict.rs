//! What happens to a reply from upstream.

use hickory_proto::op::ResponseCode;

use super::config::ForwardConfig;
use crate::Reply;

/// What to do with a reply.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Verdict {
    /// It is the answer.
    Use,
    /// Another upstream is asked, if one is left: `failover`.
    NextUpstream,
    /// The next `forward` of the block handles the query: `next` and `next_on_nodata`.
    NextPlugin,
}

/// Judges a reply. Another upstream comes before another plugin: only when all upstreams agree does the query
/// leave the directive.
pub(super) fn judge(config: &ForwardConfig, reply: &Reply, is_other_left: bool) -> Verdict {
    if is_other_left && config.failover.contains(&reply.rcode) {
        return Verdict::NextUpstream;
    }
    let is_nodata = reply.rcode == ResponseCode::NoError && reply.answers.is_empty();
    let goes_on = config.next.contains(&reply.rcode) || (config.next_on_nodata && is_nodata);
    if goes_on && config.has_successor { Verdict::NextPlugin } else { Verdict::Use }
}

#[cfg(test)]
mod tests {
    use hickory_proto::rr::rdata::A;
    use hickory_proto::rr::{Name, RData, Record};

    use super::*;

    #[test]
    fn each_option_acts_on_its_rcodes() {
        let mut config = ForwardConfig::new(Vec::new(), Vec::new());
        config.failover = vec![ResponseCode::ServFail];
        config.next = vec![ResponseCode::NXDomain, ResponseCode::ServFail];
        config.has_successor = true;
        let rcode = Reply::new;
        let judged = |reply: &Reply, left| judge(&config, reply, left);
        assert_eq!(judged(&rcode(ResponseCode::ServFail), true), Verdict::NextUpstream);
        assert_eq!(judged(&rcode(ResponseCode::ServFail), false), Verdict::NextPlugin);
        assert_eq!(judged(&rcode(ResponseCode::NXDomain), true), Verdict::NextPlugin);
        assert_eq!(judged(&rcode(ResponseCode::Refused), true), Verdict::Use);
        assert_eq!(judged(&rcode(ResponseCode::NoError), true), Verdict::Use);
    }

    #[test]
    fn nodata_is_an_option_of_its_own_and_needs_a_successor() {
        let mut config = ForwardConfig::new(Vec::new(), Vec::new());
        config.next_on_nodata = true;
        let nodata = Reply::new(ResponseCode::NoError);
        assert_eq!(judge(&config, &nodata, false), Verdict::Use, "no forward follows");
        config.has_successor = true;
        assert_eq!(judge(&config, &nodata, false), Verdict::NextPlugin);
        assert_eq!(judge(&config, &Reply::new(ResponseCode::NXDomain), false), Verdict::Use);
        let mut data = nodata;
        let address = RData::A(A::new(192, 0, 2, 1));
        data.answers.push(Record::from_rdata(Name::root(), 1, address));
        assert_eq!(judge(&config, &data, false), Verdict::Use);
    }
}

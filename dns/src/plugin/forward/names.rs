//! The addresses of upstreams that are host names: what a reply says, and when to ask again.

use std::net::IpAddr;
use std::time::Duration;

use hickory_proto::op::ResponseCode;
use hickory_proto::rr::{Name, RData, Record};

use crate::Reply;
use crate::plugin::arguments::rcode_name;

/// How many aliases lead to an address at most.
const MAX_ALIASES: usize = 8;

/// The least time between two lookups of a name that has addresses, unless `resolve_interval` is less.
const MIN_REFRESH: Duration = Duration::from_secs(5);

/// The least and the most time until a failed lookup is repeated.
const RETRY: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(30));

/// The addresses of a name, in the order of the replies.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub(crate) struct Addresses {
    /// The addresses; none when the name has none.
    pub(crate) found: Vec<IpAddr>,
    /// How long they are valid, in seconds: the least TTL of the records on the way to them.
    pub(crate) ttl: u32,
}

/// Reads the addresses of a name from the reply to a question for them, through the aliases that it has.
///
/// Records of other names are passed over. An rcode other than NOERROR and NXDOMAIN is an error, which says
/// nothing about the name.
pub(crate) fn addresses(name: &Name, reply: &Reply) -> Result<Addresses, String> {
    if !matches!(reply.rcode, ResponseCode::NoError | ResponseCode::NXDomain) {
        return Err(rcode_name(reply.rcode).to_owned());
    }
    let (mut owner, mut ttl) = (name, u32::MAX);
    for _ in 0..MAX_ALIASES {
        let Some((target, alias_ttl)) = alias(owner, &reply.answers) else { break };
        (owner, ttl) = (target, ttl.min(alias_ttl));
    }
    let mut found = Vec::new();
    for record in reply.answers.iter().filter(|record| record.name.eq_ignore_root(owner)) {
        let address = match &record.data {
            RData::A(address) => IpAddr::V4(address.0),
            RData::AAAA(address) => IpAddr::V6(address.0),
            _ => continue,
        };
        ttl = ttl.min(record.ttl);
        if !found.contains(&address) {
            found.push(address);
        }
    }
    Ok(Addresses { found, ttl })
}

/// Puts together what the questions for A and for AAAA brought. One kind of addresses is enough.
pub(crate) fn both(
    v4: Result<Addresses, String>,
    v6: Result<Addresses, String>,
) -> Result<Addresses, String> {
    let (v4, v6) = match (v4, v6) {
        (Ok(v4), Ok(v6)) => (v4, v6),
        (Ok(one), Err(error)) | (Err(error), Ok(one)) => {
            return if one.found.is_empty() { Err(error) } else { Ok(one) };
        }
        (Err(error), Err(_)) => return Err(error),
    };
    if v4.found.is_empty() && v6.found.is_empty() {
        return Err("the name has no address".to_owned());
    }
    let ttl = [&v4, &v6].into_iter().filter(|one| !one.found.is_empty()).map(|one| one.ttl).min();
    Ok(Addresses { found: [v4.found, v6.found].concat(), ttl: ttl.unwrap_or_default() })
}

/// Returns the time until a name that has addresses is looked up again: when their TTL is over, at the latest
/// after the interval.
pub(crate) fn refresh_delay(ttl: u32, interval: Duration) -> Duration {
    Duration::from_secs(ttl.into()).max(MIN_REFRESH).min(interval)
}

/// Returns the time until a lookup is repeated after some failures in a row: it doubles, less up to a quarter
/// by chance.
pub(crate) fn retry_delay(failures: u32, random: u32) -> Duration {
    let (least, most) = RETRY;
    let delay = least.saturating_mul(2_u32.saturating_pow(failures.saturating_sub(1))).min(most);
    delay - delay / 1024 * (random % 256)
}

fn alias<'a>(owner: &Name, answers: &'a [Record]) -> Option<(&'a Name, u32)> {
    answers.iter().filter(|record| record.name.eq_ignore_root(owner)).find_map(|record| {
        match &record.data {
            RData::CNAME(target) => Some((&target.0, record.ttl)),
            _ => None,
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plugin::testing::record;

    fn reply(records: &[(&str, &str, u32)]) -> Reply {
        let mut reply = Reply::new(ResponseCode::NoError);
        for (name, data, ttl) in records {
            let mut record = record(name, data);
            record.ttl = *ttl;
            reply.answers.push(record);
        }
        reply
    }

    fn found(addresses: &[&str], ttl: u32) -> Addresses {
        Addresses { found: addresses.iter().map(|text| text.parse().unwrap()).collect(), ttl }
    }

    #[test]
    fn addresses_are_found_through_aliases() {
        let name: Name = "dns.example.".parse().unwrap();
        let read = |records: &[_]| addresses(&name, &reply(records)).unwrap();
        let two = [
            ("DNS.example.", "10.0.0.1", 60),
            ("dns.example.", "10.0.0.2", 30),
            ("dns.example.", "10.0.0.1", 60),
            ("other.example.", "10.0.0.3", 1),
        ];
        assert_eq!(read(&two), found(&["10.0.0.1", "10.0.0.2"], 30));
        let aliases = [
            ("b.example.", "2001:db8::1", 60),
            ("dns.example.", "a.example.", 20),
            ("a.example.", "b.example.", 10),
        ];
        assert_eq!(read(&aliases), found(&["2001:db8::1"], 10));
        assert_eq!(read(&[("dns.example.", "dns.example.", 5)]).found, found(&[], 0).found);
        let long: Vec<_> = (0..20).map(|at| (format!("{at}.example."), at + 1)).collect();
        let chain: Vec<_> =
            long.iter().map(|(name, at)| (name, format!("{at}.example."))).collect();
        let mut chain: Vec<_> = chain.iter().map(|(a, b)| (a.as_str(), b.as_str(), 9)).collect();
        chain.push(("dns.example.", "0.example.", 9));
        chain.push(("20.example.", "10.0.0.1", 9));
        assert!(read(&chain).found.is_empty(), "too many aliases");
    }

    #[test]
    fn failures_of_the_resolver_are_no_absence() {
        let name: Name = "dns.example.".parse().unwrap();
        let rcode = |rcode| addresses(&name, &Reply::new(rcode));
        assert!(rcode(ResponseCode::NXDomain).unwrap().found.is_empty());
        assert_eq!(rcode(ResponseCode::ServFail), Err("SERVFAIL".into()));
        assert_eq!(rcode(ResponseCode::Refused), Err("REFUSED".into()));
    }

    #[test]
    fn one_kind_of_addresses_is_enough() {
        let (v4, v6) = (found(&["10.0.0.1"], 60), found(&["2001:db8::1"], 30));
        let none = || Ok(found(&[], u32::MAX));
        let error = || Err("timed out".to_owned());
        let all = found(&["10.0.0.1", "2001:db8::1"], 30);
        assert_eq!(both(Ok(v4.clone()), Ok(v6.clone())), Ok(all));
        assert_eq!(both(Ok(v4.clone()), none()), Ok(v4.clone()));
        assert_eq!(both(Ok(v4.clone()), error()), Ok(v4));
        assert_eq!(both(none(), Ok(v6.clone())), Ok(v6));
        assert_eq!(both(none(), error()), error(), "there may be some");
        assert_eq!(both(none(), none()), Err("the name has no address".into()));
    }

    #[test]
    fn delays_are_bounded() {
        let interval = Duration::from_secs(30);
        let refresh = [0, 5, 17, 30, 86_400].map(|ttl| refresh_delay(ttl, interval).as_secs());
        assert_eq!(refresh, [5, 5, 17, 30, 30]);
        assert_eq!(refresh_delay(60, Duration::from_secs(1)).as_secs(), 1);
        let retry = [1, 2, 3, 5, 6, 1000].map(|failures| retry_delay(failures, 0).as_secs());
        assert_eq!(retry, [1, 2, 4, 16, 30, 30]);
        let least = retry_delay(1, 255);
        assert!(least > Duration::from_millis(750) && least < Duration::from_secs(1));
    }
}

//! What resolvers take of a `resolv.conf`, and what kubelet therefore leaves out.

use super::warning::{Warning, host_limit, nameservers_cut, searches_cut};
use super::{HostResolver, ResolvConf};

/// How many nameservers there may be: what the C library reads (`MAXNS`).
pub const MAX_NAMESERVERS: usize = 3;

/// How many search domains there may be.
pub const MAX_SEARCHES: usize = 32;

/// How long the search domains may be together, in octets, with one space between two.
pub const MAX_SEARCH_LIST: usize = 2048;

/// How long a search domain may be, in octets (RFC 1123 subdomain): with a longer one, old C libraries abort.
pub const MAX_SEARCH: usize = 253;

/// How many search domains a cluster domain adds to those of the host.
const CLUSTER_SEARCHES: usize = 3;

/// Leaves out what is too much, from the end, and says so.
pub(super) fn fit(mut settings: ResolvConf, warnings: &mut Vec<Warning>) -> ResolvConf {
    if settings.nameservers.len() > MAX_NAMESERVERS {
        settings.nameservers.truncate(MAX_NAMESERVERS);
        warnings.push(nameservers_cut(&settings.nameservers));
    }
    let all = settings.searches.len();
    settings.searches.truncate(MAX_SEARCHES);
    settings.searches.retain(|domain| domain.len() <= MAX_SEARCH);
    while joined_length(&settings.searches) > MAX_SEARCH_LIST {
        settings.searches.pop();
    }
    if settings.searches.len() < all {
        warnings.push(searches_cut(&settings.searches));
    }
    settings
}

/// Looks whether the host's own search domains leave room for those of the cluster. kubelet looks every 30 s; a node
/// without a file (`resolvConf: ""`) is not looked at. `path` is the file's name for the message; the first limit
/// that is exceeded is told.
pub fn check_host_limits(host: &HostResolver, path: &str, cluster_domain: &str) -> Option<Warning> {
    let room = if cluster_domain.is_empty() { 0 } else { CLUSTER_SEARCHES };
    let most = MAX_SEARCHES - room;
    if host.searches.len() > most {
        let problem =
            format!("'{path}' contains search line consisting of more than {most} domains!");
        return Some(host_limit(&problem));
    }
    if host.searches.iter().any(|domain| domain.len() > MAX_SEARCH) {
        let problem = format!(
            "{path:?} contains a search path which length is more than allowed {MAX_SEARCH} chars!"
        );
        return Some(host_limit(&problem));
    }
    (joined_length(&host.searches) > MAX_SEARCH_LIST).then(|| {
        host_limit(&format!(
            "'{path}' contains search line which length is more than allowed {MAX_SEARCH_LIST} chars!"
        ))
    })
}

/// Returns the length of words with a space between two.
pub(super) fn joined_length(words: &[String]) -> usize {
    let letters: usize = words.iter().map(String::len).sum();
    letters + words.len().saturating_sub(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checked(count: usize, length: usize, cluster_domain: &str) -> Option<String> {
        let searches = vec!["a".repeat(length); count];
        let host = HostResolver { searches, ..HostResolver::default() };
        check_host_limits(&host, "/etc/resolv.conf", cluster_domain).map(|warning| warning.message)
    }

    #[test]
    fn a_host_file_leaves_room_for_the_cluster() {
        assert_eq!(checked(29, 5, "cluster.local"), None);
        assert_eq!(
            checked(30, 5, "cluster.local").unwrap(),
            "Resolv.conf file '/etc/resolv.conf' contains search line consisting of more than 29 domains!"
        );
        assert_eq!(checked(32, 5, ""), None);
        assert_eq!(
            checked(33, 5, "").unwrap(),
            "Resolv.conf file '/etc/resolv.conf' contains search line consisting of more than 32 domains!"
        );
        assert_eq!(checked(1, 253, "x"), None);
        assert_eq!(
            checked(1, 254, "x").unwrap(),
            "Resolv.conf file \"/etc/resolv.conf\" contains a search path which length is more than allowed 253 chars!"
        );
        // 16 words of 127 and 15 spaces: 2047; one word more: 2175.
        assert_eq!(checked(16, 127, "x"), None);
        assert_eq!(
            checked(17, 127, "x").unwrap(),
            "Resolv.conf file '/etc/resolv.conf' contains search line which length is more than allowed 2048 chars!"
        );
    }
}

//! The search list of a file in the format of resolv.conf(5).

use hickory_proto::rr::Name;

/// The most elements of a search list; Kubernetes gives pods no more (validation of PodDNSConfig).
const MAX_ELEMENTS: usize = 32;

/// How many elements a pod has by its namespace and the cluster's domain.
const CLUSTER_ELEMENTS: usize = 3;

/// Says which line is wrong. Displays as `LINE: TEXT`, to follow the file's name.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub(super) enum BadSearchList {
    /// An element is no name.
    #[error("{line}: '{text}' is no domain name; correct it")]
    Name {
        /// The line, counted from 1.
        line: usize,
        /// The element.
        text: String,
    },
    /// There are too many elements.
    #[error("{line}: {count} search domains; at most {MAX_ELEMENTS} are followed, remove some")]
    Length {
        /// The line, counted from 1.
        line: usize,
        /// The number of elements.
        count: usize,
    },
}

/// Returns the search list of a text: that of the last `search` or `domain` line; empty without one.
pub(super) fn search_list(text: &str) -> Result<Vec<Name>, BadSearchList> {
    let mut list = Vec::new();
    for (at, line) in text.lines().enumerate() {
        let Some(elements) = domains(line) else { continue };
        if elements.len() > MAX_ELEMENTS {
            return Err(BadSearchList::Length { line: at + 1, count: elements.len() });
        }
        let bad = |text: &str| BadSearchList::Name { line: at + 1, text: text.to_owned() };
        let names = elements.into_iter().map(|text| name(text).ok_or_else(|| bad(text)));
        list = names.collect::<Result<_, _>>()?;
    }
    Ok(list)
}

/// Returns the search list of the host's own file, which nobody wrote for this server: of a longer one the first
/// elements, without those that are no names or are the root.
pub(super) fn host_list(text: &str) -> Vec<Name> {
    let elements = text.lines().rev().find_map(domains).unwrap_or_default();
    let names = elements.into_iter().filter_map(name).filter(|name| !name.is_root());
    names.take(MAX_ELEMENTS - CLUSTER_ELEMENTS).collect()
}

/// Returns the elements that a line has; none if it is about something else.
fn domains(line: &str) -> Option<Vec<&str>> {
    let mut words = line.split_whitespace();
    let most = match words.next()? {
        "search" => usize::MAX,
        "domain" => 1,
        _ => return None,
    };
    Some(words.take(most).collect())
}

fn name(text: &str) -> Option<Name> {
    let mut name = Name::from_ascii(text).ok()?.to_lowercase();
    name.set_fqdn(true);
    Some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> Vec<String> {
        search_list(text).unwrap().iter().map(ToString::to_string).collect()
    }

    #[test]
    fn the_last_line_counts() {
        let text = "# made by kubelet\nsearch old.example\nnameserver 10.0.0.1\n\
                    search\tShop.svc.cluster.local svc.cluster.local. \r\noptions ndots:5\nsearching x\n";
        assert_eq!(shown(text), ["shop.svc.cluster.local.", "svc.cluster.local."]);
        assert_eq!(shown("search a.example\ndomain b.example c.example"), ["b.example."]);
        assert_eq!(shown("nameserver 10.0.0.1"), [""; 0]);
    }

    #[test]
    fn of_the_host_what_can_be_used() {
        let host = |text: &str| -> Vec<String> {
            host_list(text).iter().map(ToString::to_string).collect()
        };
        let text =
            "search old.example\nsearch Corp.example a..b . lab.example.\nnameserver 10.0.0.1\n";
        assert_eq!(host(text), ["corp.example.", "lab.example."]);
        assert_eq!(host("nameserver 10.0.0.1"), [""; 0]);
        let most = format!("search{}", " a.example".repeat(MAX_ELEMENTS));
        assert_eq!(host(&most).len(), MAX_ELEMENTS - 3, "with the three of the cluster");
    }

    #[test]
    fn wrong_lines_are_named() {
        let error = search_list("nameserver 10.0.0.1\nsearch a..b").unwrap_err();
        assert_eq!(error.to_string(), "2: 'a..b' is no domain name; correct it");
        let most = format!("search{}", " a.example".repeat(MAX_ELEMENTS));
        assert_eq!(search_list(&most).unwrap().len(), MAX_ELEMENTS);
        let error = search_list(&format!("{most} a.example")).unwrap_err().to_string();
        assert!(error.starts_with("1: 33 search domains; at most 32"), "{error}");
    }
}

//! What an API server refuses about a Pod's DNS (`ValidatePodSpec` of Kubernetes 1.36).

use std::fmt;
use std::net::IpAddr;

use super::limits::{MAX_NAMESERVERS, MAX_SEARCH, MAX_SEARCH_LIST, MAX_SEARCHES, joined_length};
use super::{DnsPolicy, PodDns, PodDnsConfig};

/// A field that an API server refuses, and what to write there.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Mistake {
    /// The path of the field: `spec.dnsConfig.searches[0]`.
    pub field: String,
    /// What is wrong and the remedy.
    pub problem: String,
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.field, self.problem)
    }
}

/// Returns every mistake, in the order of the fields.
///
/// Domains are RFC 1123 subdomains, with underscores or the root alone (`.`), as since Kubernetes 1.34
/// (KEP-4427); a dot may be at the end.
pub fn validate(pod: &PodDns) -> Vec<Mistake> {
    let mut mistakes = Vec::new();
    if let DnsPolicy::Invalid(word) = &pod.policy {
        let words = DnsPolicy::WORDS.join(", ");
        mistakes.push(mistake("dnsPolicy", format!("{word:?} is no policy; write one of {words}")));
    }
    let of_config = match (&pod.config, &pod.policy) {
        (None, DnsPolicy::None) => vec![mistake(
            "dnsConfig",
            "is missing, and `dnsPolicy: None` needs it; add `nameservers` with an address".into(),
        )],
        (Some(config), DnsPolicy::None) if config.nameservers.is_empty() => vec![mistake(
            "dnsConfig.nameservers",
            "is empty, and `dnsPolicy: None` needs at least one; add an address".into(),
        )],
        (Some(config), _) => mistakes_of(config),
        (None, _) => Vec::new(),
    };
    mistakes.extend(of_config);
    mistakes
}

fn mistakes_of(config: &PodDnsConfig) -> Vec<Mistake> {
    let mut mistakes = Vec::new();
    let mut add = |field: String, problem: String| mistakes.push(mistake(&field, problem));
    let (count, field) = (config.nameservers.len(), "dnsConfig.nameservers");
    if count > MAX_NAMESERVERS {
        add(field.into(), format!("has {count} addresses; write at most {MAX_NAMESERVERS}"));
    }
    for (at, text) in config.nameservers.iter().enumerate() {
        if text.parse::<IpAddr>().is_err() {
            let problem = "is no IP address; write for example 10.96.0.10 or fd00::a";
            add(format!("{field}[{at}]"), format!("{text:?} {problem}"));
        }
    }
    let (count, field) = (config.searches.len(), "dnsConfig.searches");
    if count > MAX_SEARCHES {
        add(field.into(), format!("has {count} domains; write at most {MAX_SEARCHES}"));
    }
    let length = joined_length(&config.searches);
    if length > MAX_SEARCH_LIST {
        let problem = format!(
            "has {length} characters with the spaces between; write at most {MAX_SEARCH_LIST}"
        );
        add(field.into(), problem);
    }
    for (at, domain) in config.searches.iter().enumerate() {
        if let Some(problem) = problem_of_domain(domain) {
            add(format!("{field}[{at}]"), format!("{domain:?} {problem}"));
        }
    }
    for (at, option) in config.options.iter().enumerate() {
        if option.name.is_empty() {
            let problem = "has no name; write for example `name: ndots`".to_owned();
            add(format!("dnsConfig.options[{at}]"), problem);
        }
    }
    mistakes
}

fn mistake(field: &str, problem: String) -> Mistake {
    Mistake { field: format!("spec.{field}"), problem }
}

fn problem_of_domain(domain: &str) -> Option<String> {
    if domain == "." {
        return None;
    }
    let domain = domain.strip_suffix('.').unwrap_or(domain);
    if domain.len() > MAX_SEARCH {
        return Some(format!("has {} characters; write at most {MAX_SEARCH}", domain.len()));
    }
    (!domain.split('.').all(is_label)).then(|| {
        "is no domain; write lower case letters, digits, `-`, `_` and `.`, with a letter or digit at \
         the end of each part and, perhaps behind one `_`, at its start"
            .to_owned()
    })
}

/// Says whether a part of a domain is a label: `_?[a-z0-9]([-_a-z0-9]*[a-z0-9])?`.
fn is_label(label: &str) -> bool {
    let label = label.strip_prefix('_').unwrap_or(label).as_bytes();
    let is_plain = |octet: &u8| octet.is_ascii_lowercase() || octet.is_ascii_digit();
    let is_inner = |octet: &u8| is_plain(octet) || matches!(octet, b'-' | b'_');
    label.first().is_some_and(is_plain)
        && label.last().is_some_and(is_plain)
        && label.iter().all(is_inner)
}

#[cfg(test)]
mod tests {
    use super::super::DnsOption;
    use super::*;

    fn words(list: &[&str]) -> Vec<String> {
        list.iter().map(|word| (*word).to_owned()).collect()
    }

    fn mistakes(policy: &str, config: Option<PodDnsConfig>) -> Vec<String> {
        let policy = DnsPolicy::of_word(policy);
        let pod = PodDns { policy, config, ..PodDns::default() };
        validate(&pod).iter().map(ToString::to_string).collect()
    }

    fn searches(searches: Vec<String>) -> Vec<String> {
        mistakes("Default", Some(PodDnsConfig { searches, ..PodDnsConfig::default() }))
    }

    #[test]
    fn domains_are_what_an_api_server_takes() {
        let good = [
            "a",
            "a.b",
            "a.b.",
            ".",
            "_sip._tcp.example.com",
            "a_b.c-d",
            "9.example",
            "0",
            "_a",
            "xn--bcher-kva.example",
        ];
        for domain in good {
            assert_eq!(searches(words(&[domain])), [""; 0], "{domain}");
        }
        let bad = [
            "",
            "..",
            "a..b",
            "-a",
            "a-",
            "a_",
            "__a",
            "_",
            "A",
            "a b",
            "a/b",
            ".a",
            "_-a",
            "bücher.example",
        ];
        for domain in bad {
            let mistakes = searches(words(&[domain]));
            assert_eq!(mistakes.len(), 1, "{domain}");
            assert!(mistakes[0].starts_with("spec.dnsConfig.searches[0]: \""), "{mistakes:?}");
        }
    }

    #[test]
    fn limits_are_those_of_the_api() {
        assert_eq!(searches(vec!["a".into(); 32]), [""; 0]);
        let many = searches(vec!["a".into(); 33]);
        assert_eq!(many, ["spec.dnsConfig.searches: has 33 domains; write at most 32"]);
        assert_eq!(searches(vec!["a".repeat(253)]), [""; 0]);
        assert_eq!(searches(vec!["a".repeat(253) + "."]), [""; 0]);
        assert_eq!(searches(vec!["a".repeat(254)]).len(), 1);
        // 16 × 127 + 15 = 2047.
        assert_eq!(searches(vec!["a".repeat(127); 16]), [""; 0]);
        let long = searches([vec!["a".repeat(127); 15], vec!["a".repeat(129)]].concat());
        let text = "has 2049 characters with the spaces between; write at most 2048";
        assert_eq!(long, [format!("spec.dnsConfig.searches: {text}")]);

        let servers = |list: &[&str]| {
            let config = PodDnsConfig { nameservers: words(list), ..PodDnsConfig::default() };
            mistakes("None", Some(config))
        };
        assert_eq!(servers(&["192.0.2.1", "2001:db8::1", "192.0.2.3"]), [""; 0]);
        let many = servers(&["192.0.2.1", "dns.example", "192.0.2.3", "192.0.2.4"]);
        assert_eq!(many[0], "spec.dnsConfig.nameservers: has 4 addresses; write at most 3");
        assert!(many[1].starts_with("spec.dnsConfig.nameservers[1]: \"dns.example\" is no IP"));
        assert_eq!(servers(&["fe80::1%eth0"]).len(), 1);
    }

    #[test]
    fn none_needs_a_nameserver() {
        assert!(mistakes("None", None)[0].starts_with("spec.dnsConfig: is missing"));
        let empty = mistakes("None", Some(PodDnsConfig::default()));
        assert!(empty[0].starts_with("spec.dnsConfig.nameservers: is empty"), "{empty:?}");
        for policy in ["", "ClusterFirst", "ClusterFirstWithHostNet", "Default"] {
            assert_eq!(mistakes(policy, None), [""; 0], "{policy}");
            assert_eq!(mistakes(policy, Some(PodDnsConfig::default())), [""; 0], "{policy}");
        }
    }

    #[test]
    fn words_and_options_are_checked() {
        assert_eq!(
            mistakes("clusterFirst", None),
            ["spec.dnsPolicy: \"clusterFirst\" is no policy; write one of ClusterFirst, \
                 ClusterFirstWithHostNet, Default, None"]
        );
        let option = |name: &str| DnsOption { name: name.into(), value: None };
        let options = vec![option("ndots"), option("")];
        let config = PodDnsConfig { options, ..PodDnsConfig::default() };
        assert_eq!(
            mistakes("Default", Some(config)),
            ["spec.dnsConfig.options[1]: has no name; write for example `name: ndots`"]
        );
    }
}

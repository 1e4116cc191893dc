//! A `resolv.conf` as the `dns` of a result, read as host-local reads it (plugins, `dns.go`).

use cni::Dns;

/// Reads a `resolv.conf`: the last `domain` counts, all else is appended; lines that begin with `#` or `;` are comments.
pub fn parse(text: &str) -> Dns {
    let mut dns = Dns::default();
    for line in text.lines().map(str::trim) {
        if line.starts_with(['#', ';']) {
            continue;
        }
        let mut words = line.split_whitespace();
        let Some(keyword) = words.next() else { continue };
        let values = words.map(str::to_owned);
        match keyword {
            "nameserver" => dns.nameservers.extend(values.take(1)),
            "domain" => dns.domain = values.take(1).next().unwrap_or(dns.domain),
            "search" => dns.search.extend(values),
            "options" => dns.options.extend(values),
            _ => {}
        }
    }
    dns
}

#[cfg(test)]
mod tests {
    use super::*;

    /// host-local's `dns_test.go`.
    #[test]
    fn keywords_are_read_as_by_host_local() {
        let text = "nameserver 192.0.2.0\nnameserver 192.0.2.1\n;nameserver 192.0.2.9\n# a comment\ndomain example.com\n\
                    search example.net\n  search example.org example.gov\noptions one two three\noptions four\n\nnonsense x\n";
        let dns = parse(text);
        assert_eq!(dns.nameservers, ["192.0.2.0", "192.0.2.1"]);
        assert_eq!(dns.domain, "example.com");
        assert_eq!(dns.search, ["example.net", "example.org", "example.gov"]);
        assert_eq!(dns.options, ["one", "two", "three", "four"]);
        assert!(parse("# nothing\n\nnameserver\ndomain\n").is_empty());
    }
}

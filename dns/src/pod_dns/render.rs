//! The file itself, as containerd and CRI-O write it for a Pod.

use std::fmt;

use super::ResolvConf;

/// Writes `search`, then one `nameserver` line for each server, then `options`; no line for what is empty.
impl fmt::Display for ResolvConf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.searches.is_empty() {
            writeln!(f, "search {}", self.searches.join(" "))?;
        }
        for nameserver in &self.nameservers {
            writeln!(f, "nameserver {nameserver}")?;
        }
        if !self.options.is_empty() {
            writeln!(f, "options {}", self.options.join(" "))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_has_its_lines_in_the_order_of_the_runtimes() {
        let words = |text: &str| text.split_whitespace().map(str::to_owned).collect();
        let whole = ResolvConf {
            nameservers: words("10.96.0.10 fd00::a"),
            searches: words("a.svc.cluster.local svc.cluster.local"),
            options: words("ndots:5 edns0"),
        };
        assert_eq!(
            whole.to_string(),
            "search a.svc.cluster.local svc.cluster.local\n\
             nameserver 10.96.0.10\nnameserver fd00::a\noptions ndots:5 edns0\n"
        );
        assert_eq!(ResolvConf::default().to_string(), "");
        assert!(ResolvConf::default().is_empty());
    }
}

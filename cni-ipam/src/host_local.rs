//! The files of host-local (plugins, `backend/disk`): one for each address, with the container and interface that has it.

use std::net::IpAddr;

use cni::Attachment;

use crate::address::canonical;

/// The interface of files so old that they do not name one. A DEL of any interface of the container meets it.
pub const ANY_INTERFACE: &str = "-";

/// What a file of host-local's directory is, by its name and content.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Entry {
    /// An attachment holds an address.
    Lease(IpAddr, Attachment),
    /// The address that a range set gave out last.
    Last(usize, IpAddr),
    /// The file has the name of an address and names no attachment: host-local was cut short when it wrote it, and would
    /// never free it.
    Leaked(IpAddr),
    /// Something else.
    Other,
}

/// Reads a file.
pub fn read(name: &str, content: &str) -> Entry {
    if let Some(number) = name.strip_prefix("last_reserved_ip.") {
        let (Ok(number), Ok(address)) = (number.parse(), content.trim().parse()) else {
            return Entry::Other;
        };
        return Entry::Last(number, canonical(address));
    }
    let Ok(address) = name.parse::<IpAddr>() else { return Entry::Other };
    let mut lines = content.trim().lines().map(str::trim);
    let (id, ifname) = (lines.next().unwrap_or_default(), lines.next().unwrap_or(ANY_INTERFACE));
    match Attachment::parse(id, ifname) {
        Ok(attachment) => Entry::Lease(canonical(address), attachment),
        Err(_) => Entry::Leaked(canonical(address)),
    }
}

/// Writes the content of an address's file.
pub fn content(attachment: &Attachment) -> String {
    format!("{}\r\n{}", attachment.container_id, attachment.ifname.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_of_all_ages_are_read() {
        let lease = |ifname: &str| {
            Entry::Lease("10.1.2.3".parse().unwrap(), Attachment::parse("abc", ifname).unwrap())
        };
        for (name, content, entry) in [
            ("10.1.2.3", "abc\r\neth0", lease("eth0")),
            ("10.1.2.3", "abc\neth0", lease("eth0")),
            ("10.1.2.3", "  abc\r\neth0\r\n", lease("eth0")),
            ("10.1.2.3", "abc", lease(ANY_INTERFACE)),
            ("10.1.2.3", "", Entry::Leaked("10.1.2.3".parse().unwrap())),
            ("10.1.2.3", "../abc", Entry::Leaked("10.1.2.3".parse().unwrap())),
            ("last_reserved_ip.1", "fd00::5", Entry::Last(1, "fd00::5".parse().unwrap())),
            ("last_reserved_ip.0", "", Entry::Other),
            ("lock", "", Entry::Other),
        ] {
            assert_eq!(read(name, content), entry, "{name} {content:?}");
        }
        assert_eq!(content(&Attachment::parse("abc", "eth0").unwrap()), "abc\r\neth0");
    }
}

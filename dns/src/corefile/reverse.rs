//! Names of reverse zones (RFC 1035 §3.5, RFC 3596 §2.5).

use ipnet::IpNet;

/// The shape of an address in a reverse zone's name.
struct Layout {
    /// The network address, right-aligned.
    bits: u128,
    width: u32,
    /// The bits one label stands for.
    step: u32,
    suffix: &'static str,
}

/// Names the zones that together cover a network: one if the prefix ends where a label does (each 8 bits for
/// IPv4, 4 for IPv6), else all at the next such boundary, in ascending order; at most 128. Host bits are ignored.
///
/// ```text
/// 10.0.0.0/24    0.0.10.in-addr.arpa.
/// 10.0.0.0/23    0.0.10.in-addr.arpa. 1.0.10.in-addr.arpa.
/// 2001:db8::/32  8.b.d.0.1.0.0.2.ip6.arpa.
/// ```
pub(super) fn reverse_zones(network: IpNet) -> Vec<String> {
    let layout = match network {
        IpNet::V4(network) => Layout {
            bits: u128::from(u32::from(network.network())),
            width: 32,
            step: 8,
            suffix: "in-addr.arpa.",
        },
        IpNet::V6(network) => {
            Layout { bits: u128::from(network.network()), width: 128, step: 4, suffix: "ip6.arpa." }
        }
    };
    let prefix = u32::from(network.prefix_len());
    let boundary = prefix.next_multiple_of(layout.step);
    let count = 1_u128 << (boundary - prefix);
    // Only a prefix of 0 shifts by the whole width, and then the index is 0.
    let place = |index: u128| index.checked_shl(layout.width - boundary).unwrap_or_default();
    (0..count)
        .map(|index| name(&layout, layout.bits | place(index), boundary / layout.step))
        .collect()
}

/// Spells the first `labels` labels of an address backwards.
fn name(layout: &Layout, bits: u128, labels: u32) -> String {
    let mask = (1_u128 << layout.step) - 1;
    let mut name = String::new();
    for label in (1..=labels).rev() {
        let value = (bits >> (layout.width - layout.step * label)) & mask;
        match layout.step {
            8 => name.push_str(&format!("{value}.")),
            _ => name.push_str(&format!("{value:x}.")),
        }
    }
    name + layout.suffix
}

#[cfg(test)]
mod tests {
    use super::*;

    fn zones(network: &str) -> Vec<String> {
        reverse_zones(network.parse().unwrap())
    }

    #[test]
    fn aligned_prefixes_are_one_zone() {
        for (network, expected) in [
            ("0.0.0.0/0", "in-addr.arpa."),
            ("10.0.0.0/8", "10.in-addr.arpa."),
            ("10.0.0.0/24", "0.0.10.in-addr.arpa."),
            ("10.0.0.7/24", "0.0.10.in-addr.arpa."),
            ("192.0.2.1/32", "1.2.0.192.in-addr.arpa."),
            ("::/0", "ip6.arpa."),
            ("2001:db8::/32", "8.b.d.0.1.0.0.2.ip6.arpa."),
            ("fd00::/8", "d.f.ip6.arpa."),
        ] {
            assert_eq!(zones(network), [expected], "{network}");
        }
    }

    #[test]
    fn other_prefixes_expand_to_the_next_boundary() {
        let all = zones("10.0.0.0/17");
        assert_eq!(all.len(), 128);
        assert_eq!(all[0], "0.0.10.in-addr.arpa.");
        assert_eq!(all[127], "127.0.10.in-addr.arpa.");
        let all = zones("10.1.2.32/27");
        assert_eq!(all.len(), 32);
        assert_eq!(all[0], "32.2.1.10.in-addr.arpa.");
        assert_eq!(all[31], "63.2.1.10.in-addr.arpa.");
        let all = zones("128.0.0.0/1");
        assert_eq!((all.len(), all[127].as_str()), (128, "255.in-addr.arpa."));
        let all = zones("fd00::/7");
        assert_eq!(all, ["c.f.ip6.arpa.", "d.f.ip6.arpa."]);
        assert_eq!(zones("2001:db8::/33").len(), 8);
        assert_eq!(zones("fd00::1/127").len(), 2);
    }
}

//! The stores of the IPAM plugin on this host, and the blocks of the node: no process serves them, and whoever asks reads
//! them.

use std::fs;
use std::io::ErrorKind;
use std::path::Path;

use cni_ipam::edge::site::Site;
use cni_ipam::node_blocks;
use cni_ipam::tools::{self, RangeUse};
use dns::edge::hostname::hostname;
use ipnet::IpNet;

use super::view::{Section, Unit, Value, View, Width};

/// Returns the view of the stores in a folder, and of the file of the node's blocks; none when there is neither, or the
/// folder is `off`.
pub(super) fn view(folder: &Path, blocks: &Path) -> Option<View> {
    if folder == Path::new("off") {
        return None;
    }
    let site = Site { store_root: folder.to_owned(), ..Site::host() };
    let mut problems = Vec::new();
    let usage = tools::usage(&site).unwrap_or_else(|error| {
        problems.push(format!("{error}; --store-dir off leaves it out"));
        Vec::new()
    });
    let blocks = read_blocks(blocks).unwrap_or_else(|error| {
        problems.push(error);
        Vec::new()
    });
    if usage.is_empty() && blocks.is_empty() && problems.is_empty() {
        return None;
    }
    Some(View {
        role: "ipam".to_owned(),
        host: hostname(),
        version: String::new(),
        uptime: None,
        problems,
        sections: vec![of_blocks(&blocks), section(&usage)],
    })
}

/// Reads the blocks of this node; none without a file.
fn read_blocks(file: &Path) -> Result<Vec<IpNet>, String> {
    let octets = match fs::read(file) {
        Ok(octets) => octets,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(format!("{}: {error}", file.display())),
    };
    node_blocks::parse(&octets).map_err(|error| format!("{}: {error}", file.display()))
}

fn of_blocks(blocks: &[IpNet]) -> Section {
    let columns = [("block", "Block", Unit::Text)];
    let row = |block: &IpNet| [block.to_string().into()];
    Section::new("blocks", "Blocks of this node", columns).with_rows(blocks.iter().map(row))
}

fn section(usage: &[(String, Vec<RangeUse>)]) -> Section {
    let columns = [
        ("network", "Network", Unit::Text),
        ("first", "First", Unit::Text),
        ("last", "Last", Unit::Text),
        ("addresses", "Addresses", Unit::Count),
        ("held", "Held", Unit::Count),
        ("released", "Left alone", Unit::Count),
    ];
    let row = |network: &String, range: &RangeUse| -> [Value; 6] {
        let RangeUse { first, last, addresses, held, released } = range;
        // An IPv6 range may have more than an integer can say.
        let addresses: Option<f64> = addresses.parse().ok();
        let text = |text: &String| Value::from(text.as_str());
        [
            text(network),
            text(first),
            text(last),
            addresses.into(),
            (*held).into(),
            (*released).into(),
        ]
    };
    let rows = usage
        .iter()
        .flat_map(|(network, ranges)| ranges.iter().map(move |range| row(network, range)));
    Section::new("ranges", "Ranges of addresses", columns)
        .with_width(Width::Whole)
        .with_note("addresses: with the gateway and exclusions in between; `portolan ipam list` has the leases")
        .with_rows(rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_of_any_size_have_a_row() {
        let range = |addresses: &str| RangeUse {
            first: "fd00::1".to_owned(),
            last: "fd00::ffff".to_owned(),
            addresses: addresses.to_owned(),
            held: 3,
            released: 1,
        };
        let ranges = vec![range("254"), range("18446744073709551616")];
        let section = section(&[("pods".to_owned(), ranges)]);
        let counts: Vec<String> =
            section.rows.iter().map(|row| row[3].shown(Unit::Count)).collect();
        assert_eq!(counts, ["254", "18,446,744,073,709,551,616"]);
    }

    #[test]
    fn without_stores_there_is_nothing_to_tell() {
        let folder = Path::new("/nonexistent/portolan-status");
        let file = folder.join("blocks.json");
        assert_eq!((view(folder, &file), view(Path::new("off"), &file)), (None, None));
    }
}

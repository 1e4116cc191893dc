//! The stores of the IPAM plugin on this host, which no process serves: whoever asks reads them.

use std::path::Path;

use cni_ipam::edge::site::Site;
use cni_ipam::tools::{self, RangeUse};
use dns::edge::hostname::hostname;

use super::view::{Section, Unit, Value, View, Width};

/// Returns the view of the stores in a folder; none when there is none, or the folder is `off`.
pub(super) fn view(folder: &Path) -> Option<View> {
    if folder == Path::new("off") {
        return None;
    }
    let site = Site { store_root: folder.to_owned(), ..Site::host() };
    let (usage, problems) = match tools::usage(&site) {
        Ok(usage) if usage.is_empty() => return None,
        Ok(usage) => (usage, Vec::new()),
        Err(error) => (Vec::new(), vec![format!("{error}; --store-dir off leaves it out")]),
    };
    Some(View {
        role: "ipam".to_owned(),
        host: hostname(),
        version: String::new(),
        uptime: None,
        problems,
        sections: vec![section(&usage)],
    })
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
        assert_eq!((view(folder), view(Path::new("off"))), (None, None));
    }
}

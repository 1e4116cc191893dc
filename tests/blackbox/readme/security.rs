//! docs/security.md: each statement and advisory names tests that exist, or says why it cannot apply.

use std::collections::BTreeSet;

use super::markdown::tables;
use super::options::{codes, is_test};
use super::page;

/// The advisories that are known of CoreDNS; whoever adds one adds its row.
const ADVISORIES: [&str; 23] = [
    "Cure53 DNS-01-003",
    "TOB-CDNS-8",
    "CVE-2017-15133",
    "CVE-2019-19794",
    "CVE-2022-2835",
    "CVE-2022-2837",
    "CVE-2023-28452",
    "CVE-2023-30464",
    "CVE-2024-0874",
    "CVE-2025-47950",
    "CVE-2025-58063",
    "CVE-2025-68151",
    "CVE-2026-26017",
    "CVE-2026-26018",
    "CVE-2026-32934",
    "CVE-2026-32936",
    "CVE-2026-33190",
    "CVE-2026-35579",
    "CVE-2026-33489",
    "CVE-2026-82399",
    "CVE-2026-86003",
    "coredns#8190",
    "oss-fuzz 498472468",
];

/// What a row says of a transport, and where the tests stand that ask the real server over it.
const TRANSPORTS: [(&str, &str); 3] = [
    ("DNS over HTTPS", "blackbox/https::"),
    ("DNS over QUIC", "blackbox/quic::"),
    ("TCP", "blackbox/connections::"),
];

#[test]
fn every_row_names_tests_that_exist_or_a_reason() {
    let (mut ids, mut wrong) = (BTreeSet::new(), Vec::new());
    for table in tables(&page("docs/security.md")) {
        let is_advisory = table.columns[0] == "id";
        // Others describe, and name no tests.
        if !table.columns.last().is_some_and(|column| column.starts_with("test")) {
            continue;
        }
        for row in &table.rows {
            let what = &row[0];
            let last = row.last().unwrap();
            ids.extend(what.split(", ").map(str::to_owned));
            let is_path = |code: &&str| code.contains("::");
            let named: Vec<&str> = codes(last).into_iter().filter(is_path).collect();
            let has_reason = is_advisory && last.starts_with("cannot apply: ");
            if named.is_empty() && !has_reason {
                wrong.push(format!("{what}: no test and no reason"));
            }
            let without = TRANSPORTS.iter().filter(|(transport, file)| {
                row[1].contains(transport) && !named.iter().any(|test| test.starts_with(file))
            });
            if is_advisory && !has_reason {
                wrong.extend(without.map(|(_, file)| format!("{what}: no test of {file}")));
            }
            let missing = named.into_iter().filter(|test| !is_test(test));
            wrong.extend(missing.map(|test| format!("{what}: there is no test {test}")));
        }
    }
    let without = ADVISORIES.iter().filter(|id| !ids.contains(**id));
    wrong.extend(without.map(|id| format!("{id} has no row")));
    assert!(wrong.is_empty(), "docs/security.md: correct these rows:\n{}", wrong.join("\n"));
}

#[test]
fn tests_that_the_text_names_exist() {
    let page = page("docs/security.md");
    let prose = page.lines().filter(|line| !line.starts_with('|'));
    let text = prose.collect::<Vec<_>>().join("\n");
    let named = codes(&text).into_iter().filter(|code| code.contains("::"));
    let missing: Vec<&str> = named.filter(|test| !is_test(test)).collect();
    assert_eq!(missing, [""; 0]);
}

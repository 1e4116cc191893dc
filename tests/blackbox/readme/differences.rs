//! docs/dns-differences.md: the table of what `strict` changes.

use std::path::Path;

use portolan_tests::namespace::{inside, run};
use portolan_tests::server::{binary, write};
use portolan_tests::upstream::Upstream;
use serde_json::Value;

use super::markdown::{blocks, code, tables};
use super::page;

#[test]
fn the_differences_of_strict_are_as_listed() {
    inside("differences::the_differences_of_strict_are_as_listed", || {
        let page = page("docs/dns-differences.md");
        let objects = blocks(&page).into_iter().find(|block| block.language == "yaml").unwrap();
        let directory = tempfile::tempdir().unwrap();
        let upstream = Upstream::start(&portolan_tests::fixture("dns-cases/upstream.zone"));
        write(&directory.path().join("objects.yaml"), &objects.text);
        let corefile = |options: &str| {
            let name = format!("Corefile-{}", options.replace(['\n', ' '], "-"));
            let path = directory.path().join(name);
            write(
                &path,
                &format!(
                    ".:0 {{
                        kubernetes cluster.local in-addr.arpa ip6.arpa {{
                            manifests {}
                            namespace_labels !hidden
                            {options}
                        }}
                        forward down.test 127.0.0.1:1
                        forward . {}
                    }}",
                    directory.path().join("objects.yaml").display(),
                    upstream.address
                ),
            );
            path
        };
        let mut rows = 0;
        let tables = tables(&page);
        for row in tables.iter().filter(|t| t.columns[0] == "question").flat_map(|t| &t.rows) {
            let question = code(&row[0]);
            let pods = row[1].replace('`', "");
            let default = explain(&corefile(&pods), &question);
            let strict = explain(&corefile(&format!("{pods}\nstrict")), &question);
            assert_eq!((default.as_str(), strict.as_str()), (&*row[2], &*row[3]), "{question}");
            rows += 1;
        }
        assert!(rows >= 10, "the table is found: {rows} rows");
    });
}

/// Returns what a Corefile answers, in the words of the page.
fn explain(corefile: &Path, question: &str) -> String {
    let (name, qtype) = question.split_once(' ').unwrap();
    let output = run(
        binary().to_str().unwrap(),
        &["explain", "dns", "--json", "--conf", corefile.to_str().unwrap(), name, qtype],
    );
    let explanation: Value = serde_json::from_str(&output).unwrap();
    let types: Vec<&str> = explanation["answer"]
        .as_array()
        .unwrap()
        .iter()
        .map(|record| record.as_str().unwrap().split(' ').nth(3).unwrap())
        .collect();
    match (explanation["rcode"].as_str().unwrap(), types.join(", ")) {
        ("NOERROR", types) if types.is_empty() => "NODATA".to_owned(),
        ("NOERROR", types) => types,
        (rcode, types) if types.is_empty() => rcode.to_owned(),
        (rcode, types) => format!("{rcode} with {types}"),
    }
}

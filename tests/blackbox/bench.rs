//! `portolan-bench` in a form that takes seconds: it measures everything it should, whatever the numbers are.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on says so by panicking")]

use std::fs;
use std::path::Path;
use std::process::Command;

use portolan_tests::namespace::inside;
use serde_json::Value;

/// Every row of the table.
const WORKLOADS: [&str; 14] = [
    "A",
    "AAAA",
    "SRV",
    "PTR",
    "NXDOMAIN",
    "search list",
    "search list, autopath",
    "cached",
    "A, 5 services",
    "A, 500 services",
    "TCP, a connection each",
    "TCP, pipelined",
    "DoT",
    "DoH",
];

/// Runs it with the built server and the reflector, and returns what it printed and its results.
fn trial(more: &[&str]) -> (String, Value) {
    let directory = tempfile::tempdir().unwrap();
    let (json, document) = (directory.path().join("trial.json"), directory.path().join("page.md"));
    fs::write(&document, "<!-- results of `make bench` -->\n<!-- end of results -->\n").unwrap();
    let this = std::env::current_exe().unwrap();
    let output = Command::new(this.ancestors().nth(2).unwrap().join("portolan-bench"))
        .args(["--services", "50", "--rounds", "1", "--seconds", "0.1"])
        .args(["--server", "reflector", "--server", "portolan"])
        .args(more)
        .arg("--configuration")
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().join("bench"))
        .arg("--out")
        .arg(&json)
        .arg("--document")
        .arg(&document)
        .output()
        .unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    let printed = String::from_utf8(output.stdout).unwrap();
    assert!(fs::read_to_string(document).unwrap().contains(&printed), "{printed}");
    (printed, serde_json::from_str(&fs::read_to_string(json).unwrap()).unwrap())
}

#[test]
fn every_workload_is_answered() {
    inside("every_workload_is_answered", || {
        let (table, results) = trial(&["--part", "table"]);
        for workload in WORKLOADS {
            let rounds = &results["workloads"][workload]["portolan"];
            assert!(rounds[0]["per_second"].as_f64().unwrap() > 0.0, "{workload}: {table}");
            assert!(rounds[0]["answered"].as_f64().unwrap() > 0.0, "{workload}: {table}");
            assert!(table.contains(&format!("| {workload} | portolan |")), "{table}");
        }
        assert_eq!(results["workloads"].as_object().unwrap().len(), WORKLOADS.len(), "{table}");
        assert!(table.contains("| A | reflector |"), "{table}");
        assert_eq!(results["left_out"].as_array().unwrap().len(), 0, "{table}");
    });
}

#[test]
fn clusters_changes_and_starts_are_measured() {
    inside("clusters_changes_and_starts_are_measured", || {
        let parts = ["--part", "memory", "--part", "changes", "--part", "start"];
        let (text, results) = trial(&parts);
        for memory in results["memory"].as_array().unwrap() {
            let of = |field: &str| memory[field].as_u64().unwrap();
            assert!(of("relist_peak_kib") >= of("resident_kib"), "{text}");
            assert!(of("resident_kib") > 1024, "{text}");
        }
        assert_eq!(results["memory"].as_array().unwrap().len(), 2, "{text}");
        assert!(results["changes"][0]["events"].as_u64().unwrap() > 0, "{text}");
        let start = &results["starts"][0];
        assert!(start["ready"].as_f64().unwrap() > 0.0, "{text}");
        assert!(start["list"].as_f64().unwrap() > 0.0, "{text}");
    });
}

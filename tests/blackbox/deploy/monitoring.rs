//! `deploy/monitoring/`: alerts that fire when they should, and a dashboard, on metrics that there are.

use std::collections::BTreeSet;
use std::fs;

use portolan_tests::fixture;
use portolan_tests::namespace::run;
use serde_json::Value;

use super::root;

/// Returns the metrics that docs/metrics.md has, which another test compares with the code.
fn documented() -> BTreeSet<String> {
    let page = fs::read_to_string(root().join("docs/metrics.md")).unwrap();
    let rows = page.lines().filter_map(|line| line.strip_prefix("| `"));
    let names = rows.filter_map(|row| row.split('`').next());
    names.filter(|name| is_metric(name)).map(str::to_owned).collect()
}

fn is_metric(word: &str) -> bool {
    ["coredns_", "portolan_", "process_"].iter().any(|start| word.starts_with(start))
}

/// Returns the metrics of a text of PromQL that are not documented, and how many are.
fn look_up(text: &str, known: &BTreeSet<String>) -> (Vec<String>, usize) {
    let is_part = |character: char| character.is_ascii_alphanumeric() || character == '_';
    let words = text.split(|character| !is_part(character)).filter(|word| is_metric(word));
    let (mut unknown, mut count) = (Vec::new(), 0);
    for word in words {
        let base = ["_bucket", "_sum", "_count"].iter().find_map(|end| word.strip_suffix(end));
        if known.contains(word) || base.is_some_and(|base| known.contains(base)) {
            count += 1;
        } else {
            unknown.push(word.to_owned());
        }
    }
    (unknown, count)
}

fn rules() -> String {
    fs::read_to_string(root().join("deploy/monitoring/rules.yaml")).unwrap()
}

fn dashboard() -> Value {
    let path = root().join("deploy/monitoring/dashboard.json");
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

/// Returns the expressions of every panel.
fn expressions() -> Vec<String> {
    let dashboard = dashboard();
    let panels = dashboard["panels"].as_array().unwrap();
    let targets = panels.iter().filter_map(|panel| panel["targets"].as_array()).flatten();
    targets.map(|target| target["expr"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn alerts_and_panels_use_metrics_that_there_are() {
    let known = documented();
    let text = expressions().join("\n") + &rules();
    let (unknown, count) = look_up(&text, &known);
    assert_eq!(unknown, Vec::<String>::new(), "docs/metrics.md has none of these");
    assert!(count > 40, "metrics are found: {count}");
}

/// Prometheus' own tool reads the rules, and tries each alert on series that should and should not make it fire.
#[test]
fn every_alert_fires_when_it_should() {
    let directory = tempfile::tempdir().unwrap();
    let at = |name: &str| directory.path().join(name).display().to_string();
    fs::write(at("rules.yaml"), rules()).unwrap();
    let cases = fs::read_to_string(fixture("monitoring/alerts.yaml")).unwrap();
    fs::write(at("alerts.yaml"), &cases).unwrap();
    run("promtool", &["check", "rules", &at("rules.yaml")]);
    run("promtool", &["test", "rules", &at("alerts.yaml")]);
    let rules = rules();
    let alerts = rules.lines().filter_map(|line| line.trim().strip_prefix("- alert: "));
    let mut count = 0;
    for alert in alerts {
        assert!(cases.contains(&format!("  - name: {alert}\n")), "{alert} fires in a case");
        assert!(cases.contains(&format!("{{alertname: {alert}, ")), "{alert} is quiet in a case");
        count += 1;
    }
    assert!(count > 10, "alerts are found: {count}");
}

/// Every panel has an expression that Prometheus can read, and a place of its own.
#[test]
fn the_dashboard_can_be_shown() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("panels.yaml");
    let mut rules = String::from("groups:\n  - name: panels\n    rules:\n");
    let expressions = expressions();
    assert!(expressions.len() > 20, "panels are found: {}", expressions.len());
    for (number, expression) in expressions.iter().enumerate() {
        // What Grafana puts in.
        let expression = expression.replace("$__rate_interval", "5m").replace("$job", ".*");
        let expression = Value::String(expression);
        rules += &format!("      - record: panel:{number}\n        expr: {expression}\n");
    }
    fs::write(&path, rules).unwrap();
    run("promtool", &["check", "rules", path.to_str().unwrap()]);

    let dashboard = dashboard();
    let (mut places, mut ids) = (BTreeSet::new(), BTreeSet::new());
    for panel in dashboard["panels"].as_array().unwrap() {
        let place = &panel["gridPos"];
        assert!(places.insert((place["x"].as_u64(), place["y"].as_u64())), "{panel}");
        assert!(ids.insert(panel["id"].as_u64()), "{panel}");
        assert!(place["x"].as_u64().unwrap() + place["w"].as_u64().unwrap() <= 24, "{panel}");
        assert!(panel["title"].as_str().is_some_and(|title| !title.is_empty()));
    }
}

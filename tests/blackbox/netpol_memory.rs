//! What `portolan netpol` keeps of a cluster of 5,000 pods and 1,000 policies with 250 of the pods on its node, and how much
//! more it needs while thousands of events come. `make bench-netpol` runs it with a release build, for its table.

use std::time::Instant;

use portolan_tests::memory::{forget_the_peak, of_mapped, peak, resident};
use portolan_tests::namespace::inside;
use portolan_tests::netpol_agent::Agent;
use portolan_tests::netpol_scale::{EVENTS, Scale};
use portolan_tests::server::binary;
use portolan_tests::soak::rounds;
use portolan_tests::stage::{Stage, show, until};
use serde_json::json;
use test_apiserver::Flavour;

/// What the whole process may take, in KiB.
const GOAL: usize = 60 * 1024;

/// Names the directory of results; set by `make bench-netpol`.
const OUT: &str = "PORTOLAN_BENCH_OUT";

#[test]
fn the_whole_role_stays_small() {
    inside("the_whole_role_stays_small", || {
        let out = std::env::var_os(OUT);
        // With a release build the code is part of the goal; that of a debug build is larger than all else.
        let is_bench = out.is_some();
        let scale = if is_bench { Scale::WHOLE } else { Scale::part(rounds(5, 1)) };
        let stage = Stage::local();
        scale.objects().for_each(|object| drop(stage.server().put(object).unwrap()));
        let mut command = std::process::Command::new(binary());
        command.args(["netpol", "--node", "node-0", "--admin", "127.0.0.1:0", "--kubeconfig"]);
        command.arg(stage.kubeconfig(Flavour::Token));
        let started = Instant::now();
        let mut agent = Agent::start(command);
        let start_ms = started.elapsed().as_millis();
        let elements = agent.metric("portolan_netpol_elements");
        let synced = (resident(&agent.server), of_mapped(&agent.server, "Pss:"));
        let anonymous = of_mapped(&agent.server, "Anonymous:");
        let at_start = peak(&agent.server);
        forget_the_peak(&agent.server);
        let applied = "portolan_source_events_total";
        let before = agent.metric(applied);
        let mut most_anonymous = anonymous;
        for number in 0..EVENTS {
            stage.server().put(scale.event(number)).unwrap();
            if number % 100 == 0 {
                most_anonymous = most_anonymous.max(of_mapped(&agent.server, "Anonymous:"));
            }
        }
        until("all events", || agent.metric(applied), |seen| *seen >= before + EVENTS as f64);
        until("all enforced", || agent.metric("portolan_netpol_unsynced_seconds"), |it| *it == 0.0);
        assert!(agent.metric("portolan_netpol_transaction_failures_total") == 0.0);
        let (events_peak, after) = (peak(&agent.server), resident(&agent.server));
        most_anonymous = most_anonymous.max(of_mapped(&agent.server, "Anonymous:"));
        let Scale { pods, policies, .. } = scale;
        show(&format!(
            "portolan netpol with {pods} pods, {policies} policies, {elements} elements: {} KiB resident ({} Pss, \
             {anonymous} anonymous) when it enforces, {at_start} at most up to there; {events_peak} at most in {EVENTS} \
             events ({most_anonymous} anonymous), {after} behind them; {start_ms} ms to start",
            synced.0, synced.1
        ));
        let most = if is_bench { GOAL } else { GOAL / 3 };
        assert!(most_anonymous <= most, "{most_anonymous} KiB");
        if let Some(out) = out {
            let results = json!({
                "pods": pods, "policies": policies, "local_pods": pods / 20, "elements": elements, "events": EVENTS,
                "resident_kib": synced.0, "pss_kib": synced.1, "anonymous_kib": anonymous,
                "start_peak_kib": at_start, "events_peak_kib": events_peak,
                "events_peak_anonymous_kib": most_anonymous, "resident_after_kib": after, "start_ms": start_ms,
            });
            let file = std::path::Path::new(&out).join("netpol-memory.json");
            std::fs::create_dir_all(&out).unwrap();
            std::fs::write(file, format!("{:#}\n", json!({"results": results}))).unwrap();
            assert!(at_start.max(events_peak) <= GOAL, "{at_start} KiB, {events_peak} KiB");
        }
    });
}

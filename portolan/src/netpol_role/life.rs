//! From the start of the agent to a signal.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail};
use cluster_source::Source;
use netfilter::{Monitor, MonitorEvent};
use netpol::{Compiler, Options};
use prometheus::Registry;
use tokio::sync::{oneshot, watch};

use super::admin::{self, Told};
use super::bridges;
use super::denied_log::{self, DeniedLog};
use super::drops::Drops;
use super::enforcer::{Enforcer, Judged};
use super::events::{self, BadPolicies};
use super::metrics::{Metrics, to_gauge};
use super::recent::Recent;
use super::view;
use crate::admin::{bind, name_in};
use crate::cli::NetpolArguments;
use crate::signals::Signals;
use crate::status::Process;

/// How long after a failure the kernel is asked again: the first time, and at most. A change of the cluster, which may
/// have what the kernel takes, waits for the first.
const RETRY: Duration = Duration::from_millis(250);
const RETRY_CAP: Duration = Duration::from_secs(8);

/// How long the end waits for Events that are not written yet.
const LAST_EVENTS: Duration = Duration::from_secs(1);

/// How many wakes wait at most. A change of the cluster that finds the queue full is seen with the one before it.
const WAKES: usize = 64;

/// Why the kernel is looked at.
#[derive(Debug)]
enum Wake {
    /// The cluster changed, seen at this time.
    Changed(Instant),
    /// Somebody changed nftables: the name of the program.
    Foreign(String),
    /// The process is to end.
    Stop,
}

/// What the thread that talks to the kernel works with.
struct Agent {
    node: String,
    options: Options,
    source: Source,
    enforcer: Enforcer,
    metrics: Arc<Metrics>,
    drops: Arc<Drops>,
    unready: watch::Sender<Option<String>>,
    /// The ruleset of the newest snapshot that was looked at; none before the first.
    compiler: Option<Compiler>,
    /// The revision of the snapshot that the kernel has.
    revision: Option<u64>,
}

/// What the kernel does not have yet.
#[derive(Debug, Default)]
struct Pending {
    /// Since when; none when it has everything.
    since: Option<Instant>,
    /// When it failed last, and how long from there it is left alone.
    failed: Option<(Instant, Duration)>,
    /// Something changed since it failed.
    is_changed: bool,
}

/// Enforces what the cluster says until a signal.
///
/// # Errors
/// It cannot begin: the cluster, the kernel or the admin address cannot be used.
pub(super) async fn live(
    arguments: &NetpolArguments,
    node: String,
    mut options: Options,
) -> Result<()> {
    let mut signals = Signals::listen()?;
    let listener = bind(&arguments.admin).await?;
    let (bad_policies, told) = BadPolicies::channel();
    let source = view::open(&arguments.cluster, view::KINDS, Arc::new(bad_policies)).await?;
    let enforcer = Enforcer::open(arguments)?;
    let registry = Registry::new();
    let metrics = Arc::new(Metrics::register(&registry)?);
    let events = events::start(&arguments.cluster.origin, &node, &source, told).await?;
    let drops = Arc::new(Drops::open(super::table()?, &registry)?);
    let recent = Arc::new(Recent::default());
    if let Some(group) = denied_log::open(&mut options.log) {
        let (source, profiles) = (source.clone(), drops.profiles());
        let (metrics, recent) = (Arc::clone(&metrics), Arc::clone(&recent));
        DeniedLog { source, profiles, metrics, recent }.start(group)?;
    }
    let (unready, told) = watch::channel(Some("not enforced yet".to_owned()));
    let told = Told {
        registry,
        metrics: Arc::clone(&metrics),
        drops: Arc::clone(&drops),
        events: events.clone(),
        source: source.clone(),
        recent,
        options: options.clone(),
        process: Process::start("netpol"),
        unready: told,
    };
    let (stop_http, http_stopped) = watch::channel(false);
    if let Some(listener) = listener {
        let handler = admin::handler(&told, name_in(&arguments.admin))?;
        tokio::spawn(listener.serve(handler, http_stopped));
    }
    let (wake, wakes) = sync_channel(WAKES);
    tokio::spawn(follow(source.clone(), wake.clone()));
    tokio::spawn(bridges::watch(source.clone(), node.clone(), Arc::clone(&metrics)));
    watch_kernel(enforcer.port(), wake.clone())?;
    let agent = Agent {
        node,
        options,
        source,
        enforcer,
        metrics,
        drops,
        unready,
        compiler: None,
        revision: None,
    };
    let thread = std::thread::Builder::new().name("kernel".to_owned());
    let (living, all_gone) = oneshot::channel::<Infallible>();
    let thread = thread.spawn(move || {
        let _living = living;
        agent.run(&wakes);
    })?;
    let signal = tokio::select! {
        signal = signals.stop() => signal,
        // A process that enforces nothing any more must not look as if it did.
        _ = all_gone => bail!("the thread that talks to the kernel has ended; the rules stay in force"),
    };
    tracing::info!(signal, "ending; the rules stay in force");
    let ended = tokio::task::spawn_blocking(move || {
        // Fails when the thread has ended, of which it says why.
        let _ = wake.send(Wake::Stop);
        thread.join()
    });
    tokio::select! {
        ended = ended => ended?.map_err(|_| anyhow!("the thread of the kernel panicked"))?,
        signal = signals.stop() => {
            tracing::warn!(signal, "second signal: ending at once");
            std::process::exit(2);
        }
    }
    if let Some(events) = events {
        events.flush(LAST_EVENTS).await;
    }
    stop_http.send_replace(true);
    Ok(())
}

/// Passes changes of the cluster on once everything is listed.
async fn follow(source: Source, wake: SyncSender<Wake>) {
    let mut changes = source.changes();
    loop {
        if view::is_synced(&source)
            && let Err(TrySendError::Disconnected(_)) = wake.try_send(Wake::Changed(Instant::now()))
        {
            return;
        }
        if changes.changed().await.is_err() {
            return;
        }
    }
}

/// Passes changes of nftables by others on. `own` is the number of this process's socket.
///
/// # Errors
/// The kernel does not tell of changes.
fn watch_kernel(own: u32, wake: SyncSender<Wake>) -> Result<()> {
    let mut monitor = Monitor::open().context("cannot follow changes of nftables")?;
    let mut wait = move || -> Result<()> {
        loop {
            let who = match monitor.wait()? {
                MonitorEvent::Generation(made) if made.port == own => continue,
                MonitorEvent::Generation(made) => made.program,
                // What was lost may have been about the table.
                MonitorEvent::Lost => "unknown".to_owned(),
            };
            if wake.send(Wake::Foreign(who)).is_err() {
                return Ok(());
            }
        }
    };
    std::thread::Builder::new().name("monitor".to_owned()).spawn(move || {
        if let Err(error) = wait() {
            let error = format!("{error:#}");
            tracing::error!(error, "changes of nftables by others are no longer noticed");
        }
    })?;
    Ok(())
}

impl Agent {
    /// Brings the kernel up to date whenever something wakes it, until it is told to stop. What comes while it works is
    /// one piece of work: the newest snapshot has it all.
    fn run(mut self, wakes: &Receiver<Wake>) {
        let mut pending = Pending::default();
        loop {
            let mut woken = Vec::new();
            let first = match pending.left(Instant::now()) {
                Some(left) => wakes.recv_timeout(left),
                None => wakes.recv().map_err(|_| RecvTimeoutError::Disconnected),
            };
            match first {
                Ok(wake) => woken.push(wake),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return,
            }
            woken.extend(wakes.try_iter());
            let mut culprit = None;
            for wake in woken {
                match wake {
                    Wake::Changed(at) => pending.add(at),
                    Wake::Foreign(program) => culprit = Some(program),
                    Wake::Stop => return,
                }
            }
            if let Some(program) = culprit {
                self.look_for_drift(&program, &mut pending);
            }
            if pending.since.is_none() && self.is_outdated() {
                pending.add(Instant::now());
            }
            if let Some(since) = pending.since
                && pending.left(Instant::now()).is_none_or(|left| left.is_zero())
            {
                if self.bring_up_to_date(since) {
                    pending = Pending::default();
                } else {
                    pending.fail(Instant::now());
                }
            }
        }
    }

    /// Says whether there is a snapshot to be enforced that the kernel does not have.
    fn is_outdated(&self) -> bool {
        view::is_synced(&self.source) && self.revision != Some(self.source.snapshot().revision())
    }

    /// Brings the kernel to the newest snapshot, and says whether it could be.
    fn bring_up_to_date(&mut self, since: Instant) -> bool {
        self.metrics.is_behind();
        let snapshot = self.source.snapshot();
        let changes = self.compiler.as_mut().map(|compiler| compiler.update(&snapshot));
        let compiler = (self.compiler)
            .get_or_insert_with(|| Compiler::new(&snapshot, &self.node, &self.options));
        self.drops.before(compiler.take_changed_profiles());
        let compiled = compiler.compiled();
        match self.enforcer.enforce(&compiled.ruleset, changes.as_ref()) {
            Ok(applied) => {
                self.drops.behind(&compiled.profiles);
                self.metrics.latency.observe(since.elapsed().as_secs_f64());
                self.metrics.elements.set(to_gauge(compiled.ruleset.elements()));
                self.metrics.chains.set(to_gauge(compiled.ruleset.chains.len()));
                if applied.changes > 0 {
                    self.metrics.transactions.inc();
                }
                match self.enforcer.judge(&compiled.ruleset) {
                    Ok(judged) => {
                        self.metrics.revoked.inc_by(judged.revoked as u64);
                        if applied.changes > 0 || judged != Judged::default() {
                            tracing::info!(
                                changes = applied.changes,
                                elements = applied.elements,
                                revoked = judged.revoked,
                                restored = judged.restored,
                                "policies enforced"
                            );
                        }
                    }
                    Err(error) => {
                        let error = format!("{error:#}");
                        tracing::error!(error, "live connections cannot be judged");
                        return self.fail();
                    }
                }
                self.revision = Some(snapshot.revision());
                self.metrics.is_up_to_date();
                self.unready.send_if_modified(|unready| unready.take().is_some());
                true
            }
            Err(error) => {
                let error = format!("{error:#}");
                tracing::error!(
                    error,
                    "the kernel is not up to date; the rules that it has stay in force"
                );
                self.fail()
            }
        }
    }

    /// Notes a failure, and returns false.
    fn fail(&self) -> bool {
        self.metrics.failures.inc();
        self.unready.send_replace(Some("the kernel refuses".to_owned()));
        false
    }

    /// Puts right what another program changed.
    fn look_for_drift(&mut self, program: &str, pending: &mut Pending) {
        // Before the first ruleset nothing is enforced that could be repaired.
        let Some(compiler) = &self.compiler else { return };
        match self.enforcer.repair(&compiler.compiled().ruleset) {
            Ok(false) => {}
            Ok(true) => {
                tracing::warn!(program, "another program changed the table; it is repaired");
                self.metrics.repairs.inc();
                pending.add(Instant::now());
            }
            Err(error) => {
                self.metrics.failures.inc();
                let error = format!("{error:#}");
                tracing::error!(
                    program,
                    error,
                    "another program changed the table, which cannot be repaired"
                );
                pending.add(Instant::now());
            }
        }
    }
}

impl Pending {
    /// Notes that something changed.
    fn add(&mut self, at: Instant) {
        self.since = Some(self.since.map_or(at, |since| since.min(at)));
        self.is_changed = true;
    }

    /// Notes that the kernel refused.
    fn fail(&mut self, at: Instant) {
        let delay = self.failed.map_or(RETRY, |(_, delay)| (delay * 2).min(RETRY_CAP));
        self.failed = Some((at, delay));
        self.is_changed = false;
    }

    /// Returns how long the kernel is left alone; none when it did not fail.
    fn left(&self, now: Instant) -> Option<Duration> {
        let (at, delay) = self.failed?;
        let delay = if self.is_changed { RETRY } else { delay };
        Some((at + delay).saturating_duration_since(now))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kernel_that_refuses_is_asked_less_and_less_and_at_once_for_something_else() {
        let (start, mut pending) = (Instant::now(), Pending::default());
        pending.add(start);
        assert_eq!(pending.left(start), None, "nothing failed");
        let delays: Vec<u128> = (0..8)
            .map(|_| {
                pending.fail(start);
                pending.left(start).unwrap().as_millis()
            })
            .collect();
        assert_eq!(delays, [250, 500, 1_000, 2_000, 4_000, 8_000, 8_000, 8_000]);
        assert_eq!(pending.left(start + RETRY_CAP), Some(Duration::ZERO));
        pending.add(start + RETRY);
        assert_eq!(pending.left(start + RETRY), Some(Duration::ZERO));
        assert_eq!(pending.since, Some(start), "it has waited since the first change");
    }
}

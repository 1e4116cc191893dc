//! Lets the reports of `errors` appear when they are due.

use std::sync::Weak;
use std::time::{Duration, Instant};

use tokio::time::MissedTickBehavior;

use crate::plugin::errors::Journal;

/// How late a report may be.
pub const FLUSH_INTERVAL: Duration = Duration::from_secs(1);

/// Flushes a journal every `interval`; ends when the journal does.
pub async fn flush_errors(journal: Weak<Journal>, interval: Duration) {
    let mut ticks = tokio::time::interval(interval);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let Some(journal) = journal.upgrade() else { return };
        journal.flush(Instant::now());
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use tokio::sync::mpsc;

    use super::*;
    use crate::plugin::LineSink;
    use crate::plugin::errors::ErrorsConfig;
    use crate::plugin::testing::configure;

    #[tokio::test]
    async fn a_report_appears_without_another_error() {
        let (sender, mut lines) = mpsc::unbounded_channel();
        let sink = LineSink::new(move |_, line| sender.send(line.to_owned()).unwrap());
        let config = configure("errors {\nconsolidate 1ms a\n}", ErrorsConfig::parse).unwrap();
        let journal = Arc::new(Journal::new(config.consolidate, sink));
        journal.record(String::new, "a", Instant::now());
        let flush = tokio::spawn(flush_errors(Arc::downgrade(&journal), Duration::from_millis(1)));
        let line = lines.recv().await.unwrap();
        assert_eq!(line, "plugin/errors: 1 errors like 'a' occurred in last 1ms");
        drop(journal);
        flush.await.unwrap();
    }
}

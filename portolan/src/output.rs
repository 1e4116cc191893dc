//! The standard output behind a bounded queue.
//!
//! Whoever reads the log may stall: a full pipe, a frozen terminal, a slow container runtime. Answers must not wait
//! for it, so that lines are queued for a thread of their own; when the queue is full, lines are dropped and
//! counted.

use std::io::{self, Write};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::time::Duration;

use prometheus::IntCounter;

use crate::logging::LineForm;

/// How many lines wait at most.
const QUEUE: usize = 8192;

/// How long the end of the process waits for the last lines to be written.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// Where log lines go.
#[derive(Clone, Debug)]
pub(crate) struct Output {
    /// None writes nothing.
    queue: Option<SyncSender<Item>>,
    form: LineForm,
    dropped: IntCounter,
}

enum Item {
    Text(Vec<u8>),
    /// Everything before is to be written, and the sender to be told.
    Flush(SyncSender<()>),
}

impl Output {
    /// Starts writing to the standard output.
    pub(crate) fn start(form: LineForm) -> Self {
        let (queue, items) = sync_channel(QUEUE);
        // Ends with the process: the queue lives as long as anyone logs.
        std::thread::spawn(move || write_all(&items));
        Self { queue: Some(queue), form, dropped: dropped() }
    }

    /// Returns an output that swallows everything, for commands whose standard output is their answer.
    pub(crate) fn none() -> Self {
        Self { queue: None, form: LineForm::Text, dropped: dropped() }
    }

    /// Returns the form of the lines.
    pub(crate) fn form(&self) -> LineForm {
        self.form
    }

    /// Returns the number of lines that found the queue full, as a metric.
    pub(crate) fn dropped(&self) -> &IntCounter {
        &self.dropped
    }

    /// Queues text that ends with a newline.
    pub(crate) fn write(&self, text: Vec<u8>) {
        let Some(queue) = &self.queue else { return };
        if let Err(TrySendError::Full(_)) = queue.try_send(Item::Text(text)) {
            self.dropped.inc();
        }
    }

    /// Waits until everything is written, for a moment at most.
    pub(crate) fn flush(&self) {
        let Some(queue) = &self.queue else { return };
        let (done, finished) = sync_channel(1);
        if queue.try_send(Item::Flush(done)).is_ok() {
            // A reader that stalls loses the last lines; the process does not wait for it.
            let _ = finished.recv_timeout(LAST_WORDS);
        }
    }
}

fn dropped() -> IntCounter {
    let name = "portolan_log_lines_dropped_total";
    // The name is valid: letters and underscores.
    IntCounter::new(name, "Log lines dropped because nobody read them in time.")
        .expect("the metric's name is valid")
}

/// Writes what comes, and flushes whenever nothing more is waiting.
fn write_all(items: &Receiver<Item>) {
    let mut output = io::BufWriter::new(io::stdout());
    while let Ok(first) = items.recv() {
        let mut waiting = Vec::new();
        for item in std::iter::once(first).chain(items.try_iter().take(QUEUE)) {
            match item {
                // Nobody is left to tell that the standard output is closed.
                Item::Text(text) => _ = output.write_all(&text),
                Item::Flush(done) => waiting.push(done),
            }
        }
        let _ = output.flush();
        for done in waiting {
            let _ = done.try_send(());
        }
    }
}

/// One event of `tracing`, queued as a whole when it is complete.
#[derive(Debug)]
pub(crate) struct Line {
    output: Output,
    text: Vec<u8>,
}

impl Output {
    /// Returns the writer of one event.
    pub(crate) fn line(&self) -> Line {
        Line { output: self.clone(), text: Vec::new() }
    }
}

impl Write for Line {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        self.text.extend_from_slice(octets);
        Ok(octets.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        if !self.text.is_empty() {
            self.output.write(std::mem::take(&mut self.text));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_queue_drops_lines_and_counts_them() {
        let (queue, items) = sync_channel(2);
        let output = Output { queue: Some(queue), form: LineForm::Text, dropped: dropped() };
        for _ in 0..5 {
            output.write(b"line\n".to_vec());
        }
        assert_eq!(output.dropped().get(), 3);
        assert_eq!(items.try_iter().count(), 2);
    }
}

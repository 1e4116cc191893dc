//! Log lines on the standard output, in CoreDNS's shape: `[LEVEL] message key=value`, without a time, which
//! whoever collects them adds.

use std::fmt;
use std::io::{self, Write};

use dns::plugin::{Level, LineSink};
use tracing::{Event, Subscriber};
use tracing_subscriber::fmt::FmtContext;
use tracing_subscriber::fmt::format::{FormatEvent, FormatFields, Writer};
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::{EnvFilter, fmt as subscriber};

/// Sends the events of all crates to the standard output. `PORTOLAN_LOG` chooses levels (`debug`,
/// `portolan_dns=debug`); `info` otherwise.
pub(crate) fn start() {
    let filter = EnvFilter::try_from_env("PORTOLAN_LOG").unwrap_or_else(|_| EnvFilter::new("info"));
    let lines = subscriber().with_env_filter(filter).event_format(Lines).with_writer(io::stdout);
    // Fails only when a subscriber is there already, which then gets the events.
    let _ = lines.try_init();
}

/// Returns the sink of plugins that write lines.
pub(crate) fn sink() -> LineSink {
    LineSink::new(|level: Level, text: &str| {
        // Nobody is left to tell that the standard output is closed.
        let _ = writeln!(io::stdout().lock(), "[{}] {text}", level.as_str());
    })
}

/// Logs panics as lines like every other; with the way there when `stacktraces` is set (`errors { stacktrace }`).
pub(crate) fn log_panics(stacktraces: bool) {
    std::panic::set_hook(Box::new(move |panic| {
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        let what = panic.payload_as_str().unwrap_or("no message");
        tracing::error!(place, what, "panic; please report it");
        if stacktraces {
            let trace = std::backtrace::Backtrace::force_capture().to_string();
            for line in trace.lines() {
                tracing::error!("{line}");
            }
        }
    }));
}

/// Says why the process ends.
#[expect(clippy::print_stderr, reason = "the last word of a command goes to the terminal")]
pub(crate) fn fatal(error: &anyhow::Error) {
    eprintln!("portolan: {error:#}");
}

struct Lines;

impl<S, N> FormatEvent<S, N> for Lines
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let level = match event.metadata().level().as_str() {
            "WARN" => "WARNING",
            other => other,
        };
        write!(writer, "[{level}] ")?;
        context.format_fields(writer.by_ref(), event)?;
        writeln!(writer)
    }
}

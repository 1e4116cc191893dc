//! Log lines on the standard output, in CoreDNS's shape: `[LEVEL] message key=value`, without a time, which
//! whoever collects them adds; or as JSON.

mod json;

use std::ffi::OsStr;
use std::fmt;

use anyhow::{Result, anyhow};
use clap::ValueEnum;
use dns::plugin::{Level, LineSink};
use tracing::{Event, Subscriber};
use tracing_subscriber::fmt::FmtContext;
use tracing_subscriber::fmt::format::{FormatEvent, FormatFields, Writer};
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::{EnvFilter, fmt as subscriber};

use crate::output::Output;
use crate::print;
use json::Object;

/// What is logged unless `PORTOLAN_LOG` says otherwise. The Kubernetes client logs every failed attempt without its
/// cause; `cluster-source` logs the cause, once.
const LEVELS: &str = "info,kube_client=off";

/// What is logged once a Corefile has the plugin `debug`, unless `PORTOLAN_LOG` says otherwise.
const DEBUG_LEVELS: &str = "info,portolan=debug,portolan_dns=debug,kube_client=off";

/// What a command whose standard output is its answer says beside it, unless `PORTOLAN_LOG` says otherwise.
const REMARKS: &str = "warn,kube_client=off";

/// Names the levels that are logged.
const CHOSEN: &str = "PORTOLAN_LOG";

/// Names the form of lines where no flag does.
const FORM: &str = "PORTOLAN_LOG_FORMAT";

/// The form of the lines.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub(crate) enum LineForm {
    /// As CoreDNS writes them.
    Text,
    /// An object on each line.
    Json,
}

impl LineForm {
    /// Returns what a flag says, or the environment, or text.
    ///
    /// # Errors
    /// The environment names a form that there is not.
    pub(crate) fn chosen(flag: Option<Self>) -> Result<Self> {
        let Some(text) = std::env::var(FORM).ok().filter(|text| flag.is_none() && !text.is_empty())
        else {
            return Ok(flag.unwrap_or(Self::Text));
        };
        Self::from_str(&text, false)
            .map_err(|_| anyhow!("{FORM}={text}: there is no such form of lines; use text or json"))
    }
}

/// Chooses what is logged while the process runs.
pub(crate) struct Verbosity(Option<Box<dyn Fn(EnvFilter) + Send + Sync>>);

impl Verbosity {
    /// From here on logs what is done to each query, or no longer. An explicit `PORTOLAN_LOG` stays.
    pub(crate) fn set(&self, every_decision: bool) {
        let levels = if every_decision { DEBUG_LEVELS } else { LEVELS };
        if let Some(choose) = &self.0 {
            choose(EnvFilter::new(levels));
        }
    }
}

impl fmt::Debug for Verbosity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Verbosity").field(&self.0.is_some()).finish()
    }
}

/// Sends the events of all crates to the output. `PORTOLAN_LOG` chooses levels (`debug`,
/// `portolan_dns=debug`); `info` otherwise.
///
/// # Errors
/// The environment names levels that cannot be read.
pub(crate) fn start(form: LineForm) -> Result<(Output, Verbosity)> {
    let from_environment = chosen_levels()?;
    let output = Output::start(form);
    let is_fixed = from_environment.is_some();
    let filter = from_environment.unwrap_or_else(|| EnvFilter::new(LEVELS));
    let lines = output.clone();
    let events = subscriber().with_env_filter(filter).event_format(Lines(form));
    let events = events.with_writer(move || lines.line()).with_filter_reloading();
    let filter = events.reload_handle();
    // Fails only when a subscriber is there already, which then gets the events.
    let _ = events.try_init();
    let choose = move |levels| {
        // Fails only when the subscriber is gone.
        let _ = filter.reload(levels);
    };
    Ok((output, Verbosity((!is_fixed).then(|| Box::new(choose) as _))))
}

/// Sends warnings and errors of all crates to the standard error, for commands whose standard output is their answer:
/// what an answer is made of may lack what could not be read. `PORTOLAN_LOG` chooses other levels.
///
/// # Errors
/// The environment names levels that cannot be read.
pub(crate) fn remarks() -> Result<()> {
    let filter = chosen_levels()?.unwrap_or_else(|| EnvFilter::new(REMARKS));
    let events = subscriber().with_env_filter(filter).event_format(Lines(LineForm::Text));
    // Fails only when a subscriber is there already, which then gets the events.
    let _ = events.with_writer(std::io::stderr).try_init();
    Ok(())
}

/// Returns the levels that the environment names.
fn chosen_levels() -> Result<Option<EnvFilter>> {
    Ok(std::env::var_os(CHOSEN).map(|text| levels(&text)).transpose()?.flatten())
}

/// Reads what `PORTOLAN_LOG` says; an empty text is as good as none.
fn levels(text: &OsStr) -> Result<Option<EnvFilter>> {
    let text = text.to_string_lossy();
    if text.is_empty() {
        return Ok(None);
    }
    EnvFilter::try_new(&text).map(Some).map_err(|error| {
        anyhow!("{CHOSEN}={text}: {error}; write a level, such as debug, or CRATE=LEVEL,...")
    })
}

/// Returns the sink of plugins that write lines.
pub(crate) fn sink(output: &Output) -> LineSink {
    let lines = output.clone();
    let sink = LineSink::new(move |level: Level, text: &str| lines.say(level, text));
    match output.form() {
        LineForm::Text => sink,
        LineForm::Json => {
            let output = output.clone();
            sink.with_fields(move |level, message, fields| {
                output.write(json::of_fields(level, message, fields).into_bytes());
            })
        }
    }
}

impl Output {
    /// Writes a line that is no event.
    pub(crate) fn say(&self, level: Level, text: &str) {
        self.say_of(level, text, &[]);
    }

    /// Writes a line that is no event, as a text, or as JSON with fields.
    pub(crate) fn say_of(&self, level: Level, text: &str, fields: &[(&str, &str)]) {
        self.write(line(self.form(), level, text, fields).into_bytes());
    }
}

fn line(form: LineForm, level: Level, text: &str, fields: &[(&str, &str)]) -> String {
    match form {
        LineForm::Text => format!("[{}] {text}\n", level.as_str()),
        LineForm::Json => {
            let mut object = Object::new(level, text);
            fields.iter().for_each(|(name, value)| object.field(name, value));
            object.into_line()
        }
    }
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
                tracing::error!(frame = %line.trim(), "stack of the panic");
            }
        }
    }));
}

/// Says why the process ends.
pub(crate) fn fatal(error: &anyhow::Error, form: LineForm) {
    // A Corefile with several mistakes has a line for each.
    for text in in_words(error).lines() {
        match form {
            LineForm::Text => print::remark(&format!("portolan: {text}\n")),
            LineForm::Json => {
                print::remark(&line(form, Level::Error, "ended by a failure", &[("error", text)]));
            }
        }
    }
}

/// Puts an error and its causes into one text. Causes that an error above them spells out are not said
/// again, so that a remedy stays the last word.
pub(crate) fn in_words(error: &anyhow::Error) -> String {
    let mut words = error.to_string();
    for cause in error.chain().skip(1).map(ToString::to_string) {
        if !words.contains(&cause) {
            words = format!("{words}: {cause}");
        }
    }
    words
}

struct Lines(LineForm);

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
        if self.0 == LineForm::Json {
            return writer.write_str(&json::of_event(event));
        }
        let level = match event.metadata().level().as_str() {
            "WARN" => "WARNING",
            other => other,
        };
        write!(writer, "[{level}] ")?;
        context.format_fields(writer.by_ref(), event)?;
        writeln!(writer)
    }
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::{Arc, Mutex};

    use super::*;

    #[derive(Clone, Default)]
    struct Log(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Log {
        fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(octets);
            Ok(octets.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn levels_of_the_environment_are_read_or_refused() {
        let shown = |text: &str| levels(text.as_ref()).unwrap().map(|levels| levels.to_string());
        assert_eq!(shown("debug").as_deref(), Some("debug"));
        assert_eq!(shown("info,portolan_dns=debug").as_deref(), Some("portolan_dns=debug,info"));
        assert_eq!(shown(""), None);
        let refused = levels("garbage=x=y".as_ref()).unwrap_err().to_string();
        assert!(refused.starts_with("PORTOLAN_LOG=garbage=x=y: "), "{refused}");
        assert!(
            refused.ends_with("; write a level, such as debug, or CRATE=LEVEL,..."),
            "{refused}"
        );
    }

    #[test]
    fn a_panic_is_a_line_and_its_stack_more_when_asked_for() {
        for (stacktraces, expected) in [(false, 1..2), (true, 3..10_000)] {
            let log = Log::default();
            let writer = log.clone();
            let events = subscriber()
                .event_format(Lines(LineForm::Text))
                .with_writer(move || writer.clone());
            tracing::subscriber::with_default(events.finish(), || {
                log_panics(stacktraces);
                std::panic::catch_unwind(|| panic!("on purpose")).unwrap_err();
                drop(std::panic::take_hook());
            });
            let text = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
            let first = text.lines().next().unwrap();
            assert!(first.starts_with("[ERROR] panic; please report it"), "{text}");
            assert!(first.contains("on purpose"), "{text}");
            assert!(expected.contains(&text.lines().count()), "{stacktraces}: {text}");
            assert_eq!(text.contains("logging::tests::"), stacktraces, "{text}");
        }
    }
}

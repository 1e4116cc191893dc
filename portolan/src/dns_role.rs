//! The role `portolan dns`.
//!
//! ```text
//! read and check the Corefile ─▶ bind every socket, serve HTTP ─▶ load and sync ─▶ serve
//!     ─▶ changed Corefile: taken over
//!     ─▶ SIGTERM: unready, lameduck (still watching and answering), drain, exit 0
//! ```

mod admin;
mod banner;
mod build;
mod builtin;
mod corefile;
mod endpoints;
mod kubernetes_metrics;
mod life;
mod node_local;
mod notify;
mod pid_file;
mod rates;
mod reload;
mod runtime_metrics;
mod sources;
mod status;
mod takeover;
mod unserved;

use std::sync::Arc;

use anyhow::Result;
use dns::config::ListenerIds;
use dns::edge::acme::Acme;
use dns::edge::open_files::raise_limit;
use dns::edge::server::{Limits, Server};
use dns::engine::ListenerId;
use dns::sampling::Sampled;

use crate::cli::DnsArguments;
use crate::logging::{self, LineForm};
use crate::output::Output;
use crate::signals::Signals;

use banner::Banner;
pub(crate) use build::Built;
pub(crate) use corefile::Choice;
use corefile::Loaded;
use endpoints::Insistence;
use node_local::{NodeLocal, Taken};
use pid_file::PidFile;
use reload::{Reloader, Started};
use takeover::Addresses;

/// Serves until a signal.
///
/// # Errors
/// The configuration cannot be used, or an address cannot be listened on.
pub(crate) fn run(arguments: DnsArguments, form: LineForm) -> Result<()> {
    if arguments.version || arguments.plugins {
        return banner::print_facts(&arguments);
    }
    let (output, verbosity) = logging::start(form)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    if arguments.node_local_remove {
        return runtime.block_on(node_local::remove_all());
    }
    let pid_file = PidFile::new(arguments.pidfile.clone());
    let result = runtime.block_on(serve(arguments, &output, &pid_file, verbosity));
    pid_file.remove();
    // What is still being read must not keep the process.
    runtime.shutdown_background();
    output.flush();
    result
}

async fn serve(
    arguments: DnsArguments,
    output: &Output,
    pid_file: &PidFile,
    verbosity: logging::Verbosity,
) -> Result<()> {
    let signals = Signals::listen()?;
    life::handle_other_signals(output, pid_file)?;
    if let Err(error) = raise_limit() {
        tracing::warn!(%error, "the limit of open files stays; `ulimit -n` shows it");
    }
    let choice = Choice::of_dns(&arguments);
    let insistence = match choice {
        Choice::Manifests { .. } => Insistence::Optional,
        Choice::File { .. } | Choice::Default { .. } => Insistence::Required,
    };
    let loaded = Arc::new(corefile::load(&choice)?);
    logging::log_panics(loaded.wants_stacktraces());
    verbosity.set(loaded.wants_every_decision());
    let node_local = NodeLocal::new(&arguments.node_local, &loaded.config)?;
    let taken = match &node_local {
        Some(node_local) => node_local.take_addresses().await?,
        None => Taken::default(),
    };
    let starting = Starting { arguments, choice, insistence, loaded, node_local };
    let has_served = starting.serve(signals, output, pid_file, verbosity).await;
    if !matches!(has_served, Ok(true)) {
        // Nobody answers there, and no other start would know that they are of this one.
        taken.put_back().await;
    }
    has_served.map(|_| ())
}

/// What is known of a server before it has any socket.
struct Starting {
    arguments: DnsArguments,
    choice: Choice,
    insistence: Insistence,
    loaded: Arc<Loaded>,
    node_local: Option<NodeLocal>,
}

impl Starting {
    /// Serves until a signal ends the process, and says whether it has begun to.
    async fn serve(
        self,
        mut signals: Signals,
        output: &Output,
        pid_file: &PidFile,
        verbosity: logging::Verbosity,
    ) -> Result<bool> {
        let Self { arguments, choice, insistence, loaded, node_local } = self;
        let mut listener_ids = ListenerIds::default();
        let ids = listener_ids.of(&loaded.config.listeners);
        let acme = Acme::default();
        let addresses =
            Addresses { config: &loaded.config, acme: &acme, insistence, arguments: &arguments };
        let mut early = addresses.bind_early().await?;
        let started = async {
            let sampled = arguments.sample_queries.into();
            let built = built(&loaded, &ids, acme.clone(), (output, sampled)).await?;
            pid_file.write();
            if let Some((_, http)) = &mut early {
                http.show(&built)?;
            }
            let bound = match early {
                Some(bound) => {
                    life::wait_for_sync(&built).await;
                    bound
                }
                None => addresses.bind_late(&built).await?,
            };
            anyhow::Ok((built, bound))
        };
        let (built, (listeners, http)) = tokio::select! {
            started = started => started?,
            // Nothing has been answered yet that others would have to be told of.
            _ = signals.stop() => return Ok(false),
        };
        let addresses: Vec<_> = listeners.iter().map(|listener| listener.address).collect();
        let banner = Banner::of(&loaded.config, &addresses);
        let mut server = Server::new(&built.responder, Limits::default());
        for (id, listener) in ids.into_iter().zip(listeners) {
            server.serve(id, listener);
        }
        built.begin();
        if let Some(node_local) = &node_local {
            node_local.stop_tracking().await?;
        }
        let started = Started { choice, loaded, listener_ids, built, server, http, verbosity };
        let reloader = Reloader::new(started, output)?;
        // Last, so that everything is there for whoever waits for it.
        if !arguments.quiet {
            banner.print(output);
        }
        notify::notify(notify::State::Ready);
        life::live(reloader, signals, pid_file, node_local).await;
        Ok(true)
    }
}

/// Builds on another thread, so that signals are seen while manifests are taken in.
async fn built(
    loaded: &Arc<Loaded>,
    listeners: &[ListenerId],
    acme: Acme,
    (output, sampled): (&Output, Sampled),
) -> Result<Arc<Built>> {
    let (loaded, listeners, output) = (Arc::clone(loaded), listeners.to_vec(), output.clone());
    tokio::spawn(
        async move { build::build(&loaded.config, &listeners, acme, (&output, sampled)).await },
    )
    .await?
}

/// Loads a Corefile and builds its engine, without any socket to serve on: for `explain`.
///
/// # Errors
/// The configuration cannot be used.
pub(crate) async fn offline(choice: &Choice) -> Result<Arc<Built>> {
    let loaded = corefile::load(choice)?;
    let ids = ListenerIds::default().of(&loaded.config.listeners);
    let unheard = (&Output::none(), Sampled::Nothing);
    let built = build::build(&loaded.config, &ids, Acme::default(), unheard).await?;
    let served = built.served();
    served.sources.wait_until_synced(served.startup_timeout).await;
    Ok(built)
}

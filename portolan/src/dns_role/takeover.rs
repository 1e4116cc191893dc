//! Taking the addresses over from another server on this host (`--takeover`).
//!
//! ```text
//! addresses free ─▶ as any start
//! addresses taken ─▶ load ─▶ wait until everything is listed ─▶ listen beside the other, answer
//!                                └─ the other is gone ─▶ listen
//! ```
//!
//! Two processes of one user share an address (`SO_REUSEPORT`), and the kernel gives each client to one of them. What
//! came to this one before it answers would wait, so it listens last. The other one, when it is told to stop, takes
//! nothing more and answers what it has (`Server::drain`).

use std::io::ErrorKind;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Result, bail};
use dns::config::Config;
use dns::edge::acme::Acme;
use dns::edge::http::HttpBindError;
use dns::edge::server::{self, BindError, BoundListener};

use super::Built;
use super::endpoints::{self, Endpoints, Insistence, Neighbour, Serving};
use crate::cli::DnsArguments;
use crate::logging::in_words;

/// How often is looked whether the other server is still there.
const STEP: Duration = Duration::from_millis(500);

/// The DNS sockets, and the HTTP endpoints at work.
pub(super) type Bound = (Vec<BoundListener>, Serving);

/// What is listened on, and how.
#[derive(Clone, Copy, Debug)]
pub(super) struct Addresses<'a> {
    pub(super) config: &'a Config,
    pub(super) acme: &'a Acme,
    pub(super) insistence: Insistence,
    pub(super) arguments: &'a DnsArguments,
}

impl Addresses<'_> {
    /// Binds every socket at the start; none when another server has an address that is to be taken over.
    ///
    /// # Errors
    /// An address cannot be had.
    pub(super) async fn bind_early(self) -> Result<Option<Bound>> {
        match self.bind(Neighbour::Refused).await {
            Ok((listeners, http)) => Ok(Some((listeners, http.serve()))),
            Err(error) => match taken(&error) {
                Some(address) if self.arguments.takeover => {
                    tracing::info!(address, "another server listens; taking over from it");
                    Ok(None)
                }
                Some(_) => bail!("{}; or take over with --takeover", in_words(&error)),
                None => Err(error),
            },
        }
    }

    /// Binds every socket beside the other server's, when everything is listed; or alone, when the other one has
    /// gone and `startup_timeout` has passed.
    ///
    /// # Errors
    /// An address cannot be had, for example because the other server is another user's.
    pub(super) async fn bind_late(self, built: &Arc<Built>) -> Result<Bound> {
        let mut waited = Duration::ZERO;
        while !built.served().sources.wait_until_synced(STEP).await {
            waited += STEP;
            let missing = built.unready().join(", ");
            tracing::info!(missing, "the other server answers until the cluster is listed");
            if waited >= built.served().startup_timeout
                && let Ok((listeners, http)) = self.bind(Neighbour::Refused).await
            {
                return Ok((listeners, http.serve_built(built)?));
            }
        }
        let (listeners, http) = self.bind(Neighbour::Expected).await?;
        // Probes must not reach an endpoint that knows nothing.
        Ok((listeners, http.serve_built(built)?))
    }

    async fn bind(self, neighbour: Neighbour) -> Result<(Vec<BoundListener>, Endpoints)> {
        let Self { config, acme, insistence, arguments } = self;
        let listeners = match neighbour {
            Neighbour::Refused => server::bind(&config.listeners, acme)?,
            Neighbour::Expected => server::bind_shared(&config.listeners, acme)?,
        };
        let admin = arguments.admin.as_deref();
        let http = endpoints::bind(config, insistence, neighbour, admin).await?;
        Ok((listeners, http))
    }
}

/// Returns the address that another server has, if that is why a socket could not be bound.
fn taken(error: &anyhow::Error) -> Option<String> {
    error.chain().find_map(|cause| match cause.downcast_ref() {
        Some(BindError::InUse { address, .. }) => Some(address.to_string()),
        Some(_) => None,
        None => {
            let HttpBindError { address, source } = cause.downcast_ref()?;
            (source.kind() == ErrorKind::AddrInUse).then(|| address.to_string())
        }
    })
}

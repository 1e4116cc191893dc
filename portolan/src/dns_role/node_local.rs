//! The DNS cache of a node: `--node-local`.
//!
//! ```text
//! start: note addresses ─▶ put them on lo ─▶ listen ─▶ answer ─▶ their packets are not tracked
//! end:   they are tracked ─▶ drain ─▶ addresses off lo ─▶ forget them      unless another server has taken over
//! ```
//!
//! A Service's address may be among them. As long as connections to it are tracked, kube-proxy sends them on to the
//! Service's endpoints: pods are answered from there before this server begins to answer, and behind its end.

mod addresses;
mod keeper;
mod table;

use std::net::{IpAddr, SocketAddr};

use anyhow::{Context, Error, Result, bail};
use dns::config::Config;
use dns::corefile::Transport;
use dns::edge::http::{is_served, is_shared};

use crate::print;

pub(super) use keeper::Keeper;

/// The port of DNS, which is where clients ask.
const PORT: u16 = 53;

/// The addresses of this node's cache.
#[derive(Clone, Debug)]
pub(super) struct NodeLocal {
    addresses: Vec<IpAddr>,
    /// Where the server listens at them.
    listens: Vec<SocketAddr>,
}

impl NodeLocal {
    /// Reads the flag; none when it names no address.
    ///
    /// # Errors
    /// An address is none that this node could have for itself, or no server block listens there.
    pub(super) fn new(addresses: &[IpAddr], config: &Config) -> Result<Option<Self>> {
        let mut listens = Vec::new();
        for address in addresses {
            if address.is_unspecified() || address.is_multicast() || address.is_loopback() {
                bail!(
                    "--node-local {address}: name an address that no network has, such as 169.254.20.10, or that of a \
                     Service"
                );
            }
            let listens_there = config.listeners.iter().find(|listener| {
                listener.transport == Transport::Dns
                    && listener.port == PORT
                    && listener.host.is_none_or(|host| host == *address)
            });
            let Some(listener) = listens_there else {
                bail!(
                    "--node-local {address}: no server block listens there at port {PORT}; add `bind {address}` to one"
                );
            };
            listens.push(listener.address());
        }
        let is_asked_for = !addresses.is_empty();
        Ok(is_asked_for.then(|| Self { addresses: addresses.to_vec(), listens }))
    }

    /// Gives the node its addresses, and returns what that changed; those that are there are left as they are.
    ///
    /// # Errors
    /// The kernel refuses, for want of `CAP_NET_ADMIN` most of all; then nothing has changed.
    pub(super) async fn take_addresses(&self) -> Result<Taken> {
        let refused = |error: Error, address: &IpAddr| {
            let what =
                format!("--node-local: cannot put {address} on lo; this needs CAP_NET_ADMIN");
            error.context(what)
        };
        let addresses = self.addresses.clone();
        let noted = blocking(move || table::note(&addresses)).await;
        let noted = noted.map_err(|error| refused(error, &self.addresses[0]))?;
        let mut taken = Taken { noted, added: Vec::new() };
        for address in self.addresses.clone() {
            match blocking(move || addresses::add(address)).await {
                Ok(true) => taken.added.push(address),
                Ok(false) => {}
                Err(error) => {
                    taken.put_back().await;
                    return Err(refused(error, &address));
                }
            }
        }
        Ok(taken)
    }

    /// Has the kernel not track what is asked and answered there. Addresses that an earlier start had, and this one has
    /// not, are taken away.
    ///
    /// # Errors
    /// The kernel refuses.
    pub(super) async fn stop_tracking(&self) -> Result<()> {
        let addresses = self.addresses.clone();
        blocking(move || {
            let gone = table::untrack(&addresses)?;
            if gone.is_empty() {
                return Ok(());
            }
            gone.iter().try_for_each(|address| addresses::remove(*address))?;
            table::forget(&gone)
        })
        .await?;
        let addresses: Vec<String> = self.addresses.iter().map(ToString::to_string).collect();
        let addresses = addresses.join(" ");
        tracing::info!(addresses, "the addresses of the node's cache are not tracked");
        Ok(())
    }

    /// Has what comes from now on tracked again, so that others than this server answer it; unless another server
    /// listens at the same addresses.
    pub(super) async fn give_up(&self) {
        if !self.is_shared()
            && let Err(error) = blocking(table::track).await
        {
            let error = format!("{error:#}");
            tracing::error!(error, "the addresses of the node's cache are still not tracked");
        }
    }

    fn is_shared(&self) -> bool {
        self.listens.iter().any(|address| is_shared(*address))
    }

    /// Takes the addresses away when this server listens no more; unless another one does.
    pub(super) async fn leave(&self) {
        if self.listens.iter().any(|address| is_served(*address)) {
            return;
        }
        let all = self.addresses.clone();
        Taken { noted: all.clone(), added: all }.put_back().await;
    }
}

/// What a start has changed.
#[derive(Debug, Default)]
pub(super) struct Taken {
    /// Addresses that the table did not name.
    noted: Vec<IpAddr>,
    /// Addresses that were not on `lo`.
    pub(super) added: Vec<IpAddr>,
}

impl Taken {
    /// Takes the addresses off `lo` and forgets them: at the end, or those of a start that came to nothing. What stays on
    /// `lo` stays noted.
    pub(super) async fn put_back(self) {
        let Self { mut noted, added } = self;
        for address in added {
            if let Err(error) = blocking(move || addresses::remove(address)).await {
                let error = format!("{error:#}");
                tracing::error!(%address, error, "the address stays on lo");
                noted.retain(|noted| *noted != address);
            }
        }
        if let Err(error) = blocking(move || table::forget(&noted)).await {
            let error = format!("{error:#}");
            tracing::error!(error, "the table of the node's cache stays");
        }
    }
}

/// Removes what a server that did not end in order left: the table, and the addresses that it names.
///
/// # Errors
/// The kernel refuses.
pub(super) async fn remove_all() -> Result<()> {
    let addresses = blocking(|| {
        let addresses = table::track()?;
        addresses.iter().try_for_each(|address| addresses::remove(*address))?;
        table::forget(&addresses)?;
        Ok(addresses)
    })
    .await?;
    let mut text: String = addresses.iter().map(|address| format!("{address} removed\n")).collect();
    if text.is_empty() {
        text.push_str("nothing was there\n");
    }
    print::answer(&text)
}

/// Runs what waits for the kernel apart from what answers.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    tokio::task::spawn_blocking(work).await.context("the thread ended")?
}

//! Takes connections of receivers: `dnstap listen`.

use std::io;
use std::os::unix::fs::FileTypeExt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, UnixListener};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, broadcast, watch};
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;

use super::link::{Link, Stream};
use super::writer::{End, write_broadcast};
use super::{Drops, Payload, TIMEOUT};
use crate::plugin::dnstap::Endpoint;

/// The most receivers of one listener.
pub(super) const MAX_SINKS: usize = 16;

/// The wait before listening or accepting is tried again.
const PAUSE: Duration = Duration::from_secs(1);

/// Where receivers may connect.
pub(super) struct Listener {
    pub(super) endpoint: Endpoint,
    pub(super) tls: Option<TlsAcceptor>,
    pub(super) messages: broadcast::WeakSender<Payload>,
    pub(super) drops: Arc<Drops>,
}

/// A bound socket.
pub(super) enum Socket {
    Unix(UnixListener),
    Tcp(TcpListener),
}

impl Listener {
    /// Takes receivers until the plugin is gone.
    pub(super) async fn run(self, mut gone: watch::Receiver<()>) {
        let socket = tokio::select! {
            socket = self.bind_at_last() => socket,
            _ = gone.changed() => return,
        };
        tokio::select! {
            () = self.serve(&socket) => {}
            _ = gone.changed() => {}
        }
    }

    /// Binds the socket, however long it is taken: after a reload that may be by this server's own past.
    async fn bind_at_last(&self) -> Socket {
        let endpoint = &self.endpoint;
        let mut is_told = false;
        loop {
            match bind(endpoint).await {
                Ok(socket) => {
                    tracing::info!(%endpoint, "listening for dnstap receivers");
                    return socket;
                }
                Err(error) if !is_told => {
                    tracing::warn!(%endpoint, %error, "cannot listen for dnstap receivers; it is tried again");
                    is_told = true;
                }
                Err(_) => {}
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    pub(super) async fn serve(&self, socket: &Socket) {
        let sinks = Arc::new(Semaphore::new(MAX_SINKS));
        loop {
            match socket.accept().await {
                Ok(stream) => match Arc::clone(&sinks).try_acquire_owned() {
                    Ok(permit) => self.take(stream, permit),
                    Err(_) => {
                        tracing::warn!(endpoint = %self.endpoint, "too many dnstap receivers")
                    }
                },
                Err(error) => {
                    tracing::warn!(endpoint = %self.endpoint, %error, "accepting a dnstap receiver failed");
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }
    }

    /// Serves a receiver in a task of its own, which ends with the connection or with the plugin.
    fn take(&self, stream: Box<dyn Stream>, permit: OwnedSemaphorePermit) {
        let (endpoint, tls) = (self.endpoint.clone(), self.tls.clone());
        let (messages, drops) = (self.messages.clone(), Arc::clone(&self.drops));
        tokio::spawn(async move {
            let end = match open(stream, tls).await {
                Err(error) => End::Lost(error),
                Ok(link) => {
                    let Some(messages) = messages.upgrade() else { return };
                    let queue = messages.subscribe();
                    drop(messages);
                    tracing::info!(%endpoint, "dnstap receiver connected");
                    write_broadcast(link, queue, &drops).await
                }
            };
            if let End::Lost(error) = end {
                tracing::info!(%endpoint, %error, "dnstap receiver gone");
            }
            drop(permit);
        });
    }
}

async fn open(stream: Box<dyn Stream>, tls: Option<TlsAcceptor>) -> io::Result<Link> {
    let stream: Box<dyn Stream> = match tls {
        None => stream,
        Some(tls) => Box::new(timeout(TIMEOUT, tls.accept(stream)).await??),
    };
    Link::open(stream).await
}

impl Socket {
    async fn accept(&self) -> io::Result<Box<dyn Stream>> {
        match self {
            Self::Unix(socket) => Ok(Box::new(socket.accept().await?.0)),
            Self::Tcp(socket) => Ok(Box::new(socket.accept().await?.0)),
        }
    }
}

pub(super) async fn bind(endpoint: &Endpoint) -> io::Result<Socket> {
    match endpoint {
        Endpoint::Unix(path) => bind_unix(path).map(Socket::Unix),
        Endpoint::Tcp(host) | Endpoint::Tls(host) => {
            Ok(Socket::Tcp(TcpListener::bind(host).await?))
        }
    }
}

/// Binds a Unix socket in the place of one that was left over: it is renamed into it.
fn bind_unix(path: &Path) -> io::Result<UnixListener> {
    match path.symlink_metadata() {
        Ok(found) if !found.file_type().is_socket() => {
            let text = "there is a file that is no socket; remove it or name another path";
            return Err(io::Error::new(io::ErrorKind::AlreadyExists, text));
        }
        _ => {}
    }
    let mut fresh = path.as_os_str().to_owned();
    fresh.push(format!(".{}", std::process::id()));
    let _ = std::fs::remove_file(&fresh);
    let socket = UnixListener::bind(&fresh)?;
    std::fs::rename(&fresh, path)?;
    Ok(socket)
}

//! Connects to a receiver, again and again.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use socket2::SockRef;
use tokio::net::{TcpStream, UnixStream};
use tokio::sync::{mpsc, watch};
use tokio::time::timeout;

use super::link::{Link, Stream};
use super::tls::TlsClient;
use super::writer::{End, write_queue};
use super::{Drops, Payload, TIMEOUT};
use crate::plugin::dnstap::Endpoint;

/// The first wait before connecting again, which doubles.
const MIN_BACKOFF: Duration = Duration::from_millis(100);

/// The longest wait before connecting again.
const MAX_BACKOFF: Duration = Duration::from_secs(10);

/// A receiver that this server connects to.
pub(super) struct Outgoing {
    pub(super) endpoint: Endpoint,
    pub(super) tls: Option<TlsClient>,
    /// In octets, for TCP.
    pub(super) write_buffer: usize,
    pub(super) drops: Arc<Drops>,
}

impl Outgoing {
    /// Writes what comes into the queue until the plugin is gone. While there is no connection it fills up.
    pub(super) async fn run(
        self,
        mut queue: mpsc::Receiver<Payload>,
        mut gone: watch::Receiver<()>,
    ) {
        let endpoint = &self.endpoint;
        let mut failures = 0;
        loop {
            match self.open().await {
                Ok(link) => {
                    tracing::info!(%endpoint, "connected to the dnstap receiver");
                    failures = 0;
                    match write_queue(link, &mut queue, &self.drops).await {
                        End::Finished => return,
                        End::Lost(error) => {
                            tracing::warn!(%endpoint, %error, "connection to the dnstap receiver lost");
                        }
                    }
                }
                Err(error) if failures == 0 => {
                    tracing::warn!(%endpoint, %error, "no connection to the dnstap receiver; it is tried again");
                }
                Err(error) => {
                    tracing::debug!(%endpoint, %error, "no connection to the dnstap receiver");
                }
            }
            failures += 1;
            tokio::select! {
                () = tokio::time::sleep(backoff(failures)) => {}
                _ = gone.changed() => return,
            }
        }
    }

    pub(super) async fn open(&self) -> io::Result<Link> {
        let stream = timeout(TIMEOUT, self.connect()).await??;
        Link::open(stream).await
    }

    async fn connect(&self) -> io::Result<Box<dyn Stream>> {
        match (&self.endpoint, &self.tls) {
            (Endpoint::Unix(path), _) => Ok(Box::new(UnixStream::connect(path).await?)),
            (Endpoint::Tcp(host) | Endpoint::Tls(host), tls) => {
                let stream = self.connect_tcp(host).await?;
                match tls {
                    None => Ok(Box::new(stream)),
                    Some(tls) => Ok(Box::new(tls.connect(stream).await?)),
                }
            }
        }
    }

    pub(super) async fn connect_tcp(&self, host: &str) -> io::Result<TcpStream> {
        let stream = TcpStream::connect(host).await?;
        SockRef::from(&stream).set_send_buffer_size(self.write_buffer)?;
        Ok(stream)
    }
}

/// Returns how long to wait after failures in a row, at least one.
fn backoff(failures: u32) -> Duration {
    let doublings = failures.saturating_sub(1).min(10);
    (MIN_BACKOFF * 2_u32.pow(doublings)).min(MAX_BACKOFF)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wait_doubles_up_to_a_limit() {
        let waits: Vec<u128> = (1..=9).map(|failures| backoff(failures).as_millis()).collect();
        assert_eq!(waits, [100, 200, 400, 800, 1600, 3200, 6400, 10_000, 10_000]);
        assert_eq!(backoff(u32::MAX), MAX_BACKOFF);
    }
}

//! The accept loop, with a door a test can shut.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

use super::connection;
use crate::faults::door::Door;
use crate::service::Service;

/// Connections served at once; further ones are closed as they come.
const MAX_CONNECTIONS: usize = 512;

/// Attempts to bind the port again, should another process have taken it meanwhile.
const BIND_ATTEMPTS: u32 = 50;

/// What the accept loop needs.
pub struct Listener {
    /// Where it listens.
    pub address: SocketAddr,
    /// The TLS side.
    pub tls: TlsAcceptor,
    /// What answers.
    pub service: Arc<dyn Service>,
    /// Whether it takes connections.
    pub door: Door,
}

impl Listener {
    /// Takes connections until dropped.
    ///
    /// # Errors
    /// When the port cannot be bound again after the door has been shut.
    pub async fn run(self, socket: std::net::TcpListener) -> io::Result<()> {
        let mut wanted = self.door.wanted();
        let mut socket = TcpListener::from_std(socket)?;
        let mut connections = JoinSet::new();
        loop {
            if *wanted.borrow_and_update() {
                drop(socket);
                connections.shutdown().await;
                self.door.report_refused(true);
                // Both ends of the door belong to self, so waiting cannot fail.
                let _ = wanted.wait_for(|refused| !refused).await;
                socket = self.bind_again().await?;
                self.door.report_refused(false);
            }
            tokio::select! {
                _ = wanted.changed() => {}
                _ = connections.join_next(), if !connections.is_empty() => {}
                accepted = socket.accept() => {
                    // An accept that failed concerns one client, which comes again.
                    let Ok((tcp, _)) = accepted else { continue };
                    if connections.len() < MAX_CONNECTIONS {
                        let (tls, service) = (self.tls.clone(), Arc::clone(&self.service));
                        connections.spawn(connection::serve(tcp, tls, service));
                    }
                }
            }
        }
    }

    async fn bind_again(&self) -> io::Result<TcpListener> {
        let mut attempt = 0;
        loop {
            match TcpListener::bind(self.address).await {
                Ok(socket) => return Ok(socket),
                Err(error) if attempt == BIND_ATTEMPTS => return Err(error),
                Err(_) => attempt += 1,
            }
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        }
    }
}

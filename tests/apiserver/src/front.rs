//! What stands before the store and before a real cluster alike: listener, log, authentication
//! and faults.
//!
//! It runs on a thread with a runtime of its own, so that a test may block its thread on
//! `kubectl` or pause its clock.

pub mod connection;
pub mod guard;
pub mod listener;
pub mod request_log;

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::PathBuf;
use std::sync::Arc;
use std::thread::JoinHandle;

use tempfile::TempDir;
use tokio::sync::oneshot;
use tokio_rustls::TlsAcceptor;

use crate::api::metadata::random;
use crate::authority::Authority;
use crate::error::Error;
use crate::faults::Faults;
use crate::faults::layer::FaultLayer;
use crate::kubeconfig::{self, Flavour};
use crate::service::Service;
use guard::{Guard, Token};
use listener::Listener;
use request_log::{Recorder, RequestLog};

/// A running HTTPS front; dropping it ends every connection.
pub struct Front {
    address: SocketAddr,
    authority: Authority,
    token: Token,
    faults: Faults,
    log: RequestLog,
    directory: TempDir,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Front {
    /// Starts to listen on 127.0.0.1; port 0 takes a free one.
    ///
    /// # Errors
    /// When the port is taken or a certificate cannot be made.
    pub(crate) fn start(port: u16, backend: Arc<dyn Service>) -> Result<Self, Error> {
        let authority = Authority::new()?;
        let token = Token::new(new_token());
        let (faults, log) = (Faults::default(), RequestLog::default());
        let inner: Arc<dyn Service> =
            Arc::new(FaultLayer { faults: faults.clone(), inner: backend });
        let inner: Arc<dyn Service> = Arc::new(Guard { token: token.clone(), inner });
        let service = Arc::new(Recorder { log: log.clone(), inner });
        let socket = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).map_err(Error::io("bind"))?;
        socket.set_nonblocking(true).map_err(Error::io("socket"))?;
        let address = socket.local_addr().map_err(Error::io("socket"))?;
        let listener = Listener {
            address,
            tls: TlsAcceptor::from(Arc::new(authority.server_config()?)),
            service,
            door: faults.door.clone(),
        };
        let (stop, stopped) = oneshot::channel();
        let front = Self {
            address,
            authority,
            token,
            faults,
            log,
            directory: TempDir::with_prefix("test-apiserver-").map_err(Error::io("directory"))?,
            stop: Some(stop),
            thread: Some(spawn(listener, socket, stopped)?),
        };
        kubeconfig::write::token_file(&front.directory_path(), &front.token())?;
        Ok(front)
    }

    /// Returns the base URL, without a slash at the end.
    #[must_use]
    pub fn url(&self) -> String {
        format!("https://{}", self.address)
    }

    /// Returns the bearer token accepted now.
    #[must_use]
    pub fn token(&self) -> String {
        self.token.text()
    }

    /// Replaces the token, and the file that the token-file and exec kubeconfigs read it from;
    /// returns the new one. The old one gets 401 from now on.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn rotate_token(&self) -> Result<String, Error> {
        let token = new_token();
        kubeconfig::write::token_file(&self.directory_path(), &token)?;
        self.token.replace(token.clone());
        Ok(token)
    }

    /// Returns the certificate of the authority that signed the server's.
    #[must_use]
    pub fn ca_pem(&self) -> String {
        self.authority.ca_pem()
    }

    /// Writes a kubeconfig; the file lasts as long as the server.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn kubeconfig(&self, flavour: Flavour) -> Result<PathBuf, Error> {
        let cluster = kubeconfig::write::Cluster {
            url: self.url(),
            token: self.token(),
            authority: &self.authority,
        };
        kubeconfig::write::kubeconfig(&self.directory_path(), &cluster, flavour)
    }

    /// Returns the fault switches.
    #[must_use]
    pub fn faults(&self) -> &Faults {
        &self.faults
    }

    /// Returns the log of requests.
    #[must_use]
    pub fn requests(&self) -> &RequestLog {
        &self.log
    }

    fn directory_path(&self) -> PathBuf {
        self.directory.path().to_owned()
    }
}

impl Drop for Front {
    fn drop(&mut self) {
        // Ends the runtime, and with it the connections; then the thread.
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn spawn(
    listener: Listener,
    socket: TcpListener,
    stopped: oneshot::Receiver<()>,
) -> Result<JoinHandle<()>, Error> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(Error::io("runtime"))?;
    let run = move || {
        runtime.block_on(async {
            tokio::select! {
                // Without a listener the clients of the test fail, which says enough.
                _ = listener.run(socket) => {}
                _ = stopped => {}
            }
        });
    };
    let thread = std::thread::Builder::new().name("test-apiserver".to_owned());
    thread.spawn(run).map_err(Error::io("thread"))
}

fn new_token() -> String {
    format!("portolan-{:016x}{:016x}", random(), random())
}

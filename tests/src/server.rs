//! The real `portolan dns` on free ports.

use std::io::{BufRead, BufReader};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// How long anything may take before a test gives up.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// A running server; dropping it kills it.
#[derive(Debug)]
pub struct Server {
    child: Child,
    lines: Receiver<String>,
    seen: Vec<String>,
    ports: Vec<u16>,
    /// Holds the Corefile.
    pub directory: TempDir,
}

/// Returns the path of the binary under test.
///
/// # Panics
/// It has not been built.
pub fn binary() -> PathBuf {
    if let Some(path) = std::env::var_os("PORTOLAN_BIN") {
        return path.into();
    }
    let this = std::env::current_exe().unwrap();
    let path = this.ancestors().nth(2).unwrap().join("portolan");
    assert!(path.exists(), "{} is missing; `make test` builds it first", path.display());
    path
}

impl Server {
    /// Starts a server with this Corefile, whose zones should have the port 0, and waits until it serves.
    ///
    /// # Panics
    /// It does not start.
    pub fn start(corefile: &str) -> Self {
        Self::launch(corefile).serving()
    }

    /// Waits until a launched server serves.
    ///
    /// # Panics
    /// It does not start.
    #[must_use]
    pub fn serving(mut self) -> Self {
        self.wait_for_line("Portolan-");
        self.ports = self.seen.iter().filter_map(|line| zone_port(line)).collect();
        self
    }

    /// Starts a server with this Corefile and does not wait.
    ///
    /// # Panics
    /// The process cannot be started.
    pub fn launch(corefile: &str) -> Self {
        Self::launch_with(corefile, |_| ())
    }

    /// Starts a server with this Corefile and changes to its command, and does not wait.
    ///
    /// # Panics
    /// The process cannot be started.
    pub fn launch_with(corefile: &str, change: impl FnOnce(&mut Command)) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("Corefile");
        std::fs::write(&path, corefile).unwrap();
        let mut command = Command::new(binary());
        command.args(["dns", "-conf"]).arg(path).args(["--admin", "127.0.0.1:0"]);
        change(&mut command);
        Self::of(command, directory)
    }

    /// Runs any command line of the server.
    ///
    /// # Panics
    /// The process cannot be started.
    pub fn of(mut command: Command, directory: TempDir) -> Self {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let lines = read_lines(child.stdout.take().unwrap());
        Self { child, lines, seen: Vec::new(), ports: Vec::new(), directory }
    }

    /// Waits for a line of the log that has this text, and returns it. Lines that were there already count.
    ///
    /// # Panics
    /// It does not come.
    pub fn wait_for_line(&mut self, text: &str) -> String {
        if let Some(line) = self.seen.iter().find(|line| line.contains(text)) {
            return line.clone();
        }
        let deadline = Instant::now() + PATIENCE;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let Ok(line) = self.lines.recv_timeout(left) else {
                let errors = self.errors();
                panic!("no line with {text:?} from the server, only {:#?}\n{errors}", self.seen);
            };
            self.seen.push(line.clone());
            if line.contains(text) {
                return line;
            }
        }
    }

    /// Returns the DNS address of the server's first zone.
    pub fn address(&self) -> SocketAddr {
        self.address_at(Ipv4Addr::LOCALHOST.into())
    }

    /// Returns the DNS address of the server's first zone at one of the host's addresses.
    ///
    /// # Panics
    /// The server has not printed its zones.
    pub fn address_at(&self, host: IpAddr) -> SocketAddr {
        SocketAddr::new(host, *self.ports.first().unwrap())
    }

    /// Returns the address of an HTTP endpoint: `/health`, `/ready`, `/metrics` or `admin`.
    pub fn endpoint(&mut self, page: &str) -> SocketAddr {
        let line = self.wait_for_line(&format!("page=\"{page}\""));
        let address = line.split("address=").nth(1).and_then(|rest| rest.split(' ').next());
        let address: SocketAddr = address.unwrap().parse().unwrap();
        if address.ip().is_unspecified() {
            return SocketAddr::from((Ipv4Addr::LOCALHOST, address.port()));
        }
        address
    }

    /// Returns the process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Sends a signal by its name.
    pub fn signal(&self, name: &str) {
        crate::namespace::run("kill", &[&format!("-{name}"), &self.id().to_string()]);
    }

    /// Waits for the end of the process.
    ///
    /// # Panics
    /// It does not end in time.
    pub fn wait(&mut self) -> ExitStatus {
        let deadline = Instant::now() + PATIENCE;
        // The end of the output is the end of the process: no polling until then.
        while Instant::now() < deadline {
            let left = deadline.saturating_duration_since(Instant::now());
            match self.lines.recv_timeout(left) {
                Ok(line) => self.seen.push(line),
                Err(_) => break,
            }
        }
        self.child.wait().unwrap()
    }

    /// Returns every line so far.
    pub fn log(&mut self) -> String {
        self.seen.extend(self.lines.try_iter());
        self.seen.join("\n")
    }

    /// Ends the process and returns what it wrote to its standard error.
    pub fn errors(&mut self) -> String {
        let _ = self.child.kill();
        let mut text = String::new();
        if let Some(mut errors) = self.child.stderr.take() {
            let _ = std::io::Read::read_to_string(&mut errors, &mut text);
        }
        text
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn read_lines(output: ChildStdout) -> Receiver<String> {
    let (sender, lines) = channel();
    std::thread::spawn(move || {
        for line in BufReader::new(output).lines().map_while(Result::ok) {
            if sender.send(line).is_err() {
                return;
            }
        }
    });
    lines
}

/// Reads `example.org.:1053` or `example.org.:1053 on 127.0.0.1`.
fn zone_port(line: &str) -> Option<u16> {
    let (zone, rest) = line.rsplit_once(":")?;
    let port = rest.split(' ').next()?;
    port.parse().ok().filter(|_| zone.ends_with('.') && !zone.contains(' '))
}

/// Writes a file of a test.
///
/// # Panics
/// It cannot be written.
pub fn write(path: &Path, text: &str) {
    std::fs::write(path, text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
}

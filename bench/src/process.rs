//! A server as a process: started on its own core, with its CPU time and memory.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};

/// How long a server may take until it answers: it may have to read a large cluster.
const PATIENCE: Duration = Duration::from_secs(120);

/// `Who is ns.dns.cluster.local A?`: every server of the comparison replies to it.
const PROBE: &[u8] = b"\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\
    \x02ns\x03dns\x07cluster\x05local\x00\x00\x01\x00\x01";

/// A running server; dropping it kills it.
#[derive(Debug)]
pub(crate) struct Running {
    child: Child,
}

impl Running {
    /// Starts a command on one processor, with its output in a file.
    ///
    /// # Errors
    /// It cannot be started.
    pub(crate) fn start(command: &[String], processor: usize, log: &Path) -> anyhow::Result<Self> {
        let output = fs::File::create(log).with_context(|| format!("create {}", log.display()))?;
        let mut pinned = Command::new("taskset");
        pinned.args(["-c", &processor.to_string()]).args(command);
        pinned.stdin(Stdio::null()).stdout(output.try_clone()?).stderr(output);
        let child = pinned.spawn().with_context(|| format!("start `{}`", command.join(" ")))?;
        Ok(Self { child })
    }

    /// Waits until the server answers at a port of the loopback.
    ///
    /// # Errors
    /// It ends before that, or takes too long.
    pub(crate) fn wait_until_answering(&mut self, port: u16) -> anyhow::Result<()> {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
        socket.set_read_timeout(Some(Duration::from_millis(20)))?;
        let server = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let deadline = Instant::now() + PATIENCE;
        while Instant::now() < deadline {
            if let Some(status) = self.child.try_wait()? {
                bail!("the server ended: {status}");
            }
            let mut reply = [0; 512];
            // Until it listens, sending fails with the ICMP error of the attempt before.
            let _ = socket.send_to(PROBE, server);
            if let Ok((length, _)) = socket.recv_from(&mut reply)
                && length > 3
                && (is_success(&reply) || reply[..length].len() == PROBE.len())
            {
                return Ok(());
            }
        }
        bail!("no answer on port {port} within {} s", PATIENCE.as_secs())
    }

    /// Returns the CPU time of all threads that live, in nanoseconds.
    ///
    /// # Errors
    /// The process has ended.
    pub(crate) fn cpu_nanoseconds(&self) -> anyhow::Result<u64> {
        let threads = fs::read_dir(format!("/proc/{}/task", self.child.id()))?;
        let times = threads.filter_map(|thread| {
            let text = fs::read_to_string(thread.ok()?.path().join("schedstat")).ok()?;
            text.split(' ').next()?.parse::<u64>().ok()
        });
        Ok(times.sum())
    }

    /// Returns the resident memory, in KiB.
    ///
    /// # Errors
    /// The process has ended.
    pub(crate) fn resident_kib(&self) -> anyhow::Result<u64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let number = line.and_then(|rest| rest.split_whitespace().next());
        number.context("no VmRSS")?.parse().context("read VmRSS")
    }
}

/// Whether a reply is NOERROR. A server that has not read its cluster says SERVFAIL; a reflector sends the probe
/// back.
fn is_success(reply: &[u8]) -> bool {
    reply[3] & 0x0f == 0
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

//! A server as a process: started on its own core, with its CPU time and memory.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpStream, UdpSocket};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};
use nix::time::{ClockId, clock_gettime};
use nix::unistd::Pid;

/// How long a server may take until it answers: it may have to read a large cluster.
const PATIENCE: Duration = Duration::from_mins(2);

/// How long a process has to use no CPU time to be taken for idle.
const IDLE: Duration = Duration::from_millis(500);

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
        // It becomes the command, which keeps the process id.
        let mut pinned = Command::new("taskset");
        pinned.args(["-c", &processor.to_string()]).args(command);
        pinned.stdin(Stdio::null()).stdout(output.try_clone()?).stderr(output);
        let child = pinned.spawn().context("taskset (package util-linux) cannot be run")?;
        Ok(Self { child })
    }

    /// Returns the process id.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
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
            self.ensure_alive()?;
            let mut reply = [0; 512];
            // Until it listens, sending fails with the ICMP error of the attempt before.
            let _ = socket.send_to(PROBE, server);
            if socket.recv_from(&mut reply).is_ok_and(|(length, _)| length > 3)
                && is_success(&reply)
            {
                return Ok(());
            }
        }
        bail!("no answer on port {port} within {} s", PATIENCE.as_secs())
    }

    /// Waits until `/ready` at a port of the loopback says 200.
    ///
    /// # Errors
    /// The server ends before that, or takes too long.
    pub(crate) fn wait_until_ready(&mut self, port: u16) -> anyhow::Result<()> {
        let deadline = Instant::now() + PATIENCE;
        while Instant::now() < deadline {
            self.ensure_alive()?;
            if is_ready(port).unwrap_or(false) {
                return Ok(());
            }
            thread::sleep(Duration::from_millis(1));
        }
        bail!("not ready within {} s", PATIENCE.as_secs())
    }

    /// Checks that the server has not ended.
    ///
    /// # Errors
    /// It has.
    pub(crate) fn ensure_alive(&mut self) -> anyhow::Result<()> {
        let ended = self.child.try_wait()?;
        ensure!(ended.is_none(), "the server ended: {}", ended.unwrap_or_default());
        Ok(())
    }

    /// Returns the CPU time of all threads, those that have ended included (clock_getcpuclockid(3)).
    ///
    /// # Errors
    /// The process has ended.
    pub(crate) fn cpu(&self) -> anyhow::Result<Duration> {
        cpu_of(self.child.id())
    }

    /// Waits until neither the server nor this process, which is the API server, does anything any more.
    ///
    /// # Errors
    /// It ends, or never becomes idle.
    pub(crate) fn wait_until_idle(&mut self) -> anyhow::Result<()> {
        let deadline = Instant::now() + PATIENCE;
        let mut before = [self.cpu()?, cpu_of(std::process::id())?];
        while Instant::now() < deadline {
            thread::sleep(IDLE);
            self.ensure_alive()?;
            let now = [self.cpu()?, cpu_of(std::process::id())?];
            // A tick may fall on a housekeeping task.
            let tick = Duration::from_millis(10);
            if now.iter().zip(before).all(|(now, before)| now.saturating_sub(before) <= tick) {
                return Ok(());
            }
            before = now;
        }
        bail!("the server is still busy after {} s", PATIENCE.as_secs())
    }

    /// Returns the resident memory, in KiB.
    ///
    /// # Errors
    /// The process has ended.
    pub(crate) fn resident_kib(&self) -> anyhow::Result<u64> {
        self.status("VmRSS:")
    }

    /// Returns the most that was resident since [`Self::forget_the_peak`], in KiB.
    ///
    /// # Errors
    /// The process has ended.
    pub(crate) fn peak_kib(&self) -> anyhow::Result<u64> {
        self.status("VmHWM:")
    }

    /// Has [`Self::peak_kib`] begin here (proc_pid_clear_refs(5)).
    ///
    /// # Errors
    /// The process has ended.
    pub(crate) fn forget_the_peak(&self) -> anyhow::Result<()> {
        fs::write(format!("/proc/{}/clear_refs", self.child.id()), "5").context("reset VmHWM")
    }

    fn status(&self, field: &str) -> anyhow::Result<u64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix(field));
        let number = line.and_then(|rest| rest.split_whitespace().next());
        number.with_context(|| format!("no {field}"))?.parse().context("read the memory")
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn is_ready(port: u16) -> anyhow::Result<bool> {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
    stream.set_read_timeout(Some(Duration::from_secs(1)))?;
    stream.write_all(b"GET /ready HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n")?;
    let mut status = [0; 12];
    stream.read_exact(&mut status)?;
    Ok(status == *b"HTTP/1.1 200")
}

fn cpu_of(process: u32) -> anyhow::Result<Duration> {
    let clock = ClockId::pid_cpu_clock_id(Pid::from_raw(process.try_into()?));
    let time = clock.and_then(clock_gettime).context("read the CPU time of a process")?;
    Ok(time.into())
}

/// Whether a reply is NOERROR. A server that has not read its cluster says SERVFAIL; the reflector sends the rcode of
/// the probe back.
fn is_success(reply: &[u8]) -> bool {
    reply[3] & 0x0f == 0
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::cpu_of;

    #[test]
    fn the_cpu_time_of_a_process_grows_with_what_it_does() {
        let own = std::process::id();
        let before = cpu_of(own).unwrap();
        while cpu_of(own).unwrap() < before + Duration::from_millis(1) {}
        // One above the greatest number of a process (PID_MAX_LIMIT).
        assert!(cpu_of((1 << 22) + 1).is_err(), "a process that there is not");
    }
}

//! One server and one workload.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpStream, UdpSocket};
use std::path::Path;
use std::time::Duration;

use anyhow::Context as _;
use serde::Serialize;

use crate::cluster::Cluster;
use crate::connections;
use crate::dnsperf::{self, End, Load, Mode};
use crate::doh;
use crate::latency::{self, Latency};
use crate::process::Running;
use crate::question::encode;
use crate::statistics::micros;
use crate::trial::{Transport, Workload};
use crate::workload::{Pass, Question, Questions, text};

/// How long is asked before anything is counted, where not every question is asked once.
const WARM: Duration = Duration::from_secs(1);

/// The longest time that asking every question once may take.
const LONGEST_WARM: Duration = Duration::from_secs(20);

/// What is asked whom.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Task<'a> {
    pub(crate) workload: &'a Workload,
    pub(crate) cluster: Cluster,
    /// The port of the server for UDP and TCP.
    pub(crate) port: u16,
    /// Where files of questions can be written.
    pub(crate) directory: &'a Path,
    /// How long each of the measurements takes.
    pub(crate) time: Duration,
}

/// What one server did with one workload.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub(crate) struct Measured {
    /// Answers a second, as many as go.
    pub(crate) per_second: f64,
    /// CPU time of the server for each answer, microseconds.
    pub(crate) cpu: f64,
    /// Questions without an answer.
    pub(crate) lost: u64,
    /// The part of the questions at half of that rate that was answered, from 0 to 1.
    pub(crate) answered: f64,
    /// Their latency, microseconds.
    pub(crate) p50: f64,
    /// The same, of the slowest of a hundred.
    pub(crate) p99: f64,
    /// Resident memory before the load, KiB.
    pub(crate) loaded_kib: u64,
    /// The most under it.
    pub(crate) peak_kib: u64,
}

/// What was answered as fast as the server can.
struct Peak {
    completed: u64,
    lost: u64,
    per_second: f64,
}

impl Task<'_> {
    /// Whether the server answers the first of the questions over the transport.
    pub(crate) fn is_served(&self) -> bool {
        match self.workload.transport {
            Transport::Dnsperf(Mode::Udp) => self.is_answered().unwrap_or(false),
            Transport::Connections | Transport::Https | Transport::Dnsperf(_) => {
                TcpStream::connect((Ipv4Addr::LOCALHOST, self.workload.transport.port(self.port)))
                    .is_ok()
            }
        }
    }

    /// Asks the running server: a while that does not count, then as fast as it answers, then at half of that rate.
    ///
    /// # Errors
    /// The server ends, or does not answer.
    pub(crate) fn measure(&self, server: &Running, loaded_kib: u64) -> anyhow::Result<Measured> {
        server.forget_the_peak()?;
        self.warm_up()?;
        let before = server.cpu()?;
        let peak = self.peak(self.time)?;
        let spent = server.cpu()?.saturating_sub(before);
        let latency = self.latency(peak.per_second / 2.0)?;
        Ok(Measured {
            per_second: peak.per_second,
            cpu: micros(spent) / peak.completed as f64,
            lost: peak.lost,
            answered: latency.answered,
            p50: micros(latency.p50),
            p99: micros(latency.p99),
            loaded_kib,
            peak_kib: server.peak_kib()?,
        })
    }

    /// Asks every question once, so that what a server keeps of it is there; of names by chance, and of what our own
    /// clients ask, a while.
    fn warm_up(&self) -> anyhow::Result<()> {
        let Transport::Dnsperf(mode) = self.workload.transport else {
            return self.peak(WARM.min(self.time)).map(drop);
        };
        let questions = self.workload.questions.list(self.cluster, Pass::Warm);
        let by_chance = self.workload.questions == Questions::Miss;
        let time = if by_chance { WARM.min(self.time) } else { LONGEST_WARM };
        self.with_file(&questions, |file| {
            let load = self.load(mode, file, time, None);
            dnsperf::run(Load { end: End::AllAskedTwice, ..load }).map(drop)
        })
    }

    fn peak(&self, time: Duration) -> anyhow::Result<Peak> {
        let questions = self.workload.questions.list(self.cluster, Pass::Peak);
        match self.workload.transport {
            Transport::Dnsperf(mode) => {
                let outcome = self.with_file(&questions, |file| {
                    dnsperf::run(self.load(mode, file, time, None))
                })?;
                let dnsperf::Outcome { completed, lost, per_second } = outcome;
                Ok(Peak { completed, lost, per_second })
            }
            Transport::Connections | Transport::Https => {
                let outcome = self.ask(&questions, None, time)?;
                let completed = outcome.times.len() as u64;
                let per_second = completed as f64 / time.as_secs_f64();
                Ok(Peak { completed, lost: outcome.lost, per_second })
            }
        }
    }

    fn latency(&self, rate: f64) -> anyhow::Result<Latency> {
        let questions = self.workload.questions.list(self.cluster, Pass::Half);
        match self.workload.transport {
            Transport::Dnsperf(Mode::Udp) => {
                latency::measure(self.port, &questions, rate, self.time)
            }
            Transport::Dnsperf(mode) => {
                let (times, lost) = self.with_file(&questions, |file| {
                    dnsperf::latencies(self.load(mode, file, self.time, Some(rate)))
                })?;
                latency::of(&times, times.len() + usize::try_from(lost)?)
            }
            Transport::Connections | Transport::Https => {
                let outcome = self.ask(&questions, Some(rate), self.time)?;
                latency::of(&outcome.times, outcome.times.len() + usize::try_from(outcome.lost)?)
            }
        }
    }

    /// Asks with a client of ours.
    fn ask(
        &self,
        questions: &[Question],
        rate: Option<f64>,
        time: Duration,
    ) -> anyhow::Result<connections::Outcome> {
        let port = self.workload.transport.port(self.port);
        if self.workload.transport == Transport::Https {
            let certificate = self.directory.join("cert.pem");
            return doh::ask(port, &certificate, questions, rate, time);
        }
        connections::ask(port, questions, rate, time)
    }

    fn load<'a>(&self, mode: Mode, file: &'a Path, time: Duration, rate: Option<f64>) -> Load<'a> {
        Load {
            mode,
            port: self.workload.transport.port(self.port),
            questions: file,
            time,
            rate,
            end: End::Time,
        }
    }

    fn with_file<T>(
        &self,
        questions: &[Question],
        ask: impl FnOnce(&Path) -> anyhow::Result<T>,
    ) -> anyhow::Result<T> {
        let file = self.directory.join("questions");
        fs::write(&file, text(questions)).context("write the questions")?;
        ask(&file)
    }

    /// Whether the first question gets NOERROR or NXDOMAIN (RFC 1035 §4.1.1).
    fn is_answered(&self) -> anyhow::Result<bool> {
        let questions = self.workload.questions.list(self.cluster, Pass::Warm);
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
        socket.set_read_timeout(Some(WARM))?;
        socket.connect(SocketAddr::from((Ipv4Addr::LOCALHOST, self.port)))?;
        socket.send(&encode(questions.first().context("no question")?)?)?;
        let mut reply = [0; 4096];
        let length = socket.recv(&mut reply)?;
        Ok(length > 3 && matches!(reply[3] & 0x0f, 0 | 3))
    }
}

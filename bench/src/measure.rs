//! One server and one workload.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpStream, UdpSocket};
use std::path::{Path, PathBuf};
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
use crate::statistics::{median, micros};
use crate::trial::{Transport, Workload};
use crate::workload::{Pass, Question, Questions, text};

/// How long is asked before anything is counted, where not every question is asked once.
const WARM: Duration = Duration::from_secs(1);

/// The longest time that asking every question once may take.
const LONGEST_WARM: Duration = Duration::from_secs(20);

/// How many parts a measurement of latency has.
pub(crate) const TURNS: u32 = 5;

/// How many parts a measurement of CPU time has. Between them the reflector is asked, so that what makes the machine
/// faster or slower for a while does so to both; one pair of turns differs from the next by a tenth, so there are many.
const PAIRS: u32 = 20;

/// How long such a part is at least: a short run has fewer.
const SHORTEST: Duration = Duration::from_millis(50);

/// Who is asked.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Side<'a> {
    pub(crate) server: &'a Running,
    /// Its port for UDP and TCP.
    pub(crate) port: u16,
}

/// What is asked.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Task<'a> {
    pub(crate) workload: &'a Workload,
    pub(crate) cluster: Cluster,
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
    /// That by the reflector's in the turn before, where it took part: the median of the turns, because what makes the
    /// machine slower during one turn does not do so to both sides.
    pub(crate) over_reflector: Option<f64>,
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
#[derive(Clone, Copy, Debug, Default)]
struct Peak {
    completed: u64,
    lost: u64,
    /// Answers a second; of several turns their sum.
    per_second: f64,
    /// CPU time of the server.
    spent: Duration,
}

impl Peak {
    fn with(self, other: Self) -> Self {
        Self {
            completed: self.completed + other.completed,
            lost: self.lost + other.lost,
            per_second: self.per_second + other.per_second,
            spent: self.spent + other.spent,
        }
    }

    /// Microseconds an answer.
    fn cpu(self) -> f64 {
        micros(self.spent) / self.completed as f64
    }
}

impl Task<'_> {
    /// Whether the server answers the first of the questions over the transport.
    pub(crate) fn is_served(&self, port: u16) -> bool {
        match self.workload.transport {
            Transport::Dnsperf(Mode::Udp) => self.is_answered(port).unwrap_or(false),
            Transport::Connections | Transport::Https | Transport::Dnsperf(_) => {
                TcpStream::connect((Ipv4Addr::LOCALHOST, self.workload.transport.port(port)))
                    .is_ok()
            }
        }
    }

    /// Asks the running server: a while that does not count, then as fast as it answers, in turn with the reflector, then
    /// at half of that rate.
    ///
    /// # Errors
    /// One of them ends, or does not answer.
    pub(crate) fn measure(
        &self,
        side: Side<'_>,
        reflector: Option<Side<'_>>,
        loaded_kib: u64,
    ) -> anyhow::Result<Measured> {
        side.server.forget_the_peak()?;
        self.warm_up(side)?;
        let (mut peak, mut ratios) = (Peak::default(), Vec::new());
        let turns = self.pairs();
        for turn in 0..turns {
            let questions = self.workload.questions.list(self.cluster, Pass::Peak(turn));
            self.write(&questions)?;
            let reflected = reflector.map(|side| self.peak(side, &questions, self.time / turns));
            let answered = self.peak(side, &questions, self.time / turns)?;
            if let Some(reflected) = reflected.transpose()? {
                ratios.push(answered.cpu() / reflected.cpu());
            }
            peak = peak.with(answered);
        }
        let per_second = peak.per_second / f64::from(turns);
        let latency = self.latency(side.port, per_second / 2.0)?;
        Ok(Measured {
            per_second,
            cpu: peak.cpu(),
            over_reflector: median(ratios),
            lost: peak.lost,
            answered: latency.answered,
            p50: micros(latency.p50),
            p99: micros(latency.p99),
            loaded_kib,
            peak_kib: side.server.peak_kib()?,
        })
    }

    /// How many parts a measurement of CPU time has.
    fn pairs(&self) -> u32 {
        let most = self.time.as_millis() / SHORTEST.as_millis();
        u32::try_from(most).unwrap_or(PAIRS).clamp(1, PAIRS)
    }

    /// How long a part of a measurement of latency takes.
    fn turn(&self) -> Duration {
        self.time / TURNS
    }

    /// Asks every question twice, so that what a server keeps of it is there; of names by chance, and of what our own
    /// clients ask, a while.
    fn warm_up(&self, side: Side<'_>) -> anyhow::Result<()> {
        let questions = self.workload.questions.list(self.cluster, Pass::Warm);
        let Transport::Dnsperf(mode) = self.workload.transport else {
            return self.peak(side, &questions, WARM.min(self.time)).map(drop);
        };
        let by_chance = self.workload.questions == Questions::Miss;
        let time = if by_chance { WARM.min(self.time) } else { LONGEST_WARM };
        self.write(&questions)?;
        let file = self.file();
        let load = self.load(mode, side.port, &file, time, None);
        dnsperf::run(Load { end: End::AllAskedTwice, ..load }).map(drop)
    }

    /// Asks a server as fast as it answers: questions that dnsperf finds in [`Self::file`].
    fn peak(&self, side: Side<'_>, questions: &[Question], time: Duration) -> anyhow::Result<Peak> {
        let before = side.server.cpu()?;
        let (completed, lost, per_second) = match self.workload.transport {
            Transport::Dnsperf(mode) => {
                let file = self.file();
                let outcome = dnsperf::run(self.load(mode, side.port, &file, time, None))?;
                (outcome.completed, outcome.lost, outcome.per_second)
            }
            Transport::Connections | Transport::Https => {
                let outcome = self.ask(side.port, questions, None, time)?;
                let completed = outcome.times.len() as u64;
                (completed, outcome.lost, completed as f64 / time.as_secs_f64())
            }
        };
        let spent = side.server.cpu()?.saturating_sub(before);
        Ok(Peak { completed, lost, per_second, spent })
    }

    /// Over UDP the middle of the turns: one in which the machine stood still says nothing about the server.
    fn latency(&self, port: u16, rate: f64) -> anyhow::Result<Latency> {
        let questions = self.workload.questions.list(self.cluster, Pass::Half);
        match self.workload.transport {
            Transport::Dnsperf(Mode::Udp) => latency::measure_in_turns(TURNS, || {
                latency::measure(port, &questions, rate, self.turn())
            }),
            Transport::Dnsperf(mode) => {
                self.write(&questions)?;
                let file = self.file();
                let load = self.load(mode, port, &file, self.time, Some(rate));
                let (times, lost) = dnsperf::latencies(load)?;
                latency::of(&times, times.len() + usize::try_from(lost)?)
            }
            Transport::Connections | Transport::Https => {
                let outcome = self.ask(port, &questions, Some(rate), self.time)?;
                latency::of(&outcome.times, outcome.times.len() + usize::try_from(outcome.lost)?)
            }
        }
    }

    /// Asks with a client of ours.
    fn ask(
        &self,
        port: u16,
        questions: &[Question],
        rate: Option<f64>,
        time: Duration,
    ) -> anyhow::Result<connections::Outcome> {
        let port = self.workload.transport.port(port);
        if self.workload.transport == Transport::Https {
            let certificate = self.directory.join("cert.pem");
            return doh::ask(port, &certificate, questions, rate, time);
        }
        connections::ask(port, questions, rate, time)
    }

    fn load<'a>(
        &self,
        mode: Mode,
        port: u16,
        file: &'a Path,
        time: Duration,
        rate: Option<f64>,
    ) -> Load<'a> {
        Load {
            mode,
            port: self.workload.transport.port(port),
            questions: file,
            time,
            rate,
            end: End::Time,
        }
    }

    /// Where dnsperf finds the questions.
    fn file(&self) -> PathBuf {
        self.directory.join("questions")
    }

    /// Puts questions there, for whoever is asked next.
    fn write(&self, questions: &[Question]) -> anyhow::Result<()> {
        fs::write(self.file(), text(questions)).context("write the questions")
    }

    /// Whether the first question gets NOERROR or NXDOMAIN (RFC 1035 §4.1.1).
    fn is_answered(&self, port: u16) -> anyhow::Result<bool> {
        let questions = self.workload.questions.list(self.cluster, Pass::Warm);
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
        socket.set_read_timeout(Some(WARM))?;
        socket.connect(SocketAddr::from((Ipv4Addr::LOCALHOST, port)))?;
        socket.send(&encode(questions.first().context("no question")?)?)?;
        let mut reply = [0; 4096];
        let length = socket.recv(&mut reply)?;
        Ok(length > 3 && matches!(reply[3] & 0x0f, 0 | 3))
    }
}

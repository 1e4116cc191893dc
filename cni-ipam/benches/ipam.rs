//! What an ADD and a DEL cost as whole processes, at 0 to 65,000 leases, against host-local in the same run; and 100 ADDs
//! at once. `make bench-ipam` prints the table. Both keep their files in memory, as is portolan-ipam's default and a
//! favour to host-local, whose default is the disk.
//!
//! Arguments, if they are others than what `make release-ipam` has built and Debian's: the paths of `portolan-ipam` and of
//! host-local.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a bench that cannot go on says so by panicking"
)]
#![expect(clippy::print_stdout, reason = "a bench prints its table")]

use std::collections::BTreeSet;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// The numbers of leases that are there when a process is measured.
const SIZES: [u32; 5] = [0, 200, 2_000, 16_000, 65_000];

/// Debian's host-local.
const HOST_LOCAL: &str = "/usr/lib/cni/host-local";

/// Processes of a burst, and how many bursts there are.
const BURST: usize = 100;
const BURSTS: usize = 9;

/// A plugin and its configuration.
struct Plugin {
    program: PathBuf,
    config: String,
}

impl Plugin {
    fn new(program: &Path, keys: &str) -> Self {
        let config = format!(
            r#"{{"cniVersion": "1.0.0", "name": "bench", "ipam": {{"type": "portolan-ipam",
            "ranges": [[{{"subnet": "10.64.0.0/14"}}]], {keys}}}}}"#
        );
        Self { program: program.to_owned(), config }
    }

    fn start(&self, verb: &str, container: &str) -> Child {
        let mut child = Command::new(&self.program)
            .env_clear()
            .env("CNI_COMMAND", verb)
            .env("CNI_CONTAINERID", container)
            .env("CNI_NETNS", "/some/where")
            .env("CNI_IFNAME", "eth0")
            .env("CNI_PATH", "/usr/lib/cni")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("{}: {error}", self.program.display()));
        // VERSION does not read it; whether the others did, their answers show.
        let _ = child.stdin.take().unwrap().write_all(self.config.as_bytes());
        child
    }

    /// Returns how long a process takes, from before it is started until it has ended.
    fn time(&self, verb: &str, container: &str) -> Duration {
        let start = Instant::now();
        let output = self.start(verb, container).wait_with_output().unwrap();
        let elapsed = start.elapsed();
        assert!(output.status.success(), "{verb} {container}: {output:?}");
        elapsed
    }
}

/// The times of a verb.
struct Times(Vec<Duration>);

impl Times {
    fn quantile(&self, of_hundred: usize) -> f64 {
        let mut times = self.0.clone();
        times.sort();
        times[(times.len() - 1) * of_hundred / 100].as_secs_f64() * 1e3
    }
}

/// Measures ADDs, and then DELs of what they added.
fn measure(plugin: &Plugin, rounds: usize) -> (Times, Times) {
    let names: Vec<String> = (0..rounds).map(|round| format!("measured-{round}")).collect();
    let all = |verb| Times(names.iter().map(|name| plugin.time(verb, name)).collect());
    (all("ADD"), all("DEL"))
}

/// Returns the ADDs of a second when they are started at once. No address may be given twice.
fn burst(plugin: &Plugin) -> f64 {
    let mut rates: Vec<f64> = (0..BURSTS).map(|round| one_burst(plugin, round)).collect();
    rates.sort_by(f64::total_cmp);
    rates[BURSTS / 2]
}

fn one_burst(plugin: &Plugin, round: usize) -> f64 {
    let names: Vec<String> = (0..BURST).map(|at| format!("burst-{round}-{at}")).collect();
    let start = Instant::now();
    let children: Vec<Child> = names.iter().map(|name| plugin.start("ADD", name)).collect();
    let answers = children.into_iter().map(|child| child.wait_with_output().unwrap());
    let answers: Vec<_> = answers.collect();
    let elapsed = start.elapsed();
    let addresses: BTreeSet<String> = answers
        .iter()
        .map(|answer| {
            assert!(answer.status.success(), "{answer:?}");
            let text = String::from_utf8_lossy(&answer.stdout);
            text.split("\"address\": \"").nth(1).unwrap().split('"').next().unwrap().to_owned()
        })
        .collect();
    assert_eq!(addresses.len(), BURST, "an address was given twice");
    for name in &names {
        plugin.time("DEL", name);
    }
    BURST as f64 / elapsed.as_secs_f64()
}

/// Writes files of host-local up to a number of leases, from 10.64.0.2 on.
fn fill(folder: &Path, from: u32, to: u32) {
    for lease in from..to {
        let [_, b, c, d] = (lease + 2).to_be_bytes();
        let file = folder.join(format!("10.{}.{c}.{d}", 64 + b));
        std::fs::write(file, format!("filled-{lease}\r\neth0")).unwrap();
    }
    let [_, b, c, d] = (to + 1).to_be_bytes();
    std::fs::write(folder.join("last_reserved_ip.0"), format!("10.{}.{c}.{d}", 64 + b)).unwrap();
}

/// Returns a folder in memory if there is one.
fn folder() -> tempfile::TempDir {
    let memory = Path::new("/dev/shm");
    if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() }.unwrap()
}

/// Both plugins, with what they keep below one folder.
struct Contest {
    home: tempfile::TempDir,
    ours: PathBuf,
    host_local: Plugin,
    filled: u32,
}

impl Contest {
    fn new(ours: &Path, peer: &Path) -> Self {
        let home = folder();
        let data = home.path().join("host-local");
        std::fs::create_dir_all(data.join("bench")).unwrap();
        let keys = format!(r#""dataDir": "{}""#, data.display());
        let host_local = Plugin::new(peer, &keys);
        Self { home, ours: ours.to_owned(), host_local, filled: 0 }
    }

    /// Makes a store with this many leases, and as many files of host-local, and returns its plugin.
    fn fill(&mut self, size: u32) -> Plugin {
        let data = self.home.path().join("host-local");
        fill(&data.join("bench"), self.filled, size);
        self.filled = size;
        let store = self.home.path().join(format!("portolan-{size}"));
        let keys = format!(r#""storeDir": "{}""#, store.display());
        // The first call takes over what is there.
        let first = Plugin::new(&self.ours, &format!(r#"{keys}, "dataDir": "{}""#, data.display()));
        first.time("ADD", "first");
        first.time("DEL", "first");
        Plugin::new(&self.ours, &keys)
    }

    /// Prints the line of a size, and returns the medians of ADD and DEL.
    fn row(&mut self, size: u32) -> (f64, f64) {
        let portolan = self.fill(size);
        let (add, del) = measure(&portolan, 300);
        let (its_add, its_del) = measure(&self.host_local, if size > 10_000 { 15 } else { 40 });
        let [add_50, del_50] = [&add, &del].map(|times| times.quantile(50));
        let [its_add, its_del] = [&its_add, &its_del].map(|times| times.quantile(50));
        println!(
            "{size:>7} | {add_50:>7.2} {:>7.2} {del_50:>7.2} {:>7.2} | {its_add:>8.2} {its_del:>8.2} | \
             {:>7.1} {:>7.1}",
            add.quantile(99),
            del.quantile(99),
            its_add / add_50,
            its_del / del_50,
        );
        (add_50, del_50)
    }
}

fn main() {
    let arguments: Vec<String> =
        std::env::args().skip(1).filter(|word| word != "--bench").collect();
    let ours = &arguments.first().map_or_else(built, PathBuf::from);
    let peer = Path::new(arguments.get(1).map_or(HOST_LOCAL, String::as_str));
    let mut contest = Contest::new(ours, peer);
    println!("p50 and p99 of whole processes in ms; × is how many times longer host-local takes");
    println!(
        "{:>7} | {:>7} {:>7} {:>7} {:>7} | {:>8} {:>8} | {:>7} {:>7}",
        "leases", "ADD p50", "p99", "DEL p50", "p99", "its ADD", "its DEL", "ADD ×", "DEL ×"
    );
    let costs: Vec<(f64, f64)> = SIZES.map(|size| contest.row(size)).into();
    let spread = |cost: fn(&(f64, f64)) -> f64| {
        let all: Vec<f64> = costs.iter().map(cost).collect();
        all.iter().copied().fold(0.0, f64::max) / all.iter().copied().fold(f64::MAX, f64::min)
    };
    let (add, del) = (spread(|cost| cost.0), spread(|cost| cost.1));
    println!("largest by smallest p50: ADD {add:.2}, DEL {del:.2}");
    println!(
        "VERSION, which does nothing, p50: {:.2} ms, host-local {:.2} ms",
        floor(&Plugin::new(ours, "")),
        floor(&contest.host_local)
    );
    let mut contest = Contest::new(ours, peer);
    let portolan = contest.fill(200);
    println!(
        "{BURST} ADDs at once with 200 leases: {:.0} a second, host-local {:.0}",
        burst(&portolan),
        burst(&contest.host_local)
    );
    let config = portolan.config.replace("1.0.0", "1.1.0");
    let status = Plugin { config, ..portolan };
    let times = Times((0..300).map(|_| status.time("STATUS", "none")).collect());
    println!("STATUS, p50: {:.2} ms", times.quantile(50));
}

/// Returns what `make release-ipam` has built, `HOST/ipam/portolan-ipam` in the target directory that this bench is in.
fn built() -> PathBuf {
    let this = std::env::current_exe().unwrap();
    let folders = std::fs::read_dir(this.ancestors().nth(3).unwrap()).unwrap();
    let binaries = folders.map(|folder| folder.unwrap().path().join("ipam/portolan-ipam"));
    let mut binaries: Vec<PathBuf> = binaries.filter(|binary| binary.is_file()).collect();
    binaries.pop().unwrap_or_else(|| panic!("run `make release-ipam` first"))
}

/// Returns the median of what a process costs that does nothing.
fn floor(plugin: &Plugin) -> f64 {
    Times((0..300).map(|_| plugin.time("VERSION", "none")).collect()).quantile(50)
}

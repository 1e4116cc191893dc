//! Calls of CNI plugins as a container runtime makes them, and a node to make them on.

use std::ffi::OsStr;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use cni::{Environment, Request, Verb};
use cni_ipam::Site;
use serde_json::Value;
use tempfile::TempDir;

use crate::namespace::run;
use crate::server::binary;

/// Where Debian has the plugins of `containernetworking-plugins`.
pub const PLUGINS: &str = "/usr/lib/cni";

/// Returns the path of `portolan-ipam`.
///
/// # Panics
/// It has not been built.
pub fn ipam_binary() -> PathBuf {
    if let Some(path) = std::env::var_os("PORTOLAN_IPAM_BIN") {
        return path.into();
    }
    let this = std::env::current_exe().unwrap();
    let path = this.ancestors().nth(2).unwrap().join("portolan-ipam");
    assert!(path.exists(), "{} is missing; `make test` builds it first", path.display());
    path
}

/// A call of a plugin: its program and variables. The environment of the test is not passed on.
#[derive(Debug)]
pub struct Call {
    program: PathBuf,
    variables: Vec<(String, String)>,
}

/// What a plugin answered.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Answer {
    /// The exit code; none after a signal.
    pub code: Option<i32>,
    /// The standard output.
    pub stdout: String,
    /// The standard error.
    pub stderr: String,
}

impl Call {
    /// Makes a call of a program, with this `CNI_COMMAND`.
    pub fn new(program: impl AsRef<Path>, verb: &str) -> Self {
        let call = Self { program: program.as_ref().to_owned(), variables: Vec::new() };
        call.with("CNI_COMMAND", verb).with("CNI_PATH", PLUGINS)
    }

    /// Makes a call about an interface `eth0` of a container, whose network namespace does not exist.
    pub fn attachment(program: impl AsRef<Path>, verb: &str, container: &str) -> Self {
        Self::new(program, verb)
            .with("CNI_CONTAINERID", container)
            .with("CNI_IFNAME", "eth0")
            .with("CNI_NETNS", "/some/where")
    }

    /// Sets a variable; the last value counts, and an empty one takes it away.
    #[must_use]
    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.variables.retain(|(other, _)| other != name);
        if !value.is_empty() {
            self.variables.push((name.to_owned(), value.to_owned()));
        }
        self
    }

    /// Returns the command, for those who start it themselves.
    pub fn command(&self) -> Command {
        let mut command = Command::new(&self.program);
        command.env_clear().envs(self.variables.iter().map(|(name, value)| (name, value)));
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    /// Calls the plugin with a configuration.
    ///
    /// # Panics
    /// It cannot be run.
    pub fn run(&self, config: &Value) -> Answer {
        self.run_text(config.to_string().as_bytes())
    }

    /// Calls the plugin with whatever octets.
    ///
    /// # Panics
    /// As [`Call::run`].
    pub fn run_text(&self, config: &[u8]) -> Answer {
        let mut child = self.command().spawn().unwrap_or_else(|error| {
            panic!("{} cannot be run: {error} (`make test` installs it)", self.program.display())
        });
        // A plugin that fails early does not read it.
        let _ = child.stdin.take().unwrap().write_all(config);
        let output = child.wait_with_output().unwrap();
        let text = |octets: Vec<u8>| String::from_utf8(octets).unwrap();
        Answer {
            code: output.status.code(),
            stdout: text(output.stdout),
            stderr: text(output.stderr),
        }
    }
}

impl Answer {
    /// Returns the answer of a call that succeeded; `null` when there is none.
    ///
    /// # Panics
    /// It failed.
    pub fn ok(&self) -> Value {
        assert_eq!(self.code, Some(0), "{}{}", self.stdout, self.stderr);
        if self.stdout.is_empty() { Value::Null } else { self.json() }
    }

    /// Returns the code of CNI and the whole text of a call that failed.
    ///
    /// # Panics
    /// It succeeded, or its error is none of CNI.
    pub fn error(&self) -> (u64, String) {
        assert_eq!(self.code, Some(1), "{}{}", self.stdout, self.stderr);
        let json = self.json();
        let text = |key: &str| json[key].as_str().unwrap_or_default();
        assert!(!text("msg").is_empty(), "{json}");
        (json["code"].as_u64().unwrap(), format!("{}: {}", text("msg"), text("details")))
    }

    /// Returns the one JSON object that the plugin printed.
    ///
    /// # Panics
    /// It printed something else.
    pub fn json(&self) -> Value {
        let json: Value = serde_json::from_str(&self.stdout)
            .unwrap_or_else(|error| panic!("{error}: {:?} {}", self.stdout, self.stderr));
        assert!(json.is_object(), "{json}");
        json
    }
}

/// A node with a `/run` and a `/var/lib` of its own, and a folder of plugins: Debian's, and `portolan-ipam`. The test runs
/// [`inside_with_mounts`](crate::namespace::inside_with_mounts).
#[derive(Debug)]
pub struct Node {
    folder: TempDir,
}

impl Node {
    /// Makes the node, in whose namespaces IPv6 addresses are used at once.
    ///
    /// # Panics
    /// It cannot be made.
    #[expect(clippy::new_without_default, reason = "it has effects")]
    pub fn new() -> Self {
        for folder in ["/run", "/var/lib"] {
            run("mount", &["-t", "tmpfs", "none", folder]);
        }
        let folder = tempfile::tempdir().unwrap();
        std::os::unix::fs::symlink(ipam_binary(), folder.path().join("portolan-ipam")).unwrap();
        without_duplicate_detection();
        Self { folder }
    }

    /// Makes a network namespace for a container, and returns its path.
    ///
    /// # Panics
    /// It cannot be made.
    pub fn netns(&self, name: &str) -> String {
        run("ip", &["netns", "add", name]);
        let path = format!("/run/netns/{name}");
        let enter = [&format!("--net={path}")[..], "sh", "-c", WITHOUT_DETECTION];
        run("nsenter", &enter);
        path
    }

    /// Makes a call of a plugin of this node, for an interface `eth0` of a container in a namespace.
    pub fn call(&self, plugin: &str, verb: &str, container: &str, netns: &str) -> Call {
        let own = self.folder.path();
        let folder = if own.join(plugin).exists() { own } else { Path::new(PLUGINS) };
        let path = format!("{}:{PLUGINS}", own.display());
        Call::attachment(folder.join(plugin), verb, container)
            .with("CNI_NETNS", netns)
            .with("CNI_PATH", &path)
    }

    /// Runs a command in a network namespace that has to succeed, and returns what it printed.
    ///
    /// # Panics
    /// It cannot be run, or fails.
    pub fn within(&self, netns: &str, command: &str) -> String {
        let enter = format!("--net={netns}");
        let words = std::iter::once(enter.as_str()).chain(command.split(' '));
        run("nsenter", &words.collect::<Vec<_>>())
    }
}

/// Gives an interface `eth0` of a container its addresses as `portolan-ipam` does, but an hour ago: what is young is not
/// collected.
///
/// # Panics
/// It fails.
pub fn add_an_hour_ago(container: &str, netns: &str, config: &Value) {
    let environment = Environment {
        verb: Verb::Add,
        container_id: container.to_owned(),
        netns: Some(netns.into()),
        ifname: "eth0".to_owned(),
        arguments: String::new(),
        path: "".into(),
        allows_own_netns: false,
    };
    let request = Request::parse(&environment, config.to_string().as_bytes());
    let Ok(Request::Add(request)) = request else { panic!("{request:?}") };
    let mut site = Site::host();
    site.now.0 -= 3_600_000;
    cni_ipam::verbs::add(&request, &site).unwrap();
}

/// Duplicate address detection takes a second or two for each IPv6 address.
const WITHOUT_DETECTION: &str = "for knob in default/accept_dad all/accept_dad default/dad_transmits; do \
                                 echo 0 > /proc/sys/net/ipv6/conf/$knob; done";

fn without_duplicate_detection() {
    run("sh", &["-c", WITHOUT_DETECTION]);
}

/// Returns the addresses that `portolan ipam list` shows as held, in order.
///
/// # Panics
/// It fails.
pub fn held() -> Vec<String> {
    let text = run(binary().to_str().unwrap(), &["ipam", "list", "--json"]);
    let list: Value = serde_json::from_str(&text).unwrap();
    let leases = list["leases"].as_array().unwrap().iter();
    let leases = leases.filter(|lease| lease["state"] == "held");
    leases.map(|lease| lease["address"].as_str().unwrap().to_owned()).collect()
}

/// Returns the names in a folder, in order; none when it is not there.
///
/// # Panics
/// It cannot be read.
pub fn names(folder: &Path) -> Vec<String> {
    if !folder.exists() {
        return Vec::new();
    }
    let name = |name: &OsStr| name.to_string_lossy().into_owned();
    let entries = std::fs::read_dir(folder).unwrap();
    let mut names: Vec<String> = entries.map(|entry| name(&entry.unwrap().file_name())).collect();
    names.sort();
    names
}

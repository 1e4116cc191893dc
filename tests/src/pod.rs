//! A pod as its processes see it: a network namespace behind a link to the node, and an own `/etc/resolv.conf`. The
//! node is the namespace of the test ([`inside_with_mounts`](crate::namespace::inside_with_mounts)).

use std::io::{BufRead, BufReader, Write};
use std::net::Ipv4Addr;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

use crate::dig::{Dug, replies};
use crate::namespace::run;
use crate::stage::until;

/// The network of a pod.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Network {
    /// Its own; the pod has this address, an IPv6 address made of it, and the node as its gateway.
    Own(Ipv4Addr),
    /// That of the node (`hostNetwork: true`).
    OfNode,
}

/// A pod; its namespaces end with it.
#[derive(Debug)]
pub struct Pod {
    /// Keeps the namespaces until its standard input is closed.
    holder: Child,
}

impl Pod {
    /// Starts a pod with this `/etc/resolv.conf`.
    ///
    /// # Panics
    /// Its namespaces cannot be made.
    pub fn start(network: Network, resolv_conf: &str) -> Self {
        let mut command = Command::new("unshare");
        if network != Network::OfNode {
            command.arg("--net");
        }
        let pod = Self::of(command, resolv_conf);
        if let Network::Own(address) = network {
            pod.connect(address);
        }
        pod
    }

    /// Starts a pod with this `/etc/resolv.conf` in the network namespace at a path, which a CNI plugin connects.
    ///
    /// # Panics
    /// Its namespaces cannot be made.
    pub fn inside(netns: &str, resolv_conf: &str) -> Self {
        let mut command = Command::new("nsenter");
        command.args([&format!("--net={netns}"), "unshare"]);
        Self::of(command, resolv_conf)
    }

    /// Starts a pod with the namespaces that a command makes, which ends with `unshare` and its options.
    fn of(mut command: Command, resolv_conf: &str) -> Self {
        command.args(["--mount", "--", "cat"]).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut holder = command
            .spawn()
            .unwrap_or_else(|error| panic!("unshare (package util-linux) cannot be run: {error}"));
        // `cat` answers when the namespaces are there.
        holder.stdin.as_mut().unwrap().write_all(b"ready\n").unwrap();
        let mut line = String::new();
        BufReader::new(holder.stdout.take().unwrap()).read_line(&mut line).unwrap();
        assert_eq!(line, "ready\n", "the namespaces of a pod");
        let pod = Self { holder };
        pod.cover("/etc/resolv.conf", resolv_conf);
        // Whatever this machine asks beside files and DNS, a pod does not.
        pod.cover("/etc/nsswitch.conf", "hosts: files dns\n");
        // A name service cache of this machine would answer instead of the pod's resolver.
        if Path::new("/run/nscd").exists() {
            pod.done("mount -t tmpfs none /run/nscd");
        }
        pod
    }

    /// Links the pod to the node, on which it reaches every address.
    fn connect(&self, address: Ipv4Addr) {
        let [a, b, c, d] = address.octets();
        let (link, id) = (format!("pod-{c}-{d}"), self.holder.id().to_string());
        run("ip", &["link", "add", &link, "type", "veth", "peer", "name", "eth0", "netns", &id]);
        let node = |command: String| run("ip", &command.split(' ').collect::<Vec<_>>());
        node(format!("link set {link} up"));
        self.done("ip link set lo up");
        self.done("ip link set eth0 up");
        // The kernel tells each end a moment later that there is another one, and sends nothing before.
        let is_up = |line: &String| line.contains("state UP");
        until("the node's end", || node(format!("-o link show {link}")), is_up);
        until("the pod's end", || self.done("ip -o link show eth0"), is_up);
        let gateway = Ipv4Addr::new(a, b, c, 254).to_string();
        node(format!("addr add {gateway} peer {address} dev {link}"));
        self.done(&format!("ip addr add {address} peer {gateway} dev eth0"));
        let network = format!("fd00:244:{c}:{d}:");
        node(format!("addr add {network}:1/64 dev {link} nodad"));
        self.done(&format!("ip addr add {network}:2/64 dev eth0 nodad"));
        for gateway in [gateway, format!("{network}:1")] {
            self.done(&format!("ip route add default via {gateway} dev eth0"));
        }
        // The kernel begins to use an address a moment after it is given.
        let tentative = "-6 addr show scope global tentative";
        until("the node's address", || node(tentative.to_owned()), String::is_empty);
        until("the pod's address", || self.done(&format!("ip {tentative}")), String::is_empty);
    }

    /// Puts a text in the place of a file.
    fn cover(&self, file: &str, text: &str) {
        let cover = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(cover.path(), text).unwrap();
        self.done(&format!("mount --bind {} {file}", cover.path().display()));
        // The mount keeps the file.
    }

    /// Runs a command in the pod.
    ///
    /// # Panics
    /// It cannot be run.
    pub fn run(&self, command: &str) -> Output {
        let mut enter = self.enter();
        enter.args(command.split_whitespace());
        enter
            .output()
            .unwrap_or_else(|error| panic!("nsenter (package util-linux) cannot be run: {error}"))
    }

    /// Returns a command whose arguments are a command line, which becomes a process of the pod with the same id.
    pub fn enter(&self) -> Command {
        let mut enter = Command::new("nsenter");
        enter.args(["--target", &self.holder.id().to_string(), "--net", "--mount", "--"]);
        enter
    }

    /// Runs a command that has to succeed, and returns what it printed.
    fn done(&self, command: &str) -> String {
        let output = self.run(command);
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{command} in a pod: {errors}");
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// Asks with `dig`, through the pod's `/etc/resolv.conf` and its search list, and returns the last reply.
    ///
    /// # Panics
    /// `dig` is missing, fails, or shows no reply.
    pub fn dig(&self, words: &str) -> Dug {
        let text = self.done(&format!("dig +search +tries=1 +time=10 {words}"));
        replies(&text).pop().unwrap_or_else(|| panic!("dig {words} shows no reply: {text}"))
    }

    /// Asks the C library's resolver with `getent`; none when it finds nothing.
    ///
    /// # Panics
    /// `getent` is missing or fails otherwise.
    pub fn getent(&self, words: &str) -> Option<String> {
        let output = self.run(&format!("getent {words}"));
        match output.status.code() {
            Some(0) => Some(String::from_utf8_lossy(&output.stdout).into_owned()),
            // "One or more supplied key could not be found" (getent(1)).
            Some(2) => None,
            _ => panic!("getent {words}: {output:?}"),
        }
    }

    /// Fetches a page with `curl`, whose resolver is the C library's, or returns its exit code.
    ///
    /// # Errors
    /// Codes of curl(1): 6 for a name that is not found, 7 for a refused connection, 28 for more than a second.
    ///
    /// # Panics
    /// `curl` is missing.
    pub fn fetch(&self, url: &str) -> Result<String, i32> {
        let output = self.run(&format!("curl --silent --max-time 1 {url}"));
        match output.status.code() {
            Some(0) => Ok(String::from_utf8_lossy(&output.stdout).into_owned()),
            Some(code) if code < 126 => Err(code),
            _ => panic!("curl {url}: {output:?}"),
        }
    }
}

impl Drop for Pod {
    fn drop(&mut self) {
        let _ = self.holder.kill();
        let _ = self.holder.wait();
    }
}

//! Two pods: processes in network namespaces, joined by the node that this process is.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use super::common::{PORT, address};

/// Set in the process of a pod.
const POD: &str = "PORTOLAN_BENCH_POD";

/// How long one measurement takes.
const TIME: Duration = Duration::from_millis(100);

/// The numbers of the pods in the cluster: both on the node and of one namespace, the server of the first app.
const SERVER: u16 = 0;
const CLIENT: u16 = 1_000;

/// What is measured.
#[derive(Clone, Copy)]
pub(crate) enum Measure {
    /// Megabits a second of one connection.
    Stream,
    /// Connections a second, one after the other, each with one octet.
    Connect,
}

/// The pods.
pub(crate) struct Pods {
    client: Pod,
    _server: Pod,
}

struct Pod {
    child: Child,
    orders: ChildStdin,
    answers: BufReader<ChildStdout>,
}

/// Says whether this process is one of a pod.
pub(crate) fn is_pod() -> bool {
    std::env::var_os(POD).is_some()
}

/// Does what the node says, line by line.
pub(crate) fn serve() {
    let mut server = None;
    for line in std::io::stdin().lines() {
        let line = line.unwrap();
        let answer = match line.split_once(' ') {
            Some(("ip", arguments)) => {
                ip(arguments);
                "done".to_owned()
            }
            Some(("sysctl", setting)) => {
                let (name, value) = setting.split_once('=').unwrap();
                sysctl(name, value);
                "done".to_owned()
            }
            Some(("listen", port)) => {
                let listener = TcpListener::bind(("0.0.0.0", port.parse().unwrap())).unwrap();
                server = Some(std::thread::spawn(move || listener.incoming().for_each(swallow)));
                "done".to_owned()
            }
            Some(("stream", to)) => stream(to.parse().unwrap()).to_string(),
            Some(("connect", to)) => connect(to.parse().unwrap()).to_string(),
            _ => format!("unknown: {line}"),
        };
        println!("{answer}");
    }
    drop(server);
}

/// Reads until the other side has sent everything, and says how much that was.
fn swallow(connection: std::io::Result<TcpStream>) {
    let Ok(mut connection) = connection else { return };
    let (mut octets, mut count) = (vec![0; 1 << 18], 0u64);
    while let Ok(read @ 1..) = connection.read(&mut octets) {
        count += read as u64;
    }
    let _ = connection.write_all(&count.to_be_bytes());
}

fn stream(to: SocketAddr) -> f64 {
    let mut connection = TcpStream::connect(to).unwrap();
    let (octets, start) = (vec![0; 1 << 18], Instant::now());
    while start.elapsed() < TIME {
        connection.write_all(&octets).unwrap();
    }
    let received = finish(&mut connection);
    received as f64 * 8.0 / 1e6 / start.elapsed().as_secs_f64()
}

fn connect(to: SocketAddr) -> f64 {
    let (mut count, start) = (0u32, Instant::now());
    while start.elapsed() < TIME {
        let mut connection = TcpStream::connect(to).unwrap();
        connection.write_all(b"?").unwrap();
        assert_eq!(finish(&mut connection), 1, "the server counts");
        count += 1;
    }
    f64::from(count) / start.elapsed().as_secs_f64()
}

/// Ends what is sent, and returns how much of it arrived.
fn finish(connection: &mut TcpStream) -> u64 {
    connection.shutdown(std::net::Shutdown::Write).unwrap();
    let mut count = [0; 8];
    connection.read_exact(&mut count).unwrap();
    u64::from_be_bytes(count)
}

impl Pods {
    /// Makes the pods, and the node between them.
    pub(crate) fn new() -> Self {
        ip("link set lo up");
        sysctl("ipv4/ip_forward", "1");
        // Connections that are over make room: for their ports, and in the table of connections.
        sysctl("netfilter/nf_conntrack_tcp_timeout_time_wait", "1");
        let mut server = Pod::new("server", SERVER);
        let mut client = Pod::new("client", CLIENT);
        client.order("sysctl ipv4/tcp_tw_reuse=1");
        client.order("sysctl ipv4/ip_local_port_range=10000 65000");
        server.order(&format!("listen {PORT}"));
        Self { client, _server: server }
    }

    /// Measures from the client to the server.
    pub(crate) fn measure(&mut self, measure: Measure) -> f64 {
        let to = SocketAddr::new(IpAddr::from(address(SERVER)), PORT);
        let order = match measure {
            Measure::Stream => format!("stream {to}"),
            Measure::Connect => format!("connect {to}"),
        };
        self.client.order(&order).parse().unwrap()
    }
}

impl Pod {
    fn new(name: &str, number: u16) -> Self {
        let this = std::env::current_exe().unwrap();
        let mut child = Command::new("unshare")
            .args(["--net", "--"])
            .arg(this)
            .env(POD, "1")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let orders = child.stdin.take().unwrap();
        let answers = BufReader::new(child.stdout.take().unwrap());
        let mut pod = Self { child, orders, answers };
        // Answers when it is in its namespace.
        pod.order("ip link set lo up");
        let (id, address) = (pod.child.id(), IpAddr::from(address(number)));
        ip(&format!("link add {name} type veth peer name eth0 netns {id}"));
        ip(&format!("addr add 169.254.1.1/32 dev {name}"));
        ip(&format!("link set {name} up"));
        ip(&format!("route add {address}/32 dev {name}"));
        pod.order(&format!("ip addr add {address}/32 dev eth0"));
        pod.order("ip link set eth0 up");
        pod.order("ip route add 169.254.1.1/32 dev eth0 scope link");
        pod.order("ip route add default via 169.254.1.1");
        pod
    }

    fn order(&mut self, order: &str) -> String {
        writeln!(self.orders, "{order}").unwrap();
        let mut answer = String::new();
        self.answers.read_line(&mut answer).unwrap();
        assert!(!answer.is_empty(), "the pod ended at: {order}");
        answer.trim().to_owned()
    }
}

impl Drop for Pod {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Sets a value of the namespace of this process, below `net`.
fn sysctl(name: &str, value: &str) {
    std::fs::write(format!("/proc/sys/net/{name}"), value).unwrap();
}

/// Runs `ip` in the namespace of this process.
fn ip(arguments: &str) {
    let status = Command::new("ip").args(arguments.split(' ')).status().unwrap();
    assert!(status.success(), "ip {arguments}");
}

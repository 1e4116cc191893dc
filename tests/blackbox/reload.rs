//! A changed Corefile is taken over while the server runs, and nothing is lost meanwhile.

use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use portolan_tests::client::{UdpClient, http_get, query};
use portolan_tests::dig::dig;
use portolan_tests::fixture;
use portolan_tests::namespace::inside;
use portolan_tests::server::{PATIENCE, Server, write};
use portolan_tests::soak;
use portolan_tests::stage::{metric, until};

const ENDPOINTS: &str = "health 127.0.0.1:0\nready 127.0.0.1:0\nprometheus 127.0.0.1:0\n";

/// A server that reloads on SIGUSR1.
struct Reloading {
    server: Server,
    reloads: usize,
}

impl Reloading {
    fn start(corefile: &str) -> Self {
        Self { server: Server::start(corefile), reloads: 0 }
    }

    fn write(&self, file: &str, text: &str) {
        write(&self.server.directory.path().join(file), text);
    }

    /// Asks for a reload of this Corefile and waits until it is served.
    fn reload(&mut self, corefile: &str) {
        self.write("Corefile", corefile);
        self.signal_and_wait();
    }

    fn signal_and_wait(&mut self) {
        self.reloads += 1;
        self.server.signal("USR1");
        self.wait_for_reloads();
    }

    fn wait_for_reloads(&mut self) {
        let (server, wanted) = (&mut self.server, self.reloads);
        let complete = || server.log().matches("Reloading complete").count();
        until("the reload", complete, |seen| *seen >= wanted);
    }

    fn wait_for_failures(&mut self, failed: u32) {
        let failed = f64::from(failed);
        let failures = || metric(&mut self.server, "coredns_reload_failed_total", "");
        until("the failure", failures, |seen| *seen >= failed);
    }

    fn status(&self, name: &str) -> String {
        dig(self.server.address(), name).status
    }
}

fn whoami_for(zone: &str) -> String {
    format!("{zone}:0 {{\n{ENDPOINTS}whoami\n}}\n")
}

#[test]
fn another_corefile_is_served_on_the_same_sockets() {
    let mut server = Reloading::start(&whoami_for("one.example"));
    assert_eq!(server.status("a.one.example"), "NOERROR");
    assert_eq!(server.status("a.two.example"), "REFUSED");
    server.reload(&whoami_for("two.example"));
    assert_eq!(server.status("a.one.example"), "REFUSED");
    assert_eq!(server.status("a.two.example"), "NOERROR");
    for page in ["/health", "/ready"] {
        let address = server.server.endpoint(page);
        assert_eq!(http_get(address, page).0, 200, "{page} after the reload");
    }
}

#[test]
fn a_changed_import_is_a_change() {
    let corefile = format!(".:0 {{\n{ENDPOINTS}import snippet.conf\n}}\n");
    let directory = tempfile::tempdir().unwrap();
    write(&directory.path().join("snippet.conf"), "whoami\n");
    let path = directory.path().join("Corefile");
    write(&path, &corefile);
    let mut command = std::process::Command::new(portolan_tests::server::binary());
    command.args(["dns", "-conf"]).arg(&path).args(["--admin", "127.0.0.1:0"]);
    let server = Server::of(command, directory).serving();
    let mut server = Reloading { server, reloads: 0 };
    assert_eq!(server.status("a.example"), "NOERROR");
    server.write("snippet.conf", "# nothing answers\n");
    server.signal_and_wait();
    assert_eq!(server.status("a.example"), "SERVFAIL");
}

#[test]
fn a_broken_corefile_changes_nothing_and_is_counted_once() {
    let mut server = Reloading::start(&whoami_for("one.example"));
    let hash = |server: &mut Reloading| {
        let (_, text) = http_get(server.server.endpoint("/metrics"), "/metrics");
        text.lines()
            .find(|line| line.starts_with("coredns_reload_version_info{"))
            .unwrap()
            .to_owned()
    };
    let before = hash(&mut server);
    let socket = UdpSocket::bind("[::]:0").unwrap();
    let taken = socket.local_addr().unwrap();
    for (failed, broken, said) in [
        (1, "one.example:0 {\n", "Corefile:"),
        (2, "one.example:0 {\nwhoamy\n}\n", "did you mean 'whoami'"),
        (3, "one.example:0 {\nkubernetes {\nkubeconfig /nonexistent\n}\n}\n", "/nonexistent"),
        (4, "one.example:0 {\nwhoami\nprometheus 192.0.2.1:1\n}\n", "192.0.2.1:1"),
        (5, &format!("one.example:{} {{\nwhoami\n}}\n", taken.port()), "or choose another port"),
    ] {
        server.write("Corefile", broken);
        server.server.signal("USR1");
        server.wait_for_failures(failed);
        let line = server.server.wait_for_line(said);
        assert!(!line.contains("--takeover"), "a reload cannot take over: {line}");
        assert_eq!(server.status("a.one.example"), "NOERROR", "after {broken}");
        let health = server.server.endpoint("/health");
        assert_eq!(http_get(health, "/health").0, 200);
    }
    assert_eq!(hash(&mut server), before);
    server.reload(&whoami_for("two.example"));
    assert_eq!(server.status("a.two.example"), "NOERROR", "the next good one is taken");
    assert_ne!(hash(&mut server), before);
}

#[test]
fn the_interval_needs_no_signal() {
    let corefile = |zone: &str| format!("{zone}:0 {{\n{ENDPOINTS}whoami\nreload 2s 1s\n}}\n");
    let mut server = Reloading::start(&corefile("one.example"));
    server.write("Corefile", &corefile("two.example"));
    server.reloads += 1;
    server.wait_for_reloads();
    assert_eq!(server.status("a.two.example"), "NOERROR");
}

#[test]
fn added_and_removed_addresses_and_endpoints() {
    inside("added_and_removed_addresses_and_endpoints", || {
        let corefile = |ports: &str, endpoints: &str| {
            let blocks = ports.split(' ').map(|port| format!(".:{port} {{\nwhoami\n}}\n"));
            blocks.collect::<String>()
                + &format!("z.example:5300 {{\nwhoami\nprometheus 127.0.0.1:9001\n{endpoints}}}\n")
        };
        let mut server = Reloading::start(&corefile("5301", "health 127.0.0.1:9002\n"));
        let asked = |port: u16| dig(SocketAddr::from(([127, 0, 0, 1], port)), "a.example").status;
        assert_eq!(asked(5301), "NOERROR");
        server.reload(&corefile("5302 5303", "health 127.0.0.1:9003\nready 127.0.0.1:9001\n"));
        assert_eq!((asked(5302).as_str(), asked(5303).as_str()), ("NOERROR", "NOERROR"));
        let free = UdpSocket::bind("0.0.0.0:5301");
        assert!(free.is_ok(), "the removed listener is closed: {free:?}");
        let at = |port: u16| SocketAddr::from(([127, 0, 0, 1], port));
        assert_eq!(http_get(at(9003), "/health").0, 200);
        assert_eq!(http_get(at(9001), "/ready").0, 200, "another page at an address that stays");
        assert_eq!(http_get(at(9001), "/metrics").0, 200);
        let closed = std::net::TcpListener::bind(at(9002));
        assert!(closed.is_ok(), "the removed endpoint is closed: {closed:?}");
        // An address that somebody else has: nothing changes.
        let _taken = UdpSocket::bind("0.0.0.0:5304").unwrap();
        server.write("Corefile", &corefile("5304", ""));
        server.server.signal("USR1");
        server.wait_for_failures(1);
        assert_eq!((asked(5302).as_str(), asked(5303).as_str()), ("NOERROR", "NOERROR"));
        assert_eq!(http_get(at(9003), "/health").0, 200);
    });
}

/// Asks as fast as it is answered until told to stop; counts what stayed without an answer or was refused.
fn ask_all_the_time(server: SocketAddr, stop: &AtomicBool, asked: &AtomicUsize) -> Vec<String> {
    let mut client = UdpClient::new(server);
    let mut wrong = Vec::new();
    while !stop.load(Ordering::Relaxed) {
        let reply = client.ask("web.alpha.svc.cluster.local", "A", 1232);
        if reply.answers.len() != 1 {
            wrong.push(portolan_tests::records::rcode(&reply).to_owned());
        }
        asked.fetch_add(1, Ordering::Relaxed);
    }
    wrong
}

#[test]
fn no_question_is_lost_over_many_reloads() {
    let manifests = fixture("dns-cases/cluster.yaml");
    let corefile = |number: usize| {
        format!(
            ".:0 {{\n{ENDPOINTS}kubernetes cluster.local {{\nmanifests {}\nttl {}\n}}\ncache 30\n}}\n",
            manifests.display(),
            1 + number % 60,
        )
    };
    let mut server = Reloading::start(&corefile(0));
    let address = server.server.address();
    let (stop, asked) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let clients: Vec<_> = (0..4)
        .map(|_| {
            let (stop, asked) = (Arc::clone(&stop), Arc::clone(&asked));
            std::thread::spawn(move || ask_all_the_time(address, &stop, &asked))
        })
        .collect();
    for number in 1..=soak::rounds(10, 100) {
        let before = asked.load(Ordering::Relaxed);
        server.reload(&corefile(number));
        let is_after = |seen: &usize| *seen > before + 20;
        until("questions between two reloads", || asked.load(Ordering::Relaxed), is_after);
    }
    stop.store(true, Ordering::Relaxed);
    for client in clients {
        assert_eq!(client.join().unwrap(), Vec::<String>::new());
    }
    let kinds = metric(&mut server.server, "portolan_source_synced", "");
    let lists = metric(&mut server.server, "portolan_source_lists_total", "");
    assert!(kinds > 0.0 && lists <= kinds, "the source is kept: {lists} lists of {kinds} kinds");
}

#[test]
fn questions_under_way_are_answered_with_the_corefile_of_their_time() {
    let upstream = UdpSocket::bind("127.0.0.1:0").unwrap();
    upstream.set_read_timeout(Some(PATIENCE)).unwrap();
    let forward = format!(".:0 {{\n{ENDPOINTS}forward . {}\n}}\n", upstream.local_addr().unwrap());
    let mut server = Reloading::start(&forward);
    let client = UdpSocket::bind("127.0.0.1:0").unwrap();
    client.connect(server.server.address()).unwrap();
    client.set_read_timeout(Some(PATIENCE)).unwrap();
    client.send(&query(7, "slow.example", "A", 0).to_vec().unwrap()).unwrap();
    let mut buffer = [0; 512];
    let (length, forwarder) = upstream.recv_from(&mut buffer).unwrap();
    server.reload(&whoami_for("."));
    assert_eq!(server.status("new.example"), "NOERROR", "the new one answers");
    buffer[2] |= 0x80;
    buffer[3] |= 3;
    upstream.send_to(&buffer[..length], forwarder).unwrap();
    let length = client.recv(&mut buffer).unwrap();
    let reply = hickory_proto::op::Message::from_vec(&buffer[..length]).unwrap();
    assert_eq!((reply.metadata.id, u16::from(reply.metadata.response_code)), (7, 3));
}

#[test]
fn a_cache_survives_if_its_block_stays_and_only_then() {
    let corefile = |address: &str, options: &str| {
        format!(
            "kept.example:0 {{
    template IN A {{
        answer \"{{{{ .Name }}}} 300 IN A 192.0.2.1\"
    }}
    cache 300
    {ENDPOINTS}
}}
changed.example:0 {{
    hosts {{
        {address} host.changed.example
    }}
    cache 300
    {options}
}}
"
        )
    };
    let mut server = Reloading::start(&corefile("192.0.2.1", ""));
    let address = server.server.address();
    let asked = |name: &str| dig(address, name).answer_data().join(" ");
    assert_eq!(asked("a.kept.example"), "192.0.2.1");
    assert_eq!(asked("host.changed.example"), "192.0.2.1");
    server.reload(&corefile("192.0.2.2", ""));
    assert_eq!(asked("host.changed.example"), "192.0.2.2", "no answer of the hosts before");
    assert_eq!(asked("a.kept.example"), "192.0.2.1");
    let hits = |server: &mut Server| metric(server, "coredns_cache_hits_total", "kept.example.");
    assert!(hits(&mut server.server) >= 1.0, "the other block's answer is kept");
    server.reload(&corefile("192.0.2.2", "errors"));
    assert_eq!(asked("a.kept.example"), "192.0.2.1");
    assert!(hits(&mut server.server) >= 2.0);
}

//! Bad input of every kind: a clear error, or FORMERR, or silence; never a panic, and nothing else disturbed.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on says so by panicking")]

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use hickory_proto::op::Message;
use portolan_tests::client::{UdpClient, http_get, query};
use portolan_tests::dig::dig;
use portolan_tests::fixture;
use portolan_tests::random::Random;
use portolan_tests::records::rcode;
use portolan_tests::server::{PATIENCE, Server, binary, write};
use portolan_tests::stage::{metric, until};

/// Far less than the 30 s after which files are looked at without a notification.
const BEFORE_A_RESCAN: Duration = Duration::from_secs(10);

const NAME: &str = "web.alpha.svc.cluster.local.";

fn corefile(manifests: &Path) -> String {
    format!(
        ".:0 {{\n    errors\n    kubernetes cluster.local {{\n        manifests {}\n    }}\n}}\n",
        manifests.display()
    )
}

fn serve() -> Server {
    Server::start(&corefile(&fixture("dig")))
}

/// Runs a command line that has to be refused; returns what it says on its standard error.
fn refused(mut command: Command) -> String {
    let output = command.output().unwrap();
    let (log, errors) =
        (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert_eq!(output.status.code(), Some(1), "{command:?}\n{log}\n{errors}");
    assert!(!errors.contains("panicked"), "{errors}");
    errors.into_owned()
}

/// Returns the start of a command line; one that is not refused ends anyhow.
fn portolan() -> Command {
    let mut command = Command::new("timeout");
    command.arg(PATIENCE.as_secs().to_string()).arg(binary());
    command
}

/// Returns what is said of a Corefile, its directory left out.
fn said_of(corefile: &[u8]) -> String {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("Corefile");
    std::fs::write(&file, corefile).unwrap();
    let mut command = portolan();
    command.args(["dns", "--admin", "off", "-conf"]).arg(&file);
    refused(command).replace(&format!("{}/", directory.path().display()), "")
}

#[test]
fn mistakes_in_a_corefile_are_named_with_file_and_line() {
    let cases: &[(&str, &str)] = &[
        (
            ".:0 {\n    errors\n    kuberntes cluster.local\n}\n",
            "Corefile:3 - Error during parsing: Unknown directive 'kuberntes'; did you mean 'kubernetes'?",
        ),
        (
            ".:0 {\n    forward . 127.0.0.1 {\n        max_fail 3\n    }\n}\n",
            "Corefile:3 - Error during parsing: unknown property 'max_fail'; there is except, policy",
        ),
        (
            ".:0 {\n    forward . 127.0.0.1 {\n        max_fails three\n    }\n}\n",
            "Corefile:3 - Error during parsing: ",
        ),
        (".:0 {\n    errors\n", "Corefile:1 - Error during parsing: "),
        (".:0 {\n    log {\n        class denial\n}\n", "Corefile:1 - Error during parsing: "),
        (".:0 {\n    log\n    {\n    }\n}\n", "Corefile:3 - Error during parsing: "),
        (".:99999 {\n    errors\n}\n", "Corefile:1 - Error during parsing: "),
        ("tls://.:0 {\n    errors\n}\n", "Corefile:1 - Error during parsing: "),
        (
            ".:0 {\n    dnssec\n}\n",
            "Corefile:2 - Error during parsing: the plugin 'dnssec' is not part",
        ),
        (".:0 {\n    import nowhere\n}\n", "Corefile:2 - Error during parsing: "),
        ("import Corefile\n", "Corefile:1 - Error during parsing: "),
        (".:0 {\n    ready\n    ready\n}\n", "Corefile:3 - Error during parsing: "),
        (
            ".:0 {\n    errors\n}\n.:0 {\n    log\n}\n",
            "Corefile:4 - Error during parsing: cannot serve dns://.:0 - it is already defined",
        ),
        (
            ".:0 {\n    kubernetes {\n        pods sometimes\n    }\n}\n",
            "Corefile:3 - Error during parsing: ",
        ),
    ];
    for (corefile, expected) in cases {
        let said = said_of(corefile.as_bytes());
        assert!(said.starts_with(&format!("portolan: {expected}")), "{corefile}\n{said}");
        assert_eq!(said.lines().count(), 1, "{said}");
    }
    let binary = said_of(b".:0 {\n    log \xff\xfe\n}\n");
    assert!(binary.starts_with("portolan: Corefile:2 - Error during parsing: "), "{binary}");
}

#[test]
fn all_mistakes_of_a_corefile_are_named_at_once() {
    let said = said_of(
        b".:0 {\n    eror\n    log . {\n        klass denial\n    }\n    health nowhere\n}\n\
          org:0 {\n    forward . 10.0.0.256\n    whoami much\n}\n",
    );
    let places: Vec<&str> =
        said.lines().map(|line| line.split(" - Error during parsing: ").next().unwrap()).collect();
    let expected = [2, 4, 6, 9, 10].map(|line| format!("portolan: Corefile:{line}"));
    assert_eq!(places, expected, "{said}");
}

#[test]
fn missing_files_are_named_with_a_remedy() {
    let directory = tempfile::tempdir().unwrap();
    let missing = directory.path().join("missing");

    let mut no_corefile = portolan();
    no_corefile.args(["dns", "--admin", "off", "-conf"]).arg(&missing);
    let said = refused(no_corefile);
    let expected = format!("portolan: cannot read the Corefile {}; name an", missing.display());
    assert!(said.starts_with(&expected) && said.contains("No such file"), "{said}");

    let kubeconfig = format!(
        ".:0 {{\n    kubernetes {{\n        kubeconfig {}\n    }}\n}}\n",
        missing.display()
    );
    let said = said_of(kubeconfig.as_bytes());
    assert!(said.starts_with("portolan: the kubernetes block of the server block at Corefile:1: "));
    assert!(said.contains(&format!("kubeconfig {}", missing.display())), "{said}");

    let said = said_of(corefile(&missing).as_bytes());
    assert!(said.contains("No such file") && said.contains("name a readable YAML"), "{said}");

    let mut manifests = portolan();
    manifests
        .args(["dns", "--admin", "off", "--listen", "127.0.0.1:0", "--manifests"])
        .arg(&missing);
    assert!(refused(manifests).contains("name a readable YAML"));
}

#[test]
fn a_port_in_use_is_named_and_its_owner_undisturbed() {
    let server = serve();
    let port = server.address().port();
    let corefile = |port: u16| format!(".:{port} {{\n    whoami\n}}\n");
    // Another server's, and one that only UDP or only TCP is taken of.
    let udp = UdpSocket::bind("[::]:0").unwrap();
    let tcp = TcpListener::bind("[::]:0").unwrap();
    let cases = [
        (port, "tcp"),
        (udp.local_addr().unwrap().port(), "udp"),
        (tcp.local_addr().unwrap().port(), "tcp"),
    ];
    for (port, protocol) in cases {
        let said = said_of(corefile(port).as_bytes());
        let expected = format!(
            "portolan: cannot listen on [::]:{port} ({protocol}): the address is in use; stop the other"
        );
        assert!(said.starts_with(&expected), "{said}");
    }
    let page = format!(".:0 {{\n    health 127.0.0.1:{port}\n}}\n");
    let said = said_of(page.as_bytes());
    assert!(said.contains(&format!("127.0.0.1:{port}")) && said.contains("in use"), "{said}");
    for options in ["", "+tcp"] {
        assert_eq!(dig(server.address(), &format!("{NAME} {options}")).answer.len(), 1);
    }
}

#[test]
fn an_ordinary_user_is_told_about_privileged_ports() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("Corefile");
    write(&file, ".:53 {\n    whoami\n}\n");
    // In a user namespace without any mapping nobody has a capability, whoever runs the tests.
    let mut command = Command::new("unshare");
    command.args(["--user", "--net", "timeout", "30"]).arg(binary());
    command.args(["dns", "--admin", "off", "-conf"]).arg(&file);
    let said = refused(command);
    let expected = "portolan: cannot listen on [::]:53 (tcp): permission denied; run as root";
    assert!(said.starts_with(expected), "{said}");
}

#[test]
fn a_malformed_object_alone_is_missing() {
    let directory = tempfile::tempdir().unwrap();
    let good = std::fs::read_to_string(fixture("dns-cases/cluster.yaml")).unwrap();
    write(&directory.path().join("good.yaml"), &good);
    write(
        &directory.path().join("mixed.yaml"),
        "apiVersion: v1
kind: Service
metadata: {name: broken, namespace: alpha}
spec: {clusterIP: 10.97.0.900, ports: [{port: 80}]}
---
apiVersion: v1
kind: Service
metadata: {name: beside, namespace: alpha}
spec: {clusterIP: 10.97.3.1, ports: [{port: 80}]}
---
apiVersion: v1
kind: Service
metadata: {name: ports, namespace: alpha}
spec: {clusterIP: 10.97.3.2, ports: [{name: http, port: 800000}]}
---
just a text
",
    );
    let mut server = Server::start(&corefile(directory.path()));
    for (line, fault) in [
        ("mixed.yaml:1: document 1: Service alpha/broken: spec.clusterIP", "10.97.0.900"),
        ("mixed.yaml:10: document 3: Service alpha/ports: spec.ports[0].port", "800000"),
        ("document 4: ", "write a mapping of fields to values; an object"),
    ] {
        let line = server.wait_for_line(line);
        assert!(line.starts_with("[WARNING] ") && line.contains(fault), "{line}");
    }
    for (name, status) in [
        ("broken.alpha.svc.cluster.local", "NXDOMAIN"),
        ("ports.alpha.svc.cluster.local", "NXDOMAIN"),
        ("beside.alpha.svc.cluster.local", "NOERROR"),
        (NAME, "NOERROR"),
    ] {
        assert_eq!(dig(server.address(), name).status, status, "{name}");
    }
    assert!((metric(&mut server, "portolan_source_bad_objects", "Service") - 2.0).abs() < 0.1);
}

#[test]
fn a_manifest_that_breaks_keeps_what_it_held() {
    let service = |ip: &str| {
        format!(
            "apiVersion: v1\nkind: Namespace\nmetadata: {{name: alpha}}\n---\napiVersion: v1\nkind: Service\n\
             metadata: {{name: web, namespace: alpha}}\nspec: {{clusterIP: {ip}, ports: [{{port: 80}}]}}\n"
        )
    };
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("web.yaml");
    write(&file, &service("10.97.0.12"));
    let mut server = Server::start(&corefile(directory.path()));
    let address = server.address();
    assert_eq!(dig(address, NAME).answer_data(), ["10.97.0.12"]);

    write(&file, &format!("{}---\nspec: [unclosed\n", service("10.97.0.13")));
    let line = server.wait_for_line("manifest not usable");
    assert!(line.contains("web.yaml:") && line.contains("document 3"), "{line}");
    assert_eq!(dig(address, NAME).answer_data(), ["10.97.0.12"], "the last good objects stay");

    write(&file, &service("10.97.0.14"));
    until(
        "the repaired file",
        || dig(address, NAME).answer_data().concat(),
        |ip| ip == "10.97.0.14",
    );
}

#[test]
fn an_object_that_is_spoiled_keeps_its_last_good_version() {
    let service = |name: &str, ip: &str| {
        format!(
            "apiVersion: v1\nkind: Service\nmetadata: {{name: {name}, namespace: alpha}}\n\
             spec: {{clusterIP: {ip}, ports: [{{port: 80}}]}}\n---\n"
        )
    };
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("web.yaml");
    write(&file, &(service("web", "10.97.0.12") + &service("beside", "10.97.0.1")));
    let mut server = Server::start(&corefile(directory.path()));
    let address = server.address();

    write(&file, &(service("web", "10.97.0.") + &service("beside", "10.97.0.2")));
    let line = server.wait_for_line("manifest not usable");
    assert!(
        line.contains("web.yaml:1: document 1: Service alpha/web: spec.clusterIP: ")
            && line.contains("is no IP address; write for example 10.0.0.1"),
        "{line}"
    );
    let beside = || dig(address, "beside.alpha.svc.cluster.local").answer_data().concat();
    until("the object beside it", beside, |ip| ip == "10.97.0.2");
    assert_eq!(dig(address, NAME).answer_data(), ["10.97.0.12"]);
    assert!((metric(&mut server, "portolan_source_bad_documents", "") - 1.0).abs() < 0.1);
    assert!(metric(&mut server, "portolan_source_broken_files", "").abs() < 0.1);
}

#[test]
fn manifests_whose_parent_is_made_anew_are_seen_at_once() {
    let service = |ip: &str| {
        format!(
            "apiVersion: v1\nkind: Service\nmetadata: {{name: web, namespace: alpha}}\n\
             spec: {{clusterIP: {ip}, ports: [{{port: 80}}]}}\n"
        )
    };
    let directory = tempfile::tempdir().unwrap();
    let (above, manifests) = (directory.path().join("above"), directory.path().join("above/x"));
    std::fs::create_dir_all(&manifests).unwrap();
    write(&manifests.join("web.yaml"), &service("10.97.0.12"));
    let mut server = Server::start(&corefile(&manifests));
    let address = server.address();
    std::fs::remove_dir_all(&above).unwrap();
    server.wait_for_line("manifests not current");
    assert_eq!(dig(address, NAME).answer_data(), ["10.97.0.12"]);
    std::fs::create_dir_all(&manifests).unwrap();
    write(&manifests.join("web.yaml"), &service("10.97.0.13"));
    let begin = Instant::now();
    until("the new one", || dig(address, NAME).answer_data().concat(), |ip| ip == "10.97.0.13");
    assert!(begin.elapsed() < BEFORE_A_RESCAN, "{:?}", begin.elapsed());
}

#[test]
fn too_many_open_files_hold_a_reload_up_only_while_they_last() {
    let service = |ip: &str| {
        format!(
            "apiVersion: v1\nkind: Service\nmetadata: {{name: web, namespace: alpha}}\n\
             spec: {{clusterIP: {ip}, ports: [{{port: 80}}]}}\n"
        )
    };
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("web.yaml");
    write(&file, &service("10.97.0.12"));
    let mut server = Server::start(&corefile(directory.path()));
    let (address, id) = (server.address(), server.id().to_string());
    let limit = |soft: &str| {
        let limit = format!("--nofile={soft}:");
        let status = Command::new("prlimit").args(["--pid", &id, &limit]).status().unwrap();
        assert!(status.success());
    };
    limit("4");
    write(&file, &service("10.97.0.13"));
    let line = server.wait_for_line("Too many open files");
    assert!(line.contains("manifests not current"), "{line}");
    limit("1024");
    let begin = Instant::now();
    until("the new one", || dig(address, NAME).answer_data().concat(), |ip| ip == "10.97.0.13");
    assert!(begin.elapsed() < BEFORE_A_RESCAN, "{:?}", begin.elapsed());
}

/// What a message without an answer gets.
#[derive(Debug, PartialEq)]
enum Fate {
    Silence,
    Code(&'static str),
}

/// Sends a message and returns the code that it gets.
fn code(server: SocketAddr, message: &[u8]) -> &'static str {
    let reply = Message::from_vec(&UdpClient::new(server).exchange(message)).unwrap();
    assert_eq!(reply.metadata.id, u16::from_be_bytes([message[0], message[1]]));
    assert!(reply.answers.is_empty());
    rcode(&reply)
}

/// Sends a message that gets no reply: the server counts it, and then answers a good question.
fn assert_silence(server: &mut Server, message: &[u8]) {
    let mut client = UdpClient::new(server.address());
    let admin = server.endpoint("admin");
    let silent = || {
        let metrics = http_get(admin, "/metrics").1;
        let line = "portolan_dns_rejected_total{reason=\"silent\"} ";
        let count = metrics.lines().find_map(|metric| metric.strip_prefix(line));
        count.map_or(0, |count| count.parse::<u32>().unwrap())
    };
    let before = silent();
    client.send(message);
    until("silence", silent, |count| *count == before + 1);
    assert_eq!(client.ask(NAME, "A", 0).answers.len(), 1, "nothing came before");
}

/// A header with these flags and counts, and what comes after it.
fn message(flags: u16, counts: [u16; 4], body: &[u8]) -> Vec<u8> {
    let words = [&[0x0bad, flags][..], &counts].concat();
    [words.iter().flat_map(|word| word.to_be_bytes()).collect(), body.to_vec()].concat()
}

const A_IN: [u8; 4] = [0, 1, 0, 1];
const OPT: [u8; 11] = [0, 0, 41, 4, 208, 0, 0, 0, 0, 0, 0];

#[test]
fn what_is_no_query_gets_formerr_notimp_or_silence() {
    let mut server = serve();
    let address = server.address();
    let question = [&[3][..], b"web", &[0], &A_IN].concat();
    for opcode in 1..16 {
        let code = code(address, &message(opcode << 11, [1, 0, 0, 0], &question));
        assert_eq!(code, "NOTIMP", "opcode {opcode}");
    }
    let long_label = [&[64][..], &[b'a'; 64], &[0], &A_IN].concat();
    let long_name = [[&[63][..], &[b'a'; 63]].concat().repeat(4), vec![0], A_IN.to_vec()].concat();
    let two_opts = [&question[..], &OPT, &OPT].concat();
    let cases: &[(&str, Vec<u8>, Fate)] = &[
        ("a response", message(0x8000, [1, 0, 0, 0], &question), Fate::Silence),
        ("11 octets", message(0, [1, 0, 0, 0], &[])[..11].to_vec(), Fate::Silence),
        ("two questions", message(0, [2, 0, 0, 0], &question.repeat(2)), Fate::Code("FORMERR")),
        ("no question", message(0, [0, 0, 0, 0], &[]), Fate::Code("FORMERR")),
        ("a header alone", message(0, [1, 0, 0, 0], &[]), Fate::Code("FORMERR")),
        (
            "a pointer to itself",
            message(0, [1, 0, 0, 0], &[&[0xc0, 12][..], &A_IN].concat()),
            Fate::Code("FORMERR"),
        ),
        (
            "pointers at each other",
            message(0, [1, 0, 0, 0], &[&[0xc0, 14, 0xc0, 12][..], &A_IN].concat()),
            Fate::Code("FORMERR"),
        ),
        (
            "a label, then a pointer to it",
            message(0, [1, 0, 0, 0], &[&[1, b'a', 0xc0, 12][..], &A_IN].concat()),
            Fate::Code("FORMERR"),
        ),
        ("a label of 64", message(0, [1, 0, 0, 0], &long_label), Fate::Code("FORMERR")),
        ("a name of 257", message(0, [1, 0, 0, 0], &long_name), Fate::Code("FORMERR")),
        ("two OPT", message(0, [1, 0, 0, 2], &two_opts), Fate::Code("FORMERR")),
        ("a missing record", message(0, [1, 0, 0, 1], &question), Fate::Code("FORMERR")),
        ("65,535 records", message(0, [1, 0, 0, 65_535], &question), Fate::Code("FORMERR")),
    ];
    for (what, octets, expected) in cases {
        match expected {
            Fate::Silence => assert_silence(&mut server, octets),
            Fate::Code(expected) => assert_eq!(code(address, octets), *expected, "{what}"),
        }
    }
    // Names in records beside the question may loop: they are not followed.
    let looping = [&question[..], &[0xc0, 21, 0, 1, 0, 1, 0, 0, 0, 0, 0, 0]].concat();
    assert_eq!(code(address, &message(0, [1, 1, 0, 0], &looping)), "SERVFAIL");

    assert_eq!(dig(address, "version.bind TXT CH").status, "REFUSED");
    assert_eq!(dig(address, &format!("{NAME} +edns=1 +noednsneg")).status, "BADVERS");
    assert_eq!(dig(address, &format!("{NAME} +opcode=notify")).status, "NOTIMP");
    let transfer = query(0x0bad, "cluster.local.", "AXFR", 0).to_vec().unwrap();
    assert_eq!(code(address, &transfer), "REFUSED");
    assert!((metric(&mut server, "portolan_dns_rejected_total", "notimp") - 16.0).abs() < 0.1);
    unharmed(&mut server);
}

/// Returns random octets, or a query with some of its octets changed.
fn garbled(random: &mut Random, query: &[u8]) -> Vec<u8> {
    if random.below(2) == 0 {
        return random.octets(600);
    }
    let mut message = query.to_vec();
    for _ in 0..=random.below(8) {
        let at = random.below(message.len());
        message[at] = random.octet();
    }
    message.truncate(random.below(2 * message.len()));
    message
}

/// The same process answers as before, and nothing in it has panicked.
fn unharmed(server: &mut Server) {
    for options in ["", "+tcp"] {
        assert_eq!(
            dig(server.address(), &format!("{NAME} {options}")).answer_data(),
            ["10.97.0.12"]
        );
    }
    assert!(metric(server, "coredns_panics_total", "").abs() < 0.1);
    let log = server.log();
    assert!(!log.contains("panic"), "{log}");
    let errors = server.errors();
    assert!(errors.is_empty(), "{errors}");
}

#[test]
fn ten_thousand_random_packets_over_udp_harm_nothing() {
    let mut server = serve();
    let mut random = Random::new(1);
    let queries = [
        query(1, NAME, "A", 1232).to_vec().unwrap(),
        query(2, "_http._tcp.hl.alpha.svc.cluster.local.", "SRV", 4096).to_vec().unwrap(),
        query(3, "6.1.244.10.in-addr.arpa.", "PTR", 0).to_vec().unwrap(),
    ];
    let flood = UdpClient::new(server.address());
    let mut good = UdpClient::new(server.address());
    for number in 0..10_000 {
        let message = garbled(&mut random, &queries[number % queries.len()]);
        flood.send(&message);
        if number % 100 == 99 {
            // The server has taken everything that was sent before.
            assert_eq!(good.ask(NAME, "A", 0).answers.len(), 1, "after {number} packets");
        }
    }
    unharmed(&mut server);
}

#[test]
fn random_octets_over_tcp_harm_nothing() {
    let mut server = serve();
    let mut random = Random::new(2);
    let good = query(7, NAME, "A", 0).to_vec().unwrap();
    let framed = |message: &[u8]| {
        let length = u16::try_from(message.len()).unwrap().to_be_bytes();
        [&length[..], message].concat()
    };
    for _ in 0..300 {
        let mut octets = Vec::new();
        for _ in 0..random.below(6) {
            match random.below(3) {
                0 => octets.extend(random.octets(2000)),
                1 => octets.extend(framed(&random.octets(300))),
                _ => octets.extend(framed(&garbled(&mut random, &good))),
            }
        }
        let mut stream = connect(server.address());
        // The server may have hung up on it already.
        let _ = stream.write_all(&octets);
        let _ = stream.shutdown(Shutdown::Write);
        let _ = stream.read_to_end(&mut Vec::new());
    }
    unharmed(&mut server);
}

#[test]
fn half_a_message_and_none_at_all_over_tcp() {
    let mut server = serve();
    for start in [&[][..], &[0], &[0, 100], &[0, 100, 1, 2, 3]] {
        let mut stream = connect(server.address());
        stream.write_all(start).unwrap();
        stream.shutdown(Shutdown::Write).unwrap();
        let mut rest = Vec::new();
        stream.read_to_end(&mut rest).unwrap();
        assert!(rest.is_empty(), "{start:?} is answered with {rest:?}");
    }
    // A length of zero is a message too short to be answered; the connection goes on.
    let mut stream = connect(server.address());
    let good = query(7, NAME, "A", 0).to_vec().unwrap();
    let length = u16::try_from(good.len()).unwrap().to_be_bytes();
    stream.write_all(&[&[0, 0][..], &length, &good].concat()).unwrap();
    let mut reply = [0; 4];
    stream.read_exact(&mut reply).unwrap();
    assert_eq!(reply[2..], [0, 7]);
    // HTTP is no DNS: "GE" is a length of 18,245 octets, and the rest never comes.
    let mut stream = connect(server.address());
    stream.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
    assert_eq!(stream.read(&mut reply).unwrap(), 0, "hung up on");
    unharmed(&mut server);
}

fn connect(server: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(server).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.set_write_timeout(Some(PATIENCE)).unwrap();
    stream
}

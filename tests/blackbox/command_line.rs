//! The command line of `portolan dns`, CoreDNS's own included.
//!
//! Ports are fixed here, so most tests have a network namespace of their own.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on says so by panicking")]

use std::fs::File;
use std::net::{SocketAddr, TcpListener};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use portolan_tests::client::http_get;
use portolan_tests::dig::dig;
use portolan_tests::fixture;
use portolan_tests::namespace::{V4, cover, inside, inside_with_mounts};
use portolan_tests::server::{PATIENCE, Server, binary, write};

const WHOAMI: &str = ".:1053 {\n    whoami\n}\n";

/// Returns a command of the binary, or of a link to it, in a directory with these files.
fn command(program: &Path, arguments: &str) -> Command {
    let mut command = Command::new(program);
    command.args(arguments.split_whitespace());
    command
}

/// Runs a server in a directory with this Corefile.
fn serve(arguments: &str, corefile: Option<&str>) -> Server {
    let directory = tempfile::tempdir().unwrap();
    if let Some(corefile) = corefile {
        write(&directory.path().join("Corefile"), corefile);
    }
    let mut command = command(&binary(), arguments);
    command.current_dir(directory.path());
    Server::of(command, directory)
}

/// Runs a command line that ends by itself; one that does not is ended.
fn ended(arguments: &str) -> Output {
    let mut timeout = Command::new("timeout");
    timeout.arg(PATIENCE.as_secs().to_string()).arg(binary());
    timeout.args(arguments.split_whitespace()).output().unwrap()
}

fn address(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

/// Says whether the server tells clients who they are.
fn assert_whoami(server: &str) {
    let reply = dig(address(server), "who.example.org");
    assert_eq!((reply.status.as_str(), reply.additional.len()), ("NOERROR", 2), "{server}");
}

#[test]
fn the_corefile_is_named_as_for_coredns() {
    inside("the_corefile_is_named_as_for_coredns", || {
        for flags in ["-conf Corefile", "-conf=Corefile", "--conf Corefile", "--conf=Corefile", ""]
        {
            let mut server = serve(&format!("dns {flags}"), Some(WHOAMI));
            server.wait_for_line("Portolan-");
            assert_whoami("127.0.0.1:1053");
            let log = server.log();
            assert!(log.contains(".:1053\nPortolan-"), "{flags}: {log}");
        }
    });
}

#[test]
fn a_link_named_coredns_is_coredns() {
    inside("a_link_named_coredns_is_coredns", || {
        let directory = tempfile::tempdir().unwrap();
        let link = directory.path().join("coredns");
        symlink(binary(), &link).unwrap();
        write(&directory.path().join("Corefile"), ". {\n    whoami\n    health\n    ready\n}\n");
        // As kubeadm and CoreDNS's chart start it.
        let mut command = command(&link, "-dns.port=1053 -conf");
        command.arg(directory.path().join("Corefile"));
        let mut server = Server::of(command, directory);
        server.wait_for_line("Portolan-");
        assert_whoami("127.0.0.1:1053");
        assert_eq!(http_get(address("127.0.0.1:8080"), "/health").0, 200);
        assert_eq!(http_get(address(&format!("{V4}:8181")), "/ready").0, 200);
    });
}

/// Returns the binary under CoreDNS's name: a symbolic link, a hard link and a copy.
fn corednses(directory: &Path) -> Vec<PathBuf> {
    let path = |kind: &str| {
        let folder = directory.join(kind);
        std::fs::create_dir(&folder).unwrap();
        folder.join("coredns")
    };
    let (link, hard_link, copy) = (path("link"), path("hard-link"), path("copy"));
    std::fs::copy(binary(), &copy).unwrap();
    symlink(&copy, &link).unwrap();
    std::fs::hard_link(&copy, &hard_link).unwrap();
    vec![link, hard_link, copy]
}

/// Runs a program that ends by itself, in a directory without a Corefile.
fn ended_as(program: &Path, arguments: &str) -> (Option<i32>, String, String) {
    let mut timeout = Command::new("timeout");
    timeout.arg(PATIENCE.as_secs().to_string()).arg(program);
    let output = timeout.args(arguments.split_whitespace()).current_dir("/").output().unwrap();
    let text = |octets: &[u8]| String::from_utf8_lossy(octets).into_owned();
    (output.status.code(), text(&output.stdout), text(&output.stderr))
}

#[test]
fn under_the_name_coredns_the_command_line_is_coredns_s() {
    inside("under_the_name_coredns_the_command_line_is_coredns_s", || {
        let directory = tempfile::tempdir().unwrap();
        for program in corednses(directory.path()) {
            let (code, version, _) = ended_as(&program, "-version");
            let lines: Vec<&str> = version.lines().collect();
            // As `CoreDNS-1.12.0` and `linux/amd64, go1.23.3, 51e11f1`.
            assert_eq!((code, lines.len()), (Some(0), 2), "{version}");
            assert!(lines[0].starts_with("Portolan-0."), "{version}");
            let parts: Vec<&str> = lines[1].split(", ").collect();
            assert!(parts.len() == 3 && parts[0].starts_with("linux/"), "{version}");
            let (code, plugins, _) = ended_as(&program, "-plugins=true");
            assert!(code == Some(0) && plugins.contains("\n  dns.kubernetes\n"), "{plugins}");
            assert_eq!(ended_as(&program, "-h").0, Some(0));
            for (arguments, expected, said) in [
                ("-conf", 2, "--conf <FILE>"),
                ("-alsologtostderr", 2, "'-a'"),
                ("-v=2", 2, "'-v'"),
                ("-quiet=maybe", 2, "maybe"),
                ("Corefile", 1, "extra command line arguments: [Corefile]"),
                ("-quiet dns -conf F", 1, "extra command line arguments: [dns -conf F]"),
                ("-conf no/such/file", 1, "no/such/file"),
            ] {
                let (code, _, errors) = ended_as(&program, arguments);
                assert_eq!(code, Some(expected), "{arguments}: {errors}");
                assert!(errors.contains(said), "{arguments}: {errors}");
            }
            let place = tempfile::tempdir().unwrap();
            write(&place.path().join("Corefile"), ". {\n    whoami\n}\n");
            // Of a flag that is given twice the last counts, as in Go.
            let mut command = command(&program, "-p 53 -quiet=false -dns.port=1053 -pidfile pid");
            command.current_dir(place.path());
            let mut server = Server::of(command, place);
            server.wait_for_line("linux/");
            assert_whoami("127.0.0.1:1053");
            let pid = std::fs::read_to_string(server.directory.path().join("pid")).unwrap();
            assert_eq!(pid, server.id().to_string());
            server.signal("TERM");
            assert_eq!(server.wait().code(), Some(0));
        }
    });
}

#[test]
fn the_port_of_blocks_without_one_can_be_chosen() {
    inside("the_port_of_blocks_without_one_can_be_chosen", || {
        let corefile = ". {\n    whoami\n}\nexample.net:1054 {\n    whoami\n}\n";
        for flags in ["-dns.port 1055", "-dns.port=1055", "-p 1055", "--dns.port=1055"] {
            let mut server = serve(&format!("dns {flags}"), Some(corefile));
            server.wait_for_line("Portolan-");
            assert_whoami("127.0.0.1:1055");
            let log = server.log();
            assert!(log.contains("example.net.:1054\n.:1055\nPortolan-"), "{flags}: {log}");
        }
    });
}

#[test]
fn without_a_corefile_it_is_whoami_on_port_53() {
    inside("without_a_corefile_it_is_whoami_on_port_53", || {
        let mut server = serve("dns", None);
        server.wait_for_line("Portolan-");
        assert_whoami("127.0.0.1:53");
        server.wait_for_line("\"A IN who.example.org. udp ");
    });
}

#[test]
fn without_a_corefile_the_port_can_be_chosen() {
    inside("without_a_corefile_the_port_can_be_chosen", || {
        let mut server = serve("dns -dns.port 5302", None);
        server.wait_for_line("Portolan-");
        assert_whoami("127.0.0.1:5302");
        let log = server.log();
        assert!(log.contains(".:5302\nPortolan-"), "{log}");
    });
}

#[test]
fn the_corefile_can_come_from_the_standard_input() {
    inside("the_corefile_can_come_from_the_standard_input", || {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("piped");
        write(&file, WHOAMI);
        let mut command = command(&binary(), "dns -conf stdin");
        command.stdin(File::open(file).unwrap());
        let mut server = Server::of(command, directory);
        server.wait_for_line("Portolan-");
        assert_whoami("127.0.0.1:1053");
    });
}

#[test]
fn the_process_id_goes_to_a_file_and_quiet_prints_no_zones() {
    inside("the_process_id_goes_to_a_file_and_quiet_prints_no_zones", || {
        let mut server = serve("dns -quiet -pidfile pid", Some(WHOAMI));
        // Questions wait in the socket until the server serves.
        server.wait_for_line("page=\"admin\"");
        assert_whoami("127.0.0.1:1053");
        let pid = std::fs::read_to_string(server.directory.path().join("pid")).unwrap();
        assert_eq!(pid, server.id().to_string());
        let log = server.log();
        assert!(!log.contains("Portolan-") && !log.contains(".:1053"), "{log}");
        drop(server);

        for signal in ["TERM", "INT", "QUIT"] {
            let mut server = serve("dns -pidfile pid", Some(WHOAMI));
            server.wait_for_line("Portolan-");
            let file = server.directory.path().join("pid");
            assert!(file.exists());
            server.signal(signal);
            assert_eq!(server.wait().code(), Some(0));
            assert!(!file.exists(), "after SIG{signal}");
        }
        // That of a server which has taken over stays.
        let mut server = serve("dns -pidfile pid", Some(WHOAMI));
        server.wait_for_line("Portolan-");
        let file = server.directory.path().join("pid");
        write(&file, "1");
        server.signal("TERM");
        assert_eq!(server.wait().code(), Some(0));
        assert_eq!(std::fs::read_to_string(file).unwrap(), "1");

        let output = ended("dns -conf /dev/null/none -pidfile pid");
        assert_eq!(output.status.code(), Some(1));
        let mut server = serve("dns --admin off -pidfile no/such/directory/pid", Some(WHOAMI));
        let error = server.wait_for_line("the process id is not written");
        assert!(
            error.starts_with("[ERROR] ") && error.contains("no/such/directory/pid"),
            "{error}"
        );
        server.wait_for_line("Portolan-");
        assert_whoami("127.0.0.1:1053");
    });
}

#[test]
fn facts_are_printed_without_serving() {
    let text = |arguments: &str| {
        let output = ended(arguments);
        assert_eq!(output.status.code(), Some(0), "{arguments}");
        String::from_utf8(output.stdout).unwrap()
    };
    for flag in ["-version", "--version"] {
        assert!(text(&format!("dns {flag}")).starts_with("Portolan-0."));
    }
    let plugins = text("dns -plugins");
    for name in ["kubernetes", "forward", "errors", "health", "loadbalance", "prometheus", "ready"]
    {
        assert!(plugins.contains(&format!("\n  dns.{name}\n")), "{name} in {plugins}");
    }
    assert!(text("--help").contains("explain"));
    assert!(text("dns --help").contains("--manifests"));
}

/// Runs a command line whose output nobody reads.
fn unread(arguments: &str, directory: &Path) -> Output {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let mut timeout = Command::new("timeout");
    timeout.arg(PATIENCE.as_secs().to_string()).arg(binary()).current_dir(directory);
    timeout.args(arguments.split_whitespace()).stdout(writer).output().unwrap()
}

#[test]
fn a_reader_that_has_gone_ends_a_command_quietly() {
    let directory = tempfile::tempdir().unwrap();
    write(&directory.path().join("good"), WHOAMI);
    write(&directory.path().join("bad"), ".:1053 {\n    whoamI\n}\n");
    write(&directory.path().join("node.conf"), "nameserver 192.0.2.53\n");
    let pod = "apiVersion: v1\nkind: Pod\nmetadata: {name: p, namespace: n}\n";
    write(&directory.path().join("pod.yaml"), pod);
    let corefile = "explain dns a.example.org --conf good";
    for (arguments, code) in [
        ("dns -version", 0),
        ("dns -plugins", 0),
        ("dns --help", 0),
        ("--version", 0),
        ("check good", 0),
        ("check --json good", 0),
        ("check bad", 1),
        (corefile, 0),
        (&format!("{corefile} --json"), 0),
        ("resolv-conf --file pod.yaml --resolv-conf node.conf --cluster-dns 10.96.0.10", 0),
    ] {
        let output = unread(arguments, directory.path());
        let errors = String::from_utf8_lossy(&output.stderr);
        assert_eq!((output.status.code(), &*errors), (Some(code), ""), "{arguments}");
    }
}

#[test]
fn an_answer_that_cannot_be_written_is_a_failure() {
    let mut timeout = Command::new("timeout");
    timeout.arg(PATIENCE.as_secs().to_string()).arg(binary()).args(["dns", "-plugins"]);
    let full = File::options().write(true).open("/dev/full").unwrap();
    let output = timeout.stdout(full).output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{errors}");
    assert!(errors.contains("cannot write to the standard output"), "{errors}");
}

#[test]
fn a_corefile_without_a_server_block_is_refused() {
    for text in ["", "\n", "# .:53 {\n# }\n"] {
        let mut server = serve("dns --admin off", Some(text));
        assert_eq!(server.wait().code(), Some(1), "{text:?}");
        let errors = server.errors();
        assert!(errors.contains("Corefile has no server block; write for example"), "{errors}");
    }
}

#[test]
fn mistakes_on_the_command_line_are_named() {
    for (arguments, said) in [
        ("dns -conf", "--conf <FILE>"),
        ("dns surplus", "surplus"),
        ("dns -cnof F", "-c"),
        ("dns -p high", "'high'"),
        ("dns -conf F --manifests D", "cannot be used with"),
        ("dns -p 1053 --manifests D", "cannot be used with"),
        ("dns -dns.port=1053 --manifests D", "cannot be used with"),
        ("dns --listen 127.0.0.1:5300", "--manifests"),
        ("serve", "serve"),
        ("explain dns", "<NAME>"),
    ] {
        let output = ended(arguments);
        let errors = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{arguments}: {errors}");
        assert!(errors.contains(said), "{arguments}: {errors}");
    }
}

#[test]
fn manifests_are_served_over_a_built_in_corefile() {
    inside_with_mounts("manifests_are_served_over_a_built_in_corefile", || {
        cover("/etc/resolv.conf", "nameserver 127.0.0.9\n");
        let manifests = fixture("dig");
        let cases = [
            ("", "127.0.0.1:5300", "127.0.0.1"),
            (" --listen 192.0.2.1:5353", "192.0.2.1:5353", V4),
            (" --listen [::1]:5353", "[::1]:5353", "[::1]"),
        ];
        for (listen, dns, host) in cases {
            let arguments = format!("dns --manifests {}{listen}", manifests.display());
            let mut server = serve(&arguments, None);
            server.wait_for_line("Portolan-");
            let web = dig(address(dns), "web.alpha.svc.cluster.local");
            assert_eq!(web.answer_data(), ["10.97.0.12"], "{dns}");
            let pod = dig(address(dns), "10-0-0-1.alpha.pod.cluster.local +tcp");
            assert_eq!(pod.answer_data(), ["10.0.0.1"], "{dns}");
            // The host's name server is asked, and nobody is there.
            let outside = dig(address(dns), "example.com");
            assert_eq!(outside.status, "SERVFAIL");
            server.wait_for_line("2 example.com. A: 1 upstream tried in 2 attempts: 127.0.0.9:53");
            for (port, page) in [(8080, "/health"), (8181, "/ready"), (9153, "/metrics")] {
                let endpoint = address(&format!("{host}:{port}"));
                assert_eq!(http_get(endpoint, page).0, 200, "{endpoint}{page}");
            }
            let (_, metrics) = http_get(address(&format!("{host}:9153")), "/metrics");
            for plugin in ["cache", "forward", "loop"] {
                let enabled = format!("coredns_plugin_enabled{{name=\"{plugin}\"");
                assert!(metrics.contains(&enabled), "{plugin} is among kubeadm's plugins");
            }
            server.signal("TERM");
            assert_eq!(server.wait().code(), Some(0));
        }
    });
}

#[test]
fn taken_ports_of_the_built_in_corefile_are_done_without() {
    inside_with_mounts("taken_ports_of_the_built_in_corefile_are_done_without", || {
        cover("/etc/resolv.conf", "nameserver 127.0.0.9\n");
        let taken = ["127.0.0.1:8080", "127.0.0.1:9153"].map(|at| TcpListener::bind(at).unwrap());
        let arguments = format!("dns --manifests {}", fixture("dig").display());
        let mut server = serve(&arguments, None);
        for (port, page) in [(8080, "/health"), (9153, "/metrics")] {
            let warning = server.wait_for_line(&format!("pages=\"{page}\""));
            assert!(warning.contains("going on without an HTTP endpoint"), "{warning}");
            assert!(warning.starts_with("[WARNING] "), "{warning}");
            assert!(warning.contains(&format!("127.0.0.1:{port}")), "{warning}");
        }
        server.wait_for_line("Portolan-");
        let web = dig(address("127.0.0.1:5300"), "web.alpha.svc.cluster.local");
        assert_eq!(web.answer_data(), ["10.97.0.12"]);
        assert_eq!(http_get(address("127.0.0.1:8181"), "/ready").0, 200);
        drop(server);

        // What a Corefile names is another matter.
        let corefile = ".:1053 {\n    whoami\n    health 127.0.0.1:8080\n}\n";
        let mut server = serve("dns", Some(corefile));
        assert_eq!(server.wait().code(), Some(1));
        assert!(server.errors().contains("127.0.0.1:8080"));
        drop(taken);
    });
}

#[test]
fn manifests_are_served_on_a_host_without_name_servers() {
    inside_with_mounts("manifests_are_served_on_a_host_without_name_servers", || {
        cover("/etc/resolv.conf", "options ndots:5\n");
        let arguments = format!("dns --manifests {}", fixture("dig/shop.yaml").display());
        let mut server = serve(&arguments, None);
        server.wait_for_line("no name server; names outside the cluster will fail");
        server.wait_for_line("Portolan-");
        let dns = address("127.0.0.1:5300");
        assert_eq!(dig(dns, "web.shop.svc.cluster.local AAAA").answer_data(), ["fd00:97::1"]);
        assert_eq!(dig(dns, "example.com").status, "SERVFAIL");
    });
}

#[test]
fn the_admin_endpoints_can_be_moved_or_left_out() {
    inside("the_admin_endpoints_can_be_moved_or_left_out", || {
        let mut server = serve("dns", Some(WHOAMI));
        server.wait_for_line("Portolan-");
        let default = address("127.0.0.1:9353");
        for page in ["/healthz", "/readyz", "/metrics"] {
            assert_eq!(http_get(default, page).0, 200, "{page}");
        }
        drop(server);

        let mut server = serve("dns --admin off", Some(WHOAMI));
        server.wait_for_line("Portolan-");
        let log = server.log();
        assert!(!log.contains("admin"), "{log}");
        // Only who has nobody there can take the address.
        let taken = TcpListener::bind(default).unwrap();
        drop(server);

        // CoreDNS has no such endpoint: that its default is taken keeps nothing from starting.
        let mut server = serve("dns", Some(WHOAMI));
        let warning = server.wait_for_line("going on without the admin endpoints");
        assert!(
            warning.starts_with("[WARNING] ") && warning.contains("127.0.0.1:9353"),
            "{warning}"
        );
        server.wait_for_line("Portolan-");
        assert_whoami("127.0.0.1:1053");
        drop(server);

        // What was asked for by name is another matter.
        let mut server = serve("dns --admin 127.0.0.1:9353", Some(WHOAMI));
        assert_eq!(server.wait().code(), Some(1));
        let errors = server.errors();
        assert!(errors.contains("127.0.0.1:9353") && errors.contains("in use"), "{errors}");
        drop(taken);

        let mut server = serve("dns --admin 9353", Some(WHOAMI));
        assert_eq!(server.wait().code(), Some(1));
        let errors = server.errors();
        assert!(errors.contains("--admin 9353: write an address such as"), "{errors}");
    });
}

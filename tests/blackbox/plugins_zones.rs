//! The plugins that answer from files: `root`, `hosts`, `file` and `local`, asked with dig.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on says so by panicking")]

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;

use portolan_tests::client::UdpClient;
use portolan_tests::dig::{Dug, dig};
use portolan_tests::records::rcode;
use portolan_tests::server::{PATIENCE, Server, binary, write};
use portolan_tests::stage::{metric, until};
use tempfile::TempDir;

/// Returns the text of a zone with a serial number and the address of `www`.
fn zone(serial: u32, www: &str) -> String {
    format!(
        "$TTL 60\n@ SOA ns admin {serial} 7200 1800 86400 30\n@ NS ns\nns A 192.0.2.53\nwww A {www}\n\
         *.w A 192.0.2.9\nalias CNAME www\nout CNAME inner.lan.test.\nsub NS ns.sub\nns.sub A 192.0.2.7\n\
         @ MX 5 www\nold DNAME w\n"
    )
}

/// A server whose `root` is a directory with these files.
fn serve(files: &[(&str, &str)], block: &str) -> (Server, TempDir) {
    let directory = tempfile::tempdir().unwrap();
    for (name, text) in files {
        write(&directory.path().join(name), text);
    }
    let root = directory.path().display();
    let server = Server::start(&format!(".:0 {{\nroot {root}\nerrors\n{block}\n}}\n"));
    (server, directory)
}

fn ask(server: &Server, words: &str) -> Dug {
    dig(server.address(), words)
}

/// Puts a text in the place of a file at once, as whoever updates a mounted ConfigMap does.
fn replace(directory: &Path, name: &str, text: &str) {
    write(&directory.join("new"), text);
    fs::rename(directory.join("new"), directory.join(name)).unwrap();
}

#[test]
fn a_zone_file_answers_with_authority() {
    let files = [("db", &*zone(1, "192.0.2.1")), ("h", "10.0.0.1 inner.lan.test")];
    let (server, _directory) = serve(
        &files,
        "file db example.org {\nreload 0\n}\nhosts h lan.test {\nreload 0\nfallthrough\n}\nwhoami",
    );
    // (question, status, flags, sorted answers, authority, additional)
    let ns = "example.org. 60 IN NS ns.example.org.";
    let soa = "example.org. 30 IN SOA ns.example.org. admin.example.org. 1 7200 1800 86400 30";
    for (words, status, flags, answers, authority) in [
        ("www.example.org", "NOERROR", "qr aa rd", vec!["www.example.org. 60 IN A 192.0.2.1"], ns),
        ("x.w.example.org", "NOERROR", "qr aa rd", vec!["x.w.example.org. 60 IN A 192.0.2.9"], ns),
        ("www.example.org TXT", "NOERROR", "qr aa rd", vec![], soa),
        ("w.example.org", "NOERROR", "qr aa rd", vec![], soa),
        ("nope.example.org", "NXDOMAIN", "qr aa rd", vec![], soa),
        (
            "alias.example.org +tcp",
            "NOERROR",
            "qr aa rd",
            vec![
                "alias.example.org. 60 IN CNAME www.example.org.",
                "www.example.org. 60 IN A 192.0.2.1",
            ],
            ns,
        ),
        (
            "x.old.example.org",
            "NOERROR",
            "qr aa rd",
            vec![
                "old.example.org. 60 IN DNAME w.example.org.",
                "x.old.example.org. 60 IN CNAME x.w.example.org.",
                "x.w.example.org. 60 IN A 192.0.2.9",
            ],
            ns,
        ),
        (
            "a.sub.example.org",
            "NOERROR",
            "qr rd",
            vec![],
            "sub.example.org. 60 IN NS ns.sub.example.org.",
        ),
    ] {
        let reply = ask(&server, words);
        assert_eq!(
            (reply.status.as_str(), reply.flags.join(" ").as_str()),
            (status, flags),
            "{words}"
        );
        assert_eq!(reply.sorted_answer(), answers, "{words}");
        assert_eq!(reply.authority, [authority], "{words}");
    }
    let mx = ask(&server, "example.org MX");
    assert_eq!(mx.additional, ["www.example.org. 60 IN A 192.0.2.1"]);
    let referral = ask(&server, "a.sub.example.org");
    assert_eq!(referral.additional, ["ns.sub.example.org. 60 IN A 192.0.2.7"]);
    // An alias out of the zone is completed by another plugin of the same server.
    let out = ask(&server, "out.example.org");
    assert_eq!(out.answer_data(), ["10.0.0.1", "inner.lan.test."]);
    let transfer = UdpClient::new(server.address()).ask("example.org.", "AXFR", 1232);
    assert_eq!(rcode(&transfer), "REFUSED");
    let any = ask(&server, "www.example.org ANY");
    assert_eq!(any.answer, ["www.example.org. 60 IN A 192.0.2.1"]);
}

#[test]
fn a_zone_follows_its_file_by_serial() {
    let (mut server, directory) =
        serve(&[("db", &zone(1, "192.0.2.1"))], "file db example.org {\nreload 10ms\n}");
    replace(directory.path(), "db", &zone(1, "192.0.2.2"));
    server.wait_for_line("the zone file has changed and its SOA serial has not");
    assert_eq!(ask(&server, "www.example.org").answer_data(), ["192.0.2.1"]);
    replace(directory.path(), "db", &zone(2, "192.0.2.2"));
    let line = server.wait_for_line("zone reloaded");
    assert!(line.contains("example.org.") && line.contains("serial=2"), "{line}");
    assert_eq!(ask(&server, "www.example.org").answer_data(), ["192.0.2.2"]);
    // A mistake is named, and the last good version stays.
    replace(directory.path(), "db", &zone(3, "192.0.2.256"));
    let line = server.wait_for_line("file not read; what was last read stays");
    let place =
        format!("{}:5 - '192.0.2.256' is no IPv4 address", directory.path().join("db").display());
    assert!(line.contains(&place), "{line}");
    assert_eq!(ask(&server, "www.example.org").answer_data(), ["192.0.2.2"]);
    replace(directory.path(), "db", &zone(4, "192.0.2.4"));
    server.wait_for_line("serial=4");
    assert_eq!(ask(&server, "www.example.org").answer_data(), ["192.0.2.4"]);
}

#[test]
fn reload_by_mtime_follows_every_change_and_included_files() {
    let text = format!("{}$INCLUDE part\n", zone(1, "192.0.2.1"));
    let (mut server, directory) = serve(
        &[("db", &text), ("part", "more A 192.0.2.11\n")],
        "file db example.org {\nreload 10ms\nreload_by_mtime\n}",
    );
    assert_eq!(ask(&server, "more.example.org").answer_data(), ["192.0.2.11"]);
    replace(directory.path(), "part", "more A 192.0.2.12\n");
    server.wait_for_line("zone reloaded");
    assert_eq!(ask(&server, "more.example.org").answer_data(), ["192.0.2.12"]);
}

#[test]
fn a_zone_file_may_come_late_and_names_may_fall_through() {
    let (mut server, directory) =
        serve(&[], "file db example.org {\nreload 10ms\nfallthrough nope.example.org\n}\nwhoami");
    let early = ask(&server, "www.example.org");
    assert_eq!(early.status, "SERVFAIL");
    assert!(early.text.contains("; EDE: 14 (Not Ready)"), "{}", early.text);
    server.wait_for_line("plugin/errors: 2 www.example.org. A: the file of the zone example.org.");
    replace(directory.path(), "db", &zone(1, "192.0.2.1"));
    server.wait_for_line("zone reloaded");
    assert_eq!(ask(&server, "www.example.org").answer_data(), ["192.0.2.1"]);
    assert_eq!(ask(&server, "other.example.org").status, "NXDOMAIN");
    let next = ask(&server, "nope.example.org");
    assert_eq!((next.status.as_str(), next.additional.len()), ("NOERROR", 2), "whoami answers");
}

#[test]
fn kubernetes_falls_through_to_a_zone_file() {
    let manifests = portolan_tests::fixture("dig").display().to_string();
    for (option, status, answers) in [
        ("fallthrough", "NOERROR", vec!["192.0.2.1"]),
        ("fallthrough svc.cluster.local", "NXDOMAIN", vec![]),
    ] {
        let (server, _directory) = serve(
            &[("db", &zone(1, "192.0.2.1"))],
            &format!(
                "kubernetes cluster.local {{\nmanifests {manifests}\n{option}\n}}\nfile db cluster.local"
            ),
        );
        let reply = ask(&server, "www.cluster.local");
        assert_eq!((reply.status.as_str(), reply.answer_data()), (status, answers), "{option}");
        assert_eq!(ask(&server, "web.alpha.svc.cluster.local").answer_data(), ["10.97.0.12"]);
    }
}

#[test]
fn hosts_answers_and_follows_its_file() {
    let text = "10.0.0.1 a.example.org A2.example.org\n2001:db8::1 a.example.org\n\
                192.168.1.10 *.example.com\n192.168.1.11 a.example.com\nnonsense\n";
    let (mut server, directory) = serve(
        &[("my.hosts", text)],
        "hosts my.hosts {\n10.0.0.9 inline.example.org\nttl 77\nreload 10ms\n\
         fallthrough example.net in-addr.arpa\nfallthrough_unsupported\n}\nwhoami",
    );
    for (words, answers) in [
        ("a.example.org", vec!["a.example.org. 77 IN A 10.0.0.1"]),
        ("A.example.org AAAA", vec!["A.example.org. 77 IN AAAA 2001:db8::1"]),
        ("a2.example.org AAAA", vec![]),
        ("a.example.org TXT", vec![]),
        (
            "-x 10.0.0.1",
            vec![
                "1.0.0.10.in-addr.arpa. 77 IN PTR a.example.org.",
                "1.0.0.10.in-addr.arpa. 77 IN PTR a2.example.org.",
            ],
        ),
        ("apps.example.com", vec!["apps.example.com. 77 IN A 192.168.1.10"]),
        ("a.example.com", vec!["a.example.com. 77 IN A 192.168.1.11"]),
        ("inline.example.org", vec!["inline.example.org. 77 IN A 10.0.0.9"]),
    ] {
        let reply = ask(&server, words);
        assert_eq!((reply.status.as_str(), reply.sorted_answer()), ("NOERROR", answers), "{words}");
        assert!(reply.has_flag("aa"), "{words}");
    }
    for name in ["deep.apps.example.com", "example.com", "nope.example.org"] {
        assert_eq!(ask(&server, name).status, "SERVFAIL", "{name}");
    }
    // `whoami` answers in the additional section.
    for words in ["nope.example.net", "-x 10.0.0.200"] {
        let next = ask(&server, words);
        assert_eq!((next.status.as_str(), next.additional.len()), ("NOERROR", 2), "{words}");
    }
    let warning = server.wait_for_line("lines of a hosts file are not used");
    assert!(
        warning.contains("line=5") && warning.contains("'nonsense' is no address"),
        "{warning}"
    );

    let path = directory.path().join("my.hosts");
    let entries = |server: &mut Server| metric(server, "coredns_hosts_entries", "my.hosts");
    // Five addresses and four names of addresses in the file, one of each in the Corefile.
    assert_eq!(entries(&mut server), 11.0);
    replace(directory.path(), "my.hosts", "10.0.0.2 a.example.org\n");
    until("the file is read again", || entries(&mut server), |count| *count == 4.0);
    assert_eq!(ask(&server, "a.example.org").answer_data(), ["10.0.0.2"]);
    assert_eq!(ask(&server, "apps.example.com").status, "SERVFAIL");
    let written = fs::metadata(&path).unwrap().modified().unwrap();
    let written = written.duration_since(std::time::UNIX_EPOCH).unwrap().as_secs_f64();
    let shown = metric(&mut server, "coredns_hosts_reload_timestamp_seconds", "");
    assert!((shown - written).abs() < 0.001, "{shown} {written}");
}

#[test]
fn a_hosts_file_of_a_config_map_is_a_link_that_moves_and_may_be_missing() {
    let (mut server, directory) = serve(
        &[("v1", "10.0.0.1 a.test\n"), ("v2", "10.0.0.2 a.test\n")],
        "hosts link {\nreload 10ms\n}",
    );
    server.wait_for_line("the hosts file does not exist");
    assert_eq!(ask(&server, "a.test").status, "SERVFAIL");
    let at = |name: &str| directory.path().join(name);
    symlink(at("v1"), at("link")).unwrap();
    server.wait_for_line("hosts file read");
    assert_eq!(ask(&server, "a.test").answer_data(), ["10.0.0.1"]);
    symlink(at("v2"), at("moved")).unwrap();
    fs::rename(at("moved"), at("link")).unwrap();
    let ask_again = || ask(&server, "a.test").answer_data().join(" ");
    until("the link is followed", ask_again, |data| data == "10.0.0.2");
    // What was last read stays when the file goes away.
    fs::remove_file(at("link")).unwrap();
    server.wait_for_line("file not read; what was last read stays");
    assert_eq!(ask(&server, "a.test").answer_data(), ["10.0.0.2"]);
}

#[test]
fn local_names_stay_in_the_host() {
    let (mut server, _directory) = serve(&[], "local\nwhoami");
    for (words, answers) in [
        ("localhost", vec!["127.0.0.1"]),
        ("a.localhost AAAA", vec!["::1"]),
        ("localhost.svc.cluster.local", vec!["127.0.0.1"]),
        ("-x 127.0.0.1", vec!["localhost."]),
    ] {
        assert_eq!(ask(&server, words).answer_data(), answers, "{words}");
    }
    assert_eq!(ask(&server, "-x 127.0.0.2").status, "NXDOMAIN");
    assert_eq!(ask(&server, "example.org").additional.len(), 2, "the next plugin");
    assert_eq!(metric(&mut server, "coredns_local_localhost_requests_total", ""), 2.0);
    let (off, _directory) = serve(&[], "local {\nlocalhost_prefix off\n}\nwhoami");
    assert_eq!(ask(&off, "localhost.svc.cluster.local").additional.len(), 2);
}

#[test]
fn mistakes_at_the_start_are_named() {
    let directory = tempfile::tempdir().unwrap();
    let at = |name: &str| directory.path().join(name);
    write(&at("broken"), "@ 9 SOA a b 1 2 3 4 5\na 9 A x\n");
    write(&at("plain"), "a 9 A 192.0.2.1\n");
    for (block, said) in [
        ("file broken example.org".to_owned(), "broken:2 - 'x' is no IPv4 address; correct it"),
        (
            "file plain example.org".to_owned(),
            "has no SOA record for the zone example.org.; add one",
        ),
        ("file none example.org {\nreload 0\n}".to_owned(), "cannot read the zone file"),
        (format!("hosts {}", directory.path().display()), "not a regular file"),
        ("hosts none {\nhelp me\n}".to_owned(), "unknown property 'help'"),
    ] {
        let root = directory.path().display();
        write(&at("Corefile"), &format!(".:0 {{\nroot {root}\n{block}\n}}\n"));
        let output = Command::new("timeout")
            .arg(PATIENCE.as_secs().to_string())
            .arg(binary())
            .args(["dns", "--admin", "off", "-conf"])
            .arg(at("Corefile"))
            .output()
            .unwrap();
        let errors = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{block}: {errors}");
        assert!(errors.contains(said), "{block}: {errors}");
    }
}

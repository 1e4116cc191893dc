//! What the server writes: as CoreDNS does, or an object on each line. docs/logs.md describes both.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on says so by panicking"
)]

use std::process::Command;

use portolan_tests::client::{UdpClient, query};
use portolan_tests::namespace::inside;
use portolan_tests::server::{PATIENCE, Server, binary, write};
use serde_json::Value;

/// Answers of every class; the upstream is not there.
const COREFILE: &str = "\
.:5300 {
    errors
    log example.org {
        class success
    }
    log denied.example {
        class denial
    }
    log failing.example {
        class error
    }
    log combined.example {combined}
    log own.example \"{remote} asks \\\"{name}\\\" {>id} {rcode} {>unknown}\"
    log
    health 127.0.0.1:8080
    acl own.example {
        drop net 127.0.0.0/8
    }
    template ANY ANY denied.example silent.example.org {
        rcode NXDOMAIN
    }
    forward forward.example 127.0.0.9 {
        max_fails 0
    }
    forward failing.example 127.0.0.9
    whoami
}
";

/// Names that are asked for. The line of the second is not written: its class is another one.
const ASKED: [&str; 8] = [
    "www.example.org.",
    "silent.example.org.",
    "no.denied.example.",
    "an.failing.example.",
    "www.combined.example.",
    "www.own.example.",
    "www.other.example.",
    "a.forward.example.",
];

fn ask(server: std::net::SocketAddr) {
    let client = UdpClient::new(server);
    for (number, name) in ASKED.iter().enumerate() {
        let id = 100 + u16::try_from(number).unwrap();
        client.send(&query(id, name, "A", 1232).to_vec().unwrap());
        if !name.contains("own") {
            client.receive();
        }
    }
}

/// Removes the port of the client and the duration, which are never the same.
fn without_chance(line: &str) -> String {
    let words = line.split(' ').map(|word| {
        if let Some(("127.0.0.1", port)) = word.split_once(':') {
            assert!(port.parse::<u16>().is_ok(), "{line}");
            return "127.0.0.1:PORT";
        }
        let seconds = word.strip_suffix('s').and_then(|number| number.parse::<f64>().ok());
        if seconds.is_some_and(|seconds| (0.0..30.0).contains(&seconds)) { "TIMEs" } else { word }
    });
    words.collect::<Vec<_>>().join(" ")
}

#[test]
fn lines_are_those_of_coredns() {
    inside("lines_are_those_of_coredns", || {
        let mut server = Server::start(COREFILE);
        ask(server.address());
        server.wait_for_line("a.forward.example. A: ");
        server.wait_for_line("\"A IN a.forward.example.");
        let log = server.log();
        let lines: Vec<String> = log.lines().map(without_chance).collect();
        for expected in [
            "[INFO] 127.0.0.1:PORT - 100 \"A IN www.example.org. udp 44 false 1232\" NOERROR qr,aa,rd 84 TIMEs",
            "[INFO] 127.0.0.1:PORT - 102 \"A IN no.denied.example. udp 46 false 1232\" NXDOMAIN qr,aa,rd 46 TIMEs",
            "[INFO] 127.0.0.1:PORT - 104 \"A IN www.combined.example. udp 49 false 1232\" NOERROR qr,aa,rd 89 TIMEs \"0\"",
            "[INFO] 127.0.0.1 asks \"www.own.example.\" 105 - -",
            "[INFO] 127.0.0.1:PORT - 106 \"A IN www.other.example. udp 46 false 1232\" NOERROR qr,aa,rd 86 TIMEs",
        ] {
            assert!(lines.iter().any(|line| line == expected), "{expected} in {lines:#?}");
        }
        let failure =
            lines.iter().find(|line| line.contains("plugin/errors: 2 a.forward.example. A: "));
        assert!(failure.is_some_and(|line| line.starts_with("[ERROR] ")), "{lines:#?}");
        let failed = lines.iter().find(|line| line.contains("\"A IN an.failing.example. udp"));
        assert!(failed.is_some_and(|line| line.contains("\" SERVFAIL qr,rd ")), "{lines:#?}");
    });
}

/// Returns the objects of a log; every line has to be one with the common fields.
fn objects(log: &str) -> Vec<Value> {
    let objects = log.lines().map(|line| {
        let object: Value = serde_json::from_str(line).unwrap_or_else(|e| panic!("{line}: {e}"));
        let text = |field: &str| object[field].as_str().unwrap_or_else(|| panic!("{line}"));
        assert!(text("time").ends_with('Z') && text("time").len() == 27, "{line}");
        assert!(["debug", "info", "warning", "error"].contains(&text("level")), "{line}");
        assert!(!text("message").is_empty(), "{line}");
        object
    });
    objects.collect()
}

fn json_server(corefile: &str) -> Server {
    Server::launch_with(corefile, |command| _ = command.args(["--log-format", "json"]))
}

#[test]
fn every_line_can_be_an_object() {
    inside("every_line_can_be_an_object", || {
        let mut server = json_server(COREFILE);
        server.wait_for_line("\"version\":\"Portolan-");
        ask("127.0.0.1:5300".parse().unwrap());
        server.wait_for_line("2 a.forward.example. A: ");
        server.wait_for_line("\"name\":\"a.forward.example.\"");
        let corefile = server.directory.path().join("Corefile");
        write(&corefile, ".:5300 {\n    whoamy \"a\\\"b\"\n}\n");
        server.signal("USR1");
        server.wait_for_line("the changed Corefile is not used");
        write(&corefile, ".:5300 {\n    import custom/*.conf\n    whoami\n}\n");
        server.signal("USR1");
        server.wait_for_line("Reloading complete");
        server.signal("TERM");
        assert_eq!(server.wait().code(), Some(0));
        let objects = objects(&server.log());
        let find = |field: &str, value: &str| {
            let found = objects.iter().find(|object| object[field] == value);
            found.unwrap_or_else(|| panic!("no {field} {value} in {objects:#?}")).clone()
        };
        let serving = find("message", "serving");
        assert_eq!((&serving["zone"], &serving["address"]), (&".".into(), &"[::]:5300".into()));
        assert!(find("message", "started")["platform"].as_str().unwrap().starts_with("linux/"));
        assert_eq!(find("page", "/health")["message"], "HTTP endpoint");
        assert_eq!(find("message", "shutting down")["signal"], "SIGTERM");
        let refused = find("message", "the changed Corefile is not used");
        let place = format!("{}:2 - ", corefile.display());
        assert!(refused["error"].as_str().unwrap().starts_with(&place), "{refused}");
        let doubt = find("message", "doubt about the Corefile");
        assert_eq!(doubt["place"], format!("{}:2", corefile.display()), "{doubt}");
        assert_eq!(find("plugin", "errors")["level"], "error");

        let mut success = find("name", "www.example.org.");
        assert!(success["port"].as_u64().is_some_and(|port| port > 0));
        assert!(success["duration"].as_f64().is_some_and(|seconds| (0.0..30.0).contains(&seconds)));
        for (field, value) in [("time", Value::Null), ("port", 1.into()), ("duration", 1.into())] {
            success[field] = value;
        }
        let expected = serde_json::json!({
            "time": null, "level": "info", "plugin": "log", "message": "query",
            "remote": "127.0.0.1", "port": 1, "id": 100, "type": "A", "class": "IN",
            "name": "www.example.org.", "proto": "udp", "size": 44, "do": false, "bufsize": 1232,
            "rcode": "NOERROR", "flags": ["qr", "aa", "rd"], "rsize": 84, "duration": 1,
        });
        assert_eq!(success, expected);
        let dropped = find("name", "www.own.example.");
        assert!(dropped["rcode"].is_null() && dropped["flags"].is_null(), "{dropped}");
        assert_eq!(dropped["text"], "127.0.0.1 asks \"www.own.example.\" 105 - -");
        assert_eq!(find("name", "no.denied.example.")["rcode"], "NXDOMAIN");
    });
}

#[test]
fn the_environment_chooses_the_form_for_those_who_pass_coredns_s_flags() {
    inside("the_environment_chooses_the_form_for_those_who_pass_coredns_s_flags", || {
        let run = |form: &str, more: &[&str]| {
            let directory = tempfile::tempdir().unwrap();
            write(&directory.path().join("Corefile"), ".:5300 {\n    whoamy\n    lgo\n}\n");
            let mut command = Command::new("timeout");
            command
                .arg(PATIENCE.as_secs().to_string())
                .arg(binary())
                .args(["dns", "-conf", "Corefile"]);
            command.args(more).current_dir(directory.path()).env("PORTOLAN_LOG_FORMAT", form);
            let output = command.output().unwrap();
            assert_eq!(output.status.code(), Some(1));
            String::from_utf8(output.stderr).unwrap()
        };
        let errors = objects(&run("json", &[]));
        assert_eq!(errors.len(), 2, "{errors:?}");
        for (error, place) in errors.iter().zip(["Corefile:2", "Corefile:3"]) {
            assert_eq!(error["level"], "error");
            assert_eq!(error["message"], "ended by a failure");
            assert!(error["error"].as_str().unwrap().starts_with(place), "{error}");
        }
        assert!(run("json", &["-log-format", "text"]).starts_with("portolan: Corefile:2"));
        assert!(run("", &[]).starts_with("portolan: Corefile:2"));
        assert!(run("xml", &[]).contains("PORTOLAN_LOG_FORMAT=xml: there is no such form"));
    });
}

//! `portolan explain dns`: which server block, plugin, object and rule gave an answer, and for a miss what would
//! have matched.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on says so by panicking")]

use std::net::UdpSocket;
use std::path::Path;
use std::process::{Command, Output};

use portolan_tests::client::UdpClient;
use portolan_tests::fixture;
use portolan_tests::server::{Server, binary, write};
use portolan_tests::upstream::Upstream;
use serde_json::Value;

/// The Corefile of these tests; its lines are counted below.
fn corefile(upstream: &str) -> String {
    format!(
        "(shared) {{
    errors
    loadbalance
}}
.:0 {{
    import shared
    kubernetes cluster.local in-addr.arpa ip6.arpa {{
        manifests {}
        pods insecure
        fallthrough in-addr.arpa ip6.arpa
    }}
    forward . {upstream}
}}
example.net:0 {{
    whoami
}}
",
        fixture("dig").display()
    )
}

fn explain(words: &str, more: &[&str]) -> Output {
    let mut command = Command::new(binary());
    command.args(["explain", "dns"]).args(words.split_whitespace()).args(more);
    command.output().unwrap()
}

/// Returns what is printed of a question.
fn explained(words: &str, more: &[&str]) -> String {
    let output = explain(words, more);
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{words}: {text}{}", String::from_utf8_lossy(&output.stderr));
    text
}

/// Every part has to stand in the text, in this order.
fn assert_says(question: &str, text: &str, parts: &[&str]) {
    let mut rest = text;
    for part in parts {
        let found = rest.split_once(part);
        assert!(found.is_some(), "{question}: no {part:?} in its place in\n{text}");
        rest = found.map(|(_, after)| after).unwrap_or_default();
    }
}

/// Questions with what has to be said, in this order.
const CASES: &[(&str, &[&str])] = &[
    ("web.alpha.svc.cluster.local TYPE1", &["cluster.local. A", "answer: ", " IN A 10.97.0.12"]),
    ("web.alpha.svc.cluster.local 65", &["cluster.local. HTTPS", "  => NOERROR, from kubernetes"]),
    ("web.alpha.svc.cluster.local TYPE65280", &["cluster.local. TYPE65280", "  => NOERROR"]),
    (r"a\.b\032c.svc.cluster.local", &[r"a\.b\032c.svc.cluster.local. A", "  => NXDOMAIN"]),
    ("web.alpha", &["web.alpha. A", "  => ", "did you mean web.alpha.svc.cluster.local?"]),
    ("web.alpha.svc txt", &["  => ", "did you mean web.alpha.svc.cluster.local?"]),
    (
        "web.alpha.svc.cluster.local",
        &[
            "web.alpha.svc.cluster.local. A",
            "  server: server block at ",
            "  kubernetes: zone cluster.local.: ",
            "(Service alpha/web)",
            "  => NOERROR, from kubernetes",
            "     answer: web.alpha.svc.cluster.local. 5 IN A 10.97.0.12",
        ],
    ),
    (
        "web.shop.svc.cluster.local. aaaa",
        &["(Service shop/web)", "answer: web.shop.svc.cluster.local. 5 IN AAAA fd00:97::1"],
    ),
    (
        "_peer._tcp.hl.alpha.svc.cluster.local SRV",
        &["(Service alpha/hl)", "=> NOERROR", "answer: ", "additional: "],
    ),
    (
        "10.97.0.12",
        &[
            "12.0.97.10.in-addr.arpa. PTR",
            "zone in-addr.arpa.",
            "(Service alpha/web)",
            "PTR web.alpha.svc.cluster.local.",
        ],
    ),
    ("fd00:97::1", &["ip6.arpa. PTR", "(Service shop/web)", "PTR web.shop.svc.cluster.local."]),
    ("10-1-1-1.alpha.pod.cluster.local", &["`pods insecure`", "answer: "]),
    ("who.example.net", &["server block at ", "Corefile:14", "=> NOERROR, from whoami"]),
    // Misses: why, and what is near.
    (
        "web.alpha.svc.cluster.local AAAA",
        &["NODATA", "(Service alpha/web)", "authority: cluster.local. 5 IN SOA"],
    ),
    (
        "wbe.alpha.svc.cluster.local",
        &[
            "NXDOMAIN",
            "no such Service",
            "would have matched: web.alpha.svc.cluster.local.",
            "=> NXDOMAIN",
        ],
    ),
    (
        "web.alhpa.svc.cluster.local",
        &[
            "NXDOMAIN",
            "the namespace does not exist",
            "would have matched: web.alpha.svc.cluster.local.",
            "would have matched: namespace alpha",
        ],
    ),
    (
        "web.alpha.cluster.local",
        &["cluster names end in svc.<zone>", "would have matched: web.alpha.svc.cluster.local."],
    ),
    (
        "_htp._tcp.multi.alpha.svc.cluster.local SRV",
        &[
            "no port of that name",
            "(Service alpha/multi)",
            "would have matched: _http._tcp.multi.alpha.svc.cluster.local.",
        ],
    ),
    ("hl-empty.alpha.svc.cluster.local", &["no ready endpoint (Service alpha/hl-empty)"]),
    (
        "db-9.hl.alpha.svc.cluster.local",
        &["no ready endpoint of the Service has that name (Service alpha/hl)"],
    ),
    (
        "cluster.local AXFR",
        &[
            "zone transfers are not offered",
            "=> REFUSED, from kubernetes: zone transfers are not offered",
        ],
    ),
];

#[test]
fn answers_and_misses_of_a_running_server() {
    let upstream = Upstream::start(&fixture("dns-cases/upstream.zone"));
    let mut server = Server::start(&corefile(&upstream.address.to_string()));
    let admin = server.endpoint("admin").to_string();
    for (question, parts) in CASES {
        assert_says(question, &explained(question, &["--server", &admin]), parts);
    }
}

#[test]
fn an_alias_shows_what_is_looked_up_for_it() {
    let upstream = Upstream::start(&fixture("dns-cases/upstream.zone"));
    let address = upstream.address.to_string();
    let mut server = Server::start(&corefile(&address));
    let admin = server.endpoint("admin").to_string();
    let text = explained("ext.alpha.svc.cluster.local", &["--server", &admin]);
    assert_says(
        "outside",
        &text,
        &[
            "  kubernetes: ",
            "(Service alpha/ext)",
            "looks up the alias example.com.",
            // The question inside the question stands further in.
            "    server: server block at ",
            &format!("    forward: {address}"),
            "  => NOERROR, from kubernetes",
            "answer: ext.alpha.svc.cluster.local. 5 IN CNAME example.com.",
            "answer: example.com. 300 IN A 192.0.2.80",
        ],
    );
    let text = explained("ext-in.alpha.svc.cluster.local", &["--server", &admin]);
    assert_says(
        "inside",
        &text,
        &["(Service alpha/ext-in)", "IN CNAME web.alpha", "IN A 10.97.0.12"],
    );
    // What a fallthrough goes to.
    let text = explained("192.0.2.7", &["--server", &admin]);
    assert_says(
        "fallthrough",
        &text,
        &[
            "NXDOMAIN",
            "`fallthrough`: the next plugin is asked",
            "forward: ",
            "PTR host7.example.com.",
        ],
    );
}

#[test]
fn a_failure_has_its_reason() {
    let nobody = UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let mut server = Server::start(&corefile(&nobody));
    let admin = server.endpoint("admin").to_string();
    let text = explained("example.com", &["--server", &admin]);
    let parts = [&format!("forward: {nobody}"), "=> SERVFAIL, from forward: ", "refused", "time: "];
    assert_says("down", &text, &parts);
}

#[test]
fn a_corefile_or_manifests_are_explained_without_a_server() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("Corefile");
    write(&file, &corefile("127.0.0.1:1"));
    let file = file.display().to_string();
    for (question, parts) in CASES {
        assert_says(question, &explained(question, &["--conf", &file]), parts);
    }
    let text = explained("web.alpha.svc.cluster.local", &["-conf", &file]);
    assert_says("-conf", &text, &[&format!("server block at {file}:5"), "10.97.0.12"]);

    let manifests = fixture("dig/shop.yaml").display().to_string();
    let text = explained("wed.shop.svc.cluster.local", &["--manifests", &manifests]);
    let lines = ["server block at built-in Corefile:1", "would have matched: web.shop.svc"];
    assert_says("--manifests", &text, &lines);
}

#[test]
fn json_has_the_same() {
    let manifests = fixture("dig").display().to_string();
    let text = explained("wbe.alpha.svc.cluster.local", &["--json", "--manifests", &manifests]);
    let json: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(json["name"], "wbe.alpha.svc.cluster.local.");
    assert_eq!((&json["type"], &json["rcode"]), (&"A".into(), &"NXDOMAIN".into()));
    assert_eq!(json["plugin"], "kubernetes");
    let steps = json["steps"].as_array().unwrap();
    let says = |text: &str| steps.iter().any(|step| step["text"].as_str().unwrap().contains(text));
    assert!(says("server block at ") && says("would have matched: web.alpha.svc.cluster.local."));
    assert_eq!(json["authority"].as_array().unwrap().len(), 1);
}

#[test]
fn what_cannot_be_explained_says_what_to_do() {
    let nobody = UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let missing = Path::new("/nonexistent/Corefile").display().to_string();
    let cases: &[(&str, &[&str], &str)] = &[
        ("web.alpha.svc.cluster.local", &["--server", &nobody], "start `portolan dns`"),
        ("web.alpha.svc.cluster.local", &["--conf", &missing], "cannot read the Corefile"),
        ("web.alpha.svc.cluster.local", &["--manifests", &missing], "name a readable YAML"),
        ("a..b", &[], "is no domain name"),
        ("web NOTYPE", &[], "write for example A, AAAA"),
    ];
    for (question, more, said) in cases {
        let output = explain(question, more);
        let errors = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{question} {more:?}: {errors}");
        assert!(errors.starts_with("portolan: ") && errors.contains(said), "{question}: {errors}");
    }
}

/// The whole way of a query: the view that chooses the block, the rewrite, the cache, the upstream, the time of each.
#[test]
fn the_whole_chain_is_told() {
    let upstream = Upstream::start(&fixture("dns-cases/upstream.zone"));
    let corefile = format!(
        ".:0 {{
    view others {{
        expr client_ip() == '192.0.2.1'
    }}
    whoami
}}
.:0 {{
    rewrite name old.example.com example.com
    cache 30
    forward . {}
}}
",
        upstream.address
    );
    let mut server = Server::start(&corefile);
    let admin = server.endpoint("admin").to_string();
    let ask = || explained("old.example.com", &["--server", &admin]);
    let first = ask();
    let way = [
        "view: the view others",
        "does not take the query",
        "server block at ",
        "rewrite: ",
        "cache: miss",
        &format!("forward: {}", upstream.address),
        "cache: would keep the reply of a client for 30 s",
        "=> NOERROR, from forward",
        "time: ",
        "forward ",
        " ms in all",
    ];
    assert_says("the first time", &first, &way);
    assert_says("nothing was kept", &ask(), &way);
    UdpClient::new(server.address()).ask("old.example.com.", "A", 1232);
    let again = ask();
    assert_says("again", &again, &["rewrite: ", "cache: hit: ", "=> NOERROR, from cache"]);
    assert!(!again.contains("forward"), "{again}");
    let other = explained("old.example.com", &["--server", &admin, "--client", "192.0.2.1"]);
    assert_says("another client", &other, &["view: ", " takes the query", "from whoami"]);
}

/// The names that `autopath` tries, and for each what the plugins behind it do.
#[test]
fn every_name_of_a_search_is_told() {
    let directory = tempfile::tempdir().unwrap();
    let search = directory.path().join("resolv.conf");
    write(&search, "search a.example b.example\n");
    let corefile = format!(
        "example:0 {{
    autopath {}
    template IN A b.example {{
        answer \"{{{{ .Name }}}} 60 IN A 192.0.2.1\"
    }}
    template IN A example {{
        rcode NXDOMAIN
    }}
}}
",
        search.display()
    );
    let mut server = Server::start(&corefile);
    let admin = server.endpoint("admin").to_string();
    assert_says(
        "a search",
        &explained("web.a.example", &["--server", &admin]),
        &[
            "\n  autopath: tries web.a.example.\n    template: ",
            "Corefile:3 is for names in b.example.",
            "\n    template: ",
            "\n  autopath: tries web.b.example.\n    template: ",
            "Corefile:3",
            "\n  autopath: web.b.example. is the first name that exists\n",
            "=> NOERROR, from template",
        ],
    );
    assert_says(
        "a template alone",
        &explained("web.c.example", &["--server", &admin]),
        &["\n  template: ", "Corefile:3 is for names in b.example.", "=> NXDOMAIN, from template"],
    );
}

#[test]
fn an_explained_failure_is_no_error_of_the_server() {
    let nobody = UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let mut server = Server::start(&corefile(&nobody));
    let admin = server.endpoint("admin").to_string();
    assert_says("down", &explained("one.example", &["--server", &admin]), &["=> SERVFAIL"]);
    UdpClient::new(server.address()).ask("two.example.", "A", 1232);
    server.wait_for_line("plugin/errors: 2 two.example. A");
    let log = server.log();
    assert!(!log.contains("one.example"), "{log}");
}

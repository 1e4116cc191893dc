//! `/status` of each role and `portolan status`: what they show, in a real browser, too, and that nothing that clients or
//! objects are called becomes more than text.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on says so by panicking")]

use std::fs;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::path::Path;
use std::process::{Command, Output};

use portolan_tests::client::{UdpClient, http_get};
use portolan_tests::cni::Node as CniNode;
use portolan_tests::fixture;
use portolan_tests::ipam_controller::{NodeCluster, SOON};
use portolan_tests::namespace::{inside, inside_with_mounts};
use portolan_tests::netpol_agent::{Node, deny};
use portolan_tests::server::{PATIENCE, Server, binary};
use portolan_tests::stage::{Stage, until};
use serde_json::{Value, json};
use test_pods::network::ip;
use test_pods::probe::Family;
use test_pods::wiring::Layout;

/// How long a browser may take, in seconds.
const BROWSER: &str = "60";

/// Places of the pods x/a and y/a.
const X_A: usize = 0;
const Y_A: usize = 3;

fn dns(more: &[&str]) -> Server {
    let manifests = fixture("dig");
    let corefile = format!(
        ".:0 {{\n    prometheus localhost:0\n    kubernetes cluster.local {{\n        manifests {}\n    }}\n}}\n",
        manifests.display()
    );
    Server::launch_with(&corefile, |command| _ = command.args(more)).serving()
}

/// Asks for a name of these labels, whatever their octets are.
fn ask(server: &Server, labels: &[&[u8]]) {
    let mut message = vec![0, 7, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
    for label in labels {
        message.push(u8::try_from(label.len()).unwrap());
        message.extend_from_slice(label);
    }
    message.extend([0, 0, 1, 0, 1]);
    UdpClient::new(server.address()).exchange(&message);
}

/// Returns the status page as JSON.
fn json_of(admin: SocketAddr) -> Value {
    let (status, body) = http_get(admin, "/status.json");
    assert_eq!(status, 200, "{body}");
    serde_json::from_str(&body).unwrap()
}

/// Returns the rows of a section; none without it.
fn rows<'v>(view: &'v Value, id: &str) -> &'v [Value] {
    let sections = view["sections"].as_array().unwrap();
    let section = sections.iter().find(|section| section["id"] == id);
    section.map_or(&[], |section| section["rows"].as_array().unwrap())
}

/// Returns one column of a section.
fn column<'v>(view: &'v Value, id: &str, key: &str) -> Vec<&'v Value> {
    rows(view, id).iter().map(|row| &row[key]).collect()
}

/// Sends a request and returns the whole reply.
fn exchange(server: SocketAddr, request: &str) -> String {
    let mut stream = std::net::TcpStream::connect(server).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    write!(stream, "{request}\r\nConnection: close\r\n\r\n").unwrap();
    let mut reply = String::new();
    stream.read_to_string(&mut reply).unwrap();
    reply
}

fn status(arguments: &[&str]) -> (Output, String) {
    let output = Command::new(binary()).arg("status").args(arguments).output().unwrap();
    let text = String::from_utf8(output.stdout.clone()).unwrap();
    (output, text)
}

/// Runs a browser without a screen.
fn chromium(home: &Path, arguments: &[&str]) -> String {
    let mut command = Command::new("timeout");
    command.args([BROWSER, "chromium", "--headless", "--no-sandbox", "--disable-gpu"]);
    command.args(["--disable-dev-shm-usage", "--no-first-run", "--hide-scrollbars"]);
    command.arg(format!("--user-data-dir={}", home.join("profile").display()));
    let output = command.env("HOME", home).args(arguments).output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "chromium {arguments:?}: {}: {errors}", output.status);
    String::from_utf8(output.stdout).unwrap()
}

/// Returns what a browser makes of a page.
fn dom(home: &Path, url: &str) -> String {
    let dom = chromium(home, &["--dump-dom", url]);
    assert!(dom.contains("<main>"), "no page of ours: {dom}");
    dom
}

/// Counts the elements of a page that the roles write.
fn elements(dom: &str) -> usize {
    let ours =
        ["<th", "<td", "<tr", "<p", "<section", "<h2", "<div", "<table", "<a ", "<li", "<span"];
    ours.iter().map(|element| dom.matches(element).count()).sum()
}

#[test]
fn a_browser_shows_hostile_names_as_text() {
    inside("a_browser_shows_hostile_names_as_text", || {
        let mut server = dns(&[]);
        let admin = server.endpoint("admin");
        let longest = [&[b'a'; 63][..], &[b'b'; 63], &[b'c'; 63], &[b'd'; 61]];
        let hostile: [(&[&[u8]], &str); 6] = [
            (
                &[b"<script>document.title='in'</script>"],
                "&lt;script&gt;document\\.title='in'&lt;/script&gt;.",
            ),
            (&[b"<img src=x onerror=alert(1)>"], "&lt;img\\032src=x\\032onerror=alert(1)&gt;."),
            (&[b"\"'><b id=in>"], "\"'&gt;&lt;b\\032id=in&gt;."),
            (&[b"&lt;&#60;script"], "&amp;lt;&amp;#60;script."),
            (&[b"\xff\xc3\x28\0\x1b[2J"], "\\255\\195(\\000\\027[2j."),
            (&longest, &format!("{}.", "d".repeat(61))),
        ];
        for (labels, _) in &hostile {
            ask(&server, labels);
        }
        let home = tempfile::tempdir().unwrap();
        let dom = dom(home.path(), &format!("http://{admin}/status"));
        for (_, shown) in &hostile {
            assert!(dom.contains(shown), "no {shown} in\n{dom}");
        }
        for wrong in ["<script", "<img", "<b ", "onerror=\""] {
            assert!(!dom.contains(wrong), "{wrong} in\n{dom}");
        }
        let title = dom.split("<title>").nth(1).unwrap().split("</title>").next().unwrap();
        assert!(title.starts_with("portolan dns on ") && title.ends_with(": well"), "{title}");
        // The names are in rows of their own, and make nothing beside.
        let plain = dns(&[]);
        for label in [b"a", b"b", b"c", b"d", b"e", b"f"] {
            ask(&plain, &[label]);
        }
        let mut plain = plain;
        let url = format!("http://{}/", plain.endpoint("admin"));
        assert_eq!(elements(&dom), elements(&self::dom(home.path(), &url)));
    });
}

#[test]
fn a_page_is_drawn_at_the_width_of_a_phone() {
    inside("a_page_is_drawn_at_the_width_of_a_phone", || {
        let mut server = dns(&[]);
        ask(&server, &[b"a"]);
        let url = format!("http://{}/status?refresh=off", server.endpoint("admin"));
        let home = tempfile::tempdir().unwrap();
        let file = home.path().join("page.png");
        let to = format!("--screenshot={}", file.display());
        chromium(home.path(), &["--window-size=390,1200", &to, &url]);
        let image = fs::read(&file).unwrap();
        // The header of a PNG: the width and the height are its first two numbers.
        assert_eq!(image[1..4], *b"PNG");
        assert_eq!(image[16..24], [390_u32.to_be_bytes(), 1_200_u32.to_be_bytes()].concat());
        // A page of one colour would be a few octets.
        assert!(image.len() > 10_000, "{}", image.len());
    });
}

#[test]
fn replies_are_guarded_and_change_nothing() {
    let mut server = dns(&[]);
    let admin = server.endpoint("admin");
    for path in ["/", "/status", "/status?refresh=off", "/status.json", "/status.css"] {
        let reply = exchange(admin, &format!("GET {path} HTTP/1.1\r\nHost: {admin}"));
        let head = reply.split_once("\r\n\r\n").unwrap().0.to_ascii_lowercase();
        assert!(head.starts_with("http/1.1 200 "), "{path}: {head}");
        for header in [
            "content-security-policy: default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'none'; \
             frame-ancestors 'none'",
            "x-content-type-options: nosniff",
            "referrer-policy: no-referrer",
            "cache-control: no-store",
            "cross-origin-resource-policy: same-origin",
        ] {
            assert!(head.lines().any(|line| line == header), "{path}: no {header} in {head}");
        }
        let rebound = exchange(admin, &format!("GET {path} HTTP/1.1\r\nHost: rebound.example"));
        assert!(rebound.starts_with("HTTP/1.1 421 "), "{path}: {rebound}");
        for method in ["POST", "PUT", "DELETE"] {
            let reply = exchange(admin, &format!("{method} {path} HTTP/1.1\r\nHost: {admin}"));
            assert!(reply.starts_with("HTTP/1.1 405 "), "{method} {path}: {reply}");
        }
    }
    let (_, page) = http_get(admin, "/status");
    assert!(page.contains("http-equiv=\"refresh\"") && !page.contains("style="), "{page}");
    assert!(!http_get(admin, "/status?refresh=off").1.contains("http-equiv"));
}

#[test]
fn names_clients_and_rates_of_a_server() {
    let mut server = dns(&[]);
    let admin = server.endpoint("admin");
    for _ in 0..20 {
        ask(&server, &[b"orders", b"example"]);
    }
    ask(&server, &[b"other", b"example"]);
    let view = json_of(admin);
    assert_eq!((&view["role"], &view["healthy"]), (&json!("dns"), &json!(true)), "{view}");
    let names = column(&view, "top-names", "name");
    assert_eq!(names[0], "orders.example.", "{view}");
    assert_eq!(rows(&view, "top-clients")[0]["client"], "127.0.0.1");
    assert_eq!(
        rows(&view, "query-types")[0],
        json!({
            "type": "A", "all": 21.0,
            "per_second_1m": rows(&view, "query-types")[0]["per_second_1m"],
            "per_second_5m": rows(&view, "query-types")[0]["per_second_5m"],
        })
    );
    assert_eq!(column(&view, "rcodes", "rcode"), ["SERVFAIL"]);
    assert_eq!(column(&view, "sources", "state"), ["followed"; 3]);

    let address = admin.to_string();
    let (output, text) = status(&["--admin", &address, "--store-dir", "off"]);
    assert_eq!(output.status.code(), Some(0), "{text}");
    for part in ["dns on ", ": well, for ", "orders.example.", "127.0.0.1", "SERVFAIL"] {
        assert!(text.contains(part), "no {part} in\n{text}");
    }
    let (output, text) = status(&["--admin", &address, "--store-dir", "off", "--json"]);
    assert_eq!(output.status.code(), Some(0), "{text}");
    let views: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(views.as_array().unwrap().len(), 1);
    assert_eq!(column(&views[0], "top-names", "name"), names);
}

#[test]
fn what_is_not_to_be_sampled_is_not_shown() {
    for (chosen, names, clients) in [("names", true, false), ("nothing", false, false)] {
        let mut server = dns(&["--sample-queries", chosen]);
        ask(&server, &[b"orders", b"example"]);
        let view = json_of(server.endpoint("admin"));
        let shown = |id| !rows(&view, id).is_empty();
        assert_eq!((shown("top-names"), shown("top-clients")), (names, clients), "{chosen}");
        assert!(shown("query-types"), "{view}");
        assert!(!chosen.contains("nothing") || !view.to_string().contains("orders"), "{view}");
    }
}

#[test]
fn what_is_not_well_is_told_and_is_the_exit_code() {
    let nobody = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap();
    let (output, text) = status(&["--admin", &nobody.to_string(), "--store-dir", "off"]);
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(text.contains("problem: ") && text.contains("--admin names"), "{text}");

    // No server of the API answers.
    let corefile = format!(
        ".:0 {{\n    kubernetes cluster.local {{\n        endpoint http://{nobody}\n        startup_timeout 1s\n    }}\n}}\n"
    );
    let mut broken = Server::launch(&corefile).serving();
    let (admin, mut well) = (broken.endpoint("admin").to_string(), dns(&[]));
    let both = format!("{},{admin}", well.endpoint("admin"));
    let (output, text) = status(&["--admin", &both, "--store-dir", "off", "--json"]);
    assert_eq!(output.status.code(), Some(1), "{text}");
    let views: Value = serde_json::from_str(&text).unwrap();
    assert_eq!((&views[0]["healthy"], &views[1]["healthy"]), (&json!(true), &json!(false)));
    assert!(views[1]["problems"][0].as_str().unwrap().contains("Namespace: "), "{text}");
    assert_eq!(column(&views[1], "sources", "state"), ["not listed yet"; 3]);
    let (output, _) = status(&["--no-such-flag"]);
    assert_eq!(output.status.code(), Some(2));
}

#[test]
fn denials_and_the_truth_table_of_a_node() {
    inside("denials_and_the_truth_table_of_a_node", || {
        let mut node = Node::new(Layout::Routed);
        node.edit(&[deny("x/all", None, &["Ingress"])]);
        let mut agent = node.agent();
        let admin = agent.server.endpoint("admin");
        node.network.place(Y_A).within(|| {
            let socket = UdpSocket::bind(SocketAddr::new(ip(Y_A, Family::V4), 0)).unwrap();
            socket.send_to(b"?", SocketAddr::new(ip(X_A, Family::V4), 4444)).unwrap();
        });
        let look = || json_of(admin);
        let view = until("a denial", look, |view| !rows(view, "denials").is_empty());
        let denial = &rows(&view, "denials")[0];
        for (key, value) in [
            ("pod", "x/a"),
            ("peer", "y/a"),
            ("direction", "ingress"),
            ("traffic", "4444/udp"),
            ("verdict", "denied"),
            ("policies", "x/all"),
        ] {
            assert_eq!(denial[key], value, "{denial}");
        }
        // Live connections are judged a moment after the rules are there.
        let is_there = |view: &Value| view["healthy"] == true && !rows(view, "policies").is_empty();
        let view = until("a count", look, is_there);
        assert_eq!(rows(&view, "policies")[0]["policy"], "x/all");
        let from = |pod: &str| rows(&view, "matrix").iter().find(|row| row["pod"] == pod).unwrap();
        assert_eq!((&from("y/a")["x/a"], &from("x/a")["y/a"]), (&json!("I"), &json!("+")));
        let (_, chosen) = http_get(admin, "/status.json?namespace=x&port=53/udp");
        let chosen: Value = serde_json::from_str(&chosen).unwrap();
        let pods = column(&chosen, "matrix", "pod");
        assert!(!pods.is_empty() && pods.iter().all(|pod| pod.as_str().unwrap().starts_with("x/")));
        assert!(http_get(admin, "/status?port=x").1.contains("port: write a port"));

        let home = tempfile::tempdir().unwrap();
        let dom = dom(home.path(), &format!("http://{admin}/status?namespace=x"));
        assert!(dom.contains("<td>x/a</td>") && dom.contains("4444/udp"), "{dom}");
    });
}

#[test]
fn pools_of_a_controller() {
    let mut cluster = NodeCluster::new(Stage::new());
    cluster.pool("small", "10.128.0.0/23", 24);
    cluster.node("a", &[]);
    let mut controller = cluster.controller(&SOON);
    cluster.wait_for_blocks(1);
    let admin = controller.server.endpoint("admin");
    let pool = cluster.name("small");
    let used = |view: &Value| {
        rows(view, "pools").iter().find(|row| row["pool"] == pool).map(|row| row["used"].clone())
    };
    let view = until("a block", || json_of(admin), |view| used(view) == Some(json!(1.0)));
    assert_eq!(view["role"], "ipam-controller");
    assert_eq!(rows(&view, "controller")[0], json!({"what": "leader", "count": "yes"}));
    assert!(column(&view, "writes", "resource").contains(&&json!("nodes")), "{view}");
}

#[test]
fn stores_of_this_host() {
    inside_with_mounts("stores_of_this_host", || {
        let node = CniNode::new();
        let netns = node.netns("one");
        let ipam = json!({"type": "portolan-ipam", "subnet": "10.1.2.0/29"});
        let config = json!({"cniVersion": "1.1.0", "name": "net", "ipam": ipam});
        node.call("portolan-ipam", "ADD", "sandbox-1", &netns).run(&config).ok();
        let folder = tempfile::tempdir().unwrap();
        let blocks = folder.path().join("blocks.json");
        fs::write(&blocks, r#"{"blocks": ["10.1.2.0/24"]}"#).unwrap();
        let flags = ["--admin", "off", "--json", "--node-blocks", blocks.to_str().unwrap()];
        let (output, text) = status(&flags);
        assert_eq!(output.status.code(), Some(0), "{text}");
        let views: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(views[0]["role"], "ipam");
        assert_eq!(column(&views[0], "blocks", "block"), ["10.1.2.0/24"]);
        fs::write(&blocks, "{").unwrap();
        let (output, text) = status(&flags);
        assert!(output.status.code() == Some(1) && text.contains("blocks.json: "), "{text}");
        let range = &rows(&views[0], "ranges")[0];
        assert_eq!((&range["network"], &range["held"]), (&json!("net"), &json!(1.0)), "{text}");
        let (_, text) = status(&["--admin", "off"]);
        assert!(text.contains("Ranges of addresses") && text.contains("net"), "{text}");
    });
}

//! `portolan resolv-conf`: where the Pod and the node come from, what is printed where, and exit codes. What the
//! policies mean for a Pod is shown by `dns_policy`.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on says so by panicking")]

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use portolan_tests::fixture;
use portolan_tests::server::{binary, write};
use portolan_tests::stage::Stage;
use serde_json::json;
use tempfile::TempDir;
use test_apiserver::{Extent, Flavour};

/// A place with the files of a test.
struct Desk {
    directory: TempDir,
}

/// What a command line came to.
#[derive(Debug, PartialEq, Eq)]
struct Outcome {
    code: i32,
    file: String,
    errors: String,
}

impl Desk {
    /// Returns a desk with a node's file.
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let desk = Self { directory };
        desk.put("node.conf", "search corp.example\nnameserver 192.0.2.53\n");
        desk
    }

    fn path(&self) -> &Path {
        self.directory.path()
    }

    fn put(&self, name: &str, text: &str) {
        write(&self.path().join(name), text);
    }

    /// Runs a command line here; `''` is an empty word.
    fn run(&self, words: &str) -> Outcome {
        self.run_with(words, "")
    }

    /// Runs a command line with this standard input.
    fn run_with(&self, words: &str, input: &str) -> Outcome {
        let words = words.split_whitespace().map(|word| if word == "''" { "" } else { word });
        let mut child = Command::new(binary())
            .arg("resolv-conf")
            .args(words)
            .current_dir(self.path())
            .env_remove("KUBERNETES_SERVICE_HOST")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        // A command that does not read it closes it.
        let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
        let output = child.wait_with_output().unwrap();
        Outcome {
            code: output.status.code().unwrap(),
            file: String::from_utf8(output.stdout).unwrap(),
            errors: String::from_utf8(output.stderr).unwrap(),
        }
    }
}

impl Outcome {
    /// The file was printed, and nothing else.
    fn assert_file(&self, file: &str) {
        assert_eq!((self.code, self.file.as_str(), self.errors.as_str()), (0, file, ""));
    }

    /// There is no file, and the errors have these texts.
    fn assert_refused(&self, texts: &[&str]) {
        assert_eq!((self.code, self.file.as_str()), (1, ""), "{}", self.errors);
        for text in texts {
            assert!(self.errors.contains(text), "no {text:?} in {}", self.errors);
        }
    }
}

fn pod(spec: &str) -> String {
    format!("apiVersion: v1\nkind: Pod\nmetadata: {{name: p, namespace: n}}\nspec: {spec}\n")
}

const CLUSTER: &str = "search n.svc.cluster.local svc.cluster.local cluster.local corp.example\n\
                       nameserver 10.96.0.10\noptions ndots:5\n";

#[test]
fn a_pod_is_read_from_everywhere() {
    let desk = Desk::new();
    let node = "--resolv-conf node.conf --cluster-dns 10.96.0.10";
    desk.put("pod.yaml", &pod("{}"));
    desk.put(
        "pod.json",
        r#"{"apiVersion":"v1","kind":"Pod","metadata":{"name":"p","namespace":"n"}}"#,
    );
    std::fs::create_dir(desk.path().join("all")).unwrap();
    desk.put(
        "all/a.yaml",
        &(pod("{dnsPolicy: Default}") + "---\n" + &pod("{}").replace("n}", "m}")),
    );
    desk.put(
        "all/b.yml",
        "kind: Service\napiVersion: v1\nmetadata: {name: p, namespace: n}\n---\nkind: [\n",
    );
    // Of two with the same name the last counts, as in a cluster that is made of them.
    desk.put("all/c.json", r#"{"apiVersion":"v1","kind":"List","items":[{"apiVersion":"v1","kind":"Pod","metadata":{"name":"p","namespace":"n"}}]}"#);

    desk.run(&format!("--file pod.yaml {node}")).assert_file(CLUSTER);
    desk.run(&format!("--file pod.json --pod n/p {node}")).assert_file(CLUSTER);
    desk.run(&format!("--manifests all --pod n/p {node}")).assert_file(CLUSTER);
    desk.run(&format!("--manifests pod.yaml {node}")).assert_file(CLUSTER);
    desk.run_with(&format!("--file - {node}"), &pod("{}")).assert_file(CLUSTER);

    desk.run(&format!("--manifests all {node}"))
        .assert_refused(&["3 Pods (n/p, m/p, n/p); name one"]);
    let missing = desk.run(&format!("--manifests all --pod p {node}"));
    missing.assert_refused(&["all has no Pod default/p", "all/b.yml:5: is not valid YAML"]);
    desk.run(&format!("--file none.yaml {node}"))
        .assert_refused(&["cannot read none.yaml", "name a"]);
    desk.run(&format!("--manifests none {node}")).assert_refused(&["manifests none: "]);
    desk.run(node).assert_refused(&["no Pod is named; name it with --pod"]);
    desk.run(&format!("--pod n/p {node}")).assert_refused(&["in-cluster", "--manifests or --file"]);
}

#[test]
fn a_pod_is_read_from_the_api() {
    let Some(stage) = Stage::in_process("the API server has to fail on demand") else { return };
    let (desk, namespace) = (Desk::new(), stage.namespace().to_owned());
    stage.put(json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "p", "namespace": namespace},
        "spec": {
            "dnsPolicy": "None",
            "dnsConfig": {
                "nameservers": ["192.0.2.1", "2001:db8::1"],
                "searches": ["a.example"],
                "options": [{"name": "ndots", "value": "1"}, {"name": "edns0"}],
            },
            "containers": [{"name": "c", "image": "x"}],
        },
    }));
    let file =
        "search a.example\nnameserver 192.0.2.1\nnameserver 2001:db8::1\noptions ndots:1 edns0\n";
    let kubeconfig = |flavour| stage.kubeconfig(flavour).display().to_string();
    for flavour in [Flavour::Token, Flavour::ClientCertificate] {
        let from = format!("--kubeconfig {} --resolv-conf node.conf", kubeconfig(flavour));
        desk.run(&format!("--pod {namespace}/p {from}")).assert_file(file);
    }
    let from = format!("--kubeconfig {} --resolv-conf node.conf", kubeconfig(Flavour::Token));
    let missing = desk.run(&format!("--pod {namespace}/q {from}"));
    missing
        .assert_refused(&[&format!("has no Pod {namespace}/q; `kubectl get pods -n {namespace}`")]);
    desk.run(&format!("--pod x/p --context nowhere {from}"))
        .assert_refused(&["kubeconfig", "nowhere"]);
    desk.run("--pod x/p --kubeconfig gone --resolv-conf ''").assert_refused(&["kubeconfig gone: "]);

    stage.faults().answer(403, Extent::Next(1));
    let forbidden = desk.run(&format!("--pod {namespace}/p {from}"));
    forbidden.assert_refused(&["refuses to show the Pod: 403", "needs `get` for pods"]);
    stage.refuse_connections(true);
    let away = desk.run(&format!("--pod {namespace}/p {from}"));
    away.assert_refused(&["gives no answer", "kubectl cluster-info"]);
}

#[test]
fn flags_win_over_the_kubelets_configuration() {
    let desk = Desk::new();
    desk.put("pod.yaml", &pod("{}"));
    desk.put(
        "kubelet.yaml",
        "apiVersion: kubelet.config.k8s.io/v1beta1\nkind: KubeletConfiguration\n\
         clusterDNS: [10.96.0.10, fd00::a]\nclusterDomain: c.example\nresolvConf: node.conf\nmaxPods: 10\n",
    );
    let run =
        |flags: &str| desk.run(&format!("--file pod.yaml --kubelet-config kubelet.yaml {flags}"));
    let searches = "search n.svc.c.example svc.c.example c.example corp.example\n";
    run("").assert_file(&format!(
        "{searches}nameserver 10.96.0.10\nnameserver fd00::a\noptions ndots:5\n"
    ));
    run("--cluster-dns 192.0.2.9 --cluster-domain ''")
        .assert_file("search corp.example\nnameserver 192.0.2.9\noptions ndots:5\n");
    let none = "search n.svc.c.example svc.c.example c.example\nnameserver 10.96.0.10\n\
                nameserver fd00::a\noptions ndots:5\n";
    run("--resolv-conf ''").assert_file(none);

    // What the configuration leaves out is as kubelet has it: no cluster domain.
    let kind = "apiVersion: kubelet.config.k8s.io/v1beta1\nkind: KubeletConfiguration\n";
    desk.put("kubelet.yaml", &format!("{kind}clusterDNS: [10.96.0.10]\nresolvConf: ''\n"));
    run("").assert_file("nameserver 10.96.0.10\noptions ndots:5\n");

    desk.put("kubelet.yaml", &format!("{kind}clusterDNS: [10.96.0.10, dns]\n"));
    run("").assert_refused(&["kubelet.yaml: clusterDNS[1]: \"dns\" is no IP address; write"]);
    desk.put("kubelet.yaml", &format!("{kind}clusterDNS: 10.96.0.10\n"));
    run("").assert_refused(&["kubelet.yaml:1: clusterDNS: "]);
    desk.put("kubelet.yaml", &pod("{}"));
    run("").assert_refused(&["kubelet.yaml has no KubeletConfiguration; it begins with"]);
}

#[test]
fn the_nodes_file_is_read_for_every_policy() {
    let desk = Desk::new();
    desk.put("bad.conf", "search a\nnameserver\n");
    desk.put("large.conf", &"#".repeat(10 << 20));
    let none = "{dnsPolicy: None, dnsConfig: {nameservers: [192.0.2.1]}}";
    for spec in ["{}", "{dnsPolicy: Default}", none] {
        desk.put("pod.yaml", &pod(spec));
        let run = |file: &str| desk.run(&format!("--file pod.yaml --resolv-conf {file}"));
        run("bad.conf")
            .assert_refused(&["bad.conf: line 2: `nameserver` without an address; add one"]);
        run("large.conf").assert_refused(&["large.conf: has 10 MiB or more", "shorten it"]);
        run("gone.conf")
            .assert_refused(&["cannot read gone.conf", "--resolv-conf, or '' for none"]);
    }
    desk.put("pod.yaml", &pod("{dnsPolicy: Default}"));
    let run = |flags: &str| desk.run(&format!("--file pod.yaml --resolv-conf '' {flags}"));
    run("").assert_file("search .\nnameserver 127.0.0.1\n");
    run("--node-ip 192.0.2.7").assert_file("search .\nnameserver 127.0.0.1\n");
    run("--node-ip 2001:db8::7").assert_file("search .\nnameserver ::1\n");
    let both = "search .\nnameserver ::1\nnameserver 127.0.0.1\n";
    run("--node-ip 2001:db8::7,192.0.2.7").assert_file(both);
}

#[test]
fn warnings_are_those_of_kubelet_and_leave_the_file_alone() {
    let desk = Desk::new();
    let domains: Vec<String> = (0..30).map(|number| format!("d{number}.example")).collect();
    desk.put("node.conf", &format!("search {}\nnameserver 192.0.2.53\n", domains.join(" ")));
    desk.put("pod.yaml", &pod("{dnsConfig: {nameservers: [192.0.2.1, 192.0.2.2, 192.0.2.3]}}"));
    let outcome = desk.run("--file pod.yaml --resolv-conf node.conf --cluster-dns 10.96.0.10");
    assert_eq!(outcome.code, 0);
    let searches =
        format!("n.svc.cluster.local svc.cluster.local cluster.local {}", domains[..29].join(" "));
    assert_eq!(
        outcome.file,
        format!(
            "search {searches}\nnameserver 10.96.0.10\nnameserver 192.0.2.1\nnameserver 192.0.2.2\n\
             options ndots:5\n"
        )
    );
    let omitted = "have been omitted, the applied";
    let expected = [
        "node: CheckLimitsForResolvConf: Resolv.conf file 'node.conf' contains search line consisting of \
         more than 29 domains!"
            .to_owned(),
        format!(
            "Pod n/p: DNSConfigForming: Nameserver limits were exceeded, some nameservers {omitted} \
             nameserver line is: 10.96.0.10 192.0.2.1 192.0.2.2"
        ),
        format!(
            "Pod n/p: DNSConfigForming: Search Line limits were exceeded, some search paths {omitted} \
             search line is: {searches}"
        ),
    ];
    let lines: Vec<String> =
        expected.iter().map(|line| format!("portolan: warning: {line}\n")).collect();
    assert_eq!(outcome.errors, lines.concat());
}

#[test]
fn notes_say_what_kubelet_does_silently() {
    let desk = Desk::new();
    desk.put("pod.yaml", &pod("{hostNetwork: true}"));
    let outcome = desk.run("--file pod.yaml --resolv-conf node.conf --cluster-dns 10.96.0.10");
    assert_eq!(outcome.file, "search corp.example\nnameserver 192.0.2.53\n");
    assert!(outcome.errors.starts_with("portolan: note: Pod n/p: "), "{}", outcome.errors);
    assert!(outcome.errors.contains("write `dnsPolicy: ClusterFirstWithHostNet`"));

    desk.put("empty.conf", "");
    desk.put("pod.yaml", &pod("{dnsPolicy: Default}"));
    let outcome = desk.run("--file pod.yaml --resolv-conf empty.conf");
    assert_eq!((outcome.code, outcome.file.as_str()), (0, ""));
    assert!(outcome.errors.contains("give it the node's /etc/resolv.conf"), "{}", outcome.errors);
}

#[test]
fn what_an_api_server_refuses_is_refused() {
    let desk = Desk::new();
    let refused = |spec: &str, texts: &[&str]| {
        desk.put("pod.yaml", &pod(spec));
        desk.run("--file pod.yaml --resolv-conf node.conf").assert_refused(texts);
    };
    refused("{dnsPolicy: None}", &["pod.yaml:1: Pod n/p: spec.dnsConfig: is missing"]);
    refused("{dnsPolicy: none}", &["spec.dnsPolicy: \"none\" is no policy; write one of"]);
    refused(
        "{dnsConfig: {nameservers: [a], searches: [B], options: [{value: x}]}}",
        &["nameservers[0]: \"a\"", "searches[0]: \"B\"", "options[0]: has no name"],
    );
    refused("{dnsConfig: {options: [{name: ndots, value: 2}]}}", &["options[0].value: "]);
    refused("{dnsConfig: {searches: a.example}}", &["spec.dnsConfig.searches: "]);

    // kubelet itself would take it.
    let spec = "{dnsPolicy: None, dnsConfig: {nameservers: [a, a, b], searches: [B]}}";
    desk.put("pod.yaml", &pod(spec));
    let outcome = desk.run("--file pod.yaml --resolv-conf node.conf --no-validation");
    outcome.assert_file("search B\nnameserver a\nnameserver b\n");
    desk.put("pod.yaml", &pod("{dnsPolicy: none}"));
    let run = "--file pod.yaml --resolv-conf node.conf --cluster-dns 10.96.0.10 --no-validation";
    let outcome = desk.run(run);
    assert_eq!(outcome.file, CLUSTER);
    let log = "note: Pod n/p: invalid DNSPolicy=none: Failed to get DNS type";
    assert!(outcome.errors.contains(log), "{}", outcome.errors);
    assert!(!outcome.errors.contains("InvalidDNSPolicy"), "no event: {}", outcome.errors);
}

#[test]
fn a_wrong_command_line_is_2() {
    let desk = Desk::new();
    let policy = fixture("dns-policy").display().to_string();
    let wrong = [
        "--pod a/b/c".to_owned(),
        "--pod Web".to_owned(),
        "--file x --manifests y".to_owned(),
        "--context x --pod y".to_owned(),
        format!("--manifests {policy} --pod alpha/none --cluster-dns dns.example"),
        format!("--manifests {policy} --pod alpha/none --node-ip ''"),
        "--no-such-flag".to_owned(),
    ];
    for words in wrong {
        let outcome = desk.run(&words);
        assert_eq!((outcome.code, outcome.file.as_str()), (2, ""), "{words}: {}", outcome.errors);
    }
    let help = desk.run("--help");
    assert_eq!(help.code, 0);
    for word in ["--pod", "--kubelet-config", "exit code", "dnsPolicy"] {
        assert!(help.file.contains(word), "{word}: {}", help.file);
    }
}

//! How the server reaches the API server, and what it asks of it.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on says so by panicking")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use portolan_tests::namespace::{inside_with_mounts, run};
use portolan_tests::server::{Server, write};
use portolan_tests::stage::{Look, Stage, metric, readiness, until};
use serde_json::{Value, json};
use test_apiserver::{Access, Cut, Extent, Flavour, Verb};

/// A server with this access answers, and follows changes.
fn works(stage: &Stage, server: Server) -> Server {
    let mut server = server.serving();
    let mut look = Look::at(&server);
    let address = stage.service("web", json!({}));
    look.until_a(&stage.name("web"), &format!("NOERROR A {address}"));
    until("ready", || readiness(&mut server), |reply| *reply == (200, "OK".to_owned()));
    server
}

fn launch(access: &str) -> Server {
    Server::launch(&Stage::corefile(access, "startup_timeout 0s", None))
}

fn contents(file: &Path) -> Value {
    serde_json::from_str(&fs::read_to_string(file).unwrap()).unwrap()
}

#[test]
fn a_token() {
    let stage = Stage::new();
    works(&stage, launch(&stage.access(Flavour::Token)));
}

#[test]
fn a_token_file() {
    let stage = Stage::new();
    works(&stage, launch(&stage.access(Flavour::TokenFile)));
}

#[test]
fn a_client_certificate() {
    let stage = Stage::new();
    works(&stage, launch(&stage.access(Flavour::ClientCertificate)));
}

#[test]
fn a_plugin() {
    let stage = Stage::new();
    works(&stage, launch(&stage.access(Flavour::Exec)));
}

/// The named context is taken, though the current one leads nowhere.
#[test]
fn a_context() {
    let stage = Stage::new();
    let file = stage.kubeconfig(Flavour::Token);
    let mut config = contents(&file);
    config["contexts"][0]["name"] = json!("right");
    let nowhere = json!({"name": "nowhere", "cluster": {"server": "https://127.0.0.1:1"}});
    config["clusters"].as_array_mut().unwrap().push(nowhere);
    let wrong = json!({"name": "wrong", "context": {"cluster": "nowhere", "user": "test"}});
    config["contexts"].as_array_mut().unwrap().push(wrong);
    config["current-context"] = json!("wrong");
    write(&file, &config.to_string());
    works(&stage, launch(&format!("kubeconfig {} right", file.display())));
}

/// Relative paths in a kubeconfig are relative to it.
#[test]
fn a_kubeconfig_with_files_beside_it() {
    let stage = Stage::new();
    let file = stage.kubeconfig(Flavour::TokenFile);
    let mut config = contents(&file);
    config["users"][0]["user"]["tokenFile"] = json!("token");
    write(&file.with_file_name("ca.crt"), &stage.cluster.front().ca_pem());
    let url = stage.cluster.front().url();
    config["clusters"][0]["cluster"] = json!({"server": url, "certificate-authority": "ca.crt"});
    write(&file, &config.to_string());
    works(&stage, launch(&format!("kubeconfig {}", file.display())));
}

/// Certificate, key and authority as files, and the line `tls` that names them.
fn tls_files(stage: &Stage, directory: &Path) -> String {
    let access = Access::read(&stage.kubeconfig(Flavour::ClientCertificate)).unwrap();
    let identity = access.identity.unwrap();
    let file = |name: &str, text: &str| {
        let path = directory.join(name);
        write(&path, text);
        path.display().to_string()
    };
    let certificate = file("client.crt", &identity.certificate_pem);
    let key = file("client.key", &identity.key_pem);
    format!("tls {certificate} {key} {}", file("ca.crt", &access.ca_pem))
}

#[test]
fn an_endpoint_with_tls() {
    let stage = Stage::new();
    let directory = tempfile::tempdir().unwrap();
    let tls = tls_files(&stage, directory.path());
    let endpoint = format!("endpoint {}", stage.cluster.front().url());
    works(&stage, launch(&format!("{endpoint}\n        {tls}")));
}

/// Without the authority of the server's certificate nothing is sent to it, and the reason is said.
#[test]
fn a_server_of_another_authority_is_not_trusted() {
    let stage = Stage::new();
    let directory = tempfile::tempdir().unwrap();
    let other = Stage::new();
    let tls = tls_files(&other, directory.path());
    let endpoint = format!("endpoint {}", stage.cluster.front().url());
    let mut server = launch(&format!("{endpoint}\n        {tls}")).serving();
    let line = server.wait_for_line("API server not followed");
    assert!(line.contains("certificate"), "{line}");
    assert_eq!(readiness(&mut server).0, 503);
    assert_eq!(stage.requests().entries(), []);
}

/// As in a pod: the service account's files at their well-known place.
#[test]
fn in_a_cluster() {
    inside_with_mounts("in_a_cluster", || {
        let reason = "the namespace of this test has no way to a real cluster";
        let Some(stage) = Stage::in_process(reason) else { return };
        run("mount", &["-t", "tmpfs", "tmpfs", "/run"]);
        let account = PathBuf::from("/var/run/secrets/kubernetes.io/serviceaccount");
        fs::create_dir_all(&account).unwrap();
        write(&account.join("ca.crt"), &stage.cluster.front().ca_pem());
        write(&account.join("token"), &stage.cluster.front().token());
        write(&account.join("namespace"), "kube-system");
        let url = stage.cluster.front().url();
        let (host, port) = url.trim_start_matches("https://").rsplit_once(':').unwrap();
        let corefile = Stage::corefile("", "startup_timeout 0s", None);
        let server = Server::launch_with(&corefile, |command| {
            command.env("KUBERNETES_SERVICE_HOST", host).env("KUBERNETES_SERVICE_PORT", port);
        });
        let server = works(&stage, server);
        // The kubelet replaces the token before it expires.
        write(&account.join("token"), &stage.cluster.front().rotate_token().unwrap());
        stage.faults().cut_watches(Cut::Reset);
        let address = stage.service("later", json!({}));
        Look::at(&server).until_a(&stage.name("later"), &format!("NOERROR A {address}"));
    });
}

/// The process ends with 1, and says what is wrong and, in the end, what to do.
fn fails(access: &str, parts: &[&str], remedy: &str) {
    let mut server = Server::launch_with(&Stage::corefile(access, "", None), |command| {
        command.env_remove("KUBERNETES_SERVICE_HOST").env_remove("KUBERNETES_SERVICE_PORT");
    });
    let status = server.wait();
    let errors = server.errors();
    assert_eq!(status.code(), Some(1), "{errors}");
    for part in parts {
        assert!(errors.contains(part), "{part:?} is not in {errors:?}");
    }
    assert!(errors.starts_with("portolan: the kubernetes block"), "{errors}");
    assert!(errors.trim_end().ends_with(remedy), "{remedy:?} is not the end of {errors:?}");
}

#[test]
fn access_that_cannot_work_ends_the_start_with_a_remedy() {
    let stage = Stage::new();
    let directory = tempfile::tempdir().unwrap();
    let check = |file: &str| format!("check it with `kubectl --kubeconfig {file} config view`");
    let path = |name: &str| directory.path().join(name).display().to_string();
    let missing = path("missing.yaml");
    fails(&format!("kubeconfig {missing}"), &["No such file"], &check(&missing));

    let file = stage.kubeconfig(Flavour::Token).display().to_string();
    fails(&format!("kubeconfig {file} absent"), &["absent"], &check(&file));

    let broken = path("broken.yaml");
    write(Path::new(&broken), "clusters: [");
    fails(&format!("kubeconfig {broken}"), &["line 1"], &check(&broken));

    let tls = tls_files(&stage, directory.path()).replace("client.key", "missing.key");
    let url = stage.cluster.front().url();
    let access = format!("endpoint {url}\n        {tls}");
    let remedy = "and `tls CERT KEY CACERT` with readable PEM files";
    fails(&access, &[&url, "missing.key"], remedy);

    let remedy = "or configure `kubeconfig FILE` or `manifests PATH`";
    fails("", &["in-cluster access", "service account"], remedy);
}

/// A token that the API server does not accept: the reason and the remedy are said, the server goes on
/// trying, and a token put right is picked up.
#[test]
fn a_wrong_token() {
    let stage = Stage::new();
    let file = stage.kubeconfig(Flavour::Token);
    let right = fs::read_to_string(&file).unwrap();
    write(&file, &right.replace(&stage.cluster.front().token(), "wrong"));
    let mut server = launch(&format!("kubeconfig {}", file.display())).serving();
    let line = server.wait_for_line("HTTP 401");
    assert!(line.starts_with("[WARNING] ") && line.contains("valid credentials"), "{line}");
    let (status, body) = readiness(&mut server);
    assert_eq!(status, 503);
    assert!(body.contains("HTTP 401") && body.contains("valid credentials"), "{body}");
    assert_eq!(Look::at(&server).a(&stage.name("web")), "SERVFAIL");
    stage.wait(stage.requests().wait_for(Verb::Watch, "services", 4));
    let refused = stage.requests().entries();
    assert!(refused.iter().all(|entry| entry.status == 401), "{refused:?}");
    write(&file, &right);
    works(&stage, server);
}

/// Returns what was asked for: verbs and resources.
fn asked(stage: &Stage) -> BTreeSet<(Verb, String)> {
    let entries = stage.requests().entries();
    for entry in &entries {
        assert!(entry.user_agent.starts_with("portolan/"), "{entry:?}");
        let info = &entry.info;
        assert!(info.name.is_empty() && info.subresource.is_empty(), "{entry:?}");
    }
    entries.into_iter().map(|entry| (entry.info.verb, entry.info.resource)).collect()
}

fn expected(verbs: &[Verb], resources: &[&str]) -> BTreeSet<(Verb, String)> {
    let pairs = verbs.iter().flat_map(|v| resources.iter().map(|r| (*v, (*r).to_owned())));
    pairs.collect()
}

/// What the ClusterRole has to allow: three kinds; Pods only where answers need them.
#[test]
fn nothing_else_is_asked_for() {
    let resources = ["endpointslices", "namespaces", "services", "pods"];
    for (mode, count) in [("disabled", 3), ("insecure", 3), ("verified", 4)] {
        let stage = Stage::new();
        let corefile = Stage::corefile(&stage.access(Flavour::Token), "", None);
        let corefile = corefile.replace("pods insecure", &format!("pods {mode}"));
        let mut server = works(&stage, Server::launch(&corefile));
        stage.faults().cut_watches(Cut::Reset);
        stage.service("later", json!({"clusterIP": "None"}));
        stage.endpoint("later", "10.9.0.1");
        Look::at(&server).until_a(&stage.name("later"), "NOERROR A 10.9.0.1");
        stage.wait(stage.faults().wait_for_open_watches(count));
        assert_eq!(asked(&stage), expected(&[Verb::Watch], &resources[..count]), "{mode}");
        assert_eq!(metric(&mut server, "portolan_source_lists", "").to_string(), count.to_string());
    }
}

/// A kind that cannot be streamed is listed instead, and nothing else changes.
#[test]
fn a_kind_without_streamed_lists_is_listed() {
    let stage = Stage::new();
    stage.faults().limit_to("services");
    stage.faults().answer(422, Extent::Next(1));
    works(&stage, launch(&stage.access(Flavour::Token)));
    let mut pairs = expected(&[Verb::Watch], &["endpointslices", "namespaces", "services"]);
    pairs.insert((Verb::List, "services".to_owned()));
    assert_eq!(asked(&stage), pairs);
}

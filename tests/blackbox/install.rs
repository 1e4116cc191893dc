//! `make install` on a plain machine: what is there afterwards, and what `make uninstall` leaves.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on says so by panicking")]

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use portolan_tests::namespace::{inside, run};
use portolan_tests::server::binary;
use tempfile::TempDir;

/// A root that was installed to.
struct Place {
    root: TempDir,
}

impl Place {
    fn new() -> Self {
        let place = Self { root: tempfile::tempdir().unwrap() };
        place.make("install");
        place
    }

    /// Runs a target of the Makefile, with the binaries of this build. The plugin's is not looked into.
    fn make(&self, target: &str) {
        let from = binary().parent().unwrap().display().to_string();
        let project = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
        run(
            "make",
            &[
                "-C",
                project.to_str().unwrap(),
                target,
                "PREFIX=/usr",
                &format!("DESTDIR={}", self.root.path().display()),
                &format!("INSTALL_FROM={from}"),
                "INSTALL_PLUGIN=/bin/true",
            ],
        );
    }

    fn path(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap()
    }

    /// Returns every file, by its path.
    fn files(&self) -> BTreeSet<String> {
        let found =
            run("find", &[self.root.path().to_str().unwrap(), "-type", "f", "-printf", "%P\n"]);
        found.lines().map(str::to_owned).collect()
    }
}

#[test]
fn everything_has_its_place_and_goes_again() {
    let place = Place::new();
    let files = place.files();
    for name in [
        "usr/bin/portolan",
        "usr/lib/cni/portolan-ipam",
        "usr/lib/systemd/system/portolan-dns@.service",
        "usr/lib/systemd/system/portolan-netpol.service",
        "usr/lib/systemd/system/portolan-node-blocks.service",
        "usr/lib/sysusers.d/portolan.conf",
        "usr/share/bash-completion/completions/portolan",
        "usr/share/zsh/site-functions/_portolan",
        "usr/share/fish/vendor_completions.d/portolan.fish",
        "usr/share/man/man1/portolan.1",
        "usr/share/man/man1/portolan-dns.1",
        "usr/share/man/man1/portolan-explain-flow.1",
        "etc/portolan/Corefile",
    ] {
        assert!(files.contains(name), "{name} is in {files:#?}");
    }
    let mode = fs::metadata(place.path("usr/bin/portolan")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o755);

    // What somebody wrote is not written over, and stays.
    let own = ".:53 {\n    whoami\n}\n";
    fs::write(place.path("etc/portolan/Corefile"), own).unwrap();
    place.make("install");
    assert_eq!(place.read("etc/portolan/Corefile"), own);
    place.make("uninstall");
    assert_eq!(place.files(), BTreeSet::from(["etc/portolan/Corefile".to_owned()]));
}

/// systemd reads the units, and finds the programs that they start.
#[test]
fn the_units_are_good() {
    let place = Place::new();
    let units =
        ["portolan-dns@.service", "portolan-netpol.service", "portolan-node-blocks.service"];
    let folder = tempfile::tempdir().unwrap();
    let mut arguments = vec!["verify".to_owned(), "--man=no".to_owned()];
    for unit in units {
        let text = place.read(&format!("usr/lib/systemd/system/{unit}"));
        assert!(text.contains("ExecStart=/usr/bin/portolan "), "{text}");
        let here = format!("ExecStart={} ", place.path("usr/bin/portolan").display());
        let path = folder.path().join(unit);
        fs::write(&path, text.replace("ExecStart=/usr/bin/portolan ", &here)).unwrap();
        arguments.push(path.display().to_string());
    }
    let output = Command::new("systemd-analyze").args(&arguments).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{said}");
    let about_ours = said.lines().find(|line| line.contains("portolan"));
    assert_eq!(about_ours, None, "{said}");
}

/// On the PATH that sudo gives there is no toolchain of rustup.
#[test]
fn no_toolchain_is_needed() {
    let target = tempfile::tempdir().unwrap();
    let plugin = target.path().join("x86_64-unknown-linux-gnu/ipam/portolan-ipam");
    fs::create_dir_all(plugin.parent().unwrap()).unwrap();
    fs::write(&plugin, "").unwrap();
    let project = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let mut make = Command::new("make");
    make.args(["-n", "install", &format!("TARGET_DIR={}", target.path().display())]);
    make.current_dir(project).env_clear().env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin");
    let output = make.output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    let commands = String::from_utf8(output.stdout).unwrap();
    let installs = format!("install -D -m 755 \"{}\"", plugin.display());
    assert!(commands.contains(&installs), "{commands}");
}

/// What an administrator types after it, with this root in the place of the machine's.
#[test]
fn the_user_is_made_and_the_unit_enabled() {
    inside("the_user_is_made_and_the_unit_enabled", || {
        let place = Place::new();
        let root = format!("--root={}", place.root.path().display());
        run("systemd-sysusers", &[&root]);
        let users = place.read("etc/passwd");
        assert!(users.lines().any(|line| line.starts_with("portolan:")), "{users}");
        run("systemctl", &[&root, "enable", "portolan-dns@9353"]);
        let link = "etc/systemd/system/multi-user.target.wants/portolan-dns@9353.service";
        let unit = fs::read_link(place.path(link)).unwrap();
        assert_eq!(unit, Path::new("/usr/lib/systemd/system/portolan-dns@.service"));
    });
}

/// The Corefile for a machine without Kubernetes is a good one, and answers from the manifests beside it.
#[test]
fn a_machine_without_kubernetes_answers_from_its_manifests() {
    let place = Place::new();
    let manifests = place.path("etc/portolan/manifests");
    let example =
        concat!(env!("CARGO_MANIFEST_DIR"), "/../deploy/standalone/manifests/example.yaml");
    fs::copy(example, manifests.join("example.yaml")).unwrap();
    let corefile = place.read("etc/portolan/Corefile");
    let corefile = corefile.replace("/etc/portolan/manifests", manifests.to_str().unwrap());
    fs::write(place.path("Corefile"), &corefile).unwrap();
    let said =
        run(binary().to_str().unwrap(), &["check", place.path("Corefile").to_str().unwrap()]);
    assert!(said.contains("no mistakes, no warnings"), "{said}");
    let answer = run(
        binary().to_str().unwrap(),
        &[
            "explain",
            "dns",
            "db.default.svc.cluster.local",
            "--conf",
            place.path("Corefile").to_str().unwrap(),
        ],
    );
    assert!(answer.contains("IN A 192.0.2.20"), "{answer}");
}

#[test]
fn the_manual_and_the_completions_know_every_command() {
    let place = Place::new();
    let page = place.read("usr/share/man/man1/portolan-dns.1");
    assert!(page.contains("node\\-local"), "{page}");
    for shell in
        ["usr/share/bash-completion/completions/portolan", "usr/share/zsh/site-functions/_portolan"]
    {
        let text = place.read(shell);
        for word in ["netpol", "node-blocks", "node-local", "resolv-conf"] {
            assert!(text.contains(word), "{shell}: {word}");
        }
    }
    let shown = Command::new("bash")
        .args(["-c", "source \"$1\" && complete -p portolan", "bash"])
        .arg(place.path("usr/share/bash-completion/completions/portolan"))
        .output()
        .unwrap();
    assert!(shown.status.success(), "{}", String::from_utf8_lossy(&shown.stderr));
}

#[test]
fn the_version_says_how_it_was_built() {
    let text = run(binary().to_str().unwrap(), &["version"]);
    let names: Vec<&str> = text.lines().filter_map(|line| line.split(' ').next()).collect();
    assert_eq!(names, ["version", "revision", "platform", "compiler", "linking", "profile"]);
    let json = run(binary().to_str().unwrap(), &["version", "--json"]);
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert!(json["compiler"].as_str().unwrap().starts_with("rustc "), "{json}");
    let line = run(binary().to_str().unwrap(), &["--version"]);
    assert_eq!(line.trim(), format!("portolan {}", json["version"].as_str().unwrap()));
}

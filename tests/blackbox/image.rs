//! The container image: what `portolan-image` makes is what container tools load, and it is the same every time.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on says so by panicking")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use data_encoding::HEXLOWER;
use portolan_tests::namespace::{inside_with_mounts, run};
use portolan_tests::server::{binary, write};
use portolan_tests::stage::until;
use serde_json::Value;
use sha2::{Digest, Sha256};
use tempfile::TempDir;

/// An archive, unpacked.
struct Archive {
    directory: TempDir,
}

/// Returns a static binary that is there in every build: the IPAM plugin.
fn plugin() -> PathBuf {
    let target = binary().ancestors().nth(2).unwrap().to_owned();
    let host = run(env!("CARGO"), &["-vV"]);
    let host = host.lines().find_map(|line| line.strip_prefix("host: ")).unwrap();
    target.join(host).join("ipam/portolan-ipam")
}

/// Makes an archive with the plugin in the place of both binaries.
fn make(output: &Path, more: &[&str]) -> std::process::Output {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let metadata = output.with_extension("metadata");
    let arguments = ["metadata", "--offline", "--locked", "--format-version", "1"];
    let manifest = root.join("Cargo.toml");
    let text = run(
        env!("CARGO"),
        &[&arguments[..], &["--manifest-path", manifest.to_str().unwrap()]].concat(),
    );
    write(&metadata, &text);
    let (plugin, tool) = (plugin(), binary().with_file_name("portolan-image"));
    Command::new(tool)
        .arg("--binary")
        .arg(&plugin)
        .arg("--plugin")
        .arg(&plugin)
        .args(["--certificates", "/etc/ssl/certs/ca-certificates.crt", "--name", "portolan:0.1.0"])
        .args(["--revision", "0123456789ab", "--time", "1700000000", "--licence"])
        .arg(root.join("LICENSE"))
        .arg("--metadata")
        .arg(&metadata)
        .arg("--output")
        .arg(output)
        .args(more)
        .output()
        .unwrap()
}

impl Archive {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let output = make(&directory.path().join("image.tar"), &[]);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let archive = Self { directory };
        fs::create_dir(archive.path("layout")).unwrap();
        run("tar", &["-xf", &archive.text("image.tar"), "-C", &archive.text("layout")]);
        archive
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn text(&self, name: &str) -> String {
        self.path(name).display().to_string()
    }

    fn json(&self, name: &str) -> Value {
        serde_json::from_slice(&fs::read(self.path("layout").join(name)).unwrap()).unwrap()
    }

    /// Returns the path of a blob that a descriptor names, held to its digest and size.
    fn blob(&self, descriptor: &Value) -> String {
        let digest = descriptor["digest"].as_str().unwrap().strip_prefix("sha256:").unwrap();
        let name = format!("blobs/sha256/{digest}");
        let octets = fs::read(self.path("layout").join(&name)).unwrap();
        assert_eq!(HEXLOWER.encode(&Sha256::digest(&octets)), digest);
        assert_eq!(descriptor["size"], octets.len());
        name
    }

    /// Unpacks the files of the image and returns their folder.
    fn root(&self) -> PathBuf {
        let index = self.json("index.json");
        let manifest = self.json(&self.blob(&index["manifests"][0]));
        let layer = self.path("layout").join(self.blob(&manifest["layers"][0]));
        let root = self.path("root");
        fs::create_dir(&root).unwrap();
        run("tar", &["-xzf", layer.to_str().unwrap(), "-C", root.to_str().unwrap()]);
        root
    }
}

#[test]
fn two_builds_have_one_digest() {
    let directory = tempfile::tempdir().unwrap();
    let made: Vec<(Vec<u8>, String)> = ["first.tar", "second.tar"]
        .map(|name| {
            let path = directory.path().join(name);
            let output = make(&path, &[]);
            let said = String::from_utf8(output.stdout).unwrap();
            (fs::read(path).unwrap(), said.lines().last().unwrap().to_owned())
        })
        .into();
    assert!(made[0].0 == made[1].0, "the archives are equal");
    assert_eq!(made[0].1, made[1].1);
    assert!(made[0].1.starts_with("portolan:0.1.0@sha256:"), "{}", made[0].1);

    let small = make(&directory.path().join("small.tar"), &["--most", "100000"]);
    assert!(!small.status.success(), "an archive that is too large is refused");
    assert!(!directory.path().join("small.tar").exists());
}

/// Whoever builds it has other folders, and gets the same.
#[test]
fn no_folder_of_this_machine_is_in_a_binary() {
    let octets = fs::read(plugin()).unwrap();
    let registry = b"/cargo/registry/src/";
    assert!(octets.windows(registry.len()).any(|window| window == registry), "it has places");
    let this = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let target = binary().ancestors().nth(2).unwrap().to_owned();
    let home = std::env::home_dir().unwrap();
    let folders = [this, &target, &home].map(|folder| format!("{}/", folder.display()));
    // Who builds in the folder of that name has it in there.
    for folder in folders.iter().filter(|folder| !folder.starts_with("/portolan/")) {
        let is_there = octets.windows(folder.len()).any(|window| window == folder.as_bytes());
        assert!(!is_there, "{folder}");
    }
    let root = this.to_str().unwrap();
    let commands = run("make", &["-C", root, "-n", "image"]);
    for package in ["portolan-cni-ipam", "portolan"] {
        let end = format!("-p {package} ");
        let build = commands.split("RUSTFLAGS='").skip(1).find(|build| build.contains(&end));
        for folder in ["=/cargo ", "=/portolan ", "=/portolan/target"] {
            assert!(build.unwrap().split('\n').next().unwrap().contains(folder), "{commands}");
        }
    }
}

/// Each format names the same blobs, whose digests are true.
#[test]
fn every_digest_is_true() {
    let archive = Archive::new();
    assert_eq!(archive.json("oci-layout")["imageLayoutVersion"], "1.0.0");
    let index = archive.json("index.json");
    let name = &index["manifests"][0]["annotations"]["io.containerd.image.name"];
    assert_eq!(name, "docker.io/library/portolan:0.1.0");
    let manifest = archive.json(&archive.blob(&index["manifests"][0]));
    let docker = archive.json("manifest.json");
    assert_eq!(docker[0]["RepoTags"][0], "portolan:0.1.0");
    assert_eq!(docker[0]["Config"], archive.blob(&manifest["config"]));
    assert_eq!(docker[0]["Layers"][0], archive.blob(&manifest["layers"][0]));
    let config = archive.json(&archive.blob(&manifest["config"]));
    assert_eq!(config["config"]["Entrypoint"][0], "/coredns");
    assert_eq!(config["config"]["Labels"]["org.opencontainers.image.revision"], "0123456789ab");
    let layer = archive.path("layout").join(archive.blob(&manifest["layers"][0]));
    let tar = Command::new("gzip").arg("-dc").arg(layer).output().unwrap().stdout;
    let diff_id = format!("sha256:{}", HEXLOWER.encode(&Sha256::digest(&tar)));
    assert_eq!(config["rootfs"]["diff_ids"][0], diff_id);
}

/// The libraries of podman and its like, which know no daemon, read it as either format.
#[test]
fn skopeo_reads_both_formats() {
    let archive = Archive::new();
    for format in ["docker-archive", "oci-archive"] {
        let source = format!("{format}:{}", archive.text("image.tar"));
        let target = format!("dir:{}", archive.text(format));
        run(
            "skopeo",
            &["--insecure-policy", "--tmpdir", &archive.text("."), "copy", &source, &target],
        );
        let said = run("skopeo", &["--tmpdir", &archive.text("."), "inspect", "--config", &source]);
        let config: Value = serde_json::from_str(&said).unwrap();
        assert_eq!(config["config"]["Entrypoint"][0], "/coredns", "{format}");
    }
}

/// A containerd of its own, without the kernel's help for anything.
struct Containerd {
    child: Child,
    socket: String,
}

impl Drop for Containerd {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Containerd {
    fn start(directory: &Path) -> Self {
        let at = |name: &str| directory.join(name).display().to_string();
        let socket = at("containerd.sock");
        let config = format!(
            "version = 2\nroot = {:?}\nstate = {:?}\ndisabled_plugins = [\"io.containerd.grpc.v1.cri\"]\n\
             [grpc]\naddress = {socket:?}\n[ttrpc]\naddress = {:?}\n",
            at("root-of-containerd"),
            at("state"),
            at("ttrpc.sock"),
        );
        write(&directory.join("config.toml"), &config);
        let mut command = Command::new("containerd");
        command.args(["--config", &at("config.toml")]).stderr(Stdio::null()).stdout(Stdio::null());
        let containerd = Self { child: command.spawn().unwrap(), socket };
        let is_there =
            || Command::new("ctr").args(["--address", &containerd.socket, "version"]).output();
        until("containerd", || is_there().unwrap().status.success(), |is_there| *is_there);
        containerd
    }

    fn ctr(&self, arguments: &[&str]) -> String {
        let start = ["--address", &self.socket, "--namespace", "k8s.io", "images"];
        run("ctr", &[&start[..], arguments].concat())
    }
}

#[test]
fn containerd_imports_it() {
    inside_with_mounts("containerd_imports_it", || {
        let archive = Archive::new();
        let containerd = Containerd::start(archive.directory.path());
        containerd.ctr(&["import", "--snapshotter", "native", &archive.text("image.tar")]);
        let listed = containerd.ctr(&["ls"]);
        let line = listed.lines().find(|line| line.contains("docker.io/library/portolan:0.1.0"));
        let index = archive.json("index.json");
        let digest = index["manifests"][0]["digest"].as_str().unwrap();
        assert!(line.is_some_and(|line| line.contains(digest)), "{listed}");
        let mounted = archive.path("mounted");
        fs::create_dir(&mounted).unwrap();
        let name = "docker.io/library/portolan:0.1.0";
        containerd.ctr(&["mount", "--snapshotter", "native", name, mounted.to_str().unwrap()]);
        assert!(mounted.join("portolan").is_file());
        assert!(mounted.join("coredns").is_symlink());
        run("umount", &[mounted.to_str().unwrap()]);
    });
}

/// What the image holds runs with nothing else there.
#[test]
fn a_binary_of_the_image_runs_in_its_root() {
    inside_with_mounts("a_binary_of_the_image_runs_in_its_root", || {
        let archive = Archive::new();
        let root = archive.root();
        let mut command = Command::new("chroot");
        command.arg(&root).arg("/portolan-ipam").env("CNI_COMMAND", "VERSION");
        let output = command.stdin(Stdio::null()).output().unwrap();
        let answer = String::from_utf8(output.stdout).unwrap();
        assert!(answer.contains("supportedVersions"), "{answer}");
    });
}

/// The bill of materials has what `cargo tree` says is built in, and the texts of their licences are there.
#[test]
fn the_bill_of_materials_is_complete() {
    let archive = Archive::new();
    let documents = archive.root().join("usr/share/doc/portolan");
    let bill: Value =
        serde_json::from_slice(&fs::read(documents.join("sbom.cdx.json")).unwrap()).unwrap();
    assert_eq!((&bill["bomFormat"], &bill["specVersion"]), (&"CycloneDX".into(), &"1.5".into()));
    let components = bill["components"].as_array().unwrap();
    let listed: BTreeSet<String> =
        components.iter().map(|each| each["bom-ref"].as_str().unwrap().to_owned()).collect();
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let manifest = root.join("Cargo.toml").display().to_string();
    let tree = run(
        env!("CARGO"),
        &[
            &["tree", "--offline", "--locked", "--manifest-path", &manifest, "--target", "all"][..],
            &["-p", "portolan", "-p", "portolan-cni-ipam", "-e", "normal", "--prefix", "none"],
        ]
        .concat(),
    );
    let mut seen = 0;
    for line in tree.lines().filter(|line| !line.is_empty()) {
        let mut words = line.split(' ');
        let (name, version) = (words.next().unwrap(), words.next().unwrap());
        let reference = format!("{name}@{}", version.trim_start_matches('v'));
        // Those of proc macros are built in where the compiler runs.
        assert!(listed.contains(&reference), "{reference} is missing");
        seen += 1;
    }
    assert!(seen > 100, "the tree is read: {seen}");
    let dependencies = bill["dependencies"].as_array().unwrap();
    for dependency in dependencies.iter().flat_map(|each| each["dependsOn"].as_array().unwrap()) {
        assert!(listed.contains(dependency.as_str().unwrap()), "{dependency}");
    }
    for component in components {
        assert!(component["licenses"][0]["expression"].is_string(), "{component}");
    }
    let licences = fs::read_to_string(documents.join("licences.txt")).unwrap();
    assert!(licences.contains("Permission is hereby granted, free of charge"));
    assert!(licences.contains("\ntokio@"), "each package is named");
}

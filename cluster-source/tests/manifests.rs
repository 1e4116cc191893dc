//! Manifests in a directory, watched by the real inotify. Tests wait for changes, never for time.

// clippy knows tests by their attribute; what they share is outside.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use cluster::{Cluster, Kind, KindSet};
use portolan_cluster_source::{
    Interest, Origin, RequestLimits, Source, SourceConfig, SourceError, Timing,
};
use tempfile::TempDir;

/// Long enough that only a notification can be the reason for a reload.
const NEVER: Duration = Duration::from_secs(3600);

async fn try_start(path: &Path) -> Result<Source, SourceError> {
    start_with(path, Timing { rescan: NEVER, ..Timing::default() }).await
}

/// Starts a source that neither rescans nor retries: only a notification can be the reason for a reload.
async fn start_patient(path: &Path) -> Source {
    let timing = Timing { rescan: NEVER, backoff_base: NEVER, ..Timing::default() };
    start_with(path, timing).await.unwrap()
}

async fn start_with(path: &Path, timing: Timing) -> Result<Source, SourceError> {
    let interest = Interest::everything(KindSet::of(&Kind::ALL));
    Source::start(SourceConfig {
        origin: Origin::Manifests(path.to_owned()),
        interest,
        timing,
        limits: RequestLimits::default(),
    })
    .await
}

/// Waits until the status says that the manifests are not followed.
async fn lost(source: &Source) {
    let lost = async {
        while source.status().missing().is_empty() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), lost).await.expect("the loss shows");
}

async fn start(path: &Path) -> Source {
    try_start(path).await.unwrap()
}

fn service(name: &str, ip: &str) -> String {
    format!(
        "apiVersion: v1\nkind: Service\nmetadata: {{name: {name}}}\nspec: {{clusterIP: {ip}}}\n---\n"
    )
}

fn ip(cluster: &Cluster, name: &str) -> Option<String> {
    Some(cluster.service("default", name)?.cluster_ips().first()?.to_string())
}

/// Waits until a snapshot satisfies the condition.
async fn until(source: &Source, what: &str, condition: impl Fn(&Cluster) -> bool) -> Duration {
    let (mut changes, begin) = (source.changes(), Instant::now());
    let wait = async {
        while !condition(&source.snapshot()) {
            changes.changed().await.unwrap();
        }
    };
    let limit = Duration::from_secs(10);
    tokio::time::timeout(limit, wait).await.unwrap_or_else(|_| panic!("not seen: {what}"));
    begin.elapsed()
}

fn write(directory: &Path, name: &str, text: &str) -> PathBuf {
    let path = directory.join(name);
    fs::write(&path, text).unwrap();
    path
}

/// Replaces a file as editors and tools do.
fn replace(directory: &Path, name: &str, text: &str) {
    let new = write(directory, ".new", text);
    fs::rename(new, directory.join(name)).unwrap();
}

#[tokio::test]
async fn a_directory_is_loaded_before_start_returns() {
    let dir = TempDir::new().unwrap();
    fs::create_dir(dir.path().join("sub")).unwrap();
    write(dir.path(), "a.yaml", &(service("web", "10.0.0.1") + &service("both", "10.0.0.2")));
    write(&dir.path().join("sub"), "b.yml", &service("both", "10.0.0.3"));
    write(dir.path(), ".hidden.yaml", &service("hidden", "10.0.0.4"));
    write(dir.path(), "notes.txt", "no manifest");
    write(dir.path(), "n.json", r#"{"apiVersion":"v1","kind":"Node","metadata":{"name":"n"}}"#);
    write(dir.path(), "d.yaml", "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web}\n");
    let source = start(dir.path()).await;
    let cluster = source.snapshot();
    assert_eq!(ip(&cluster, "web").as_deref(), Some("10.0.0.1"));
    assert_eq!(ip(&cluster, "both").as_deref(), Some("10.0.0.3"), "the later file wins");
    assert!(cluster.service("default", "hidden").is_none());
    assert!(cluster.namespace("default").is_some() && cluster.node("n").is_some());
    assert!(source.status().is_synced() && source.status().missing().is_empty());
    assert_eq!(source.status().age(), Duration::ZERO);
    assert_eq!(source.status().skipped_documents(), 1);
    assert_eq!(*source.changes().borrow(), cluster.revision());
}

#[tokio::test]
async fn a_path_that_is_not_there_is_an_error_at_the_start() {
    let dir = TempDir::new().unwrap();
    let error = try_start(&dir.path().join("missing")).await.unwrap_err();
    assert!(matches!(error, SourceError::Manifests { .. }));
    assert!(
        error.to_string().contains("missing: No such file")
            && error.to_string().contains("name a readable")
    );
}

#[tokio::test]
async fn what_cannot_be_read_again_is_an_error_and_no_empty_cluster() {
    // What nobody has opened at the other end would be waited for.
    let dir = TempDir::new().unwrap();
    let socket = dir.path().join("cluster.yaml");
    let _listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
    for path in [socket.as_path(), Path::new("/dev/null")] {
        let error = try_start(path).await.unwrap_err().to_string();
        let expected =
            "a pipe, a socket or a device cannot be read again; name a readable YAML or JSON file";
        assert!(error.contains(expected), "{error}");
    }
}

#[tokio::test]
async fn every_way_of_changing_a_file_is_seen() {
    let dir = TempDir::new().unwrap();
    write(dir.path(), "a.yaml", &service("web", "10.0.0.1"));
    let source = start(dir.path()).await;
    let is = |expected: &'static str| move |c: &Cluster| ip(c, "web").as_deref() == Some(expected);
    write(dir.path(), "a.yaml", &service("web", "10.0.0.2"));
    let took = until(&source, "written in place", is("10.0.0.2")).await;
    println!("written in place: seen after {took:?}");
    replace(dir.path(), "a.yaml", &service("web", "10.0.0.3"));
    let took = until(&source, "renamed over", is("10.0.0.3")).await;
    println!("renamed over: seen after {took:?}");
    fs::remove_file(dir.path().join("a.yaml")).unwrap();
    until(&source, "removed", |c| c.service("default", "web").is_none()).await;
    assert!(source.snapshot().namespace("default").is_none(), "nothing is in it any more");
    write(dir.path(), "a.yaml", &service("web", "10.0.0.4"));
    until(&source, "made again", is("10.0.0.4")).await;
    let sub = dir.path().join("x/y");
    fs::create_dir_all(&sub).unwrap();
    write(&sub, "b.yaml", &service("web", "10.0.0.5"));
    until(&source, "in a directory made later", is("10.0.0.5")).await;
    write(&sub, "b.yaml", &service("web", "10.0.0.6"));
    until(&source, "changed in a directory made later", is("10.0.0.6")).await;
    fs::remove_dir_all(dir.path().join("x")).unwrap();
    until(&source, "directory removed", is("10.0.0.4")).await;
}

#[tokio::test]
async fn a_config_map_is_followed_through_its_swap() {
    let dir = TempDir::new().unwrap();
    let version = |name: &str, ip: &str| {
        fs::create_dir(dir.path().join(name)).unwrap();
        write(&dir.path().join(name), "a.yaml", &service("web", ip));
        symlink(name, dir.path().join("..data_tmp")).unwrap();
        fs::rename(dir.path().join("..data_tmp"), dir.path().join("..data")).unwrap();
    };
    version("..2026_1", "10.0.0.1");
    symlink("..data/a.yaml", dir.path().join("a.yaml")).unwrap();
    let (all, file) = (start(dir.path()).await, start(&dir.path().join("a.yaml")).await);
    for (at, ip_now) in [(2, "10.0.0.2"), (3, "10.0.0.3")] {
        version(&format!("..2026_{at}"), ip_now);
        fs::remove_dir_all(dir.path().join(format!("..2026_{}", at - 1))).unwrap();
        for source in [&all, &file] {
            until(source, "swap", |c| ip(c, "web").as_deref() == Some(ip_now)).await;
        }
    }
}

#[tokio::test]
async fn a_file_that_breaks_keeps_what_it_held_and_others_go_on() {
    let dir = TempDir::new().unwrap();
    write(dir.path(), "a.yaml", &(service("web", "10.0.0.1") + &service("old", "10.0.0.9")));
    write(dir.path(), "b.yaml", &service("other", "10.0.0.2"));
    let source = start(dir.path()).await;
    write(dir.path(), "a.yaml", &(service("web", "10.0.0.7") + "kind: ["));
    write(dir.path(), "b.yaml", &service("other", "10.0.0.3"));
    until(&source, "the other file", |c| ip(c, "other").as_deref() == Some("10.0.0.3")).await;
    let cluster = source.snapshot();
    assert_eq!(ip(&cluster, "web").as_deref(), Some("10.0.0.1"));
    assert_eq!((source.status().broken_files(), ip(&cluster, "old").is_some()), (1, true));
    write(dir.path(), "a.yaml", &service("web", "10.0.0.8"));
    until(&source, "mended", |c| ip(c, "web").as_deref() == Some("10.0.0.8")).await;
    assert_eq!((source.status().broken_files(), ip(&source.snapshot(), "old")), (0, None));
}

#[tokio::test]
async fn a_bad_object_harms_only_itself() {
    let dir = TempDir::new().unwrap();
    let text = service("bad", "10.0.0.300") + "kind: Service\n---\n" + &service("web", "10.0.0.1");
    write(dir.path(), "a.yaml", &text);
    let source = start(dir.path()).await;
    assert_eq!(ip(&source.snapshot(), "web").as_deref(), Some("10.0.0.1"));
    assert!(source.snapshot().service("default", "bad").is_none());
    assert_eq!(source.status().bad_documents(), 2);
    assert_eq!(source.status().kind(Kind::Service).bad_objects(), 1);
}

#[tokio::test]
async fn what_does_not_change_is_no_new_revision() {
    let dir = TempDir::new().unwrap();
    write(dir.path(), "a.yaml", &service("web", "10.0.0.1"));
    let source = start(dir.path()).await;
    let before = source.snapshot().revision();
    write(dir.path(), "a.yaml", &(service("web", "10.0.0.1") + "# the same\n"));
    replace(dir.path(), "z.yaml", &service("marker", "10.0.0.2"));
    until(&source, "marker", |c| ip(c, "marker").is_some()).await;
    assert_eq!(source.snapshot().revision(), before + 1);
}

#[tokio::test]
async fn a_directory_that_vanishes_keeps_its_objects_until_it_is_back() {
    let dir = TempDir::new().unwrap();
    let root = dir.path().join("manifests");
    fs::create_dir(&root).unwrap();
    write(&root, "a.yaml", &service("web", "10.0.0.1"));
    let source = start(&root).await;
    fs::rename(&root, dir.path().join("away")).unwrap();
    lost(&source).await;
    assert_eq!(ip(&source.snapshot(), "web").as_deref(), Some("10.0.0.1"));
    fs::create_dir(&root).unwrap();
    write(&root, "a.yaml", &service("web", "10.0.0.2"));
    until(&source, "back", |c| ip(c, "web").as_deref() == Some("10.0.0.2")).await;
    assert!(source.status().missing().is_empty());
}

#[tokio::test]
async fn directories_above_the_path_may_be_made_anew() {
    let dir = TempDir::new().unwrap();
    let above = dir.path().join("a/b");
    let root = above.join("manifests");
    fs::create_dir_all(&root).unwrap();
    write(&root, "a.yaml", &service("web", "10.0.0.1"));
    let source = start_patient(&root).await;
    for (at, ip_now) in [(2, "10.0.0.2"), (3, "10.0.0.3")] {
        match at {
            2 => fs::remove_dir_all(dir.path().join("a")).unwrap(),
            _ => fs::rename(dir.path().join("a"), dir.path().join("away")).unwrap(),
        }
        lost(&source).await;
        fs::create_dir_all(&root).unwrap();
        write(&root, "a.yaml", &service("web", ip_now));
        let took = until(&source, "made anew", |c| ip(c, "web").as_deref() == Some(ip_now)).await;
        println!("made anew: seen after {took:?}");
    }
}

#[tokio::test]
async fn a_fault_is_tried_again_without_a_notification() {
    let (dir, elsewhere) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let target = elsewhere.path().join("x/target");
    fs::create_dir_all(&target).unwrap();
    write(&target, "a.yaml", &service("web", "10.0.0.1"));
    let root = dir.path().join("manifests");
    symlink(&target, &root).unwrap();
    let source = start(&root).await;
    fs::remove_dir_all(elsewhere.path().join("x")).unwrap();
    lost(&source).await;
    // Nothing on the way to the link changes: nobody tells that its target is back.
    fs::create_dir_all(&target).unwrap();
    write(&target, "a.yaml", &service("web", "10.0.0.2"));
    let took = until(&source, "retried", |c| ip(c, "web").as_deref() == Some("10.0.0.2")).await;
    println!("retried: seen after {took:?}");
    assert!(source.status().missing().is_empty());
}

#[tokio::test]
async fn a_part_that_cannot_be_read_keeps_what_it_held_and_the_rest_goes_on() {
    let dir = TempDir::new().unwrap();
    let sub = dir.path().join("sub");
    fs::create_dir(&sub).unwrap();
    write(&sub, "a.yaml", &service("inside", "10.0.0.1"));
    write(dir.path(), "b.yaml", &service("web", "10.0.0.1"));
    let source = start(dir.path()).await;
    // A link to itself cannot be looked at by anybody, whatever rights a test runs with.
    fs::rename(&sub, dir.path().join(".hidden")).unwrap();
    symlink("sub", &sub).unwrap();
    write(dir.path(), "b.yaml", &service("web", "10.0.0.2"));
    until(&source, "the rest", |c| ip(c, "web").as_deref() == Some("10.0.0.2")).await;
    let broken = async {
        while source.status().broken_files() != 1 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), broken).await.expect("the fault shows");
    assert_eq!(ip(&source.snapshot(), "inside").as_deref(), Some("10.0.0.1"));
    fs::remove_file(&sub).unwrap();
    until(&source, "removed", |c| ip(c, "inside").is_none()).await;
    assert_eq!(source.status().broken_files(), 0);
}

#[tokio::test]
async fn an_object_that_is_spoiled_keeps_its_last_good_version() {
    let dir = TempDir::new().unwrap();
    write(dir.path(), "a.yaml", &(service("web", "10.0.0.1") + &service("x", "10.0.0.9")));
    let source = start(dir.path()).await;
    write(dir.path(), "a.yaml", &(service("web", "10.0.0.300") + &service("x", "10.0.0.8")));
    until(&source, "the good one", |c| ip(c, "x").as_deref() == Some("10.0.0.8")).await;
    assert_eq!(ip(&source.snapshot(), "web").as_deref(), Some("10.0.0.1"));
    write(dir.path(), "a.yaml", &(service("web", "10.0.0.301") + &service("x", "10.0.0.7")));
    until(&source, "the good one again", |c| ip(c, "x").as_deref() == Some("10.0.0.7")).await;
    assert_eq!(ip(&source.snapshot(), "web").as_deref(), Some("10.0.0.1"));
    assert_eq!((source.status().bad_documents(), source.status().broken_files()), (1, 0));
    write(dir.path(), "a.yaml", &(service("web", "10.0.0.2") + &service("x", "10.0.0.7")));
    until(&source, "good again", |c| ip(c, "web").as_deref() == Some("10.0.0.2")).await;
    write(
        dir.path(),
        "a.yaml",
        &(service("web", "") + "---\nkind: 5\n---\n" + &service("x", "10.0.0.6")),
    );
    until(&source, "spoiled again", |c| ip(c, "x").as_deref() == Some("10.0.0.6")).await;
    write(dir.path(), "a.yaml", &service("x", "10.0.0.6"));
    until(&source, "deleted", |c| c.service("default", "web").is_none()).await;
}

#[tokio::test]
async fn a_lone_file_is_followed_too() {
    let dir = TempDir::new().unwrap();
    let path = write(dir.path(), "cluster", &service("web", "10.0.0.1"));
    let source = start(&path).await;
    fs::remove_file(&path).unwrap();
    replace(dir.path(), "cluster", &service("web", "10.0.0.2"));
    until(&source, "made again", |c| ip(c, "web").as_deref() == Some("10.0.0.2")).await;
}

#[tokio::test]
async fn links_to_files_elsewhere_and_in_circles_are_followed_once() {
    let (dir, elsewhere) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let file = write(elsewhere.path(), "real.yaml", &service("web", "10.0.0.1"));
    symlink(&file, dir.path().join("a.yaml")).unwrap();
    symlink(dir.path(), dir.path().join("loop")).unwrap();
    symlink("nowhere.yaml", dir.path().join("dangling.yaml")).unwrap();
    let source = start(dir.path()).await;
    write(elsewhere.path(), "real.yaml", &service("web", "10.0.0.2"));
    until(&source, "changed elsewhere", |c| ip(c, "web").as_deref() == Some("10.0.0.2")).await;
}

#[tokio::test]
async fn the_tasks_end_with_the_last_handle() {
    let dir = TempDir::new().unwrap();
    write(dir.path(), "a.yaml", &service("web", "10.0.0.1"));
    let source = start(dir.path()).await;
    let mut changes = source.changes();
    let clone = source.clone();
    drop(source);
    write(dir.path(), "a.yaml", &service("web", "10.0.0.2"));
    until(&clone, "through the clone", |c| ip(c, "web").as_deref() == Some("10.0.0.2")).await;
    changes.borrow_and_update();
    drop(clone);
    let ended = tokio::time::timeout(Duration::from_secs(10), changes.changed()).await;
    assert!(ended.expect("the tasks end").is_err());
}

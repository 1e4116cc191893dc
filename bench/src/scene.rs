//! What a cluster of a run needs: a directory with zones and configuration files, an API server, and an upstream.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use tempfile::TempDir;

use crate::api::Api;
use crate::cluster::{Cluster, outside_zone};
use crate::process::Running;
use crate::servers::{Listed, Places, fill_in};
use crate::trial::{Corefile, Size};

/// The port of the upstream of a small cluster; the larger ones follow.
const UPSTREAM: u16 = 5380;

/// Ports of whichever server runs. They run one after the other.
pub(crate) const TLS: u16 = 5390;
/// As [`TLS`].
pub(crate) const HTTPS: u16 = 5391;
/// As [`TLS`]: `/ready` of what reads Corefiles.
pub(crate) const READY: u16 = 5392;
const HEALTH: u16 = 5393;
const METRICS: u16 = 5394;

/// A prepared cluster; dropping it ends the API server and the upstream and removes the directory.
pub(crate) struct Scene {
    pub(crate) cluster: Cluster,
    pub(crate) api: Api,
    places: Vec<(&'static str, String)>,
    directory: TempDir,
    _upstream: Running,
}

impl Scene {
    /// Writes the files and starts the API server and the upstream on this processor.
    ///
    /// # Errors
    /// Something is missing; the error says what.
    pub(crate) fn prepare(
        size: Size,
        cluster: Cluster,
        templates: &Path,
        listed: &[Listed],
        processor: usize,
    ) -> anyhow::Result<Self> {
        let directory = tempfile::tempdir()?;
        let api = Api::start(cluster)?;
        let upstream = UPSTREAM + size as u16;
        let places = places(directory.path(), upstream, &api.kubeconfig()?)?;
        write_data(directory.path(), cluster)?;
        write_templates(templates, directory.path(), listed, &places)?;
        let config = directory.path().join("upstream.conf").display().to_string();
        let command = ["/usr/sbin/knotd".into(), "-c".into(), config];
        let log = directory.path().join("upstream.log");
        let mut running = Running::start(&command, processor, &log)?;
        running.wait_until_answering(upstream).with_context(|| {
            let log = fs::read_to_string(&log).unwrap_or_default();
            format!("start the upstream (package knot): {log}")
        })?;
        Ok(Self { cluster, api, places, directory, _upstream: running })
    }

    /// Returns the directory of the run.
    pub(crate) fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// Starts a server on a processor and waits until it answers from all of its data.
    ///
    /// # Errors
    /// It does not; the error has what it printed.
    pub(crate) fn start(
        &self,
        server: &Listed,
        corefile: Corefile,
        processor: usize,
    ) -> anyhow::Result<Running> {
        let mut running = self.launch(server, corefile, processor)?;
        // It may answer before it has listed everything.
        let ready = if server.reads_corefiles() { running.wait_until_ready(READY) } else { Ok(()) };
        ready.and_then(|()| running.wait_until_answering(server.port)).with_context(|| {
            let log = fs::read_to_string(self.log(server)).unwrap_or_default();
            format!("{}: {log}", server.name)
        })?;
        Ok(running)
    }

    /// Starts a server and does not wait.
    ///
    /// # Errors
    /// It cannot be started.
    pub(crate) fn launch(
        &self,
        server: &Listed,
        corefile: Corefile,
        processor: usize,
    ) -> anyhow::Result<Running> {
        let path = self.directory().join(corefile.file()).display().to_string();
        let places = [&self.places[..], &[("corefile", path)]].concat();
        Running::start(&server.command(&places), processor, &self.log(server))
            .with_context(|| server.name.clone())
    }

    fn log(&self, server: &Listed) -> PathBuf {
        self.directory().join(format!("{}.log", server.name))
    }
}

fn places(
    run: &Path,
    upstream: u16,
    kubeconfig: &Path,
) -> anyhow::Result<Vec<(&'static str, String)>> {
    let this = std::env::current_exe()?;
    let bin = this.parent().context("where is this binary?")?;
    Ok(vec![
        ("bin", bin.display().to_string()),
        ("run", run.display().to_string()),
        ("kubeconfig", kubeconfig.display().to_string()),
        ("upstream", upstream.to_string()),
        ("tls", TLS.to_string()),
        ("https", HTTPS.to_string()),
        ("ready", READY.to_string()),
        ("health", HEALTH.to_string()),
        ("metrics", METRICS.to_string()),
    ])
}

fn write_data(to: &Path, cluster: Cluster) -> anyhow::Result<()> {
    let names = vec!["localhost".to_owned(), "127.0.0.1".to_owned()];
    let identity = rcgen::generate_simple_self_signed(names).context("make a certificate")?;
    for (name, text) in [
        ("cluster.zone", cluster.forward_zone()),
        ("reverse.zone", cluster.reverse_zone()),
        ("outside.zone", outside_zone()),
        ("cert.pem", identity.cert.pem()),
        ("key.pem", identity.signing_key.serialize_pem()),
    ] {
        fs::write(to.join(name), text).with_context(|| format!("write {name}"))?;
    }
    fs::create_dir_all(to.join("upstream")).context("make a directory for the upstream")
}

/// Fills in the files of `bench/servers/`. `NAME.conf` gets the port of the server NAME.
fn write_templates(
    from: &Path,
    to: &Path,
    listed: &[Listed],
    places: &Places,
) -> anyhow::Result<()> {
    for entry in fs::read_dir(from).with_context(|| format!("read {}", from.display()))? {
        let path = entry?.path();
        let text = fs::read_to_string(&path).with_context(|| format!("read {}", path.display()))?;
        let stem = path.file_stem().unwrap_or_default();
        let server = listed.iter().find(|server| server.name.as_str() == stem);
        let port = server.map_or(0, |server| server.port);
        fs::write(to.join(path.file_name().unwrap_or_default()), fill_in(&text, port, places))?;
    }
    Ok(())
}

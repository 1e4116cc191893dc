//! What a run needs: a directory with zones and configuration files, an API server, and an upstream.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::{Context as _, ensure};
use tempfile::TempDir;

use crate::cluster::{Cluster, outside_zone};
use crate::process::Running;
use crate::servers::{Listed, Places, fill_in};

/// The port of the upstream.
const UPSTREAM: u16 = 5399;

/// A prepared run; dropping it ends the API server and the upstream and removes the directory.
#[derive(Debug)]
pub(crate) struct Scene {
    bin: String,
    directory: TempDir,
    kubeconfig: String,
    api: Child,
    _upstream: Running,
}

impl Scene {
    /// Writes the files and starts the API server and the upstream on this processor.
    ///
    /// # Errors
    /// Something is missing; the error says what.
    pub(crate) fn prepare(
        cluster: Cluster,
        templates: &Path,
        listed: &[Listed],
        processor: usize,
    ) -> anyhow::Result<Self> {
        let bin = directory_of_this_binary()?;
        let directory = tempfile::tempdir()?;
        let run = directory.path();
        for (name, text) in [
            ("cluster.zone", cluster.forward_zone()),
            ("reverse.zone", cluster.reverse_zone()),
            ("outside.zone", outside_zone()),
            ("objects.json", cluster.manifest()),
        ] {
            fs::write(run.join(name), text)?;
        }
        fs::create_dir_all(run.join("upstream"))?;
        let (api, kubeconfig) = start_api(&bin, &run.join("objects.json"))?;
        let text = run.to_str().context("the temporary directory has a name that is no text")?;
        let places = Places { bin: &bin, run: text, upstream: UPSTREAM, kubeconfig: &kubeconfig };
        write_templates(templates, listed, places)?;
        let command = ["knotd".into(), "-c".into(), format!("{text}/upstream.conf")];
        let mut upstream = Running::start(&command, processor, &run.join("upstream.log"))?;
        upstream.wait_until_answering(UPSTREAM).context("start the upstream")?;
        Ok(Self { bin, directory, kubeconfig, api, _upstream: upstream })
    }

    /// Returns the directory of the run.
    pub(crate) fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// Returns the command line of a server.
    pub(crate) fn command(&self, server: &Listed) -> Vec<String> {
        let run = self.directory.path().to_string_lossy();
        let (bin, kubeconfig) = (&self.bin, &self.kubeconfig);
        server.command(Places { bin, run: &run, upstream: UPSTREAM, kubeconfig })
    }
}

impl Drop for Scene {
    fn drop(&mut self) {
        let _ = self.api.kill();
        let _ = self.api.wait();
    }
}

fn directory_of_this_binary() -> anyhow::Result<String> {
    let this = std::env::current_exe()?;
    let directory = this.parent().and_then(Path::to_str);
    Ok(directory.context("where is this binary?")?.to_owned())
}

/// Starts the test API server, and returns it and the path of its kubeconfig when it serves the objects.
fn start_api(bin: &str, objects: &Path) -> anyhow::Result<(Child, String)> {
    let mut command = Command::new(format!("{bin}/test-apiserver"));
    command.arg("--manifests").arg(objects).stdin(Stdio::null()).stdout(Stdio::piped());
    let mut api = command.spawn().context("start test-apiserver; `make bench` builds it")?;
    let output = api.stdout.take().context("the API server has no output")?;
    let mut kubeconfig = String::new();
    BufReader::new(output).read_line(&mut kubeconfig)?;
    ensure!(!kubeconfig.is_empty(), "the API server ended; its error is above");
    Ok((api, kubeconfig.trim_end().to_owned()))
}

/// Fills in the files of `bench/servers/`. `NAME.conf` gets the port of the server NAME.
fn write_templates(from: &Path, listed: &[Listed], places: Places<'_>) -> anyhow::Result<()> {
    for entry in fs::read_dir(from).with_context(|| format!("read {}", from.display()))? {
        let path = entry?.path();
        let text = fs::read_to_string(&path).with_context(|| format!("read {}", path.display()))?;
        let stem = path.file_stem().unwrap_or_default();
        let server = listed.iter().find(|server| server.name.as_str() == stem);
        let port = server.map_or(0, |server| server.port);
        let to = PathBuf::from(places.run).join(path.file_name().unwrap_or_default());
        fs::write(to, fill_in(&text, port, places))?;
    }
    Ok(())
}

//! `test-apiserver`: the test API server as a process; prints a kubeconfig and serves until
//! killed.

use std::fs;
use std::path::PathBuf;

use anyhow::Context as _;
use clap::Parser;
use portolan_test_apiserver::{Flavour, ServerOptions, TestApiServer};
use tokio::signal::unix::{SignalKind, signal};

/// A Kubernetes API server for tests. Prints the path of a kubeconfig and serves until killed.
#[derive(Parser)]
struct Arguments {
    /// Port on 127.0.0.1; 0 takes a free one
    #[arg(long, default_value_t = 0)]
    port: u16,
    /// YAML files of objects to start with
    #[arg(long)]
    manifests: Vec<PathBuf>,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let options = ServerOptions { port: arguments.port, ..ServerOptions::default() };
    let server = TestApiServer::start(options).await.context("start the API server")?;
    for path in &arguments.manifests {
        let text = fs::read_to_string(path).with_context(|| format!("read {}", path.display()))?;
        server.apply_yaml(&text).with_context(|| format!("load {}", path.display()))?;
    }
    println!("{}", server.kubeconfig(Flavour::Token)?.display());
    // Both ways, so that the directory of the kubeconfig is removed.
    let mut terminated = signal(SignalKind::terminate()).context("wait for SIGTERM")?;
    tokio::select! {
        result = tokio::signal::ctrl_c() => result.context("wait for SIGINT"),
        _ = terminated.recv() => Ok(()),
    }
}

//! Looks after what the node has for its cache: whoever starts the network of a node anew, or loads other rules, takes it
//! away with everything else, and pods would ask nobody.

use std::time::Duration;

use anyhow::Result;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::sleep;

use super::{NodeLocal, blocking, table};

/// How often it looks.
const LOOK: Duration = Duration::from_secs(5);

/// Brings back addresses and table until it is ended.
#[derive(Debug)]
pub(crate) struct Keeper {
    /// Only held: that it is gone is the end.
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

impl Keeper {
    /// Starts to look.
    pub(crate) fn start(node_local: NodeLocal) -> Self {
        let (stop, mut stopped) = oneshot::channel();
        let task = tokio::spawn(async move {
            loop {
                tokio::select! {
                    _ = &mut stopped => return,
                    () = sleep(LOOK) => {}
                }
                // Not where it could be given up halfway: what it brings back is taken away behind its end.
                if let Err(error) = node_local.bring_back().await {
                    let error = format!("{error:#}");
                    tracing::error!(error, "cannot look after the addresses of the node's cache");
                }
            }
        });
        Self { stop, task }
    }

    /// Ends when nothing is being brought back.
    pub(crate) async fn end(self) {
        drop(self.stop);
        // Fails when it panicked, which is in the log.
        let _ = self.task.await;
    }
}

impl NodeLocal {
    /// Brings back what somebody has taken away; unless another server listens at the same addresses, which takes over and
    /// may have left some of them out.
    async fn bring_back(&self) -> Result<()> {
        if self.is_shared() {
            return Ok(());
        }
        for address in self.take_addresses().await?.added {
            tracing::warn!(%address, "the address was taken off lo; it is back");
        }
        let addresses = self.addresses.clone();
        if blocking(move || table::restore(&addresses)).await? {
            tracing::warn!("the table of the node's cache was removed; it is back");
        }
        Ok(())
    }
}

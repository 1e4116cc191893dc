//! How much a server keeps of a cluster, and how much more it needs while it lists everything again.

use serde::Serialize;

use crate::cluster::ENDPOINTS;
use crate::scene::Scene;
use crate::servers::Listed;
use crate::trial::Corefile;

/// Memory of a server with a cluster and without questions.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Memory {
    pub(crate) server: String,
    pub(crate) services: u32,
    pub(crate) endpoints: u32,
    /// Resident when everything is listed.
    pub(crate) resident_kib: u64,
    /// The most during a full relist.
    pub(crate) relist_peak_kib: u64,
    /// Resident after that.
    pub(crate) relisted_kib: u64,
}

/// Starts a server, has it list everything once more, and says what it took.
///
/// # Errors
/// It does not start, or ends.
pub(crate) fn measure(scene: &Scene, server: &Listed, processor: usize) -> anyhow::Result<Memory> {
    let mut running = scene.start(server, Corefile::Stock, processor)?;
    running.wait_until_idle()?;
    let resident_kib = running.resident_kib()?;
    running.forget_the_peak()?;
    scene.api.have_everything_listed()?;
    running.wait_until_idle()?;
    let services = scene.cluster.services;
    Ok(Memory {
        server: server.name.clone(),
        services,
        endpoints: services * ENDPOINTS,
        resident_kib,
        relist_peak_kib: running.peak_kib()?,
        relisted_kib: running.resident_kib()?,
    })
}

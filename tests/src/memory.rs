//! The memory of a server, as the kernel counts it.

use crate::server::Server;

/// Returns what is resident, in KiB.
///
/// # Panics
/// The process is gone.
pub fn resident(server: &Server) -> usize {
    kibibytes(server, "VmRSS:")
}

/// Returns the most that was resident since the start or [`forget_the_peak`], in KiB.
///
/// # Panics
/// The process is gone.
pub fn peak(server: &Server) -> usize {
    kibibytes(server, "VmHWM:")
}

/// Makes the kernel measure [`peak`] from here on (proc_pid_clear_refs(5)).
///
/// # Panics
/// The process is gone.
pub fn forget_the_peak(server: &Server) {
    std::fs::write(format!("/proc/{}/clear_refs", server.id()), "5").unwrap();
}

/// Returns a sum over all that is mapped, in KiB: `Pss:`, `Anonymous:` and others (proc_pid_smaps(5)).
///
/// # Panics
/// The process is gone, or there is no such sum.
pub fn of_mapped(server: &Server, field: &str) -> usize {
    read(server, "smaps_rollup", field)
}

fn kibibytes(server: &Server, field: &str) -> usize {
    read(server, "status", field)
}

fn read(server: &Server, file: &str, field: &str) -> usize {
    let status = std::fs::read_to_string(format!("/proc/{}/{file}", server.id())).unwrap();
    let line = status.lines().find(|line| line.starts_with(field)).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

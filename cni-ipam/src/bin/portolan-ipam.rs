//! `portolan-ipam`: the IPAM plugin as a program of its own.

use std::process::ExitCode;

use cni::edge::process;
use portolan_cni_ipam::command::{ABOUT, serve};

fn main() -> ExitCode {
    process::answer(ABOUT, serve)
}

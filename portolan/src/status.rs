//! What a role says of itself: a page of its admin endpoints, and `portolan status`.
//!
//! ```text
//! a role's state ─▶ its sections ─▶ View ─▶ HTML, /status         for a browser
//!                                       └─▶ JSON, /status.json ─▶ View ─▶ text, `portolan status`
//! ```
//!
//! Everything is bounded, nothing can be changed, and whatever a network says is escaped where it is written.

mod ask;
mod html;
mod json;
pub(crate) mod metrics;
mod pages;
pub(crate) mod sources;
mod stores;
mod text;
mod view;

use std::process::ExitCode;

use anyhow::Result;

use crate::cli::StatusArguments;
use crate::print;

pub(crate) use pages::{Form, Process, add, page, style};
pub(crate) use view::{Column, Section, Unit, Value, View, Width};

/// Prints what roles say of themselves, and this host's stores of addresses where there are any.
///
/// # Errors
/// A role cannot be asked, or what it says cannot be printed.
pub(crate) fn run(arguments: &StatusArguments) -> Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let mut views = runtime.block_on(ask::all(&arguments.admin));
    views.extend(stores::view(&arguments.store_dir, &arguments.node_blocks));
    let answer = if arguments.json {
        serde_json::to_string_pretty(&views.iter().map(json::write).collect::<Vec<_>>())? + "\n"
    } else {
        views.iter().map(text::write).collect::<Vec<_>>().join("\n")
    };
    print::answer(&answer)?;
    let is_well = views.iter().all(|view| view.problems.is_empty());
    Ok(if is_well { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

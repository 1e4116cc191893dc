//! A Kubernetes API server small enough to start in every test.
//!
//! It speaks real HTTPS with bearer tokens or client certificates, lists in pages, watches with
//! resource versions, bookmarks, streaming lists and 410, and takes create, update, patch, apply
//! and delete; Debian's `kubectl` works against it. What a test needs beyond that are its
//! [`Faults`]: streams cut or silent, errors, half a list, a server that is away.
//!
//! ```text
//! client ── TLS ── front: log → authentication → faults ──┬── api → store     (TestApiServer)
//!                                                         └── a real cluster  (FaultProxy)
//! ```
//!
//! [`TestCluster::start`] takes one or the other by the environment variable `TEST_KUBECONFIG`.
//!
//! What it is not: it has no authorization, admission, garbage collection by owner, controllers,
//! field ownership, protobuf or Table output, and each resource has one version.

mod api;
mod authority;
mod body;
mod client;
mod cluster;
mod error;
mod faults;
mod front;
mod kubeconfig;
mod manifest;
mod proxy;
mod query;
mod request_info;
mod resource;
mod server;
mod service;
mod store;
mod writer;

pub use api::NamespaceCheck;
pub use client::ApiClient;
pub use cluster::{KUBECONFIG_VARIABLE, TestCluster};
pub use error::Error;
pub use faults::{Cut, Extent, Faults, WriteFault};
pub use front::Front;
pub use front::request_log::{LogEntry, RequestLog};
pub use kubeconfig::Flavour;
pub use kubeconfig::read::Access;
pub use manifest::objects;
pub use proxy::FaultProxy;
pub use query::Query;
pub use request_info::{RequestInfo, Verb};
pub use server::{ServerOptions, TestApiServer};

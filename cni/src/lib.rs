//! The protocol between container runtimes and network plugins (CNI SPEC 1.1.0), once for every plugin of Portolan.
//!
//! What a runtime sends becomes a [`Request`]: [`Environment`] and standard input are parsed as CNI's own library for Go
//! does, so that a configuration that works with its plugins works here. What a plugin answers is an [`AddResult`] or an
//! [`Error`], written as the configuration's version has it. Nothing here has effects but [`edge`].

pub mod arguments;
pub mod config;
pub mod dns;
pub mod edge;
pub mod environment;
pub mod error;
pub mod field;
pub mod identifier;
pub mod json;
pub mod output;
pub mod plugin;
pub mod request;
pub mod result;
pub mod version;

pub use arguments::Arguments;
pub use config::Config;
pub use dns::Dns;
pub use environment::{Environment, Verb};
pub use error::{Code, Error};
pub use field::{Field, FieldError};
pub use identifier::{Attachment, ContainerId, InterfaceName, NetworkName};
pub use json::Json;
pub use request::{AttachmentRequest, GcRequest, Request};
pub use result::{AddResult, Interface, IpConfig, Route};
pub use version::Version;

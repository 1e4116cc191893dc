//! Reads Corefiles: text in, server blocks with their directives out.
//!
//! The grammar is the caddyfile dialect of CoreDNS. Layers, each its own module:
//!
//! ```text
//! bytes ─ lexer ─▶ tokens ─ stream (imports, snippets) ─▶ one token sequence ─ parser ─▶ Corefile
//!                              │
//!                              └─ loader, pattern ─▶ trait Files (disk, or memory in tests)
//! ```
//!
//! Neither directive names nor their arguments are judged here: the plugins do that, and report through
//! [`Directive::error`] and [`Token::error`]. Server-block keys become zones in [`zone_keys`].
//!
//! ```text
//! file      := { import | snippet | block }
//! block     := keys "{" { directive } "}"      (a file's last block may omit the braces)
//! snippet   := "(name)" "{" tokens "}"
//! keys      := key { (" " | ",") key }         (after a comma the list may continue on the next line)
//! directive := name { argument } [ "{" { directive } "}" ]
//! import    := "import" (snippet name | file | pattern)
//! ```

mod disk;
mod environment;
mod error;
mod files;
mod lexer;
pub mod limits;
mod loader;
mod model;
mod parser;
mod pattern;
mod print;
mod recovery;
mod reverse;
mod stream;
mod token;
mod zone;

#[cfg(test)]
mod grammar_tests;
#[cfg(test)]
mod import_tests;
#[cfg(test)]
mod outline;
#[cfg(test)]
mod property_tests;
#[cfg(test)]
mod stock_tests;

pub use disk::DiskFiles;
pub use environment::Environment;
pub use error::{CorefileError, Warning};
pub use files::Files;
pub use model::{Corefile, Directive, ServerBlock};
pub use parser::{parse, recover};
pub use recovery::{NameKind, Names, Recovered};
pub use token::{Position, Token};
pub use zone::{Transport, ZoneError, ZoneKey, zone_keys, zones};

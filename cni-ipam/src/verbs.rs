//! The verbs of CNI: what of the configuration, the store and the host each of them brings together.

mod add;
mod check;
mod del;
mod gc;
mod present;
mod session;
mod status;
#[cfg(test)]
mod tests;

pub use add::add;
pub use check::check;
pub use del::del;
pub use gc::gc;
pub use session::{Cause, Session};
pub use status::status;

//! Where messages come in and go out: sockets, clocks and tasks. Nothing is decided here.

pub mod server;

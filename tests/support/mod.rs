//! What tests stand on: a sandbox, a server of its own process, a browser, a client without one.

pub mod browser;
pub mod client;
pub mod database;
pub mod pictures;
pub mod server;
pub mod stubborn;

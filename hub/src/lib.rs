//! The hub. Start with the walk of a message in `docs/ARCHITECTURE.md`; the modules follow it.

pub mod auth;
pub mod cli;
pub mod clock;
pub mod config;
pub mod limits;
pub mod namespace;

pub mod broker;
pub mod deliver;
pub mod encoded;
pub mod logs;
pub mod shard;

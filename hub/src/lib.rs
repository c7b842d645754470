//! The hub. Start with the walk of a message in `docs/ARCHITECTURE.md`; the modules follow it.

pub mod clock;
pub mod limits;
pub mod namespace;

pub mod broker;
pub mod deliver;
pub mod encoded;
pub mod logs;
pub mod shard;

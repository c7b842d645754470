//! The hub. Start with the walk of a message in `docs/ARCHITECTURE.md`; the modules follow it.

pub mod cli;
pub mod config;
pub mod node;

pub mod transport;

pub mod session;

pub mod auth;

pub mod publish;

pub mod rooms;

pub mod guarded;
pub mod logs;
pub mod questions;

pub mod broker;
pub mod deliver;
pub mod encoded;
pub mod outbox;
pub mod shard;

pub mod breaker;
pub mod redis;

pub mod api;
pub mod control;
pub mod presence;
pub mod probe;

pub mod admission;
pub mod clock;
pub mod limits;
pub mod memory;
pub mod namespace;
pub mod rate;
pub mod telemetry;

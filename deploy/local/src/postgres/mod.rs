//! Postgres: a server, its standbys, its copies on disk.

mod backup;
mod options;
mod server;
mod template;

pub use backup::Snapshot;
pub use options::Options;
pub use server::Postgres;

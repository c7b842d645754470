//! A whole fleet on one machine, without containers: private Redis, Postgres, PgBouncer, nginx and hub processes on free
//! ports, which can be killed and restarted. For tests and for `make cluster`. Knows nothing of the hub's code.
//!
//! Everything blocks and waits with a deadline. Each process runs in a process group of its own and writes its log into
//! a private folder; both go when its handle is dropped, and also when the program that holds the handle is killed.

mod error;

mod folder;
mod patience;
mod port;
mod process;
mod program;

pub mod nginx;
pub mod peer;
pub mod pgbouncer;
pub mod postgres;
pub mod redis;

pub mod hub;

pub use error::Error;

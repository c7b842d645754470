//! What Hubbub remembers: durable logs, records beside them, and revocations.
//!
//! Read in this order: the words ([`log`]), the trait and its obligations ([`store`]), records and the acts that change
//! them ([`records`]); how appends and acts are committed together ([`batch`]) and where they go (`plan`); how a page is cut
//! (`page`), what a search looks for (`words`), whether a message
//! names somebody (`naming`); then the backends ([`sqlite`], [`postgres`]). The suite that every backend passes is `conformance`, behind the
//! feature of that name.
//!
//! Nothing here knows a socket, a session or a node. Only the backends know sqlx.

pub mod log;
pub mod store;

pub mod records;

pub mod batch;
mod naming;
mod page;
mod plan;
mod words;

pub mod postgres;
pub mod sqlite;

#[cfg(feature = "conformance")]
pub mod conformance;

pub use batch::Bounds;
pub use log::{Append, Appended, Continuity, Entry, Head, Page, ReadFrom, Retention, Revocation, RevokedSubject};
pub use postgres::Postgres;
pub use sqlite::Sqlite;
pub use store::{AppendFuture, Store, StoreError};

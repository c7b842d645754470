//! What Hubbub remembers: durable logs and revocations.
//!
//! Read in this order: the words ([`log`]), then the trait and its obligations ([`store`]).
//!
//! Nothing here knows a socket, a session or a node. Only the backends know sqlx.

pub mod log;
pub mod store;

pub use log::{Append, Appended, Continuity, Entry, Head, Page, ReadFrom, Retention, Revocation, RevokedSubject};
pub use store::{AppendFuture, Store, StoreError};

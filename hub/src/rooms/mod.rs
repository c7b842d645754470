//! Rooms: community chat on the logs of durable channels. Every change is decided by rules over records and stored together with
//! its events; whoever follows the log of a room is right.
//!
//! Read in this order: who acts (`actor`), what went wrong (`error`), what stands in the records (`rows`, `tasks`), how an operation is
//! decided (`act`, `rules`) or answered (`questions`), the platform behind it ([`platform`]), how it is
//! reached (`request`, `seen`, `service`), and what
//! is done afterwards (`notice`, `work`, `watch`); export, erasure and age of what people have left ([`people`]).

pub mod actor;
pub mod error;

mod notice;
mod rows;
mod tasks;

mod act;
mod rules;

mod questions;

pub mod platform;

mod request;
mod seen;
mod service;
mod watch;
mod work;

pub mod people;

pub use actor::{Actor, Rank, Reach};
pub use error::RoomError;
pub use request::HttpRequest;
pub use service::{Origin, Parts, Rooms};
pub use watch::follow as watch_readers;
pub use work::{NoticeDraft, follow as follow_work};

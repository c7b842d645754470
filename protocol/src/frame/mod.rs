//! Frames: everything that client and hub say to each other on a WebSocket.

mod client;
mod server;

pub use client::{ClientFrame, Connect, HistoryQuery, PresenceQuery, Publish, RequestId, Resume, Side, Subscribe};
pub use server::{
    Connected, HistoryPage, PresenceChange, PresenceCount, PresenceKind, PresenceSnapshot, PresentUser, Reply, Scope,
    ServerError, ServerFrame, SubscriptionResult,
};

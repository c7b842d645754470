//! The Rust client of Hubbub: one connection, many subscriptions, nothing lost in between.
//!
//! [`Client`] keeps one WebSocket to a hub: it reconnects with full-jitter back-off, resumes every
//! [`Subscription`] by its position, repeats requests that were not answered (publishes by their key), and
//! refreshes the token. [`RawConnection`] does none of that: it is one WebSocket on which tests see every frame.
//!
//! Read in this order: what a caller gives ([`Options`]) and gets ([`Event`], [`ClientError`]); `machine`
//! decides what a frame, a loss or the time means, without I/O; `driver` owns the socket and does it. [`rooms`] is what a
//! client knows of rooms.
//!
//! ```no_run
//! # async fn example() -> Result<(), hubbub_client::ClientError> {
//! use hubbub_client::{Client, Event, Options, PublishOptions, SubscribeOptions, TokenSource};
//! use hubbub_protocol::{ChannelName, Data};
//!
//! let client = Client::connect(Options::new("ws://127.0.0.1:8080/ws", TokenSource::fixed("a.b.c"))).await?;
//! let lobby = ChannelName::parse("chat:lobby").expect("a valid name");
//! let mut messages = client.subscribe(lobby.clone(), SubscribeOptions::default()).await?;
//! let hello = Data::parse(r#"{"text":"hi"}"#.to_owned()).expect("JSON");
//! client.publish(lobby, hello, PublishOptions::default()).await?;
//! while let Some(event) = messages.next().await {
//!     if let Event::Message(message) = event {
//!         println!("{}", message.data.get());
//!         break;
//!     }
//! }
//! # Ok(())
//! # }
//! ```

mod options;

mod error;
mod event;
mod feed;

mod client;
mod subscription;

mod backoff;
mod machine;

mod driver;
mod parcel;
mod socket;

mod raw;

pub mod rooms;

pub use backoff::Backoff;
pub use client::{Ack, Client, PublishOptions, SubscribeOptions};
pub use error::ClientError;
pub use event::{Event, State};
pub use options::{Affinity, Options, TokenSource};
pub use raw::{RawConnection, RawError, RawOptions, Received};
pub use subscription::Subscription;

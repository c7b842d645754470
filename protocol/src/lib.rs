//! The wire language of Hubbub: what is said, never how it travels.
//!
//! Read in this order: names ([`channel`], [`id`]), places in a log ([`position`], [`outcome`]),
//! what a channel carries ([`message`]), what is said about it ([`frame`], [`code`], [`limits`]), the words of rooms ([`room`]),
//! what nodes tell each other and how ([`envelope`]), how that is written down ([`json`], [`sse`]),
//! and the proof that no input does harm ([`hostile`]).
//!
//! Nothing here knows a socket, a runtime or a clock: time, randomness and ids come in as parameters.

pub mod channel;
pub mod id;
pub mod position;

pub mod outcome;

pub mod message;

pub mod code;
pub mod envelope;
pub mod frame;
pub mod limits;
pub mod room;

pub mod json;
pub mod sse;

pub mod hostile;

pub use channel::{ChannelKey, ChannelName, TenantId, UserId};
pub use code::{CloseCode, ErrorCode};
pub use frame::{ClientFrame, ServerFrame};
pub use id::{MessageId, SessionId};
pub use message::{Data, Key, Message};
pub use outcome::{GapReason, Outcome, Range};
pub use position::{Epoch, Position};

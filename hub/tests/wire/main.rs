//! The hub as its clients see it: the real program, real sockets, one behaviour in each file.
//!
//! Read the harness first (`harness`: the program; `peer`: a WebSocket; `http` and `stream`: plain HTTP and server-sent
//! events), then any file: its name is the sentence that it proves.

mod harness;
mod http;
mod peer;
mod stream;

mod a_publish_is_answered_with_its_place;
mod a_session_begins_with_connect;
mod a_subscription_has_one_outcome;
mod attaching_leaves_no_hole;

//! Goal: whatever is said in a room is kept as it came or refused by a rule, and the hub goes on. Method: tables of texts, names, marks,
//! attachments, emoji, searches and raw frames, each sent over REST and a socket; what is kept comes back byte for byte, from the answer
//! of a question and from the log.
//!
//! Read in this order: what is said (`said`), what goes with it (`beside`), what is asked for (`asked`), bytes that are no text (`raw`).
#![expect(clippy::print_stdout, reason = "the figure of the show is printed")]

#[expect(dead_code, reason = "shared with the API tests, which use all of it")]
#[path = "../api/harness.rs"]
mod harness;

#[expect(dead_code, reason = "shared with the tests of rights, which use all of it")]
#[path = "../rights/cast.rs"]
mod cast;

mod asked;
mod beside;
mod raw;
mod said;

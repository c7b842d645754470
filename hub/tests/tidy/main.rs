//! Tidy: the written law as a test. Reads the sources and the documents of the repository as text and compares them with
//! `docs/STYLE.md` and `docs/ARCHITECTURE.md`. Knows no behaviour of the hub.
//!
//! What breaks a rule for a good reason stands in the one table of `exceptions`, which may only shrink: an exception
//! that is no longer needed fails too.

mod exceptions;
mod judge;

mod lexer;
mod repository;

mod cycles;
mod documents;
mod fences;
mod machines;
mod markdown;
mod sizes;
mod words;

//! A person and where it is: its socket, whether it is live, how often it failed. Knows no time.

use std::sync::Arc;
use std::time::Instant;

use super::described::Described;
use super::person::Person;
use crate::plan::cast::Role;
use crate::target::dialogue::Language;
use crate::tls::Line;

/// A person and where it is.
#[derive(Debug)]
pub(super) struct Seat {
    pub(super) person: Person,
    pub(super) number: usize,
    /// Reads slowly.
    pub(super) slow: bool,
    /// Goes through tunnels.
    pub(super) tunnel: bool,
    pub(super) socket: Option<Line>,
    /// A connection that was lost in a tunnel and not closed.
    pub(super) dark: Option<Line>,
    pub(super) upgraded: bool,
    pub(super) live: bool,
    /// Since when it is live, in nanoseconds after the zero.
    pub(super) live_since_ns: u64,
    /// Counts connections and the times between them.
    pub(super) turn: u32,
    /// Attempts in a row that came to nothing.
    pub(super) failures: u32,
    /// Since when somebody who was live is not.
    pub(super) down_since: Option<Instant>,
}

impl Seat {
    /// A seat at a hub, or at the server that is described.
    pub(super) fn new(role: &Role, language: Option<&Arc<Language>>) -> Self {
        let person = match language {
            None => Person::new(role.follows.iter().copied(), role.stream),
            Some(language) => {
                let described = Described::new(Arc::clone(language), role.number, &role.follows);
                Person::described(described, &role.follows)
            }
        };
        Self {
            person,
            number: role.number,
            slow: role.slow,
            tunnel: role.tunnel,
            socket: None,
            dark: None,
            upgraded: false,
            live: false,
            live_since_ns: 0,
            turn: 0,
            failures: 0,
            down_since: None,
        }
    }
}

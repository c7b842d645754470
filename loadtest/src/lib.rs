//! Simulated people for Hubbub: many sockets at little cost, counted exactly.
//!
//! The generator shares its machine with the hub, so it must be much cheaper: [`worker`] reads sockets into one
//! buffer per thread, [`frame`] looks at headers and at the offset only, and nothing is allocated per message.
//!
//! Read in this order: what a run is aimed at ([`options`], [`hub`], [`fleet`], [`token`], or another server by its [`target`]); a socket and what comes over it
//! ([`socket`], [`frame`], [`connection`], [`audit`]); many of them ([`worker`], [`crowd`], in processes of their own
//! [`people`]), also such that come back ([`returning`]); what is sent in ([`schedule`], [`publisher`], [`traffic`]); what it
//! costs ([`process`], [`disk`]); what is printed ([`report`]), what is kept of a run ([`outcome`]) and how that is shown
//! ([`live`], [`html`], [`compare`], with the units of [`quantity`]); and the scenarios, of files
//! ([`run`], also [`against`] peers) and of code ([`scenario`]).
//! [`control`] is the other end of every control: a bare loop that writes the same bytes.

pub mod options;

pub mod fleet;
pub mod hub;
pub mod token;

pub mod audit;
pub mod connection;
pub mod events;
pub mod frame;
pub mod socket;
pub mod tls;

pub mod plan;

pub mod target;

pub mod crew;
pub mod crowd;
pub mod people;
pub mod returning;
pub mod worker;

pub mod http;

pub mod feed;
pub mod publisher;
pub mod schedule;
pub mod traffic;

pub mod disk;
pub mod process;
pub mod report;

pub mod compare;
pub mod html;
pub mod live;
pub mod outcome;
pub mod quantity;

pub mod run;

pub mod against;

pub mod control;
pub mod scenario;

/// What stops a run.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The hub or the control server did not start.
    #[error("not started: {0}")]
    Start(String),
    /// A part of the fleet did not start or end.
    #[error(transparent)]
    Fleet(#[from] hubbub_local::Error),
    /// A socket or file failed where that can not be counted as a result.
    #[error("{0}: {1}")]
    Io(&'static str, std::io::Error),
    /// The internal API refused or could not be understood.
    #[error("internal API: {0}")]
    Api(String),
    /// The scenario can not be played.
    #[error(transparent)]
    Plan(#[from] plan::PlanError),
    /// The target can not be spoken to.
    #[error(transparent)]
    Target(#[from] target::TargetError),
    /// The report could not be written.
    #[error(transparent)]
    Outcome(#[from] outcome::OutcomeError),
    /// The crowd did not get where it should in time.
    #[error("not in time: {0}")]
    Late(String),
}

/// Adds to an I/O error what was tried.
pub(crate) fn during(what: &'static str) -> impl FnOnce(std::io::Error) -> LoadError {
    move |error| LoadError::Io(what, error)
}

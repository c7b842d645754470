//! The rules of rooms: pure decisions over rows, one file for each subject. What a rule allows it puts into the view and tells as
//! events; the store does the rest.
//!
//! Read in this order: making a room (`create`) and its settings (`settings`), its people (`members`), messages (`mentions`, `thread`, `send`,
//! `change`, `react`, `later`), reading (`reading`, `inbox`), keeping order (`moderation`, `reports`, `audit`).

pub(super) mod create;
pub(super) mod settings;

pub(super) mod members;

mod mentions;
mod thread;

pub(super) mod send;

pub(super) mod change;
pub(super) mod react;

pub(super) mod later;

pub(super) mod inbox;
pub(super) mod reading;

pub(super) mod moderation;

pub(super) mod reports;

mod audit;

use hubbub_protocol::channel::UserId;
use hubbub_protocol::room::Op;

use super::actor::Actor;

/// The users whose own channels an operation may tell something in.
pub(super) fn concerned(actor: &Actor, op: &Op) -> Vec<UserId> {
    let actor = || actor.user.clone().into_iter();
    match op {
        Op::Create(body) => actor().chain(body.members.iter().take(create::MEMBERS).cloned()).collect(),
        Op::Invite(body) => vec![body.user.clone()],
        Op::Add(body) => body.users.iter().take(create::MEMBERS).cloned().collect(),
        Op::Kick(body) => vec![body.user.clone()],
        Op::Ban(body) => vec![body.user.clone()],
        Op::Resolve(body) => body.user.iter().cloned().collect(),
        Op::Join(_) | Op::Leave(_) | Op::Follow(_) | Op::Read(_) | Op::Notify(_) | Op::Send(_) => actor().collect(),
        _ => Vec::new(),
    }
}

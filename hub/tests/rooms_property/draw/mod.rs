//! The draw of the next step: who does what. Most steps are sensible, some are refused; every operation that changes something
//! occurs.

mod dice;
mod order;
mod people;
mod reading;
mod talk;

use hubbub_protocol::UserId;
use hubbub_protocol::room::op::InRoom;
use hubbub_protocol::room::{Op, RoomRequest};

pub(crate) use self::dice::{Dice, USERS, channel, user};
pub(crate) use self::people::set_up;
use crate::notes::Notes;
use crate::world::Who;

/// What is done next.
#[derive(Clone, Debug)]
pub(crate) enum Step {
    /// Somebody does something.
    Act(Who, Box<RoomRequest>),
    /// A service has something to say to a user.
    Notice(Box<Notice>),
    /// What is due is done.
    Work,
    /// So many milliseconds pass.
    Pass(u64),
}

/// A notice of a service.
#[derive(Clone, Debug)]
pub(crate) struct Notice {
    pub(crate) user: UserId,
    pub(crate) text: String,
    pub(crate) collapse: Option<&'static str>,
    pub(crate) expires: Option<u64>,
}

type Draw = fn(&mut Dice, &Notes, u64) -> Option<(Who, Op)>;

/// How often each of these is drawn.
const DRAWS: &[(u32, Draw)] = &[
    (40, talk::send),
    (8, talk::edit),
    (6, talk::delete),
    (2, talk::bulk_delete),
    (3, talk::unfurl),
    (6, talk::pin),
    (16, talk::react),
    (5, talk::schedule),
    (3, talk::unschedule),
    (10, reading::read),
    (6, reading::read_thread),
    (4, reading::follow),
    (2, reading::notify),
    (2, reading::dnd),
    (6, reading::inbox_read),
    (1, people::create),
    (2, people::update),
    (4, people::configure),
    (1, people::archive),
    (5, people::invite),
    (7, people::join),
    (4, people::leave),
    (3, people::add),
    (4, people::role),
    (3, order::mute),
    (3, order::kick),
    (3, order::ban),
    (3, order::unban),
    (2, order::shadow_ban),
    (2, order::filters),
    (5, order::report),
    (4, order::resolve),
];

/// Draws the next step.
pub(crate) fn step(dice: &mut Dice, notes: &Notes, now: u64) -> Step {
    match dice.below(20) {
        0 => return Step::Notice(Box::new(notice(dice, now))),
        1 | 2 => return Step::Work,
        3 => return Step::Pass(dice.below(60_000)),
        _ => {}
    }
    let all: u32 = DRAWS.iter().map(|(weight, _)| weight).sum();
    loop {
        let mut at = dice.below(u64::from(all)) as u32;
        let drawn = DRAWS.iter().find(|(weight, _)| {
            let here = at < *weight;
            at = at.saturating_sub(*weight);
            here
        });
        if let Some((who, op)) = drawn.and_then(|(_, draw)| draw(dice, notes, now)) {
            let key = dice.one_in(3).then(|| dice.key());
            return Step::Act(who, Box::new(RoomRequest { op, key }));
        }
    }
}

/// A user joins a room, or leaves it.
pub(crate) fn comes_or_goes(dice: &mut Dice, notes: &Notes, user: &UserId) -> Option<Step> {
    let body = InRoom { channel: dice.room(notes)?.channel.clone() };
    let op = if dice.one_in(2) { Op::Join(body) } else { Op::Leave(body) };
    Some(Step::Act(Who::User(user.clone()), Box::new(RoomRequest { op, key: None })))
}

fn notice(dice: &mut Dice, now: u64) -> Notice {
    let collapse = dice.one_in(2).then(|| dice.pick(&["bid", "price"]).copied()).flatten();
    let expires = dice.one_in(4).then(|| now + 1 + dice.below(120_000));
    let user = dice.user();
    Notice { user, text: format!("notice {}", dice.below(1_000)), collapse, expires }
}

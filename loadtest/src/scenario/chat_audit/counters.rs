//! The rooms of the audit, and what each member's counters have to be at the end.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::senders::{Said, by, named};
use super::{ChatAuditArgs, Way};
use crate::LoadError;
use crate::fleet::{self, Fleet};
use crate::publisher::Publisher;
use crate::report::Report;

/// How long notices may be on their way.
const PATIENCE: Duration = Duration::from_secs(60);
/// Between two looks.
const PAUSE: Duration = Duration::from_millis(200);
/// Most wrong counters that are told one by one.
const TOLD: usize = 5;

/// Makes the rooms with all their members; the offset of each behind that.
pub(super) fn make_rooms(args: &ChatAuditArgs, fleet: &Fleet) -> Result<Vec<u64>, LoadError> {
    let mut publisher = Publisher::connect(fleet.internals()[0], fleet::API_KEY)?;
    let mut make = |room: usize| {
        let members: Vec<_> = (0..args.members).map(|number| args.member(room, number)).collect();
        let channel = format!("{}{room}", Way::Send.prefix());
        let body = json!({ "channel": channel, "kind": "public", "name": "Audit", "members": members });
        publisher.room("create", &body)?;
        let shown = publisher.room("room", &json!({ "channel": channel }))?;
        shown["offset"].as_u64().ok_or_else(|| LoadError::Api(format!("a room without an offset: {shown}")))
    };
    (0..args.rooms).map(&mut make).collect()
}

/// What the counters of a member have to be.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
struct Counters {
    messages: u64,
    read: u64,
    unread: u64,
    mentions: u64,
    unread_mentions: u64,
    notices: u64,
}

impl Counters {
    fn of(answer: &Value) -> Self {
        let (entry, number) = (&answer["rooms"][0], |value: &Value| value.as_u64().unwrap_or(u64::MAX));
        Self {
            messages: number(&entry["room"]["messages"]),
            read: number(&entry["me"]["read"]),
            unread: number(&entry["unread"]),
            mentions: number(&entry["me"]["mentions"]),
            unread_mentions: number(&entry["mentions"]),
            notices: number(&answer["person"]["unread"]),
        }
    }
}

/// By room and member.
fn expected(args: &ChatAuditArgs, said: &Said, bases: &[u64]) -> Vec<Vec<Counters>> {
    let mut all = vec![vec![Counters::default(); args.members]; args.rooms];
    let mut acked = said.acked.clone();
    acked.sort_unstable_by_key(|acked| (acked.room, acked.offset));
    for acked in acked {
        let (ordinal, room) = (acked.offset - bases[acked.room], &mut all[acked.room]);
        if let Some(member) = named(args, acked.round) {
            let named = &mut room[member];
            (named.mentions, named.unread_mentions, named.notices) =
                (named.mentions + 1, named.unread_mentions + 1, named.notices + 1);
        }
        let author = &mut room[by(args, acked.round)];
        (author.read, author.unread_mentions) = (ordinal, 0);
        room.iter_mut().for_each(|member| (member.messages, member.unread) = (ordinal, ordinal - member.read));
    }
    all
}

/// Asks every member's counters, and waits for notices that are still to come.
pub(super) fn check(
    args: &ChatAuditArgs,
    fleet: &Fleet,
    said: &Said,
    bases: &[u64],
    report: &mut Report,
) -> Result<(), LoadError> {
    let (expected, until) = (expected(args, said, bases), Instant::now() + PATIENCE);
    let mut publishers = fleet.internals().into_iter().map(|internal| Publisher::connect(internal, fleet::API_KEY));
    let mut publishers = publishers.by_ref().collect::<Result<Vec<_>, _>>()?;
    let (mut wrong, count) = (0, args.rooms * args.members);
    for (room, member) in (0..count).map(|number| (number / args.members, number % args.members)) {
        let (user, node) = (args.member(room, member), (room + member) % publishers.len());
        let got = loop {
            let got = Counters::of(&publishers[node].room("rooms", &json!({ "as": user }))?);
            if got == expected[room][member] || got.notices == expected[room][member].notices || Instant::now() > until
            {
                break got;
            }
            std::thread::sleep(PAUSE);
        };
        if got != expected[room][member] {
            wrong += 1;
            if wrong <= TOLD {
                report.fail(format!("{user} has {got:?}, and not {:?}", expected[room][member]));
            }
        }
    }
    let mentions: u64 = expected.iter().flatten().map(|counters| counters.mentions).sum();
    report.say(&format!("rooms: counters of {count} members: {wrong} wrong; {mentions} mentions"));
    Ok(())
}

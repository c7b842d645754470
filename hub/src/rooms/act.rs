//! The act of one operation, and the scene in which it is decided: who acts, upon which room, and what comes of it.

use std::collections::HashMap;

use hubbub_persistence::records::{Act, Event as LogEvent, Refusal, Stop, Verdict, View};
use hubbub_protocol::channel::{ChannelKey, UserId};
use hubbub_protocol::room::{Event, Op, OwnEvent, Role, RoomRequest};
use hubbub_protocol::{ErrorCode, Key, MessageId};

use super::actor::{Actor, Rank};
use super::error::{forbidden, missing, refusal};
use super::rows::{self, MemberRow, RoomRow, member_key, own_channel, room_key};
use super::rules;

/// An operation that changes something.
#[derive(Debug)]
pub(super) struct RoomAct {
    pub(super) actor: Actor,
    pub(super) request: RoomRequest,
    /// Home first.
    channels: Vec<ChannelKey>,
    publisher: String,
    digest: Vec<u8>,
    pub(super) time: u64,
    id: MessageId,
}

impl RoomAct {
    /// Of an operation in a home, with the channels of users whom it may tell of it.
    pub(super) fn new(
        actor: Actor,
        request: RoomRequest,
        digest: Vec<u8>,
        home: ChannelKey,
        time: u64,
        id: MessageId,
    ) -> Self {
        let mut channels = vec![home];
        for user in rules::concerned(&actor, &request.op) {
            let own = own_channel(&channels[0], &user);
            if !channels.contains(&own) {
                channels.push(own);
            }
        }
        Self { publisher: actor.publisher(), actor, request, channels, digest, time, id }
    }

    pub(super) fn home(&self) -> &ChannelKey {
        &self.channels[0]
    }

    /// The id of its `number`th event, and of what else it makes.
    pub(super) fn id_of(&self, number: u64) -> MessageId {
        self.id.plus(number)
    }
}

impl Act for RoomAct {
    fn channels(&self) -> &[ChannelKey] {
        &self.channels
    }

    fn time(&self) -> u64 {
        self.time
    }

    fn publisher(&self) -> &str {
        &self.publisher
    }

    fn key(&self) -> Option<&Key> {
        self.request.key.as_ref()
    }

    fn digest(&self) -> &[u8] {
        &self.digest
    }

    fn id(&self) -> MessageId {
        self.id
    }

    fn decide(&self, view: &mut View<'_>) -> Result<Verdict, Stop> {
        let mut scene = Scene { act: self, view, verdict: Verdict::default(), told: HashMap::new() };
        match &self.request.op {
            Op::Create(body) => rules::create::create(&mut scene, body),
            Op::Update(body) => rules::settings::update(&mut scene, body),
            Op::Configure(body) => rules::settings::configure(&mut scene, body),
            Op::Archive(body) => rules::settings::archive(&mut scene, body),
            Op::Filters(body) => rules::settings::filters(&mut scene, body),
            Op::Invite(body) => rules::members::invite(&mut scene, body),
            Op::Join(_) => rules::members::join(&mut scene),
            Op::Leave(_) => rules::members::leave(&mut scene),
            Op::Add(body) => rules::members::add(&mut scene, body),
            Op::Role(body) => rules::members::role(&mut scene, body),
            Op::Send(body) => rules::send::send(&mut scene, body),
            Op::Edit(body) => rules::change::edit(&mut scene, body),
            Op::Delete(body) => rules::change::delete(&mut scene, body),
            Op::BulkDelete(body) => rules::change::bulk_delete(&mut scene, body),
            Op::Unfurl(body) => rules::change::unfurl(&mut scene, body),
            Op::Pin(body) => rules::change::pin(&mut scene, body),
            Op::React(body) => rules::react::react(&mut scene, body),
            Op::Unschedule(body) => rules::later::unschedule(&mut scene, body),
            Op::Follow(body) => rules::reading::follow(&mut scene, body),
            Op::Read(body) => rules::reading::read(&mut scene, body),
            Op::Notify(body) => rules::reading::notify(&mut scene, body),
            Op::Dnd(body) => rules::inbox::dnd(&mut scene, body),
            Op::InboxRead(body) => rules::inbox::inbox_read(&mut scene, body),
            Op::Mute(body) => rules::moderation::mute(&mut scene, body),
            Op::Kick(body) => rules::moderation::kick(&mut scene, body),
            Op::Ban(body) => rules::moderation::ban(&mut scene, body),
            Op::Unban(body) => rules::moderation::unban(&mut scene, body),
            Op::ShadowBan(body) => rules::moderation::shadow_ban(&mut scene, body),
            Op::Report(body) => rules::reports::report(&mut scene, body),
            Op::Resolve(body) => rules::reports::resolve(&mut scene, body),
            // Asked, not decided: see `questions`.
            Op::Rooms(_)
            | Op::Room(_)
            | Op::Members(_)
            | Op::Discover(_)
            | Op::Typing(_)
            | Op::Messages(_)
            | Op::Message(_)
            | Op::Versions(_)
            | Op::Scheduled(_)
            | Op::Search(_)
            | Op::Threads(_)
            | Op::Receipts(_)
            | Op::Reports(_)
            | Op::Audit(_)
            | Op::Inbox(_) => Err(Stop::Refused(refusal(ErrorCode::Internal, "a question is not an act"))),
        }?;
        Ok(scene.verdict)
    }
}

/// What a rule works with.
pub(super) struct Scene<'s, 'v> {
    pub(super) act: &'s RoomAct,
    pub(super) view: &'s mut View<'v>,
    pub(super) verdict: Verdict,
    /// Events so far, by channel.
    told: HashMap<ChannelKey, u64>,
}

/// A room with whoever acts in it.
pub(super) struct Stage {
    pub(super) room: RoomRow,
    pub(super) me: Option<MemberRow>,
    pub(super) rank: Rank,
}

impl Scene<'_, '_> {
    pub(super) fn home(&self) -> &ChannelKey {
        self.act.home()
    }

    pub(super) fn now(&self) -> u64 {
        self.act.time
    }

    /// The user who acts; a service that acts by itself is told to name one.
    pub(super) fn user(&self) -> Result<UserId, Stop> {
        let needed = || refusal(ErrorCode::BadRequest, "this is done by a user: name one in `as`");
        self.act.actor.user.clone().ok_or_else(|| Stop::Refused(needed()))
    }

    /// The room and whoever acts in it. There is none for somebody who may not see it.
    pub(super) fn stage(&mut self) -> Result<Stage, Stop> {
        let home = self.act.home();
        let mine = self.act.actor.user.as_ref().map(|user| member_key(home, user));
        let keys = std::iter::once(room_key(home)).chain(mine.clone());
        self.view.want(keys.map(hubbub_persistence::records::Question::Key))?;
        let room: RoomRow = self.row(&room_key(home))?.ok_or_else(|| missing("room"))?;
        let me: Option<MemberRow> = mine.map(|key| self.row(&key)).transpose()?.flatten();
        let rank = match &self.act.actor.user {
            Some(_) => Rank::of(me.as_ref(), self.now()),
            None => Rank::Service,
        };
        Ok(Stage { room, me, rank })
    }

    /// The same for members alone.
    pub(super) fn inside(&mut self) -> Result<Stage, Stop> {
        let stage = self.stage()?;
        if stage.rank.is_in() {
            return Ok(stage);
        }
        // Whether a room that one can not see exists is not told.
        let seen = stage.room.room.kind.is_open() && stage.rank != Rank::Banned;
        Err(if seen { forbidden("join the room first") } else { missing("room") })
    }

    /// The same for those who stand at least so high.
    pub(super) fn at_least(&mut self, role: Role) -> Result<Stage, Stop> {
        let stage = self.inside()?;
        let name = match role {
            Role::Owner => "an owner",
            Role::Moderator => "a moderator",
            Role::Member | Role::Guest => "a member",
        };
        if stage.rank >= Rank::In(role) { Ok(stage) } else { Err(forbidden(format!("this needs {name} of the room"))) }
    }

    /// A row by name.
    pub(super) fn row<R: rows::Row>(
        &mut self,
        key: &hubbub_persistence::records::RecordKey,
    ) -> Result<Option<R>, Stop> {
        debug_assert_eq!(key.kind, R::KIND);
        let record = self.view.get(key)?;
        record.as_ref().map(|record| rows::read(record)).transpose().map_err(Stop::Refused)
    }

    /// Somebody's place in the room.
    pub(super) fn member(&mut self, user: &UserId) -> Result<Option<MemberRow>, Stop> {
        let key = member_key(self.home(), user);
        self.row(&key)
    }

    /// Tells an event in the log of the room; answers its offset.
    pub(super) fn tell(&mut self, event: &Event) -> u64 {
        self.append(self.act.home().clone(), event.data(), None)
    }

    /// The same with a conflate key.
    pub(super) fn tell_latest(&mut self, event: &Event, of: &str) -> u64 {
        self.append(self.act.home().clone(), event.data(), Key::parse(of).ok())
    }

    /// Tells an event in the log of a user; answers its offset.
    pub(super) fn tell_user(&mut self, user: &UserId, event: &OwnEvent) -> u64 {
        self.append(own_channel(self.act.home(), user), event.data(), None)
    }

    /// The offset of the next event of a user's own log.
    pub(super) fn next_of(&self, channel: &ChannelKey) -> u64 {
        self.view.next_offset(channel, self.told.get(channel).copied().unwrap_or(0))
    }

    /// The newest offset of the room's log, with what this act has told so far.
    pub(super) fn here(&self) -> u64 {
        self.next_of(self.act.home()) - 1
    }

    /// The id that the next event will have.
    pub(super) fn next_id(&self) -> MessageId {
        self.act.id_of(self.verdict.events.len() as u64)
    }

    fn append(&mut self, channel: ChannelKey, data: hubbub_protocol::Data, conflate_key: Option<Key>) -> u64 {
        let (offset, id) = (self.next_of(&channel), self.next_id());
        *self.told.entry(channel.clone()).or_default() += 1;
        let from = self.act.actor.user.clone();
        self.verdict.events.push(LogEvent { channel, id, from, conflate_key, data });
        offset
    }

    /// Puts the room back.
    pub(super) fn put_room(&mut self, row: &RoomRow) {
        let record = row.record(self.act.home());
        self.view.put(record);
    }

    /// Puts a member back.
    pub(super) fn put_member(&mut self, row: &MemberRow) {
        let record = row.record(self.act.home());
        self.view.put(record);
    }

    /// What the caller is told beside the position.
    pub(super) fn answer(&mut self, answer: &impl serde::Serialize) -> Result<(), Stop> {
        let text = serde_json::to_string(answer).ok().and_then(|text| hubbub_protocol::Data::parse(text).ok());
        self.verdict.answer = text;
        Ok(())
    }
}

/// A refusal that ends a decision.
pub(super) fn refuse(refusal: Refusal) -> Stop {
    Stop::Refused(refusal)
}

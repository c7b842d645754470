//! The act that takes a user out of records of one home: what is about them goes, what others left stays without them. Counters follow,
//! since it is decided like every other change. What it tells names nobody.

use std::collections::BTreeMap;

use hubbub_persistence::records::{Act, Event as LogEvent, Kind, Question, Record, RecordKey, Stop, Verdict, View};
use hubbub_protocol::channel::ChannelKey;
use hubbub_protocol::room::event::RoomSet;
use hubbub_protocol::room::{DeletedBy, Event, Last, MemberState};
use hubbub_protocol::{Data, Key, MessageId};
use serde_json::Value;

use super::name::Name;
use crate::rooms::rows::{MemberRow, PostRow, ReactionRow, RoomRow, VersionRow, post_key, read, room_key};
use crate::rooms::rules::reports::ReportRow;
use crate::rooms::tasks::TaskRow;

/// How much of what was found or taken away, by what it is.
pub(super) type Counts = BTreeMap<String, u64>;

/// Takes a user out of these records.
#[derive(Debug)]
pub(super) struct Scrub {
    home: [ChannelKey; 1],
    name: Name,
    keys: Vec<RecordKey>,
    time: u64,
    id: MessageId,
}

impl Scrub {
    /// Of one home.
    pub(super) fn new(home: ChannelKey, name: Name, keys: Vec<RecordKey>, time: u64, id: MessageId) -> Self {
        Self { home: [home], name, keys, time, id }
    }

    /// The message that the record of a reaction belongs to.
    fn reacted(&self, key: &RecordKey) -> Option<RecordKey> {
        let (id, _) = key.key.split_once('/').filter(|_| key.kind == Kind::Reaction)?;
        Some(post_key(&self.home[0], MessageId::parse(id).ok()?))
    }
}

/// Whether a record is about a user, or names them.
pub(super) fn concerns(name: &Name, record: &Record) -> bool {
    name.is(record.who.as_ref())
        || names_key(name, &record.key.key)
        || names_key(name, &record.group)
        || name.in_json(&record.body)
}

/// Whether the id is a part of a key.
fn names_key(name: &Name, key: &str) -> bool {
    let id = name.user().as_str();
    let ends = |at: usize| {
        let (before, behind) = (&key[..at], &key[at + id.len()..]);
        (before.is_empty() || before.ends_with('/')) && (behind.is_empty() || behind.starts_with('/'))
    };
    key.match_indices(id).any(|(at, _)| ends(at)) || name.in_text(key)
}

impl Act for Scrub {
    fn channels(&self) -> &[ChannelKey] {
        &self.home
    }

    fn time(&self) -> u64 {
        self.time
    }

    fn publisher(&self) -> &'static str {
        "service/hub"
    }

    fn key(&self) -> Option<&Key> {
        None
    }

    fn digest(&self) -> &[u8] {
        &[]
    }

    fn id(&self) -> MessageId {
        self.id
    }

    fn decide(&self, view: &mut View<'_>) -> Result<Verdict, Stop> {
        let related = self.keys.iter().filter_map(|key| self.reacted(key));
        let keys: Vec<_> = self.keys.iter().cloned().chain(related).chain([room_key(&self.home[0])]).collect();
        // What hangs on messages, in the same round: an act has few.
        let messages = self.keys.iter().filter(|key| key.kind == Kind::Message);
        let groups = messages.flat_map(|key| {
            let group = |kind| Question::Group { home: key.home.clone(), kind, group: key.key.clone() };
            [group(Kind::Version), group(Kind::Reaction)]
        });
        view.want(keys.into_iter().map(Question::Key).chain(groups))?;
        let mut scene = Scene { scrub: self, view, verdict: Verdict::default(), counts: Counts::new() };
        for key in &self.keys {
            if let Some(record) = scene.view.get(key)?
                && concerns(&self.name, &record)
            {
                scene.take_out(record)?;
            }
        }
        let Scene { mut verdict, counts, .. } = scene;
        verdict.answer = serde_json::to_string(&counts).ok().and_then(|text| Data::parse(text).ok());
        Ok(verdict)
    }
}

struct Scene<'s, 'v> {
    scrub: &'s Scrub,
    view: &'s mut View<'v>,
    verdict: Verdict,
    counts: Counts,
}

impl Scene<'_, '_> {
    fn name(&self) -> &Name {
        &self.scrub.name
    }

    fn home(&self) -> &ChannelKey {
        &self.scrub.home[0]
    }

    fn take_out(&mut self, record: Record) -> Result<(), Stop> {
        let about = self.name().is(record.who.as_ref());
        let what = match record.key.kind {
            Kind::Room => self.room(&record)?,
            Kind::Member if about => self.member(&record)?,
            Kind::Message if about => self.own_post(&record)?,
            Kind::Message if self.post(&record)? => "mentions_by_others",
            Kind::Reaction if about => self.reaction(&record)?,
            Kind::Version if !about && self.version(&record)? => "versions",
            // The name of somebody else that begins like this one.
            Kind::Message | Kind::Version if !about => return Ok(()),
            Kind::Report => self.report(record)?,
            Kind::Audit => self.audit(record)?,
            Kind::Task if !about => self.task(record)?,
            _ if about => {
                let what = plural(record.key.kind);
                self.view.remove(record.key);
                what
            }
            kind => {
                self.rest(record);
                if kind == Kind::Notice { "notices_of_others" } else { plural(kind) }
            }
        };
        *self.counts.entry(what.to_owned()).or_default() += 1;
        Ok(())
    }

    fn tell(&mut self, event: &Event) -> u64 {
        let (already, channel) = (self.verdict.events.len() as u64, self.home().clone());
        let (offset, id) = (self.view.next_offset(&channel, already), self.scrub.id.plus(already));
        self.verdict.events.push(LogEvent { channel, id, from: None, conflate_key: None, data: event.data() });
        offset
    }

    fn room_row(&mut self) -> Result<Option<RoomRow>, Stop> {
        let record = self.view.get(&room_key(self.home()))?;
        record.as_ref().map(read).transpose().map_err(Stop::Refused)
    }

    fn put_room(&mut self, row: &RoomRow) {
        let record = row.record(self.home());
        self.view.put(record);
    }

    fn room(&mut self, record: &Record) -> Result<&'static str, Stop> {
        let mut row: RoomRow = read(record).map_err(Stop::Refused)?;
        let name = self.name().clone();
        row.set_role(name.user(), None);
        row.room.by = row.room.by.take().filter(|by| by != name.user());
        if let Some(last) = &mut row.room.last {
            if name.is(last.from.as_ref()) {
                (last.from, last.text, last.deleted) = (None, String::new(), true);
            }
            last.text = name.text(&last.text);
        }
        let changed = |text: &mut String| {
            let other = name.text(text);
            (other != *text).then(|| text.clone_from(&other)).map(|()| other)
        };
        let set =
            RoomSet { name: changed(&mut row.room.name), topic: changed(&mut row.room.topic), ..RoomSet::default() };
        self.put_room(&row);
        if set != RoomSet::default() {
            self.tell(&Event::RoomUpdated { set });
        }
        Ok("rooms")
    }

    fn member(&mut self, record: &Record) -> Result<&'static str, Stop> {
        let member: MemberRow = read(record).map_err(Stop::Refused)?;
        if let Some(mut row) = self.room_row()? {
            if member.member.state == MemberState::Joined {
                row.room.members = row.room.members.saturating_sub(1);
            }
            row.set_role(&member.member.user, None);
            self.put_room(&row);
        }
        self.view.remove(record.key.clone());
        Ok("memberships")
    }

    /// What the user said is gone; that something was said there stays.
    fn own_post(&mut self, record: &Record) -> Result<&'static str, Stop> {
        let mut row: PostRow = read(record).map_err(Stop::Refused)?;
        let (home, id) = (self.home().clone(), row.post.id);
        for kind in [Kind::Version, Kind::Reaction] {
            for record in self.view.group(&home, kind, &id.to_string())? {
                self.view.remove(record.key);
            }
        }
        let post = &mut row.post;
        (post.from, post.key, post.text) = (None, None, String::new());
        (post.entities, post.attachments, post.unfurls) = (Vec::new(), Vec::new(), Vec::new());
        (post.version, post.edited, post.pinned) = (0, None, false);
        post.reactions.clear();
        let was_there = post.deleted.is_none();
        post.deleted = post.deleted.or(Some(DeletedBy::Author));
        self.verdict.erased.append(&mut row.holds);
        let record = row.record(&home);
        self.view.put(record);
        if let Some(mut room) = self.room_row()? {
            room.room.pins.retain(|pin| *pin != id);
            if let Some(last) = room.room.last.as_mut().filter(|last| last.id == id) {
                (last.from, last.text, last.deleted) = (None, String::new(), true);
            }
            self.put_room(&room);
        }
        if was_there {
            self.tell(&Event::MessageDeleted { message: id, by: DeletedBy::Author, hard: false });
        }
        Ok("messages")
    }

    /// A message of somebody else that names the user.
    fn post(&mut self, record: &Record) -> Result<bool, Stop> {
        let before: PostRow = read(record).map_err(Stop::Refused)?;
        let name = self.name().clone();
        let mut row = before.clone();
        let (mut text, mut entities) = (std::mem::take(&mut row.post.text), std::mem::take(&mut row.post.entities));
        name.said(&mut text, &mut entities);
        row = rewritten(&name, &row).unwrap_or(row);
        (row.post.text, row.post.entities) = (text, entities);
        if row == before {
            return Ok(false);
        }
        let PostRow { post, .. } = &row;
        if (&post.text, &post.entities) != (&before.post.text, &before.post.entities) {
            let (message, text, entities, version) = (post.id, post.text.clone(), post.entities.clone(), post.version);
            let offset = self.tell(&Event::MessageEdited { message, text, entities, version });
            row.holds.push(offset);
        }
        let record = row.record(self.home());
        self.view.put(record);
        if let Some(mut room) = self.room_row()?
            && let Some(last) = room.room.last.as_mut().filter(|last| last.id == row.post.id && !last.deleted)
        {
            last.text = Last::text(&row.post.text);
            self.put_room(&room);
        }
        Ok(true)
    }

    fn reaction(&mut self, record: &Record) -> Result<&'static str, Stop> {
        let mine: ReactionRow = read(record).map_err(Stop::Refused)?;
        self.view.remove(record.key.clone());
        let Some(key) = self.scrub.reacted(&record.key) else { return Ok("reactions") };
        let Some(post) = self.view.get(&key)? else { return Ok("reactions") };
        let mut row: PostRow = read(&post).map_err(Stop::Refused)?;
        for (emoji, count) in mine {
            let Some(all) = row.post.reactions.get_mut(&emoji) else { continue };
            all.count = all.count.saturating_sub(count);
            if all.count == 0 {
                row.post.reactions.remove(&emoji);
            }
        }
        let record = row.record(self.home());
        self.view.put(record);
        Ok("reactions")
    }

    fn version(&mut self, record: &Record) -> Result<bool, Stop> {
        let before: VersionRow = read(record).map_err(Stop::Refused)?;
        let mut row = before.clone();
        self.name().said(&mut row.text, &mut row.entities);
        if row != before {
            self.put_body(record.clone(), &row);
        }
        Ok(row != before)
    }

    /// That somebody reported something stays; what, and who it was about, does not.
    fn report(&mut self, record: Record) -> Result<&'static str, Stop> {
        let mut row: ReportRow = read(&record).map_err(Stop::Refused)?;
        let name = self.name().clone();
        if name.is(row.by.as_ref()) || name.is(row.author.as_ref()) {
            (row.text, row.reason) = (String::new(), String::new());
        }
        (row.text, row.reason) = (name.text(&row.text), name.text(&row.reason));
        for user in [&mut row.by, &mut row.author, &mut row.resolved_by] {
            *user = user.take().filter(|user| user != name.user());
        }
        let renamed = self.renamed(&record);
        row.id.clone_from(&renamed.key.key);
        self.put_body(renamed, &row);
        Ok("reports")
    }

    /// That something was done stays; who did it and to whom does not, nor from where.
    fn audit(&mut self, record: Record) -> Result<&'static str, Stop> {
        let mut row: Value = read(&record).map_err(Stop::Refused)?;
        let (id, mut gone) = (self.name().user().as_str(), Vec::new());
        if row["actor"].as_str() == Some(id) {
            gone.extend(["address", "agent", "reason"]);
        }
        if row["user"].as_str() == Some(id) {
            gone.push("reason");
        }
        for field in gone {
            row.as_object_mut().and_then(|fields| fields.insert(field.to_owned(), Value::Null));
        }
        self.name().value(&mut row);
        let renamed = self.renamed(&record);
        self.put_body(renamed, &row);
        Ok("audit")
    }

    fn task(&mut self, record: Record) -> Result<&'static str, Stop> {
        let mut row: TaskRow = read(&record).map_err(Stop::Refused)?;
        let name = self.name().clone();
        let stays = match &mut row {
            TaskRow::Notices { people, from, .. } => {
                people.retain(|(user, _)| user != name.user());
                !people.is_empty() && !name.is(from.as_ref())
            }
            TaskRow::Send { user, .. } => user != name.user(),
            TaskRow::Webhook { user, notice, .. } => user != name.user() && !name.is(notice.from.as_ref()),
            TaskRow::Job { .. } => true,
        };
        match rewritten(&name, &row).filter(|_| stays) {
            Some(row) => self.put_body(record, &row),
            None => self.view.remove(record.key),
        }
        Ok("tasks")
    }

    /// Whatever else names the user.
    fn rest(&mut self, record: Record) {
        let mut row: Value = serde_json::from_str(&record.body).unwrap_or_default();
        self.name().value(&mut row);
        let renamed = self.renamed(&record);
        self.put_body(renamed, &row);
    }

    /// The record under a name, in a group and about somebody that do not tell of the user; the old name goes.
    fn renamed(&mut self, record: &Record) -> Record {
        let name = self.name().clone();
        let mut other = record.clone();
        other.who = other.who.filter(|who| who != name.user());
        if names_key(&name, &record.group) {
            other.group = String::new();
        }
        if names_key(&name, &record.key.key) {
            self.view.remove(record.key.clone());
            // What does not name the user of it, and a number that nothing else has.
            let first = record.key.key.split('/').next().filter(|first| !names_key(&name, first)).unwrap_or("erased");
            let number = self.scrub.id.plus(0x1_0000 + self.counts.values().sum::<u64>());
            other.key.key = format!("{first}/erased/{number}");
        }
        other
    }

    fn put_body<R: serde::Serialize>(&mut self, record: Record, row: &R) {
        // Plain data with text for keys: writing it into memory can not fail.
        let body = serde_json::to_string(row).expect("plain data");
        self.view.put(Record { body, ..record });
    }
}

/// A row without the user, if it can still be read as one.
fn rewritten<R: serde::Serialize + serde::de::DeserializeOwned>(name: &Name, row: &R) -> Option<R> {
    let mut value = serde_json::to_value(row).ok()?;
    name.value(&mut value);
    serde_json::from_value(value).ok()
}

pub(super) fn plural(kind: Kind) -> &'static str {
    match kind {
        Kind::Room => "rooms",
        Kind::Member => "memberships",
        Kind::Message => "messages",
        Kind::Reaction => "reactions",
        Kind::Version => "versions",
        Kind::Mention => "mentions",
        Kind::Follower => "threads_followed",
        Kind::Filter => "filters",
        Kind::Report => "reports",
        Kind::Audit => "audit",
        Kind::Task => "tasks",
        Kind::Person => "persons",
        Kind::Notice => "notices",
        Kind::Job => "jobs",
        Kind::Proof => "proofs",
    }
}

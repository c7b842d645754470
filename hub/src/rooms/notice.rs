//! Acts of the hub itself: a notice for somebody, and the end of a task.

use hubbub_persistence::records::{Act, Event, Record, RecordKey, Stop, Verdict, View};
use hubbub_protocol::channel::{ChannelKey, UserId};
use hubbub_protocol::room::{Notice, OwnEvent, Person};
use hubbub_protocol::{Key, MessageId};

use super::rows::{notice_key, notice_record, person_key, person_record, read};
use super::tasks::TaskRow;

/// Whose keys these are.
const PUBLISHER: &str = "service/hub";

/// Puts a notice into somebody's inbox, once.
#[derive(Debug)]
pub(super) struct Deliver {
    channels: [ChannelKey; 1],
    user: UserId,
    notice: Notice,
    key: Key,
    publisher: String,
    digest: Vec<u8>,
    /// Whether the platform wants to know of it.
    told: bool,
}

impl Deliver {
    /// For a user, whose own channel that is. The same key again is the same notice.
    pub(super) fn new(
        own: ChannelKey,
        user: UserId,
        notice: Notice,
        key: Key,
        publisher: Option<String>,
        told: bool,
    ) -> Self {
        let publisher = publisher.unwrap_or_else(|| PUBLISHER.to_owned());
        // What it says, without what each try has of its own.
        let Notice { what, channel, message, from, text, data, collapse, expires, .. } = &notice;
        let says = (what, channel, message, from, text, data, collapse, expires);
        // Plain data with text for keys: writing it into memory can not fail.
        let digest = serde_json::to_vec(&says).expect("plain data");
        Self { channels: [own], user, notice, key, publisher, digest, told }
    }
}

impl Act for Deliver {
    fn channels(&self) -> &[ChannelKey] {
        &self.channels
    }

    fn time(&self) -> u64 {
        self.notice.time
    }

    fn publisher(&self) -> &str {
        &self.publisher
    }

    fn key(&self) -> Option<&Key> {
        Some(&self.key)
    }

    fn digest(&self) -> &[u8] {
        &self.digest
    }

    fn id(&self) -> MessageId {
        self.notice.id
    }

    fn decide(&self, view: &mut View<'_>) -> Result<Verdict, Stop> {
        let own = &self.channels[0];
        let name = notice_key(own, &self.notice);
        let mine = view.get(&person_key(own))?;
        let there = view.get(&name)?;
        let mut person: Person = mine.as_ref().map(read).transpose().map_err(Stop::Refused)?.unwrap_or_default();
        let replaced: Option<Notice> = there.as_ref().map(read).transpose().map_err(Stop::Refused)?;
        if replaced.as_ref().is_none_or(|replaced| replaced.read) {
            person.unread += 1;
        }
        let notice = Notice { offset: view.next_offset(own, 0), ..self.notice.clone() };
        view.put(notice_record(own, &self.user, &notice));
        view.put(person_record(own, &self.user, &person));
        if self.told {
            let (name, due) = (notice.id.to_string(), self.notice.time);
            let task = TaskRow::Webhook { user: self.user.clone(), notice: Box::new(notice.clone()), tries: 0 };
            view.put(task.record(own, &name, due, Some(&self.user)));
        }
        let replaces = replaced.map(|replaced| replaced.id);
        let from = self.notice.from.clone();
        let event = OwnEvent::InboxAdded { notice: Box::new(notice), person, replaces };
        let event = Event { channel: own.clone(), id: self.notice.id, from, conflate_key: None, data: event.data() };
        Ok(Verdict { events: vec![event], ..Verdict::default() })
    }
}

/// Takes a record away, and puts another one in its place.
#[derive(Debug)]
pub(super) struct Replace {
    channels: [ChannelKey; 1],
    gone: RecordKey,
    instead: Option<Record>,
    time: u64,
    id: MessageId,
}

impl Replace {
    pub(super) fn new(gone: RecordKey, instead: Option<Record>, time: u64, id: MessageId) -> Self {
        Self { channels: [gone.home.clone()], gone, instead, time, id }
    }
}

impl Act for Replace {
    fn channels(&self) -> &[ChannelKey] {
        &self.channels
    }

    fn time(&self) -> u64 {
        self.time
    }

    fn publisher(&self) -> &str {
        PUBLISHER
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
        view.remove(self.gone.clone());
        if let Some(record) = &self.instead {
            view.put(record.clone());
        }
        Ok(Verdict::default())
    }
}

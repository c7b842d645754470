//! The inbox: notices, newest first, and what the events behind them make of them.

use hubbub_protocol::room::answer::{InboxAnswer, Place};
use hubbub_protocol::room::{Notice, OwnEvent, Person};
use hubbub_protocol::{ChannelName, Message, UserId};

use super::cursor::{Cursor, Step};
use super::heard::{Heard, What, is_own};

/// Most notices that are held.
pub const NOTICES: usize = 1_000;

/// The notices of a user.
#[derive(Clone, Debug)]
pub struct InboxModel {
    viewer: UserId,
    cursor: Cursor,
    /// Newest first.
    notices: Vec<Notice>,
    person: Person,
}

impl InboxModel {
    /// Of the newest page, as the viewer got it.
    pub fn new(viewer: UserId, page: InboxAnswer) -> Self {
        Self { viewer, cursor: Cursor::at(page.place), notices: page.notices, person: page.person }
    }

    /// Adds the page before the oldest notice. What came since it was asked for has to be applied behind it.
    pub fn extend(&mut self, page: InboxAnswer) {
        let oldest = self.notices.last().map_or(u64::MAX, |notice| notice.offset);
        self.notices.extend(page.notices.into_iter().filter(|notice| notice.offset < oldest));
        self.notices.truncate(NOTICES);
    }

    /// Something happened in the own channel.
    pub fn apply(&mut self, message: &Message) -> Step {
        if !is_own(&message.channel, &self.viewer) {
            return Step::Known;
        }
        let heard = Heard::of(message, &self.viewer);
        let step = self.cursor.step(message.position);
        let What::Own(event) = heard.what else { return step };
        if step != Step::Hole && !self.cursor.torn {
            self.hear(event, step);
        }
        step
    }

    /// Also what is known already: a page that came later may be older than that.
    fn hear(&mut self, event: OwnEvent, step: Step) {
        let next = step == Step::Next;
        match event {
            OwnEvent::PersonChanged { person } if next => self.person = person,
            OwnEvent::InboxAdded { notice, person, replaces } => {
                self.notices.retain(|notice| Some(notice.id) != replaces);
                if next {
                    self.person = person;
                    self.notices.insert(0, *notice);
                    self.notices.truncate(NOTICES);
                }
            }
            OwnEvent::InboxRead { upto, notice, person } => {
                let is_read = |held: &Notice| Some(held.id) == notice || upto.is_some_and(|upto| held.offset <= upto);
                self.notices.iter_mut().filter(|held| is_read(held)).for_each(|held| held.read = true);
                if next {
                    self.person = person;
                }
            }
            _ => {}
        }
    }

    /// Something of a channel will never come.
    pub fn gap(&mut self, channel: &ChannelName) {
        self.cursor.torn |= is_own(channel, &self.viewer);
    }

    /// Whether something is missing: only another snapshot helps.
    pub fn is_torn(&self) -> bool {
        self.cursor.torn
    }

    /// Those that are of use at a time, in milliseconds since 1970; newest first.
    pub fn notices(&self, now: u64) -> impl Iterator<Item = &Notice> {
        self.notices.iter().filter(move |notice| notice.expires.is_none_or(|expires| expires > now))
    }

    /// Oneself.
    pub fn person(&self) -> &Person {
        &self.person
    }

    /// The place in the own channel of which this is a snapshot now.
    pub fn place(&self) -> Place {
        self.cursor.place
    }
}

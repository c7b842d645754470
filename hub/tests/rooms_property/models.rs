//! The models of a viewer: made of answers, fed with messages, and asked for again where they say that they are torn.

use std::collections::BTreeMap;

use hubbub_client::rooms::{InboxModel, MembersModel, RoomModel, RoomsModel, Step, ThreadModel, ThreadsModel, Wanted};
use hubbub_protocol::channel::{ChannelName, UserId};
use hubbub_protocol::room::answer::{MembersAnswer, MessagesAnswer, RoomsAnswer, ThreadsAnswer};
use hubbub_protocol::{Message, MessageId};
use serde_json::json;

use crate::answers::{self, Answers};
use crate::world::World;

#[derive(Clone)]
pub(crate) struct Models {
    pub(crate) viewer: UserId,
    pub(crate) rooms: RoomsModel,
    pub(crate) pages: BTreeMap<ChannelName, RoomModel>,
    /// The same rooms from their beginning on, a few messages at a time.
    pub(crate) windows: BTreeMap<ChannelName, RoomModel>,
    pub(crate) threads: BTreeMap<(ChannelName, MessageId), ThreadModel>,
    pub(crate) members: BTreeMap<ChannelName, MembersModel>,
    pub(crate) followed: ThreadsModel,
    pub(crate) inbox: InboxModel,
    /// Messages of a page.
    page: u32,
    /// How often something was asked for again.
    pub(crate) healed: u64,
}

impl Models {
    pub(crate) fn new(viewer: &UserId, answers: Answers, page: u32) -> Self {
        let Answers { rooms, messages, windows, threads, inbox, members, followed } = answers;
        let who = || viewer.clone();
        Self {
            rooms: RoomsModel::new(who(), rooms),
            pages: messages.into_iter().map(|(channel, page)| (channel, RoomModel::new(who(), &page))).collect(),
            windows: windows.into_iter().map(|(channel, page)| (channel, RoomModel::new(who(), &page))).collect(),
            threads: threads
                .into_iter()
                .map(|(name, page)| (name.clone(), ThreadModel::new(who(), name.1, &page)))
                .collect(),
            members: members
                .into_iter()
                .map(|(channel, page)| (channel.clone(), MembersModel::new(who(), channel, page)))
                .collect(),
            followed: ThreadsModel::new(who(), followed),
            inbox: InboxModel::new(who(), inbox),
            viewer: viewer.clone(),
            page,
            healed: 0,
        }
    }

    pub(crate) fn apply(&mut self, message: &Message) {
        let mut steps = vec![self.rooms.apply(message), self.followed.apply(message), self.inbox.apply(message)];
        steps.extend(self.pages.values_mut().map(|model| model.apply(message)));
        steps.extend(self.windows.values_mut().map(|model| model.apply(message)));
        steps.extend(self.threads.values_mut().map(|model| model.apply(message)));
        steps.extend(self.members.values_mut().map(|model| model.apply(message)));
        debug_assert!(message.position.is_some() || steps.iter().all(|step| *step == Step::Known));
    }

    /// An offset of a room's log will never come. A model that stands behind it has had it.
    pub(crate) fn gap(&mut self, channel: &ChannelName, offset: u64) {
        if self.rooms.room(channel).is_some_and(|entry| entry.place().offset < offset) {
            self.rooms.gap(channel);
        }
        if self.followed.threads().all(|entry| entry.channel != *channel || entry.place.offset < offset) {
            self.followed.gap();
        }
        let rooms = self.pages.values_mut().chain(self.windows.values_mut());
        for model in rooms.filter(|model| model.entry().place().offset < offset) {
            model.gap(channel);
        }
        for model in self.threads.values_mut().filter(|model| model.entry().place().offset < offset) {
            model.gap(channel);
        }
        for model in self.members.values_mut().filter(|model| model.place().offset < offset) {
            model.gap(channel);
        }
    }

    /// A room is not open any more.
    pub(crate) fn close(&mut self, channel: &ChannelName) {
        self.pages.remove(channel);
        self.windows.remove(channel);
        self.members.remove(channel);
        self.threads.retain(|(of, _), _| of != channel);
    }

    /// Asks for whatever is torn, and with `more` for the next messages at the open ends of windows.
    pub(crate) async fn ask(&self, world: &World, more: bool) -> Vec<Answer> {
        let (mut got, viewer) = (Vec::new(), &self.viewer);
        match self.rooms.wanted() {
            Wanted::Nothing => {}
            Wanted::Rooms(channels) => {
                let op = json!({ "op": "rooms", "channels": channels });
                let answer = answers::ask(world, viewer, op).await.expect("the own rooms");
                got.push(Answer::Rooms(channels, answer));
            }
            Wanted::All => panic!("the own channel has a hole"),
        }
        for (channel, model) in &self.pages {
            if model.is_torn() {
                let page = answers::page(world, viewer, channel, self.page).await;
                got.push(Answer::Page(channel.clone(), page));
            } else if let Some(first) = model.messages().next().filter(|_| more && model.has_before()) {
                let op = json!({ "op": "messages", "channel": channel, "before": first.ordinal, "limit": 3 });
                got.extend(answers::ask(world, viewer, op).await.map(|page| Answer::Older(channel.clone(), page)));
            }
        }
        for (channel, model) in &self.windows {
            if model.is_torn() {
                got.push(Answer::Window(channel.clone(), answers::window(world, viewer, channel).await));
            } else if more && model.has_after() {
                let last = model.messages().next_back().map_or(0, |post| post.ordinal);
                let op = json!({ "op": "messages", "channel": channel, "after": last, "limit": 3 });
                got.extend(answers::ask(world, viewer, op).await.map(|page| Answer::Newer(channel.clone(), page)));
            }
        }
        for name in torn(&self.threads, ThreadModel::is_torn) {
            let page = answers::thread(world, viewer, &name.0, name.1, self.page).await;
            got.push(Answer::Thread(name, page));
        }
        for channel in torn(&self.members, MembersModel::is_torn) {
            let page = answers::people(world, viewer, &channel).await;
            got.push(Answer::People(channel, page));
        }
        if self.followed.is_torn() {
            got.push(Answer::Followed(answers::followed(world, viewer).await));
        }
        assert!(!self.inbox.is_torn(), "the own channel has a hole");
        got
    }

    /// Takes answers. What is not to be seen any more is closed, and what was closed meanwhile stays so.
    pub(crate) fn take(&mut self, answers: Vec<Answer>) {
        self.healed += answers.len() as u64;
        for answer in answers {
            match answer {
                Answer::Rooms(channels, answer) => self.rooms.refresh(&channels, answer),
                Answer::Page(channel, Some(page)) => {
                    self.pages.entry(channel).and_modify(|model| model.replace(&page));
                }
                Answer::Window(channel, Some(page)) => {
                    self.windows.entry(channel).and_modify(|model| model.replace(&page));
                }
                Answer::Newer(channel, page) => {
                    self.windows.entry(channel).and_modify(|model| model.append(&page));
                }
                Answer::Older(channel, page) => {
                    self.pages.entry(channel).and_modify(|model| model.prepend(&page));
                }
                Answer::Thread(name, Some(page)) => {
                    self.threads.entry(name).and_modify(|model| model.replace(&page));
                }
                Answer::People(channel, Some(page)) => {
                    let of = (self.viewer.clone(), channel.clone());
                    self.members.entry(channel).and_modify(|model| *model = MembersModel::new(of.0, of.1, page));
                }
                Answer::Followed(answer) => self.followed = ThreadsModel::new(self.viewer.clone(), answer),
                Answer::Page(channel, None) => drop(self.pages.remove(&channel)),
                Answer::Window(channel, None) => drop(self.windows.remove(&channel)),
                Answer::Thread(name, None) => drop(self.threads.remove(&name)),
                Answer::People(channel, None) => drop(self.members.remove(&channel)),
            }
        }
    }

    pub(crate) fn is_torn(&self) -> bool {
        self.rooms.wanted() != Wanted::Nothing
            || self.pages.values().any(RoomModel::is_torn)
            || self.windows.values().any(RoomModel::is_torn)
            || self.threads.values().any(ThreadModel::is_torn)
            || self.members.values().any(MembersModel::is_torn)
            || self.followed.is_torn()
    }
}

/// What was asked for, and what came of it; `None` for what is not to be seen.
pub(crate) enum Answer {
    Rooms(Vec<ChannelName>, RoomsAnswer),
    Page(ChannelName, Option<MessagesAnswer>),
    Older(ChannelName, MessagesAnswer),
    Window(ChannelName, Option<MessagesAnswer>),
    Newer(ChannelName, MessagesAnswer),
    Thread((ChannelName, MessageId), Option<MessagesAnswer>),
    People(ChannelName, Option<MembersAnswer>),
    Followed(ThreadsAnswer),
}

fn torn<K: Clone, M>(models: &BTreeMap<K, M>, is_torn: impl Fn(&M) -> bool) -> Vec<K> {
    models.iter().filter(|(_, model)| is_torn(model)).map(|(key, _)| key.clone()).collect()
}

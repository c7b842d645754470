//! The models of a viewer: made of answers, fed with messages, and asked for again where they say that they are torn.

use std::collections::BTreeMap;

use hubbub_client::rooms::{InboxModel, MembersModel, RoomModel, RoomsModel, Step, ThreadModel, ThreadsModel, Wanted};
use hubbub_protocol::channel::{ChannelName, UserId};
use hubbub_protocol::{Message, MessageId};
use serde_json::json;

use crate::answers::{self, Answers};
use crate::world::World;

#[derive(Clone)]
pub(crate) struct Models {
    pub(crate) viewer: UserId,
    pub(crate) rooms: RoomsModel,
    pub(crate) pages: BTreeMap<ChannelName, RoomModel>,
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
        let Answers { rooms, messages, threads, inbox, members, followed } = answers;
        let who = || viewer.clone();
        Self {
            rooms: RoomsModel::new(who(), rooms),
            pages: messages.into_iter().map(|(channel, page)| (channel, RoomModel::new(who(), &page))).collect(),
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
        for model in self.pages.values_mut().filter(|model| model.entry().place().offset < offset) {
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
        self.members.remove(channel);
        self.threads.retain(|(of, _), _| of != channel);
    }

    /// Asks again for whatever is torn. What is not to be seen any more is closed.
    pub(crate) async fn heal(&mut self, world: &World) {
        let viewer = self.viewer.clone();
        match self.rooms.wanted() {
            Wanted::Nothing => {}
            Wanted::Rooms(channels) => {
                let op = json!({ "op": "rooms", "channels": channels });
                let answer = answers::ask(world, &viewer, op).await.expect("the own rooms");
                self.rooms.refresh(&channels, answer);
                self.healed += 1;
            }
            Wanted::All => panic!("the own channel has a hole"),
        }
        for channel in torn(&self.pages, RoomModel::is_torn) {
            self.healed += 1;
            match answers::page(world, &viewer, &channel, self.page).await {
                Some(page) => self.pages.get_mut(&channel).expect("torn").replace(&page),
                None => drop(self.pages.remove(&channel)),
            }
        }
        for name in torn(&self.threads, ThreadModel::is_torn) {
            self.healed += 1;
            match answers::thread(world, &viewer, &name.0, name.1, self.page).await {
                Some(page) => self.threads.get_mut(&name).expect("torn").replace(&page),
                None => drop(self.threads.remove(&name)),
            }
        }
        for channel in torn(&self.members, MembersModel::is_torn) {
            self.healed += 1;
            match answers::people(world, &viewer, &channel).await {
                Some(page) => {
                    drop(self.members.insert(channel.clone(), MembersModel::new(viewer.clone(), channel, page)))
                }
                None => drop(self.members.remove(&channel)),
            }
        }
        if self.followed.is_torn() {
            self.healed += 1;
            self.followed = ThreadsModel::new(viewer.clone(), answers::followed(world, &viewer).await);
        }
        assert!(!self.inbox.is_torn(), "the own channel has a hole");
    }

    pub(crate) fn is_torn(&self) -> bool {
        self.rooms.wanted() != Wanted::Nothing
            || self.pages.values().any(RoomModel::is_torn)
            || self.threads.values().any(ThreadModel::is_torn)
            || self.members.values().any(MembersModel::is_torn)
            || self.followed.is_torn()
    }
}

fn torn<K: Clone, M>(models: &BTreeMap<K, M>, is_torn: impl Fn(&M) -> bool) -> Vec<K> {
    models.iter().filter(|(_, model)| is_torn(model)).map(|(key, _)| key.clone()).collect()
}

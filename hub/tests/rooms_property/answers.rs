//! What the hub answers a viewer at one moment: everything that a model can be held to.

use std::collections::BTreeMap;

use hubbub_protocol::MessageId;
use hubbub_protocol::channel::{ChannelName, UserId};
use hubbub_protocol::room::answer::{InboxAnswer, MembersAnswer, MessagesAnswer, RoomsAnswer, ThreadsAnswer};
use hubbub_protocol::room::{Op, RoomRequest};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::json;

use crate::world::World;

/// What is asked for.
#[derive(Clone, Debug)]
pub(crate) struct Wishes {
    pub(crate) rooms: Vec<ChannelName>,
    pub(crate) threads: Vec<(ChannelName, MessageId)>,
    /// Messages of a page.
    pub(crate) page: u32,
}

/// The answers, as a case of the TypeScript model has them, and two more.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Answers {
    pub(crate) rooms: RoomsAnswer,
    pub(crate) messages: BTreeMap<ChannelName, MessagesAnswer>,
    #[serde(skip)]
    pub(crate) windows: BTreeMap<ChannelName, MessagesAnswer>,
    #[serde(serialize_with = "named")]
    pub(crate) threads: BTreeMap<(ChannelName, MessageId), MessagesAnswer>,
    pub(crate) inbox: InboxAnswer,
    #[serde(skip)]
    pub(crate) members: BTreeMap<ChannelName, MembersAnswer>,
    #[serde(skip)]
    pub(crate) followed: ThreadsAnswer,
}

fn named<S: serde::Serializer>(
    threads: &BTreeMap<(ChannelName, MessageId), MessagesAnswer>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.collect_map(threads.iter().map(|((channel, root), answer)| (format!("{channel} {root}"), answer)))
}

/// A question that everybody may ask; `None` when it is refused.
pub(crate) async fn ask<T: DeserializeOwned>(world: &World, viewer: &UserId, op: serde_json::Value) -> Option<T> {
    let op: Op = serde_json::from_value(op).expect("an operation");
    world.ask(viewer, RoomRequest { op, key: None }).await
}

impl Answers {
    pub(crate) async fn ask(world: &World, viewer: &UserId, wishes: &Wishes) -> Self {
        let (mut messages, mut windows) = (BTreeMap::new(), BTreeMap::new());
        let (mut threads, mut members) = (BTreeMap::new(), BTreeMap::new());
        let rooms = ask(world, viewer, json!({ "op": "rooms" })).await.expect("the own rooms");
        for channel in &wishes.rooms {
            if let Some(page) = page(world, viewer, channel, wishes.page).await {
                messages.insert(channel.clone(), page);
            }
        }
        for channel in wishes.rooms.iter().take(1) {
            if let Some(page) = window(world, viewer, channel).await {
                windows.insert(channel.clone(), page);
            }
        }
        for channel in wishes.rooms.iter().take(3) {
            if let Some(page) = people(world, viewer, channel).await {
                members.insert(channel.clone(), page);
            }
        }
        for (channel, root) in &wishes.threads {
            if let Some(page) = thread(world, viewer, channel, *root, wishes.page).await {
                threads.insert((channel.clone(), *root), page);
            }
        }
        let inbox = inbox(world, viewer).await;
        let followed = followed(world, viewer).await;
        Self { rooms, messages, windows, threads, inbox, members, followed }
    }
}

pub(crate) async fn page(world: &World, viewer: &UserId, channel: &ChannelName, limit: u32) -> Option<MessagesAnswer> {
    ask(world, viewer, json!({ "op": "messages", "channel": channel, "limit": limit })).await
}

/// The beginning of a room.
pub(crate) async fn window(world: &World, viewer: &UserId, channel: &ChannelName) -> Option<MessagesAnswer> {
    ask(world, viewer, json!({ "op": "messages", "channel": channel, "around": 1, "limit": 4 })).await
}

pub(crate) async fn thread(
    world: &World,
    viewer: &UserId,
    channel: &ChannelName,
    root: MessageId,
    limit: u32,
) -> Option<MessagesAnswer> {
    ask(world, viewer, json!({ "op": "messages", "channel": channel, "thread": root, "limit": limit })).await
}

pub(crate) async fn people(world: &World, viewer: &UserId, channel: &ChannelName) -> Option<MembersAnswer> {
    ask(world, viewer, json!({ "op": "members", "channel": channel })).await
}

pub(crate) async fn inbox(world: &World, viewer: &UserId) -> InboxAnswer {
    ask(world, viewer, json!({ "op": "inbox", "limit": 100 })).await.expect("the own inbox")
}

pub(crate) async fn followed(world: &World, viewer: &UserId) -> ThreadsAnswer {
    ask(world, viewer, json!({ "op": "threads", "limit": 100 })).await.expect("the own threads")
}

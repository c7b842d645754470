//! The operations of rooms, with typed answers. Decides nothing: what may be asked, and what it means, stands in `docs/CHAT.md`.

use hubbub_protocol::room::answer::{
    Changed, DiscoverAnswer, InboxAnswer, MembersAnswer, MessagesAnswer, RoomEntry, RoomsAnswer, SearchAnswer,
    ThreadsAnswer,
};
use hubbub_protocol::room::{Op, Post, RoomRequest, op};
use hubbub_protocol::{ChannelName, Data, Key, UserId};
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::live::FollowedRooms;
use crate::client::{Client, random_key};
use crate::error::ClientError;

/// The rooms of a client. Clones share its connection.
#[derive(Clone, Debug)]
pub struct Rooms {
    client: Client,
}

/// What came of a change.
#[derive(Clone, PartialEq, Debug)]
pub enum Change {
    /// It is done; this is its event.
    Changed(Changed),
    /// There was nothing to change.
    Unchanged,
    /// It is done and has no event of its own: a scheduled message, a report.
    Done(Data),
}

impl Rooms {
    pub(crate) fn new(client: Client) -> Self {
        Self { client }
    }

    /// Does something, again and again with the same key until it is answered or the time for requests is up. Without a key a
    /// random one is taken, so that it is done once.
    pub async fn change(&self, op: Op, key: Option<Key>) -> Result<Change, ClientError> {
        let key = Some(key.unwrap_or_else(random_key));
        let data = self.client.room(RoomRequest { op, key }).await?;
        let answer: Value = read(&data)?;
        if answer["unchanged"] == true {
            return Ok(Change::Unchanged);
        }
        let is_event = answer["message"].is_string() && answer["offset"].is_u64();
        if is_event { read(&data).map(Change::Changed) } else { Ok(Change::Done(data)) }
    }

    /// Sends a message. Its event has the key, by which an [`super::Outbox`] knows it; `None` where there is no event.
    pub async fn send(&self, send: op::Send, key: Key) -> Result<Option<Changed>, ClientError> {
        match self.change(Op::Send(send), Some(key)).await? {
            Change::Changed(changed) => Ok(Some(changed)),
            Change::Unchanged | Change::Done(_) => Ok(None),
        }
    }

    /// Asks for something that has no method here.
    pub async fn ask(&self, op: Op) -> Result<Data, ClientError> {
        self.client.room(RoomRequest { op, key: None }).await
    }

    /// A page of the own rooms.
    pub async fn list(&self, page: op::Rooms) -> Result<RoomsAnswer, ClientError> {
        self.answer(Op::Rooms(page)).await
    }

    /// One room.
    pub async fn room(&self, channel: ChannelName) -> Result<RoomEntry, ClientError> {
        self.answer(Op::Room(op::InRoom { channel })).await
    }

    /// A page of messages, of a room or of a thread.
    pub async fn messages(&self, page: op::Messages) -> Result<MessagesAnswer, ClientError> {
        self.answer(Op::Messages(page)).await
    }

    /// One message.
    pub async fn message(&self, of: op::OfMessage) -> Result<Post, ClientError> {
        self.answer(Op::Message(of)).await
    }

    /// A page of members.
    pub async fn members(&self, page: op::Members) -> Result<MembersAnswer, ClientError> {
        self.answer(Op::Members(page)).await
    }

    /// A page of followed threads.
    pub async fn threads(&self, page: op::Threads) -> Result<ThreadsAnswer, ClientError> {
        self.answer(Op::Threads(page)).await
    }

    /// A page of the inbox.
    pub async fn inbox(&self, page: op::InboxQuery) -> Result<InboxAnswer, ClientError> {
        self.answer(Op::Inbox(page)).await
    }

    /// A page of rooms that are open to everybody.
    pub async fn discover(&self, page: op::Discover) -> Result<DiscoverAnswer, ClientError> {
        self.answer(Op::Discover(page)).await
    }

    /// Messages with these words.
    pub async fn search(&self, search: op::Search) -> Result<SearchAnswer, ClientError> {
        self.answer(Op::Search(search)).await
    }

    /// Follows all own rooms: a list that is right, on this connection and those after it. `viewer` is the user of the token.
    /// There is one at a time in a client.
    pub async fn follow(&self, viewer: UserId) -> Result<FollowedRooms, ClientError> {
        FollowedRooms::begin(self.clone(), self.client.feed().await?, viewer).await
    }

    async fn answer<T: DeserializeOwned>(&self, op: Op) -> Result<T, ClientError> {
        read(&self.ask(op).await?)
    }
}

fn read<T: DeserializeOwned>(data: &Data) -> Result<T, ClientError> {
    serde_json::from_str(data.get()).map_err(|_| ClientError::Unexpected)
}

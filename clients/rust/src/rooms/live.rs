//! The followed rooms of a connection: feeds the list with what comes, and asks again for what is torn. Decides nothing: what is
//! torn the list says.

use std::collections::VecDeque;

use hubbub_protocol::room::answer::RoomsAnswer;
use hubbub_protocol::room::op;
use hubbub_protocol::{ChannelName, ErrorCode, Message, UserId};
use tokio::sync::mpsc;

use super::api::Rooms;
use super::list::{RoomsModel, Wanted};
use crate::error::ClientError;
use crate::feed::FeedEvent;

/// Rooms of one page of the list.
const PAGE: u32 = 1_000;
/// Most rooms that are followed, as the hub has it.
const FOLLOWED: usize = 1_000;

/// Most events that wait while something is asked for. With more the whole list is asked for again.
const WAITING: usize = 10_000;

/// The list of the own rooms, live.
#[derive(Debug)]
pub struct FollowedRooms {
    rooms: Rooms,
    model: RoomsModel,
    ear: Ear,
}

/// What comes, and what came while something was asked for.
#[derive(Debug)]
struct Ear {
    feed: mpsc::Receiver<FeedEvent>,
    waiting: VecDeque<FeedEvent>,
    /// The connection was lost, or too much waited.
    lost: bool,
}

/// What happened, with the list right behind it.
#[derive(Clone, PartialEq, Debug)]
pub enum Happened {
    /// This, in one of the rooms or in the own channel. Other models want to hear of it too.
    Message(Message),
    /// Something of a channel will never come: other models of it are to be asked for again.
    Gap(ChannelName),
    /// The hub tells nothing of a channel any more.
    Ended(ChannelName, Option<ErrorCode>),
    /// The whole list, or rooms of it, were asked for again. `None`: all, on another connection perhaps; other models are to be
    /// asked for again too.
    Again(Option<Vec<ChannelName>>),
}

impl FollowedRooms {
    pub(super) async fn begin(
        rooms: Rooms,
        feed: mpsc::Receiver<FeedEvent>,
        viewer: UserId,
    ) -> Result<Self, ClientError> {
        let mut ear = Ear { feed, waiting: VecDeque::new(), lost: false };
        let model = ear.all(&rooms, viewer).await?;
        Ok(Self { rooms, model, ear })
    }

    /// The list.
    pub fn list(&self) -> &RoomsModel {
        &self.model
    }

    /// The next thing that happens. After an error it can be called again, except behind the end of the client. Dropped half-way
    /// it loses nothing.
    pub async fn next(&mut self) -> Result<Happened, ClientError> {
        if self.ear.lost || self.model.wanted() == Wanted::All {
            return self.ask_for_all().await;
        }
        if let Wanted::Rooms(channels) = self.model.wanted() {
            return self.ask_for(channels).await;
        }
        match self.ear.next().await {
            FeedEvent::Message(message) => {
                self.model.apply(&message);
                Ok(Happened::Message(message))
            }
            FeedEvent::Gap(channel) => {
                self.model.gap(&channel);
                Ok(Happened::Gap(channel))
            }
            FeedEvent::Ended(channel, code) => Ok(Happened::Ended(channel, code)),
            FeedEvent::Lost => {
                self.ear.lost = true;
                self.ask_for_all().await
            }
            FeedEvent::Over(why) => Err(why),
        }
    }

    async fn ask_for_all(&mut self) -> Result<Happened, ClientError> {
        self.model = self.ear.all(&self.rooms, self.model.viewer().clone()).await?;
        Ok(Happened::Again(None))
    }

    async fn ask_for(&mut self, channels: Vec<ChannelName>) -> Result<Happened, ClientError> {
        let ask = op::Rooms { limit: PAGE, after: None, follow: true, channels: Some(channels.clone()) };
        let answer = self.ear.hearing(self.rooms.list(ask)).await?;
        self.model.refresh(&channels, answer);
        Ok(Happened::Again(Some(channels)))
    }
}

impl Ear {
    async fn next(&mut self) -> FeedEvent {
        match self.waiting.pop_front() {
            Some(event) => event,
            None => self.feed.recv().await.unwrap_or(FeedEvent::Over(ClientError::Gone)),
        }
    }

    /// The whole list, page by page.
    async fn all(&mut self, rooms: &Rooms, viewer: UserId) -> Result<RoomsModel, ClientError> {
        let page = |after| op::Rooms { limit: PAGE, after, follow: true, channels: None };
        let first = self.hearing(rooms.list(page(None))).await?;
        // What is lost from here on is lost to this list.
        self.lost = false;
        let (mut next, mut count) = (first.next.clone(), first.rooms.len());
        let mut model = RoomsModel::new(viewer, first);
        while let Some(after) = next.filter(|_| count < FOLLOWED) {
            let more = self.hearing(rooms.list(page(Some(after)))).await?;
            count += more.rooms.len();
            next = more.next.clone();
            model.extend(more);
        }
        Ok(model)
    }

    /// Waits for an answer and keeps what comes meanwhile: nobody else reads it, and the answer comes behind it on the same
    /// connection.
    async fn hearing(
        &mut self,
        answer: impl Future<Output = Result<RoomsAnswer, ClientError>>,
    ) -> Result<RoomsAnswer, ClientError> {
        tokio::pin!(answer);
        loop {
            tokio::select! {
                answer = &mut answer => return answer,
                Some(event) = self.feed.recv() => self.keep(event),
            }
        }
    }

    fn keep(&mut self, event: FeedEvent) {
        if self.waiting.len() < WAITING {
            self.waiting.push_back(event);
        } else {
            self.lost = true;
        }
    }
}

//! Presence: who is in which channel. One task owns it all; joins and leaves leave it in one order through the broker.
//!
//! A user is present while one of its connections subscribes, and for a grace after the last one went, so that a reconnect
//! is silent.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::ops::Bound;
use std::sync::Arc;
use std::time::Duration;

use hubbub_protocol::channel::{ChannelKey, UserId};
use hubbub_protocol::frame::{PresenceChange, PresenceKind, PresenceSnapshot, PresentUser};
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, sleep_until};

use crate::broker::{Broker, Content, Envelope};

/// Changes and questions that may wait. Overflow policy: the asking task waits.
const WAITING: usize = 8_192;

/// Which users of a channel to tell.
#[derive(Clone, Debug)]
pub struct Page {
    /// Those behind this one, by id.
    pub after: Option<UserId>,
    /// At most so many.
    pub limit: u32,
}

enum Request {
    Join(ChannelKey, UserId),
    Leave(ChannelKey, UserId),
    Snapshot(ChannelKey, Page, oneshot::Sender<PresenceSnapshot>),
}

/// The way to the presence task.
#[derive(Clone, Debug)]
pub struct Presence {
    requests: mpsc::Sender<Request>,
}

impl Presence {
    /// Starts the task on the current runtime. It ends when the last clone is gone.
    pub fn start(broker: Arc<dyn Broker>, grace: Duration) -> Self {
        let (requests, receiver) = mpsc::channel(WAITING);
        tokio::spawn(run(Book::default(), broker, grace, receiver));
        Self { requests }
    }

    /// A connection of the user subscribed to the channel.
    pub async fn join(&self, channel: ChannelKey, user: UserId) {
        // The task ends only with the node.
        let _ = self.requests.send(Request::Join(channel, user)).await;
    }

    /// A connection of the user subscribes no longer.
    pub async fn leave(&self, channel: ChannelKey, user: UserId) {
        let _ = self.requests.send(Request::Leave(channel, user)).await;
    }

    /// Who is in the channel.
    pub async fn snapshot(&self, channel: ChannelKey, page: Page) -> PresenceSnapshot {
        let (reply, answer) = oneshot::channel();
        let _ = self.requests.send(Request::Snapshot(channel, page, reply)).await;
        answer.await.unwrap_or_default()
    }
}

async fn run(mut book: Book, broker: Arc<dyn Broker>, grace: Duration, mut requests: mpsc::Receiver<Request>) {
    // The grace is the same for all, so the oldest leave is always the first.
    let mut leaving: VecDeque<(Instant, ChannelKey, UserId, u64)> = VecDeque::new();
    loop {
        let next = leaving.front().map(|(at, ..)| *at);
        let change = tokio::select! {
            biased;
            request = requests.recv() => match request {
                None => return,
                Some(Request::Join(channel, user)) => book.join(&channel, &user).map(|change| (channel, change)),
                Some(Request::Leave(channel, user)) => {
                    if let Some(ticket) = book.leave(&channel, &user) {
                        leaving.push_back((Instant::now() + grace, channel, user, ticket));
                    }
                    None
                }
                Some(Request::Snapshot(channel, page, reply)) => {
                    // Whoever asked may be gone.
                    let _ = reply.send(book.snapshot(&channel, &page));
                    None
                }
            },
            () = sleep_until(next.unwrap_or_else(Instant::now)), if next.is_some() => {
                leaving.pop_front().and_then(|(_, channel, user, ticket)| {
                    book.leave_over(&channel, &user, ticket).map(|change| (channel, change))
                })
            }
        };
        if let Some((channel, change)) = change
            && let Err(error) = broker.publish(Envelope { channel, content: Content::Presence(change) }).await
        {
            tracing::warn!(%error, "a join or leave could not be told to other nodes");
        }
    }
}

/// Who is where. Pure.
#[derive(Debug, Default)]
struct Book {
    channels: HashMap<ChannelKey, Room>,
    tickets: u64,
    /// The version with which a forgotten channel begins again: versions of a channel never go back.
    floor: u64,
}

#[derive(Debug)]
struct Room {
    version: u64,
    users: BTreeMap<UserId, Present>,
}

#[derive(Debug)]
struct Present {
    connections: u32,
    /// The leave that is under way while there is no connection.
    leaving: Option<u64>,
}

impl Book {
    fn join(&mut self, channel: &ChannelKey, user: &UserId) -> Option<PresenceChange> {
        let floor = self.floor;
        let new_room = || Room { version: floor, users: BTreeMap::new() };
        let room = self.channels.entry(channel.clone()).or_insert_with(new_room);
        if let Some(present) = room.users.get_mut(user) {
            present.connections += 1;
            present.leaving = None;
            return None;
        }
        room.users.insert(user.clone(), Present { connections: 1, leaving: None });
        Some(room.change(channel, user, PresenceKind::Join))
    }

    /// Answers with the ticket of the leave when it was the last connection.
    fn leave(&mut self, channel: &ChannelKey, user: &UserId) -> Option<u64> {
        let present = self.channels.get_mut(channel)?.users.get_mut(user)?;
        present.connections = present.connections.saturating_sub(1);
        if present.connections > 0 {
            return None;
        }
        self.tickets += 1;
        present.leaving = Some(self.tickets);
        present.leaving
    }

    /// The grace of a leave is over: it counts unless somebody came back.
    fn leave_over(&mut self, channel: &ChannelKey, user: &UserId, ticket: u64) -> Option<PresenceChange> {
        let room = self.channels.get_mut(channel)?;
        if room.users.get(user)?.leaving != Some(ticket) {
            return None;
        }
        room.users.remove(user);
        let change = room.change(channel, user, PresenceKind::Leave);
        if room.users.is_empty() {
            self.floor = self.floor.max(room.version);
            self.channels.remove(channel);
        }
        Some(change)
    }

    fn snapshot(&self, channel: &ChannelKey, page: &Page) -> PresenceSnapshot {
        let Some(room) = self.channels.get(channel) else {
            return PresenceSnapshot { version: self.floor, ..PresenceSnapshot::default() };
        };
        let present =
            |(user, present): (&UserId, &Present)| PresentUser { user: user.clone(), connections: present.connections };
        let begin = page.after.clone().map_or(Bound::Unbounded, Bound::Excluded);
        let mut behind = room.users.range((begin, Bound::Unbounded)).map(present);
        let users: Vec<PresentUser> = behind.by_ref().take(page.limit as usize).collect();
        let next = behind.next().and_then(|_| users.last().map(|last| last.user.clone()));
        let (version, count) = (room.version, room.users.len() as u64);
        PresenceSnapshot { version, count, users, next, ..PresenceSnapshot::default() }
    }
}

impl Room {
    fn change(&mut self, channel: &ChannelKey, user: &UserId, event: PresenceKind) -> PresenceChange {
        self.version += 1;
        PresenceChange { channel: channel.channel.clone(), version: self.version, event, user: user.clone() }
    }
}

#[cfg(test)]
mod tests {
    use hubbub_protocol::{ChannelName, TenantId};

    use super::*;

    fn names() -> (ChannelKey, UserId) {
        let tenant = TenantId::parse("t").expect("valid");
        (ChannelKey::new(tenant, ChannelName::parse("chat:x").expect("valid")), UserId::parse("u").expect("valid"))
    }

    #[test]
    fn first_joins_last_leaves() {
        let (channel, user) = names();
        let mut book = Book::default();
        assert_eq!(book.join(&channel, &user).map(|c| (c.version, c.event)), Some((1, PresenceKind::Join)));
        assert_eq!(book.join(&channel, &user), None, "a second connection is silent");
        assert_eq!(book.leave(&channel, &user), None);
        let ticket = book.leave(&channel, &user).expect("the last one goes");
        assert_eq!(book.snapshot(&channel, &Page { after: None, limit: 10 }).count, 1, "present during the grace");
        assert_eq!(
            book.leave_over(&channel, &user, ticket).map(|c| (c.version, c.event)),
            Some((2, PresenceKind::Leave))
        );
        assert_eq!(book.snapshot(&channel, &Page { after: None, limit: 10 }).version, 2);
        assert_eq!(book.join(&channel, &user).map(|c| c.version), Some(3), "versions never go back");
    }

    #[test]
    fn a_reconnect_within_the_grace_is_silent() {
        let (channel, user) = names();
        let mut book = Book::default();
        book.join(&channel, &user);
        let first = book.leave(&channel, &user).expect("the last one goes");
        assert_eq!(book.join(&channel, &user), None);
        let second = book.leave(&channel, &user).expect("the last one goes");
        assert_eq!(book.leave_over(&channel, &user, first), None, "an old leave does not count");
        assert!(book.leave_over(&channel, &user, second).is_some());
    }
}

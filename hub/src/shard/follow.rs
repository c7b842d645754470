//! Following: a connection gets the live messages of many rooms by one request, beside the subscriptions that it makes one by one.
//!
//! A followed channel has no catching up and no presence: whoever follows takes a snapshot of it all. A subscribe to a followed
//! channel takes its place, an unsubscribe gives it back.

use std::collections::HashSet;

use hubbub_protocol::channel::{ChannelKey, UserId};
use hubbub_protocol::frame::ServerFrame;
use hubbub_protocol::{ErrorCode, Position};
use tokio::sync::oneshot;

use super::channels::flags::COUNTED;
use super::channels::{FOLLOW, SlotRules};
use super::connection::{ConnectionId, SubscriptionId};
use super::state::State;

/// A channel that is to be followed, and what answers when it is open on this shard.
pub(crate) type Following = (SubscriptionId, oneshot::Receiver<Result<(), String>>);

impl State {
    /// Begins to follow a channel; `None` when the connection has it already.
    pub fn follow(
        &mut self,
        id: ConnectionId,
        channel: &ChannelKey,
        rules: SlotRules,
        counted: bool,
    ) -> Result<Option<Following>, ErrorCode> {
        let known = self.channels.find(channel);
        let has = known.is_some_and(|slot| {
            self.connections.get(id).is_some_and(|connection| connection.subscription(slot).is_some())
        });
        let flags = if counted { FOLLOW | COUNTED } else { FOLLOW };
        let following = if has { None } else { Some(self.subscribe(id, channel, rules, flags)?) };
        let slot = self.channels.find(channel);
        if let (Some(slot), Some(connection)) = (slot, self.connections.get(id)) {
            let followed = &mut connection.extra().followed;
            if !followed.iter().any(|(known, _)| *known == slot) {
                followed.push((slot, flags));
            }
        }
        Ok(following)
    }

    /// Does not follow a channel any more, and says nothing.
    pub fn unfollow(&mut self, id: ConnectionId, channel: &ChannelKey) {
        let slot = self.channels.find(channel);
        if let Some(extra) = self.connections.get(id).and_then(|connection| connection.extra.as_mut()) {
            extra.followed.retain(|(followed, _)| Some(*followed) != slot);
        }
        if slot.is_some_and(|slot| self.only_follows(id, slot)) {
            self.take_off(id, channel);
        }
    }

    /// The address of a connection, as it counts for limits.
    pub fn address(&mut self, id: ConnectionId) -> Option<std::net::IpAddr> {
        self.connections.get(id).map(|connection| connection.address())
    }

    /// A followed channel is open: live messages come from here on.
    pub fn followed(&mut self, name: SubscriptionId, channel: &ChannelKey) {
        let here: Option<Position> = self.channel_position(channel);
        self.answered(name);
        self.go_live(name, here);
    }

    /// How many channels the connection subscribes to one by one.
    pub fn subscriptions(&mut self, id: ConnectionId) -> usize {
        let Some(connection) = self.connections.get(id) else { return 0 };
        let followed = connection.extra.as_ref().map_or(0, |extra| extra.followed.len());
        connection.subscriptions.len().saturating_sub(followed)
    }

    /// How many channels the connection follows.
    pub fn follows(&mut self, id: ConnectionId) -> usize {
        let extra = self.connections.get(id).and_then(|connection| connection.extra.as_ref());
        extra.map_or(0, |extra| extra.followed.len())
    }

    /// Ends a subscription that was made one by one. Answers whether there was one. What is followed is followed on.
    pub fn unsubscribe(&mut self, id: ConnectionId, channel: &ChannelKey) -> bool {
        let Some(slot) = self.channels.find(channel) else { return false };
        if self.only_follows(id, slot) || !self.take_off(id, channel) {
            return false;
        }
        let extra = self.connections.get(id).and_then(|connection| connection.extra.as_ref());
        let followed = extra.and_then(|extra| extra.followed.iter().find(|(known, _)| *known == slot));
        let Some((_, flags)) = followed.copied() else { return true };
        let Some(known) = self.channels.peek(slot) else { return true };
        let rules = known.rules();
        if let Ok((name, _)) = self.subscribe(id, channel, rules, flags) {
            self.followed(name, channel);
        }
        true
    }

    /// Whether the connection has the channel by following alone.
    pub(super) fn only_follows(&mut self, id: ConnectionId, slot: u32) -> bool {
        let Some(place) =
            self.connections.get(id).and_then(|connection| connection.subscription(slot)).map(|s| s.place)
        else {
            return false;
        };
        let subscriber = self.channels.peek(slot).and_then(|known| known.subscribers.get(place as usize));
        subscriber.is_some_and(|subscriber| subscriber.flags & FOLLOW != 0)
    }

    /// A user may not look into a channel any more.
    pub(super) fn shut_out(&mut self, channel: &ChannelKey, user: &UserId) {
        let Some(known) = self.channels.find(channel).and_then(|slot| self.channels.peek(slot)) else { return };
        let connections: Vec<u32> = known.subscribers.iter().map(|subscriber| subscriber.connection).collect();
        for index in connections {
            let is_theirs = self.connections.at(index).and_then(|connection| connection.session.as_ref());
            let is_theirs = is_theirs.is_some_and(|session| session.identity.user.as_ref() == Some(user));
            if let (true, Some(id)) = (is_theirs, self.connections.id_at(index)) {
                self.end(id, channel, ErrorCode::Forbidden);
            }
        }
    }

    /// Who reads which channel of these namespaces.
    pub(super) fn readers(&self, namespaces: &HashSet<String>) -> Vec<(ChannelKey, UserId)> {
        let mut readers = Vec::new();
        for (_, connection) in self.connections.iter() {
            let user = connection.session.as_ref().and_then(|session| session.identity.user.as_ref());
            let Some(user) = user else { continue };
            let slots = connection.subscriptions.iter().filter_map(|known| self.channels.peek(known.slot));
            let of_rooms = slots.filter(|slot| namespaces.contains(slot.key.channel.namespace()));
            readers.extend(of_rooms.map(|slot| (slot.key.clone(), user.clone())));
        }
        readers
    }

    /// Ends whatever the connection has of a channel, and says so.
    pub(super) fn end(&mut self, id: ConnectionId, channel: &ChannelKey, code: ErrorCode) {
        let Some(slot) = self.channels.find(channel) else { return };
        if let Some(extra) = self.connections.get(id).and_then(|connection| connection.extra.as_mut()) {
            extra.followed.retain(|(followed, _)| *followed != slot);
        }
        if self.take_off(id, channel) {
            self.send(id, &ServerFrame::Unsubscribed { id: None, channel: channel.channel.clone(), code: Some(code) });
        }
    }
}

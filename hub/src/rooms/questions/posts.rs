//! Messages: pages, single ones, and what they said before.

use hubbub_persistence::ReadFrom;
use hubbub_persistence::records::question::List;
use hubbub_persistence::records::{Kind, Look, Record, RecordKey};
use hubbub_protocol::channel::ChannelKey;
use hubbub_protocol::room::answer::{MessagesAnswer, ThreadPlace, VersionEntry};
use hubbub_protocol::room::op::{Around, Messages};
use hubbub_protocol::room::{NEVER, Post};
use hubbub_protocol::{ErrorCode, MessageId};
use serde_json::{Value, json};

use super::sight::Sight;
use super::{Asking, lists};
use crate::rooms::error::{RoomError, refusal};
use crate::rooms::rows::{FollowerRow, PostRow, ReactionRow, VersionRow, follower_key, post_key, reaction_key, read};

/// Most messages of a page.
const PAGE: u32 = 200;

impl Asking<'_> {
    pub(super) async fn messages(&self, body: &Messages, home: &ChannelKey) -> Result<MessagesAnswer, RoomError> {
        let limit = lists::checked(body.limit, PAGE)?;
        let (older, newer) = self.sides(body, home, limit).await?;
        let group = body.thread.map_or_else(String::new, |thread| thread.to_string());
        let list =
            |from, limit| List::Group { home: home.clone(), kind: Kind::Message, group: group.clone(), from, limit };
        // One more on each side tells whether there are others.
        let asked: Vec<List> = [
            older.map(|(at, limit)| list(ReadFrom::Before(at), limit + 1)),
            newer.map(|(at, limit)| list(ReadFrom::After(at), limit + 1)),
        ]
        .into_iter()
        .flatten()
        .collect();
        let place = body.thread.zip(self.actor.user.as_ref()).map(|(thread, user)| follower_key(home, thread, user));
        let keys = body.thread.map(|thread| post_key(home, thread)).into_iter().chain(place).collect();
        let mut sight = self.sight(home, keys, asked).await?;
        let mut found = std::mem::take(&mut sight.lists).into_iter();
        let mut cut = |side: Option<(u64, u32)>| {
            let Some((at, limit)) = side else { return (Vec::new(), None) };
            let mut records = found.next().unwrap_or_default();
            let more = records.len() > limit as usize;
            records.truncate(limit as usize);
            (records, Some((at, more)))
        };
        let (mut records, before) = cut(older);
        records.reverse();
        let (behind, after) = cut(newer);
        records.extend(behind);
        let thread = body.thread.map(|root| place_in(&sight, root)).transpose()?;
        let root = sight.keys.iter_mut().next().and_then(Option::take);
        // What lies on the side that was not asked for is what the bound stands for.
        let last = match (body.thread, &root) {
            (None, _) => sight.room.room.messages,
            (Some(_), Some(root)) => read::<PostRow>(root)?.post.replies,
            (Some(_), None) => 0,
        };
        let before = before.map_or_else(|| newer.is_some_and(|(at, _)| at > 0), |(_, more)| more);
        let after = after.map_or_else(|| older.is_some_and(|(at, _)| at <= last), |(_, more)| more);
        let under = root.is_some();
        records.extend(root);
        let mut messages = self.posts(&records).await?;
        let root = if under { messages.pop() } else { None };
        let (room, me, user) = (sight.room.room, sight.me.map(|me| me.member), sight.own.map(Into::into));
        Ok(MessagesAnswer { place: sight.place.into(), messages, before, after, room, me, thread, root, user })
    }

    /// Which stretches of the list make the page: before a place, behind a place, or both.
    async fn sides(&self, body: &Messages, home: &ChannelKey, limit: u32) -> Result<(Side, Side), RoomError> {
        let at = match (body.before, body.after, &body.around) {
            (None, None, None) => return Ok((Some((NEVER, limit)), None)),
            (Some(before), None, None) => return Ok((Some((before, limit)), None)),
            (None, Some(after), None) => return Ok((None, Some((after, limit)))),
            (None, None, Some(around)) => self.ordinal_of(around, body.thread, home).await?,
            _ => return Err(refusal(ErrorCode::BadRequest, "`before`, `after` and `around` exclude each other").into()),
        };
        let older = limit / 2;
        Ok((Some((at, older.max(1))), Some((at.saturating_sub(1), limit - older))))
    }

    async fn ordinal_of(
        &self,
        around: &Around,
        thread: Option<MessageId>,
        home: &ChannelKey,
    ) -> Result<u64, RoomError> {
        match around {
            Around::Offset(ordinal) => Ok(*ordinal),
            Around::Message(id) => {
                let sight = self.sight(home, vec![post_key(home, *id)], Vec::new()).await?;
                let post = sight.keys.first().and_then(Option::as_ref).map(read::<PostRow>).transpose()?;
                let post = post.filter(|row| row.post.thread == thread).ok_or_else(no_message)?;
                Ok(post.post.ordinal)
            }
            Around::Unread(_) => {
                let keys = match (thread, &self.actor.user) {
                    (Some(thread), Some(user)) => vec![follower_key(home, thread, user)],
                    _ => Vec::new(),
                };
                let sight = self.sight(home, keys, Vec::new()).await?;
                let of_thread = sight.keys.first().and_then(Option::as_ref).map(read::<FollowerRow>).transpose()?;
                let read = match (thread, of_thread) {
                    (Some(_), row) => row.map_or(0, |row| row.read),
                    (None, _) => sight.me.map_or(0, |me| me.member.read),
                };
                Ok(read + 1)
            }
        }
    }

    pub(super) async fn message(&self, id: MessageId, home: &ChannelKey) -> Result<Post, RoomError> {
        let sight = self.sight(home, vec![post_key(home, id)], Vec::new()).await?;
        let record = sight.keys.into_iter().flatten().next().ok_or_else(no_message)?;
        self.posts([&record]).await?.pop().ok_or(RoomError::Internal)
    }

    pub(super) async fn versions(&self, id: MessageId, home: &ChannelKey) -> Result<Value, RoomError> {
        let list = List::Group {
            home: home.clone(),
            kind: Kind::Version,
            group: id.to_string(),
            from: ReadFrom::After(0),
            limit: 1_000,
        };
        // The first version has the place 0, behind which nothing asks.
        let first = RecordKey { home: home.clone(), kind: Kind::Version, key: format!("{id}/{:06}", 0) };
        let sight = self.sight(home, vec![first], vec![list]).await?;
        if !sight.rank.is_in() {
            return Err(super::sight::no_room());
        }
        let records = sight.keys.iter().flatten().chain(sight.lists.iter().flatten());
        let rows = records.map(read::<VersionRow>).collect::<Result<Vec<_>, _>>()?;
        let entry = |VersionRow { version, time, text, entities }| VersionEntry { version, time, text, entities };
        Ok(json!({ "versions": rows.into_iter().map(entry).collect::<Vec<_>>() }))
    }

    /// Messages of records, with the own part of their reactions.
    pub(super) async fn posts(&self, records: impl IntoIterator<Item = &Record>) -> Result<Vec<Post>, RoomError> {
        let (mut posts, mut reacted, mut keys) = (Vec::new(), Vec::new(), Vec::new());
        for record in records {
            let post = read::<PostRow>(record)?.post;
            if let Some(user) = self.actor.user.as_ref().filter(|_| !post.reactions.is_empty()) {
                reacted.push(posts.len());
                keys.push(reaction_key(&record.key.home, post.id, user));
            }
            posts.push(post);
        }
        if keys.is_empty() {
            return Ok(posts);
        }
        let looked = self.records.look(&self.actor.tenant, Look { keys, ..Look::default() }).await?;
        for (at, record) in reacted.into_iter().zip(&looked.keys) {
            mark_mine(&mut posts[at], record.as_ref())?;
        }
        Ok(posts)
    }
}

/// Marks somebody's own part of the reactions to a message, by the record of it.
pub(super) fn mark_mine(post: &mut Post, record: Option<&Record>) -> Result<(), RoomError> {
    let mine: ReactionRow = record.map(read).transpose()?.unwrap_or_default();
    for (emoji, count) in mine {
        if let Some(all) = post.reactions.get_mut(&emoji) {
            all.mine = count;
        }
    }
    Ok(())
}

/// From which place, and how many.
type Side = Option<(u64, u32)>;

fn place_in(sight: &Sight, root: MessageId) -> Result<ThreadPlace, RoomError> {
    let row = sight.keys.get(1).and_then(Option::as_ref).map(read::<FollowerRow>).transpose()?;
    let row = row.map(|row| (row.following, row.read, row.mentions, row.mentions_read)).unwrap_or_default();
    Ok(ThreadPlace { root, following: row.0, read: row.1, mentions: row.2, mentions_read: row.3 })
}

pub(super) fn no_message() -> RoomError {
    refusal(ErrorCode::NotFound, "there is no such message, or it is not for you to see").into()
}

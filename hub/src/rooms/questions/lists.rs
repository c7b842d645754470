//! Lists of rooms and members.

use std::collections::HashMap;

use hubbub_persistence::records::question::List;
use hubbub_persistence::records::{Kind, Look};
use hubbub_protocol::channel::{ChannelKey, ChannelName, UserId};
use hubbub_protocol::room::answer::{DiscoverAnswer, MemberEntry, MembersAnswer, RoomEntry, RoomsAnswer};
use hubbub_protocol::room::op::{Discover, Members, Rooms};
use hubbub_protocol::room::{Member, MemberState, Person, Role};
use hubbub_protocol::{ErrorCode, MessageId, Position};

use super::Asking;
use super::sight::{entry, no_room, sees};
use crate::rooms::actor::Rank;
use crate::rooms::error::{RoomError, refusal};
use crate::rooms::rows::{MemberRow, PostRow, RoomRow, member_key, person_key, post_key, read, room_key};

/// Most rooms of a page.
const ROOMS: u32 = 1_000;
/// Most members of a page.
const MEMBERS: u32 = 1_000;

impl Asking<'_> {
    /// The channels of rooms that a user may look into and is in, or invited to.
    pub(in crate::rooms) async fn looked_into(&self, limit: u32) -> Result<Vec<ChannelKey>, RoomError> {
        let (mut seen, mut after) = (Vec::new(), None);
        loop {
            let (homes, _) = self.channels(after.as_ref(), ROOMS).await?;
            let user = self.user()?;
            let keys = homes.iter().flat_map(|home| [room_key(home), member_key(home, user)]).collect();
            let looked = self.records.look(&self.actor.tenant, Look { keys, ..Look::default() }).await?;
            for (home, pair) in homes.iter().zip(looked.keys.chunks(2)) {
                let [Some(room), Some(me)] = pair else { continue };
                let (room, me): (RoomRow, MemberRow) = (read(room)?, read(me)?);
                if sees(&room.room, Rank::of(Some(&me), self.now)) {
                    seen.push(home.clone());
                }
            }
            after = homes.last().map(|home| home.channel.clone());
            if seen.len() >= limit as usize || homes.len() < ROOMS as usize {
                seen.truncate(limit as usize);
                return Ok(seen);
            }
        }
    }

    /// The channels of the rooms that a user is in or invited to, behind `after`; and where the user's own log stood before they
    /// were looked for.
    async fn channels(
        &self,
        after: Option<&ChannelName>,
        limit: u32,
    ) -> Result<(Vec<ChannelKey>, Position), RoomError> {
        let user = self.user()?;
        let after = after.map(|after| {
            let home = ChannelKey::new(self.actor.tenant.clone(), after.clone());
            member_key(&home, user)
        });
        let mut homes = Vec::new();
        let (mut behind, mut own) = (after, None);
        loop {
            // Rooms that were left are in the list as well: it is walked until enough others are found.
            let list = List::User {
                who: user.clone(),
                kind: Some(Kind::Member),
                homes: Vec::new(),
                after: behind,
                limit: ROOMS,
            };
            let look = Look { heads: vec![self.own()?], lists: vec![list], ..Look::default() };
            let looked = self.records.look(&self.actor.tenant, look).await?;
            let head = looked.heads.first().ok_or(RoomError::Internal)?.position;
            let own = *own.get_or_insert(head);
            let page = looked.lists.into_iter().next().unwrap_or_default();
            behind = page.last().map(|record| record.key.clone());
            let full = page.len() == ROOMS as usize;
            let present = |group: &str| matches!(group, "joined" | "invited");
            let here = page.into_iter().filter(|record| present(&record.group)).map(|record| record.key.home);
            homes.extend(here.filter(|home| self.actor.reach.has(&home.channel)));
            if homes.len() >= limit as usize || !full {
                homes.truncate(limit as usize);
                return Ok((homes, own));
            }
        }
    }

    pub(super) async fn rooms(&self, body: &Rooms) -> Result<RoomsAnswer, RoomError> {
        let limit = checked(body.limit, ROOMS)?;
        let (homes, listed) = match &body.channels {
            Some(named) if named.len() > ROOMS as usize => return Err(too_many("channels", ROOMS)),
            Some(named) => {
                let named = named.iter().filter(|name| self.actor.reach.has(name));
                (named.map(|name| ChannelKey::new(self.actor.tenant.clone(), name.clone())).collect(), None)
            }
            None => {
                let (homes, own) = self.channels(body.after.as_ref(), limit).await?;
                (homes, Some(own))
            }
        };
        let (user, own) = (self.user()?, self.own()?);
        let keys = homes.iter().flat_map(|home| [room_key(home), member_key(home, user)]).chain([person_key(&own)]);
        let look =
            Look { heads: homes.iter().cloned().chain([own]).collect(), keys: keys.collect(), lists: Vec::new() };
        let mut looked = self.records.look(&self.actor.tenant, look).await?;
        let person = looked.keys.pop().flatten().map(|record| read::<Person>(&record)).transpose()?.unwrap_or_default();
        // Which rooms there are was looked for before: what comes of it since is not in this answer.
        let head = looked.heads.pop().ok_or(RoomError::Internal)?.position;
        let user = listed.unwrap_or(head).into();
        let mut rooms: Vec<RoomEntry> = Vec::with_capacity(homes.len());
        for (pair, head) in looked.keys.chunks(2).zip(&looked.heads) {
            let [Some(room), Some(me)] = pair else { continue };
            let (room, me): (RoomRow, MemberRow) = (read(room)?, read(me)?);
            if matches!(me.member.state, MemberState::Joined | MemberState::Invited) {
                rooms.push(entry(outside(room, &me), Some(me.member), head.position.into()));
            }
        }
        let full = body.channels.is_none() && homes.len() == limit as usize;
        let next = homes.last().filter(|_| full).map(|home| home.channel.clone());
        Ok(RoomsAnswer { rooms, user, person, next })
    }

    pub(super) async fn room(&self, home: &ChannelKey) -> Result<RoomEntry, RoomError> {
        match self.sight(home, Vec::new(), Vec::new()).await {
            Ok(sight) => Ok(sight.entry()),
            Err(error) => self.invitation(home).await?.ok_or(error),
        }
    }

    /// Who is invited sees what into, before they come in.
    async fn invitation(&self, home: &ChannelKey) -> Result<Option<RoomEntry>, RoomError> {
        let Some(user) = &self.actor.user else { return Ok(None) };
        let keys = vec![room_key(home), member_key(home, user)];
        let looked =
            self.records.look(&home.tenant, Look { heads: vec![home.clone()], keys, lists: Vec::new() }).await?;
        let [Some(room), Some(me)] = &looked.keys[..] else { return Ok(None) };
        let (room, me): (RoomRow, MemberRow) = (read(room)?, read(me)?);
        let place = looked.heads.first().ok_or(RoomError::Internal)?.position.into();
        let invited = me.member.state == MemberState::Invited;
        Ok(invited.then(|| entry(outside(room, &me), Some(me.member), place)))
    }

    pub(super) async fn members(&self, body: &Members, home: &ChannelKey) -> Result<MembersAnswer, RoomError> {
        let limit = checked(body.limit, MEMBERS)?;
        let after = body.after.as_ref().map_or_else(String::new, ToString::to_string);
        let list = |group: Option<&str>| List::Keys {
            home: home.clone(),
            kind: Kind::Member,
            group: group.map(str::to_owned),
            after: after.clone(),
            limit,
        };
        let sight = self.sight(home, Vec::new(), vec![list(None), list(Some("joined"))]).await?;
        if !sight.rank.is_in() {
            return Err(no_room());
        }
        // Who was banned or went is for those who keep order.
        let order = sight.rank >= Rank::In(Role::Moderator);
        let page = &sight.lists[usize::from(!order)];
        let receipts = sight.room.room.receipts;
        let members = page.iter().map(read::<MemberRow>).collect::<Result<Vec<_>, _>>()?;
        let members: Vec<_> = members.into_iter().map(|row| seen(row.member, receipts)).collect();
        let next = members.last().filter(|_| page.len() == limit as usize).map(|member| member.user.clone());
        Ok(MembersAnswer { members, place: sight.place.into(), next })
    }

    pub(super) async fn discover(&self, body: &Discover) -> Result<DiscoverAnswer, RoomError> {
        let limit = checked(body.limit, ROOMS)?;
        let after = body.after.as_ref().map(|after| ChannelKey::new(self.actor.tenant.clone(), after.clone()));
        let list = List::Everywhere { kind: Kind::Room, group: "open".into(), after, limit };
        let looked = self.records.look(&self.actor.tenant, Look { lists: vec![list], ..Look::default() }).await?;
        let page = looked.lists.into_iter().next().unwrap_or_default();
        let next = page.last().filter(|_| page.len() == limit as usize).map(|record| record.key.home.channel.clone());
        let rooms = page.iter().map(read::<RoomRow>).collect::<Result<Vec<_>, _>>()?;
        let wanted =
            |name: &ChannelName| body.namespace.as_deref().is_none_or(|namespace| name.namespace() == namespace);
        let rooms = rooms.into_iter().map(|row| row.room);
        let rooms = rooms.filter(|room| wanted(&room.channel) && self.actor.reach.has(&room.channel)).collect();
        Ok(DiscoverAnswer { rooms, next })
    }

    pub(super) async fn receipts(
        &self,
        message: MessageId,
        home: &ChannelKey,
    ) -> Result<HashMap<&'static str, Vec<UserId>>, RoomError> {
        let list = List::Keys {
            home: home.clone(),
            kind: Kind::Member,
            group: Some("joined".into()),
            after: String::new(),
            limit: MEMBERS,
        };
        let sight = self.sight(home, vec![post_key(home, message)], vec![list]).await?;
        if !sight.rank.is_in() {
            return Err(no_room());
        }
        if !sight.room.room.receipts {
            return Err(refusal(ErrorCode::NotSupported, "reading is not told in this room").into());
        }
        let post = sight.keys.first().and_then(Option::as_ref).map(read::<PostRow>).transpose()?;
        let Some(post) = post.filter(|row| row.post.thread.is_none()) else {
            return Err(refusal(ErrorCode::NotFound, "there is no such message outside threads").into());
        };
        let rows = sight.lists.iter().flatten().map(read::<MemberRow>).collect::<Result<Vec<_>, _>>()?;
        let reads =
            |row: &MemberRow| row.member.read >= post.post.ordinal && Some(&row.member.user) != post.post.from.as_ref();
        let readers = rows.into_iter().filter(reads).map(|row| row.member.user).collect();
        Ok(HashMap::from([("readers", readers)]))
    }
}

/// A room as it looks from outside, for whoever is only invited: nothing of what is said in one that is closed.
fn outside(mut row: RoomRow, me: &MemberRow) -> RoomRow {
    if me.member.state == MemberState::Invited && !row.room.kind.is_open() {
        (row.room.last, row.room.pins) = (None, Vec::new());
    }
    row
}

/// What others see of a member. What is read is told where events tell it: of those who are in a room with receipts.
fn seen(member: Member, receipts: bool) -> MemberEntry {
    let Member { user, role, state, since, muted_until, banned_until, read, .. } = member;
    let read = (receipts && state == MemberState::Joined).then_some(read);
    MemberEntry { user, role, state, since, muted_until, banned_until, read }
}

pub(super) fn checked(limit: u32, most: u32) -> Result<u32, RoomError> {
    if (1..=most).contains(&limit) {
        return Ok(limit);
    }
    Err(refusal(ErrorCode::BadRequest, format!("`limit` is 1 to {most}")).into())
}

fn too_many(what: &str, most: u32) -> RoomError {
    refusal(ErrorCode::LimitReached, format!("`{what}` are at most {most}")).into()
}

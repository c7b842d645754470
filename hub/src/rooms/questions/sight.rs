//! What somebody sees of a room: one look at it, at their place in it, and at whatever else is asked at the same moment.

use hubbub_persistence::ReadFrom;
use hubbub_persistence::records::question::List;
use hubbub_persistence::records::{Kind, Look, Looked, RecordKey};
use hubbub_protocol::channel::{ChannelKey, UserId};
use hubbub_protocol::room::answer::{Place, RoomEntry};
use hubbub_protocol::room::{Member, Role, Room};
use hubbub_protocol::{ErrorCode, MessageId, Position};

use super::Asking;
use crate::rooms::actor::Rank;
use crate::rooms::error::{RoomError, refusal};
use crate::rooms::rows::{MemberRow, PostRow, RoomRow, member_key, own_channel, read, room_key};

/// Whether somebody who stands there may look into a room.
pub(in crate::rooms) fn sees(room: &Room, rank: Rank) -> bool {
    rank.is_in() || (rank == Rank::Stranger && room.kind.is_open())
}

/// A room as somebody sees it, with the answers to what else was asked.
pub(in crate::rooms) struct Sight {
    pub(in crate::rooms) room: RoomRow,
    pub(in crate::rooms) me: Option<MemberRow>,
    pub(in crate::rooms) rank: Rank,
    pub(in crate::rooms) place: Position,
    /// The end of the own log of whoever looks.
    pub(in crate::rooms) own: Option<Position>,
    pub(in crate::rooms) keys: Vec<Option<hubbub_persistence::records::Record>>,
    pub(in crate::rooms) lists: Vec<Vec<hubbub_persistence::records::Record>>,
}

impl Asking<'_> {
    /// Looks at a room and answers whatever else is asked from the same snapshot. There is no room for whoever may not see it.
    pub(in crate::rooms) async fn sight(
        &self,
        home: &ChannelKey,
        keys: Vec<RecordKey>,
        lists: Vec<List>,
    ) -> Result<Sight, RoomError> {
        let mut names = vec![room_key(home)];
        names.extend(self.actor.user.as_ref().map(|user| member_key(home, user)));
        let own = names.len();
        names.extend(keys);
        let ends = std::iter::once(home.clone()).chain(self.actor.user.as_ref().map(|user| own_channel(home, user)));
        let look = Look { heads: ends.collect(), keys: names, lists };
        let Looked { heads, mut keys, lists } = self.records.look(&home.tenant, look).await?;
        let rest = keys.split_off(own);
        let room: RoomRow = keys[0].as_ref().map(read).transpose()?.ok_or_else(no_room)?;
        let me: Option<MemberRow> = keys.get(1).and_then(Option::as_ref).map(read).transpose()?;
        let rank = match &self.actor.user {
            Some(_) => Rank::of(me.as_ref(), self.now),
            None => Rank::Service,
        };
        if !sees(&room.room, rank) {
            return Err(no_room());
        }
        let place = heads.first().ok_or(RoomError::Internal)?.position;
        let own = heads.get(1).map(|head| head.position);
        Ok(Sight { room, me, rank, place, own, keys: rest, lists })
    }

    /// The same for those who keep order.
    pub(super) async fn sight_of_order(&self, home: &ChannelKey, lists: Vec<List>) -> Result<Sight, RoomError> {
        let sight = self.sight(home, Vec::new(), lists).await?;
        if sight.rank >= Rank::In(Role::Moderator) {
            return Ok(sight);
        }
        Err(refusal(ErrorCode::Forbidden, "this needs a moderator of the room").into())
    }

    /// The user who asks.
    pub(super) fn user(&self) -> Result<&UserId, RoomError> {
        let needed = || refusal(ErrorCode::BadRequest, "this is about a user: name one in `as`");
        self.actor.user.as_ref().ok_or_else(|| needed().into())
    }

    /// The own channel of the user who asks.
    pub(super) fn own(&self) -> Result<ChannelKey, RoomError> {
        Ok(ChannelKey::new(self.actor.tenant.clone(), hubbub_protocol::ChannelName::of_user(self.user()?)))
    }
}

impl Sight {
    /// As an entry of a list.
    pub(super) fn entry(self) -> RoomEntry {
        entry(self.room, self.me.map(|me| me.member), self.place.into())
    }
}

/// A room with what counts as unread in it.
pub(super) fn entry(room: RoomRow, me: Option<Member>, place: Place) -> RoomEntry {
    let room = room.room;
    let (unread, mentions) = me.as_ref().map_or((0, 0), |me| (me.unread(&room), me.unread_mentions(&room)));
    RoomEntry { room, me, place, unread, mentions }
}

/// Ids of the newest messages of a user outside threads that are not older than a time, among the last thousand of the room.
pub(in crate::rooms) async fn newest_of(
    asking: &Asking<'_>,
    home: &ChannelKey,
    user: &UserId,
    since: u64,
    most: usize,
) -> Result<Vec<MessageId>, RoomError> {
    let (kind, group, from) = (Kind::Message, String::new(), ReadFrom::Before(hubbub_protocol::room::NEVER));
    let list = List::Group { home: home.clone(), kind, group, from, limit: 1_000 };
    let sight = asking.sight(home, Vec::new(), vec![list]).await?;
    let theirs = sight.lists.iter().flatten().filter(|record| record.who.as_ref() == Some(user));
    let posts = theirs.map(read::<PostRow>).collect::<Result<Vec<_>, _>>()?;
    Ok(posts.into_iter().filter(|row| row.post.time >= since).map(|row| row.post.id).take(most).collect())
}

pub(super) fn no_room() -> RoomError {
    refusal(ErrorCode::NotFound, "there is no such room, or it is not for you to see").into()
}

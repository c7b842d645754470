//! Operations of rooms over a session: what they mean is decided elsewhere; here connections follow the rooms of their user.

use hubbub_protocol::channel::{ChannelKey, ChannelName};
use hubbub_protocol::room::{Op, RoomRequest};
use hubbub_protocol::{Data, ErrorCode};

use super::requests::{Asking, Failure};
use crate::namespace::Namespace;
use crate::rooms::Origin;
use crate::shard::SlotRules;

/// How often rooms are listed again that came while they were being followed.
const ROUNDS: usize = 3;

impl Asking<'_> {
    pub(super) async fn room(&self, request: RoomRequest) -> Result<(), Failure> {
        let answer = match &request.op {
            Op::Rooms(rooms) if rooms.follow => self.follow(&request, rooms.channels.as_deref()).await?,
            _ => self.services.rooms.by_user(&self.identity, self.origin(), request).await?,
        };
        self.answer(answer);
        Ok(())
    }

    /// Whether the user may look into a channel now; only of rooms that is a question.
    pub(super) async fn may_look(&self, namespace: &Namespace, channel: &ChannelKey) -> Result<(), Failure> {
        if !namespace.rooms || self.services.rooms.seen(self.identity.user.as_ref(), channel).await? {
            return Ok(());
        }
        Err(Failure::new(ErrorCode::NotFound, "there is no such room, or it is not for you to see"))
    }

    /// Follows the own channel and rooms: these, or all. Follows first and looks afterwards, so that nothing falls between; a room
    /// that came meanwhile is followed before it is told.
    async fn follow(&self, request: &RoomRequest, named: Option<&[ChannelName]>) -> Result<Data, Failure> {
        if let Some(user) = &self.identity.user {
            self.follow_all(vec![ChannelName::of_user(user)]).await?;
        }
        self.follow_rooms(named).await?;
        for _ in 1..ROUNDS {
            let answer = self.services.rooms.by_user(&self.identity, self.origin(), request.clone()).await?;
            if self.follow_rooms(named).await? == 0 {
                return Ok(answer);
            }
        }
        Ok(self.services.rooms.by_user(&self.identity, self.origin(), request.clone()).await?)
    }

    /// Follows rooms of the user; answers how many of them are new.
    async fn follow_rooms(&self, named: Option<&[ChannelName]>) -> Result<usize, Failure> {
        let most = self.services.limits.rooms_followed;
        let of_user = self.services.rooms.followed(&self.identity, most as u32).await?;
        let wanted = |channel: &ChannelName| named.is_none_or(|named| named.contains(channel));
        self.follow_all(of_user.into_iter().filter(wanted).collect()).await
    }

    /// Follows channels; answers how many of them are new.
    async fn follow_all(&self, channels: Vec<ChannelName>) -> Result<usize, Failure> {
        let (most, tenant) = (self.services.limits.rooms_followed, &self.identity.tenant);
        let mut opening = Vec::new();
        for channel in channels {
            let Ok(permit) = self.services.policy.subscribe(&self.identity, &channel) else { continue };
            let Namespace { log: kind, overflow, presence, flush_ms, .. } = **permit.namespace();
            let counted = permit.namespace().per_user;
            let (key, rules) =
                (ChannelKey::new(tenant.clone(), channel), SlotRules { kind, overflow, presence, flush_ms });
            let begun = self.shard.with(|state| {
                if state.follows(self.id) > most {
                    Err(ErrorCode::LimitReached)
                } else {
                    state.follow(self.id, &key, rules, counted)
                }
            });
            match begun {
                Ok(Some((name, opened))) => opening.push((key, name, opened)),
                Ok(None) => {}
                Err(code) => return Err(Failure::new(code, &format!("a connection follows at most {most} rooms"))),
            }
        }
        let new = opening.len();
        for (key, name, opened) in opening {
            if matches!(opened.await, Ok(Ok(()))) {
                self.shard.with(|state| state.followed(name, &key));
            } else {
                self.shard.with(|state| state.unfollow(self.id, &key));
                let message = "rooms can not be followed now, try again in 1,000 ms";
                return Err(Failure { retry_after_ms: Some(1_000), ..Failure::new(ErrorCode::Unavailable, message) });
            }
        }
        Ok(new)
    }

    fn origin(&self) -> Origin {
        self.shard.with(|state| Origin {
            address: state.address(self.id).map(|address| address.to_string().into()),
            agent: state.session(self.id).and_then(|session| session.client.as_deref().map(Into::into)),
        })
    }
}

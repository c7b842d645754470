//! Messages go by the age that their room sets, or else their namespace: their records here, what the log holds with the log's own
//! expiry. Knows no clock.

use std::sync::Arc;

use hubbub_persistence::records::{Act, Kind, List, Look, Question, Record, RecordKey, Stop, Verdict, View};
use hubbub_protocol::channel::{ChannelKey, UserId};
use hubbub_protocol::room::{Mark, NEVER};
use hubbub_protocol::{Key, MessageId};

use crate::rooms::error::RoomError;
use crate::rooms::rows::{EVERYBODY, PostRow, RoomRow, mention_group, read, room_key};
use crate::rooms::service::Rooms;

/// Messages that one act lets go.
const AT_ONCE: u32 = 50;
/// Milliseconds of a day.
const DAY_MS: u64 = 86_400_000;

impl Rooms {
    /// For how long a room keeps messages by its own will, in milliseconds.
    pub async fn age(&self, room: &ChannelKey) -> Result<Option<u64>, RoomError> {
        let look = Look { keys: vec![room_key(room)], ..Look::default() };
        let looked = self.records.look(&room.tenant, look).await?;
        let row: Option<RoomRow> = looked.keys.first().and_then(Option::as_ref).map(read).transpose()?;
        Ok(row.map(|row| u64::from(row.room.retention_days) * DAY_MS).filter(|age| *age > 0))
    }

    /// Lets messages of a room go that are not younger than a time, threads included, the oldest first.
    pub async fn let_go(&self, room: &ChannelKey, until: u64) -> Result<u64, RoomError> {
        let mut gone = 0;
        loop {
            // Ids ascend with the time, so the oldest are the first.
            let (home, after) = (room.clone(), String::new());
            let list = List::Keys { home, kind: Kind::Message, group: None, after, limit: AT_ONCE };
            let looked = self.records.look(&room.tenant, Look { lists: vec![list], ..Look::default() }).await?;
            let page = looked.lists.into_iter().next().unwrap_or_default();
            let old = |record: &Record| read::<PostRow>(record).is_ok_and(|row| row.post.time <= until);
            let keys: Vec<_> = page.iter().take_while(|record| old(record)).map(|record| record.key.clone()).collect();
            let count = keys.len();
            if count > 0 {
                gone += count as u64;
                let (home, time, id) = ([room.clone()], self.clock.now_ms(), self.id());
                self.records.act(Arc::new(Expire { home, keys, time, id })).await?;
            }
            if count < AT_ONCE as usize {
                return Ok(gone);
            }
        }
    }
}

/// Lets these messages go.
#[derive(Debug)]
struct Expire {
    home: [ChannelKey; 1],
    keys: Vec<RecordKey>,
    time: u64,
    id: MessageId,
}

impl Expire {
    fn message(&self, view: &mut View<'_>, room: &mut RoomRow, key: &RecordKey) -> Result<(), Stop> {
        let home = &self.home[0];
        let Some(record) = view.get(key)? else { return Ok(()) };
        let row: PostRow = read(&record).map_err(Stop::Refused)?;
        for kind in [Kind::Version, Kind::Reaction] {
            for record in view.group(home, kind, &row.post.id.to_string())? {
                view.remove(record.key);
            }
        }
        let named = row.post.entities.iter().filter_map(|entity| match &entity.mark {
            Mark::Mention { user } => Some(Some(user)),
            Mark::MentionAll => Some(None),
            _ => None,
        });
        for user in named {
            self.mention(view, &row, user)?;
        }
        room.room.pins.retain(|pin| *pin != row.post.id);
        room.room.last = room.room.last.take().filter(|last| last.id != row.post.id);
        view.remove(key.clone());
        Ok(())
    }

    /// A mention goes with its message, but for the last one of somebody: it knows how many there were.
    fn mention(&self, view: &mut View<'_>, row: &PostRow, user: Option<&UserId>) -> Result<(), Stop> {
        let home = &self.home[0];
        let group = user.map_or_else(|| EVERYBODY.to_owned(), |user| mention_group(user, row.post.thread));
        let last = view.last(home, Kind::Mention, &group, NEVER)?;
        if let Some(mention) = view.last(home, Kind::Mention, &group, row.post.ordinal)?
            && mention.at == row.post.ordinal
            && last.is_some_and(|last| last.key != mention.key)
        {
            view.remove(mention.key);
        }
        Ok(())
    }
}

impl Act for Expire {
    fn channels(&self) -> &[ChannelKey] {
        &self.home
    }

    fn time(&self) -> u64 {
        self.time
    }

    fn publisher(&self) -> &'static str {
        "service/hub"
    }

    fn key(&self) -> Option<&Key> {
        None
    }

    fn digest(&self) -> &[u8] {
        &[]
    }

    fn id(&self) -> MessageId {
        self.id
    }

    fn decide(&self, view: &mut View<'_>) -> Result<Verdict, Stop> {
        let name = room_key(&self.home[0]);
        view.want(self.keys.iter().cloned().chain([name.clone()]).map(Question::Key))?;
        let Some(room) = view.get(&name)? else { return Ok(Verdict::default()) };
        let before: RoomRow = read(&room).map_err(Stop::Refused)?;
        let mut room = before.clone();
        for key in &self.keys {
            self.message(view, &mut room, key)?;
        }
        if room != before {
            view.put(room.record(&self.home[0]));
        }
        Ok(Verdict::default())
    }
}

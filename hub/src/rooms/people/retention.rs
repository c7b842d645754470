//! Messages go by the age that their room sets, or else their namespace: their records here, what the log holds with the log's own
//! expiry. Knows no clock.

use std::sync::Arc;

use hubbub_persistence::records::{Act, Kind, List, Look, Question, Record, RecordKey, Stop, Verdict, View};
use hubbub_protocol::channel::ChannelKey;
use hubbub_protocol::room::{Mark, NEVER};
use hubbub_protocol::{Key, MessageId};

use crate::rooms::error::RoomError;
use crate::rooms::rows::{EVERYBODY, PostRow, RoomRow, mention_group, mention_key, post_key, read, room_key};
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
    /// The messages, with what hangs on them loaded: all in one round, since an act has few.
    fn posts(&self, view: &mut View<'_>) -> Result<Vec<PostRow>, Stop> {
        let home = &self.home[0];
        let groups = self.keys.iter().flat_map(|key| {
            let group = |kind| Question::Group { home: home.clone(), kind, group: key.key.clone() };
            [group(Kind::Version), group(Kind::Reaction)]
        });
        view.want(self.keys.iter().cloned().chain([room_key(home)]).map(Question::Key).chain(groups))?;
        let mut posts = Vec::new();
        for key in &self.keys {
            posts.extend(view.get(key)?.as_ref().map(read::<PostRow>).transpose().map_err(Stop::Refused)?);
        }
        Ok(posts)
    }

    /// Mentions that go with these messages: all but the last one of somebody, which knows how many there were.
    fn mentions(&self, view: &mut View<'_>, posts: &[PostRow]) -> Result<Vec<RecordKey>, Stop> {
        let home = &self.home[0];
        let of_post = |row: &PostRow| {
            let group = |mark: &Mark| match mark {
                Mark::Mention { user } => Some(mention_group(user, row.post.thread)),
                Mark::MentionAll => Some(EVERYBODY.to_owned()),
                _ => None,
            };
            let groups = row.post.entities.iter().filter_map(move |entity| group(&entity.mark));
            groups.map(|group| (mention_key(home, &group, row.post.ordinal), group)).collect::<Vec<_>>()
        };
        let mentions: Vec<(RecordKey, String)> = posts.iter().flat_map(of_post).collect();
        let last = |group: &String| Question::Last {
            home: home.clone(),
            kind: Kind::Mention,
            group: group.clone(),
            at: NEVER,
        };
        view.want(mentions.iter().flat_map(|(key, group)| [Question::Key(key.clone()), last(group)]))?;
        let mut go = Vec::new();
        for (key, group) in mentions {
            let last = view.last(home, Kind::Mention, &group, NEVER)?;
            if last.is_some_and(|last| last.key != key) {
                go.push(key);
            }
        }
        Ok(go)
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
        let home = &self.home[0];
        let posts = self.posts(view)?;
        let mentions = self.mentions(view, &posts)?;
        let Some(room) = view.get(&room_key(home))? else { return Ok(Verdict::default()) };
        let before: RoomRow = read(&room).map_err(Stop::Refused)?;
        let mut row = before.clone();
        for PostRow { post, .. } in &posts {
            for kind in [Kind::Version, Kind::Reaction] {
                for record in view.group(home, kind, &post.id.to_string())? {
                    view.remove(record.key);
                }
            }
            view.remove(post_key(home, post.id));
            row.room.pins.retain(|pin| *pin != post.id);
            row.room.last = row.room.last.take().filter(|last| last.id != post.id);
        }
        mentions.into_iter().for_each(|key| view.remove(key));
        if row != before {
            view.put(row.record(home));
        }
        Ok(Verdict::default())
    }
}

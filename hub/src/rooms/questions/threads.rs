//! The list of threads that a user follows.

use hubbub_persistence::records::{Kind, RecordKey};
use hubbub_persistence::records::{List, Look, Looked, Record};
use hubbub_protocol::ErrorCode;
use hubbub_protocol::channel::{ChannelKey, ChannelName, UserId};
use hubbub_protocol::room::MemberState;
use hubbub_protocol::room::answer::{ThreadEntry, ThreadsAnswer};
use hubbub_protocol::room::op::Threads;

use super::Asking;
use super::lists::checked;
use super::posts::mark_mine;
use crate::rooms::actor::Reach;
use crate::rooms::error::{RoomError, refusal};
use crate::rooms::rows::{FollowerRow, MemberRow, PostRow, member_key, post_key, reaction_key, read};

/// Most threads of a page.
const THREADS: u32 = 100;
/// How often a list is looked at again that was another one when what it names was looked at.
const ROUNDS: usize = 8;

impl Asking<'_> {
    pub(super) async fn threads(&self, body: &Threads) -> Result<ThreadsAnswer, RoomError> {
        let limit = checked(body.limit, THREADS)?;
        let user = self.user()?;
        let after = body.after.as_deref().map(|after| self.follower_after(after)).transpose()?;
        let list = List::User { who: user.clone(), kind: Some(Kind::Follower), homes: Vec::new(), after, limit };
        // What the list names is known only behind it: it is looked at again together with that, so that all is of one moment.
        let mut named: Vec<Record> = Vec::new();
        for _ in 0..ROUNDS {
            let rows = named.iter().map(row).collect::<Result<Vec<_>, _>>()?;
            let mut looked =
                self.records.look(&self.actor.tenant, look(self.own()?, user, &rows, list.clone())).await?;
            let page = looked.lists.pop().unwrap_or_default();
            if page.iter().map(|record| &record.key).eq(named.iter().map(|record| &record.key)) {
                let next = page.last().filter(|_| page.len() == limit as usize);
                let next = next.map(|record| format!("{} {}", record.key.home.channel, record.key.key));
                return answer(&self.actor.reach, &page, looked, next);
            }
            named = page;
        }
        tracing::debug!(%user, "the followed threads of a user change all the time");
        Err(RoomError::Unavailable { retry_after_ms: 200 })
    }

    fn follower_after(&self, after: &str) -> Result<RecordKey, RoomError> {
        let bad = || RoomError::from(refusal(ErrorCode::BadRequest, "`after` is `next` of the page before"));
        let (channel, key) = after.split_once(' ').ok_or_else(bad)?;
        let channel = ChannelName::parse(channel).map_err(|_| bad())?;
        let home = ChannelKey::new(self.actor.tenant.clone(), channel);
        Ok(RecordKey { home, kind: Kind::Follower, key: key.to_owned() })
    }
}

fn row(record: &Record) -> Result<(ChannelKey, FollowerRow), RoomError> {
    Ok((record.key.home.clone(), read::<FollowerRow>(record)?))
}

/// The own log first; of each thread its log, its root, the member and their reactions to the root.
fn look(own: ChannelKey, user: &UserId, rows: &[(ChannelKey, FollowerRow)], list: List) -> Look {
    let heads = std::iter::once(own).chain(rows.iter().map(|(home, _)| home.clone())).collect();
    let keys = rows.iter().flat_map(|(home, row)| {
        [post_key(home, row.thread), member_key(home, user), reaction_key(home, row.thread, user)]
    });
    Look { heads, keys: keys.collect(), lists: vec![list] }
}

fn answer(reach: &Reach, page: &[Record], looked: Looked, next: Option<String>) -> Result<ThreadsAnswer, RoomError> {
    let (user, heads) = looked.heads.split_first().ok_or(RoomError::Internal)?;
    let mut threads = Vec::new();
    for ((record, found), head) in page.iter().zip(looked.keys.chunks(3)).zip(heads) {
        let [Some(root), Some(me), reactions] = found else { continue };
        let (row, me): (FollowerRow, MemberRow) = (read(record)?, read(me)?);
        let here = me.member.state == MemberState::Joined && reach.has(&record.key.home.channel);
        if !row.following || !here {
            continue;
        }
        let mut thread = read::<PostRow>(root)?.post;
        mark_mine(&mut thread, reactions.as_ref())?;
        threads.push(ThreadEntry {
            channel: record.key.home.channel.clone(),
            unread: thread.replies.saturating_sub(row.read),
            mentions: row.mentions.saturating_sub(row.mentions_read),
            read: row.read,
            mentions_read: row.mentions_read,
            place: head.position.into(),
            thread,
        });
    }
    Ok(ThreadsAnswer { threads, user: user.position.into(), next })
}

//! Search, scheduled messages, and the inbox.

use hubbub_persistence::ReadFrom;
use hubbub_persistence::records::question::{List, RANKED};
use hubbub_persistence::records::{Hit, Kind, Look, Search, SearchIn};
use hubbub_protocol::ErrorCode;
use hubbub_protocol::channel::ChannelKey;
use hubbub_protocol::room::answer::{InboxAnswer, SearchAnswer, SearchHit};
use hubbub_protocol::room::op::{self, InboxQuery, Op, Scheduled};
use hubbub_protocol::room::{NEVER, Notice, Person, Post};
use serde_json::{Value, json};

use super::{Asking, lists};
use crate::rooms::error::{RoomError, refusal};
use crate::rooms::rows::{person_key, read};
use crate::rooms::tasks::TaskRow;

/// Most hits of a page.
const HITS: u32 = 50;
/// Most notices of a page.
const NOTICES: u32 = 100;
/// Longest text to search for, in bytes.
const WORDS: usize = 512;

impl Asking<'_> {
    pub(super) async fn search(&self, body: &op::Search) -> Result<SearchAnswer, RoomError> {
        let limit = lists::checked(body.limit, HITS)?;
        if body.text.len() > WORDS {
            return Err(refusal(ErrorCode::TooLarge, format!("`text` has at most {WORDS} bytes")).into());
        }
        let skip: u32 = match body.before.as_deref().map(str::parse) {
            None => 0,
            Some(Ok(skip)) if skip <= RANKED => skip,
            Some(_) => return Err(refusal(ErrorCode::BadRequest, "`before` is `next` of the page before").into()),
        };
        let within = match &body.channel {
            Some(channel) => {
                let home = ChannelKey::new(self.actor.tenant.clone(), channel.clone());
                self.sight(&home, Vec::new(), Vec::new()).await?;
                SearchIn::Channel(home)
            }
            None => SearchIn::JoinedBy(self.user()?.clone()),
        };
        let search = Search {
            tenant: self.actor.tenant.clone(),
            words: body.text.clone(),
            within,
            from: body.from.clone(),
            skip,
            limit,
        };
        let found = self.records.search(search).await?;
        let full = found.len() == limit as usize && skip + limit < RANKED;
        let found: Vec<_> =
            found.into_iter().filter(|hit| self.actor.reach.has(&hit.record.key.home.channel)).collect();
        let messages = self.posts(found.iter().map(|hit| &hit.record)).await?;
        let hit = |(hit, message): (Hit, Post)| SearchHit {
            channel: hit.record.key.home.channel,
            message,
            highlights: hit.highlights,
        };
        let hits = found.into_iter().zip(messages).map(hit).collect();
        Ok(SearchAnswer { hits, next: full.then(|| (skip + limit).to_string()) })
    }

    pub(super) async fn scheduled(&self, body: &Scheduled) -> Result<Value, RoomError> {
        let homes = body.channel.iter().map(|name| ChannelKey::new(self.actor.tenant.clone(), name.clone())).collect();
        let who = self.user()?.clone();
        let list = List::User { who, kind: Some(Kind::Task), homes, after: None, limit: 1_000 };
        let looked = self.records.look(&self.actor.tenant, Look { lists: vec![list], ..Look::default() }).await?;
        let mut scheduled = Vec::new();
        let reached = |record: &&hubbub_persistence::records::Record| self.actor.reach.has(&record.key.home.channel);
        for record in looked.lists.iter().flatten().filter(reached) {
            if let TaskRow::Send { request, .. } = read(record)?
                && let Op::Send(send) = request.op
            {
                scheduled.push(json!({ "task": record.key.key, "at": record.at, "channel": send.channel, "text": send.text, "thread": send.thread }));
            }
        }
        Ok(json!({ "scheduled": scheduled }))
    }

    pub(super) async fn inbox(&self, body: &InboxQuery, own: &ChannelKey) -> Result<InboxAnswer, RoomError> {
        let limit = lists::checked(body.limit, NOTICES)?;
        self.user()?;
        let list = |group: &str| List::Group {
            home: own.clone(),
            kind: Kind::Notice,
            group: group.into(),
            from: ReadFrom::Before(body.before.unwrap_or(NEVER)),
            limit,
        };
        let lists = vec![list("unread"), list("read")];
        let look = Look { heads: vec![own.clone()], keys: vec![person_key(own)], lists };
        let looked = self.records.look(&own.tenant, look).await?;
        let person = looked.keys.first().and_then(Option::as_ref).map(read::<Person>).transpose()?.unwrap_or_default();
        let notices = looked.lists.iter().flatten().map(read::<Notice>).collect::<Result<Vec<_>, _>>()?;
        let mut notices: Vec<_> =
            notices.into_iter().filter(|notice| notice.expires.is_none_or(|expires| expires > self.now)).collect();
        notices.sort_by_key(|notice| std::cmp::Reverse(notice.offset));
        notices.truncate(limit as usize);
        let place = looked.heads.first().ok_or(RoomError::Internal)?.position.into();
        Ok(InboxAnswer { notices, person, place })
    }
}

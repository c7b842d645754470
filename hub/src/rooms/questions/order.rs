//! What those see who keep order: reports, the audit log, refused words.

use hubbub_persistence::ReadFrom;
use hubbub_persistence::records::question::List;
use hubbub_persistence::records::{Kind, Look, Record};
use hubbub_protocol::channel::{ChannelKey, UserId};
use hubbub_protocol::room::NEVER;
use hubbub_protocol::room::op::{AuditQuery, Reports};
use serde_json::{Value, json};

use super::{Asking, lists};
use crate::rooms::error::RoomError;
use crate::rooms::rows::{FilterRow, filter_key, key, read};
use crate::rooms::rules::change::DELETED;
use crate::rooms::rules::reports::ReportRow;

/// Whose message a report is about.
pub(in crate::rooms) async fn author_of(
    asking: &Asking<'_>,
    home: &ChannelKey,
    report: &str,
) -> Result<Option<UserId>, RoomError> {
    let keys = vec![key(home, Kind::Report, report)];
    let looked = asking.records.look(&home.tenant, Look { keys, ..Look::default() }).await?;
    let row = looked.keys.first().and_then(Option::as_ref).map(read::<ReportRow>).transpose()?;
    Ok(row.and_then(|row| row.author))
}

/// Most entries of a page.
const PAGE: u32 = 100;
/// Entries that may come behind the end of a page because they are of the same time as its last: one act leaves so many.
const TOGETHER: u32 = DELETED as u32 + 1;

impl Asking<'_> {
    pub(super) async fn reports(&self, body: &Reports, home: &ChannelKey) -> Result<Value, RoomError> {
        let limit = lists::checked(body.limit, PAGE)?;
        let group = if body.open { "open" } else { "closed" };
        let (entries, next) = self.entries(home, Kind::Report, group, body.after, limit).await?;
        Ok(json!({ "reports": entries, "next": next }))
    }

    pub(super) async fn audit(&self, body: &AuditQuery, home: &ChannelKey) -> Result<Value, RoomError> {
        let limit = lists::checked(body.limit, PAGE)?;
        let (entries, next) = self.entries(home, Kind::Audit, "", body.after, limit).await?;
        Ok(json!({ "entries": entries, "next": next }))
    }

    pub(super) async fn filters(&self, home: &ChannelKey) -> Result<Value, RoomError> {
        let sight = self.sight_of_order(home, Vec::new()).await?;
        let look = Look { keys: vec![filter_key(home)], ..Look::default() };
        let looked = self.records.look(&home.tenant, look).await?;
        let row = looked.keys.first().and_then(Option::as_ref).map(read::<FilterRow>).transpose()?.unwrap_or_default();
        Ok(json!({ "words": row.words, "links": sight.room.links }))
    }

    /// A page, the newest first, and where the next one begins. Entries of one time stay together: pages are cut by time.
    async fn entries(
        &self,
        home: &ChannelKey,
        kind: Kind,
        group: &str,
        after: Option<u64>,
        limit: u32,
    ) -> Result<(Vec<Value>, Option<u64>), RoomError> {
        let from = ReadFrom::Before(after.unwrap_or(NEVER));
        let list = List::Group { home: home.clone(), kind, group: group.into(), from, limit: limit + TOGETHER };
        let sight = self.sight_of_order(home, vec![list]).await?;
        let (records, next) = page(sight.lists.into_iter().next().unwrap_or_default(), limit);
        Ok((records.iter().map(read::<Value>).collect::<Result<_, _>>()?, next))
    }

    /// Of every room that the service reaches.
    pub(super) async fn audit_of_all(&self, body: &AuditQuery) -> Result<Value, RoomError> {
        let limit = lists::checked(body.limit, PAGE)?;
        let from = ReadFrom::Before(body.after.unwrap_or(NEVER));
        let list = List::Placed { kind: Kind::Audit, group: String::new(), from, limit: limit + TOGETHER };
        let looked = self.records.look(&self.actor.tenant, Look { lists: vec![list], ..Look::default() }).await?;
        let (records, next) = page(looked.lists.into_iter().next().unwrap_or_default(), limit);
        let reached = records.iter().filter(|record| self.actor.reach.has(&record.key.home.channel));
        let entries = reached.map(read::<Value>).collect::<Result<Vec<_>, _>>()?;
        Ok(json!({ "entries": entries, "next": next }))
    }
}

/// Cuts a page behind entries of one time, and tells where the next one begins.
fn page(mut records: Vec<Record>, limit: u32) -> (Vec<Record>, Option<u64>) {
    let last = records.get(limit as usize - 1).map(|record| record.at);
    let whole = records.iter().filter(|record| last.is_none_or(|last| record.at >= last)).count();
    let next = last.filter(|_| records.len() > whole);
    records.truncate(whole);
    (records, next)
}

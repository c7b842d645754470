//! Does what changes have left to be done: gives notices, sends scheduled messages. Every node does; whatever is done twice is kept
//! from counting twice by its key.

use std::sync::Arc;
use std::time::Duration;

use hubbub_persistence::records::{Acted, Look, Record, RecordKey};
use hubbub_protocol::Key;
use hubbub_protocol::channel::{ChannelKey, UserId};
use hubbub_protocol::room::{Level, MemberState, Notice, Person, RoomRequest, What};
use tokio::time::{MissedTickBehavior, interval};

use super::actor::Actor;
use super::error::RoomError;
use super::notice::{Deliver, Replace};
use super::rows::{MemberRow, member_key, own_channel, person_key, read};
use super::service::Rooms;
use super::tasks::TaskRow;
use crate::presence::Page;

/// How often tasks are looked for that nobody here knows of.
const LOOK: Duration = Duration::from_secs(1);
/// Tasks that another node has made are left to it for so long, in milliseconds.
const OTHERS_MS: u64 = 2_000;
/// Pauses between tries to tell the platform, in milliseconds: the first, doubled each time, and the last: together a day and more.
const FIRST_PAUSE_MS: u64 = 1_000;
const LAST_PAUSE_MS: u64 = 43_200_000;
/// Tasks of one look.
const AT_ONCE: u32 = 100;

/// Works for as long as the node lives.
pub async fn follow(rooms: Rooms) {
    if let Err(error) = rooms.look_after_restore().await {
        tracing::warn!(%error, "nobody looks whether the store was restored; `hubbub erase --again` does");
    }
    let mut ticks = interval(LOOK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let patience = tokio::select! {
            () = rooms.work.notified() => 0,
            _ = ticks.tick() => OTHERS_MS,
        };
        if let Err(error) = rooms.work_off(patience).await {
            tracing::debug!(%error, "what is left to be done waits");
        }
    }
}

impl Rooms {
    /// Does what is due for longer than `patience` milliseconds, until nothing is.
    async fn work_off(&self, patience: u64) -> Result<(), RoomError> {
        loop {
            let due = self.records.due(self.clock.now_ms().saturating_sub(patience), AT_ONCE).await?;
            let full = due.len() == AT_ONCE as usize;
            for key in due {
                self.work_on(key).await?;
            }
            if !full {
                return Ok(());
            }
        }
    }

    async fn work_on(&self, key: RecordKey) -> Result<(), RoomError> {
        let look = Look { keys: vec![key.clone()], ..Look::default() };
        let looked = self.records.look(&key.home.tenant, look).await?;
        // Done by another node meanwhile.
        let Some(record) = looked.keys.into_iter().next().flatten() else { return Ok(()) };
        let done = match read::<TaskRow>(&record) {
            // A job goes on by itself, and ends its task.
            Ok(TaskRow::Job { job }) => return self.take_job(key.home, &record, job).await,
            Ok(task) => self.work_at(&key, &record, task).await,
            Err(_) => Ok(None),
        };
        let instead = match done {
            Ok(instead) => instead,
            Err(error) if error.retry_after_ms().is_some() && error.code().is_temporary() => return Err(error),
            Err(error) => {
                tracing::info!(key = ?record.key, %error, "what was left to be done can not be done");
                None
            }
        };
        let replace = Replace::new(key, instead, self.clock.now_ms(), self.id());
        self.records.act(Arc::new(replace)).await?;
        Ok(())
    }

    /// Answers what is to be done instead from now on.
    async fn work_at(&self, key: &RecordKey, record: &Record, task: TaskRow) -> Result<Option<Record>, RoomError> {
        match task {
            TaskRow::Notices { people, message, from, text } => {
                for (user, what) in people {
                    let notice = Notice {
                        id: self.id(),
                        offset: 0,
                        time: self.clock.now_ms(),
                        what,
                        channel: Some(key.home.channel.clone()),
                        message,
                        from: from.clone(),
                        text: Some(text.clone()),
                        data: None,
                        collapse: None,
                        expires: None,
                        read: false,
                    };
                    self.give(&key.home, &key.key, user, notice).await?;
                }
                Ok(None)
            }
            TaskRow::Send { user, request } => self.send_for(&key.home, user, request).await.map(|()| None),
            TaskRow::Job { .. } => Ok(None),
            TaskRow::Webhook { user, notice, tries } => Ok(self.tell(key, record, user, *notice, tries).await),
        }
    }

    /// Gives somebody a notice, if they want to be told.
    async fn give(&self, home: &ChannelKey, task: &str, user: UserId, notice: Notice) -> Result<(), RoomError> {
        let look = Look { keys: vec![member_key(home, &user)], ..Look::default() };
        let looked = self.records.look(&home.tenant, look).await?;
        let member: Option<MemberRow> = looked.keys.first().and_then(Option::as_ref).map(read).transpose()?;
        let Some(member) = member.map(|row| row.member) else { return Ok(()) };
        let expected = if notice.what == What::Invitation { MemberState::Invited } else { MemberState::Joined };
        if member.state != expected || (member.notify == Level::None && notice.what != What::Report) {
            return Ok(());
        }
        let own = own_channel(home, &user);
        // The task names the change, so the key names one notice of it.
        let name = format!("notice/{task}/{:?}", notice.what);
        let name = Key::parse(&name).map_err(|_| RoomError::Internal)?;
        self.deliver(own, user, notice, name, None).await.map(|_| ())
    }

    /// Tells the platform; answers what is to be tried later, when it did not listen.
    async fn tell(&self, key: &RecordKey, record: &Record, user: UserId, notice: Notice, tries: u32) -> Option<Record> {
        let Err(why) = self.platforms.tell(&key.home.tenant, &user, &notice).await else { return None };
        let pause = FIRST_PAUSE_MS << tries.min(20);
        if pause > LAST_PAUSE_MS {
            tracing::warn!(tenant = %key.home.tenant, why, "the webhook did not take a notice for a day; it is let go");
            return None;
        }
        let task = TaskRow::Webhook { user, notice: Box::new(notice), tries: tries + 1 };
        Some(task.record(&key.home, &key.key, self.clock.now_ms() + pause, record.who.as_ref()))
    }

    /// Whoever sees the notice now needs no push; whoever is not to be disturbed gets none.
    async fn is_to_be_told(&self, own: &ChannelKey, acted: &Acted) -> bool {
        let Acted::Done { events, .. } = acted else { return false };
        if events.is_empty() || !self.platforms.is_told(&own.tenant) {
            return false;
        }
        let look = Look { keys: vec![person_key(own)], ..Look::default() };
        let person: Option<Person> = match self.records.look(&own.tenant, look).await {
            Ok(looked) => looked.keys.first().and_then(Option::as_ref).and_then(|record| read(record).ok()),
            Err(_) => None,
        };
        let disturb = person.and_then(|person| person.dnd_until).is_none_or(|until| until <= self.clock.now_ms());
        let page = Page { after: None, limit: 1 };
        disturb && self.presence.page(own.clone(), page).await.count == 0
    }

    /// Puts a notice into an inbox and tells it.
    pub(super) async fn deliver(
        &self,
        own: ChannelKey,
        user: UserId,
        notice: Notice,
        key: Key,
        publisher: Option<String>,
    ) -> Result<hubbub_protocol::Data, RoomError> {
        let deliver = Deliver::new(own.clone(), user.clone(), notice.clone(), key, publisher);
        let acted: Acted = self.records.act(Arc::new(deliver)).await?;
        if self.is_to_be_told(&own, &acted).await {
            let (name, now) = (notice.id.to_string(), self.clock.now_ms());
            let task = TaskRow::Webhook { user: user.clone(), notice: Box::new(notice), tries: 0 };
            let record = task.record(&own, &name, now, Some(&user));
            let leave = Replace::new(record.key.clone(), Some(record), now, self.id());
            self.records.act(Arc::new(leave)).await?;
            self.work.notify_one();
        }
        self.told(&own, acted, true).await
    }

    /// Sends a message whose time has come, if its author still may.
    async fn send_for(&self, home: &ChannelKey, user: UserId, request: RoomRequest) -> Result<(), RoomError> {
        let (tenant, agent) = (home.tenant.clone(), Some("scheduled".into()));
        let actor = Actor { tenant, user: Some(user), service: None, address: None, agent };
        self.perform(actor, request).await.map(|_| ())
    }
}

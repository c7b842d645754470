//! Does what changes have left to be done: gives notices, sends scheduled messages. Every node does; whatever is done twice is kept
//! from counting twice by its key.

use std::sync::Arc;
use std::time::Duration;

use hubbub_persistence::records::{Acted, Look, Record, RecordKey};
use hubbub_protocol::channel::{ChannelKey, ChannelName, UserId};
use hubbub_protocol::room::answer::Changed;
use hubbub_protocol::room::text::Rules;
use hubbub_protocol::room::{Level, MemberState, Notice, Person, RoomRequest, Text, What};
use hubbub_protocol::{Data, ErrorCode, Key};
use tokio::time::{MissedTickBehavior, interval};

use super::actor::{Actor, Reach};
use super::error::{RoomError, refusal};
use super::notice::{Deliver, Replace};
use super::rows::{MemberRow, member_key, own_channel, person_key, read};
use super::service::Rooms;
use super::tasks::TaskRow;
use crate::auth::service::Service;
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

/// What people are shown of a notice.
const NOTICE: Rules = Rules { what: "text", chars: 1_000, bytes: 4_000, lines: true, empty: true };

/// What a service has to say to a user.
#[derive(Clone, PartialEq, Debug)]
pub struct NoticeDraft {
    /// Whoever is named as its author.
    pub from: Option<UserId>,
    /// What people are shown.
    pub text: Option<String>,
    /// What the platform's apps understand.
    pub data: Data,
    /// The newest with the same one replaces the others.
    pub collapse: Option<Key>,
    /// It is of no use any more from then on.
    pub expires: Option<u64>,
}

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
    pub async fn work_off(&self, patience: u64) -> Result<(), RoomError> {
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
            Err(error) if error.code().is_temporary() => {
                // It waits, and nobody waits behind it.
                let pause = error.retry_after_ms().unwrap_or(FIRST_PAUSE_MS).max(FIRST_PAUSE_MS);
                Some(Record { at: self.clock.now_ms() + pause, ..record })
            }
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
            TaskRow::Webhook { user, notice, tries } => {
                let away = tries > 0 || self.is_away(&key.home).await?;
                Ok(if away { self.tell(key, record, user, *notice, tries).await } else { None })
            }
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
    async fn is_away(&self, own: &ChannelKey) -> Result<bool, RoomError> {
        let look = Look { keys: vec![person_key(own)], ..Look::default() };
        let looked = self.records.look(&own.tenant, look).await?;
        let person: Option<Person> = looked.keys.first().and_then(Option::as_ref).map(read).transpose()?;
        let disturb = person.and_then(|person| person.dnd_until).is_none_or(|until| until <= self.clock.now_ms());
        let page = Page { after: None, limit: 1 };
        Ok(disturb && self.presence.page(own.clone(), page).await.count == 0)
    }

    /// Puts a notice of a service into the inbox of a user; answers where it went.
    ///
    /// # Errors
    /// As of every change; the same key with another notice is a conflict.
    pub async fn notify(
        &self,
        service: &Service,
        user: &UserId,
        draft: NoticeDraft,
        key: Option<Key>,
    ) -> Result<Changed, RoomError> {
        let NoticeDraft { from, text, data, collapse, expires } = draft;
        let text = text.map(|text| Text::parse(&text, NOTICE).map(Text::into_string)).transpose();
        let text = text.map_err(|error| refusal(ErrorCode::BadRequest, error.to_string()))?;
        let data = serde_json::from_str(data.get()).map_err(|_| RoomError::Internal)?;
        let notice = Notice {
            id: self.id(),
            offset: 0,
            time: self.clock.now_ms(),
            what: What::Service,
            channel: None,
            message: None,
            from,
            text,
            data: Some(data),
            collapse: collapse.map(|collapse| collapse.to_string()),
            expires,
            read: false,
        };
        let own = ChannelKey::new(service.tenant().clone(), ChannelName::of_user(user));
        let publisher = Some(format!("service/{}", service.id()));
        let key = key.map_or_else(|| Key::parse(&notice.id.to_string()), Ok).map_err(|_| RoomError::Internal)?;
        let told = self.deliver(own, user.clone(), notice, key, publisher).await?;
        serde_json::from_str(told.get()).map_err(|_| RoomError::Internal)
    }

    /// Puts a notice into an inbox and tells it.
    pub(super) async fn deliver(
        &self,
        own: ChannelKey,
        user: UserId,
        notice: Notice,
        key: Key,
        publisher: Option<String>,
    ) -> Result<Data, RoomError> {
        let told = self.platforms.is_told(&own.tenant);
        let deliver = Deliver::new(own.clone(), user, notice, key, publisher, told);
        let acted: Acted = self.records.act(Arc::new(deliver)).await?;
        if told {
            self.work.notify_one();
        }
        self.told(&own, acted, true).await
    }

    /// Sends a message whose time has come, if its author still may.
    async fn send_for(&self, home: &ChannelKey, user: UserId, request: RoomRequest) -> Result<(), RoomError> {
        let (tenant, agent) = (home.tenant.clone(), Some("scheduled".into()));
        let actor = Actor { tenant, user: Some(user), service: None, address: None, agent, reach: Reach::All };
        self.perform(actor, request).await.map(|_| ())
    }
}

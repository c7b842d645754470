//! Does what changes have left to be done: gives notices, sends scheduled messages. Every node does; whatever is done twice is kept
//! from counting twice by its key.

use std::sync::Arc;
use std::time::Duration;

use hubbub_persistence::records::{Acted, Look, Record, RecordKey};
use hubbub_protocol::Key;
use hubbub_protocol::channel::{ChannelKey, UserId};
use hubbub_protocol::room::{Level, MemberState, Notice, RoomRequest, What};
use tokio::time::{MissedTickBehavior, interval};

use super::actor::Actor;
use super::error::RoomError;
use super::notice::{Deliver, Replace};
use super::rows::{MemberRow, member_key, own_channel, read};
use super::service::Rooms;
use super::tasks::TaskRow;

/// How often tasks are looked for that nobody here knows of.
const LOOK: Duration = Duration::from_secs(1);
/// Tasks that another node has made are left to it for so long, in milliseconds.
const OTHERS_MS: u64 = 2_000;
/// Tasks of one look.
const AT_ONCE: u32 = 100;

/// Works for as long as the node lives.
pub async fn follow(rooms: Rooms) {
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
            TaskRow::Webhook { .. } => {
                tracing::debug!(due = record.at, "no webhook is configured");
                Ok(None)
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

    /// Puts a notice into an inbox and tells it.
    pub(super) async fn deliver(
        &self,
        own: ChannelKey,
        user: UserId,
        notice: Notice,
        key: Key,
        publisher: Option<String>,
    ) -> Result<hubbub_protocol::Data, RoomError> {
        let deliver = Deliver::new(own.clone(), user, notice, key, publisher);
        let acted: Acted = self.records.act(Arc::new(deliver)).await?;
        self.told(&own, acted, true).await
    }

    /// Sends a message whose time has come, if its author still may.
    async fn send_for(&self, home: &ChannelKey, user: UserId, request: RoomRequest) -> Result<(), RoomError> {
        let (tenant, agent) = (home.tenant.clone(), Some("scheduled".into()));
        let actor = Actor { tenant, user: Some(user), service: None, address: None, agent };
        self.perform(actor, request).await.map(|_| ())
    }
}

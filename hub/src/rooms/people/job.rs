//! Jobs: what is under way about a user, as records of a home of their own, so that any node goes on with one. A task brings a job to
//! a node; while that node works it keeps the task from the others, and each step that it stores proves that it still may.

use std::str::FromStr;

use hubbub_persistence::records::{Act, Kind, Question, Record, RecordKey, Stop, Verdict, View};
use hubbub_protocol::channel::{ChannelKey, ChannelName, TenantId, UserId};
use hubbub_protocol::{Data, Key, MessageId};
use serde::{Deserialize, Serialize};

use super::proof::Proof;
use super::scrub::Counts;
use crate::rooms::rows::{key, plain};
use crate::rooms::tasks::TaskRow;

/// For how long a node has a job to itself without storing a step, in milliseconds.
pub(super) const LEASE_MS: u64 = 10_000;

/// Where jobs and proofs of a tenant are. Nobody can have such a channel: it has no log, and its namespace is not declared.
pub(super) fn home_of(tenant: &TenantId) -> ChannelKey {
    // It follows the rules of names.
    ChannelKey::new(tenant.clone(), ChannelName::from_str("hub:jobs").expect("a valid name"))
}

/// What a job does.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Purpose {
    /// Tells everything about a user.
    Export,
    /// Takes a user out.
    Erase,
    /// Looks for users who were erased and are there again.
    Again,
}

/// How far it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum State {
    /// Somebody is at it, or will be.
    Running,
    /// It is done.
    Done,
    /// It can not be done.
    Failed,
}

/// Where a walk through everything of a tenant stands: behind this channel, or in it.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub(super) struct Place {
    /// The channel behind which the next one is looked for.
    pub(super) behind: Option<ChannelName>,
    /// The channel that is walked through now, and how far.
    pub(super) within: Option<Within>,
    /// The channels are all done.
    pub(super) ended: bool,
}

/// How far a channel is walked through: its records by kind and key, then its log.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub(super) struct Within {
    pub(super) channel: ChannelName,
    /// The index of the kind among all; beyond the last one: the log.
    pub(super) kind: usize,
    pub(super) key: String,
    pub(super) offset: u64,
}

/// A job.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub(super) struct JobRow {
    pub(super) id: MessageId,
    pub(super) purpose: Purpose,
    /// About whom; not any more once they are erased.
    pub(super) user: Option<UserId>,
    pub(super) state: State,
    pub(super) created: u64,
    pub(super) ended: Option<u64>,
    /// Which way through everything this is, from 1: an erasure goes on until one finds nothing.
    pub(super) pass: u32,
    /// Channels of this pass, and how many of them are done.
    pub(super) known: u64,
    pub(super) done: u64,
    /// What was found on this pass, and in all.
    pub(super) found: u64,
    pub(super) counts: Counts,
    pub(super) place: Place,
    /// Of whom a look for those who are there again has found so far, and the jobs that it has begun.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) hashes: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) began: Vec<MessageId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) error: Option<String>,
}

impl JobRow {
    /// One that begins.
    pub(super) fn new(id: MessageId, purpose: Purpose, user: Option<UserId>, created: u64) -> Self {
        Self {
            id,
            purpose,
            user,
            state: State::Running,
            created,
            ended: None,
            pass: 0,
            known: 0,
            done: 0,
            found: 0,
            counts: Counts::new(),
            place: Place::default(),
            hashes: Vec::new(),
            began: Vec::new(),
            error: None,
        }
    }

    /// Its record.
    pub(super) fn record(&self, home: &ChannelKey) -> Record {
        let group = if self.state == State::Running { "running" } else { "ended" };
        plain(job_key(home, self.id), group, self.created, self.user.as_ref(), self)
    }
}

/// The name of a job.
pub(super) fn job_key(home: &ChannelKey, job: MessageId) -> RecordKey {
    key(home, Kind::Job, job.to_string())
}

/// The name of the task that brings it to a node.
pub(super) fn task_key(home: &ChannelKey, job: MessageId) -> RecordKey {
    key(home, Kind::Task, job.to_string())
}

/// A change of jobs: puts records, if the task of a job still is as whoever changes it left it.
#[derive(Debug)]
pub(super) struct Change {
    home: [ChannelKey; 1],
    job: MessageId,
    /// When the task was due as far as is known; `None` where there is none yet.
    seen: Option<u64>,
    /// When it is due from now on; `None` ends it.
    due: Option<u64>,
    put: Vec<Record>,
    time: u64,
    id: MessageId,
}

impl Change {
    /// A job begins, with what is written down about that. Its task is due at once.
    pub(super) fn begin(home: ChannelKey, row: &JobRow, audit: Record, now: u64) -> Self {
        let put = vec![row.record(&home), audit];
        Self { home: [home], job: row.id, seen: None, due: Some(now), put, time: now, id: row.id }
    }

    /// Somebody takes a job whose task was due at `seen`.
    pub(super) fn claim(home: ChannelKey, job: MessageId, seen: u64, now: u64, id: MessageId) -> Self {
        Self { home: [home], job, seen: Some(seen), due: Some(now + LEASE_MS), put: Vec::new(), time: now, id }
    }

    /// Nobody here has a turn for the job: it waits, and nobody waits behind it.
    pub(super) fn wait(home: ChannelKey, job: MessageId, seen: u64, due: u64, id: MessageId) -> Self {
        Self { home: [home], job, seen: Some(seen), due: Some(due), put: Vec::new(), time: due, id }
    }

    /// A step is stored. Whoever has the job since `seen` keeps it.
    pub(super) fn step(home: ChannelKey, row: &JobRow, seen: u64, now: u64, id: MessageId) -> Self {
        let put = vec![row.record(&home)];
        Self { home: [home], job: row.id, seen: Some(seen), due: Some(now + LEASE_MS), put, time: now, id }
    }

    /// The end, with a proof where there is one to be.
    pub(super) fn end(
        home: ChannelKey,
        row: &JobRow,
        proof: Option<&Proof>,
        seen: u64,
        now: u64,
        id: MessageId,
    ) -> Self {
        let put = std::iter::once(row.record(&home)).chain(proof.map(|proof| proof.record(&home))).collect();
        Self { home: [home], job: row.id, seen: Some(seen), due: None, put, time: now, id }
    }

    /// When the task is due from now on.
    pub(super) fn due(&self) -> Option<u64> {
        self.due
    }
}

impl Act for Change {
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

    /// Answers something when it was done.
    fn decide(&self, view: &mut View<'_>) -> Result<Verdict, Stop> {
        let home = &self.home[0];
        let task = task_key(home, self.job);
        view.want([Question::Key(task.clone())])?;
        if view.get(&task)?.map(|record| record.at) != self.seen {
            return Ok(Verdict::default());
        }
        match self.due {
            Some(due) => view.put(TaskRow::Job { job: self.job }.record(home, &self.job.to_string(), due, None)),
            None => view.remove(task),
        }
        self.put.iter().cloned().for_each(|record| view.put(record));
        Ok(Verdict { answer: Data::parse("true".to_owned()).ok(), ..Verdict::default() })
    }
}

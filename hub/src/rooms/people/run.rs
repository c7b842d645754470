//! Runs a job on this node: keeps it from the others, step by step, and stores how far it is. Knows no purpose but by its steps.

use std::sync::Arc;
use std::time::Duration;

use hubbub_persistence::records::{Acted, Look, Record};
use hubbub_protocol::MessageId;
use hubbub_protocol::channel::ChannelKey;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep};

use super::job::{Change, JobRow, LEASE_MS, Purpose, State, job_key, task_key};
use super::proof::Proof;
use crate::rooms::error::RoomError;
use crate::rooms::notice::Replace;
use crate::rooms::rows::read;
use crate::rooms::service::Rooms;

/// Jobs that a node is at together. Overflow policy: the others wait for their turn, here or elsewhere.
pub(in crate::rooms) const JOBS: usize = 2;
/// A job for which there is no turn is looked at again after so long, in milliseconds.
const WAIT_MS: u64 = 1_000;
/// How often the state of a job is stored at most.
const STORE_EVERY: Duration = Duration::from_millis(500);
/// After each step the job rests as long as the step took, at most so long: it is never in the way of anybody's message.
const REST: Duration = Duration::from_millis(50);
/// When something is away it is tried again after so long.
const AWAY: Duration = Duration::from_secs(1);

/// What a step came to.
pub(super) enum Step {
    /// There is more to do.
    More,
    /// It is done, with a proof where there is one to be.
    Done(Option<Proof>),
}

/// A job that this node has.
pub(super) struct Run {
    pub(super) home: ChannelKey,
    pub(super) row: JobRow,
    /// When others may take it.
    due: u64,
}

impl Rooms {
    /// Takes a job, if nobody has it, and works on it in the background.
    pub(in crate::rooms) async fn take_job(
        &self,
        home: ChannelKey,
        task: &Record,
        job: MessageId,
    ) -> Result<(), RoomError> {
        let Ok(turn) = self.jobs.clone().try_acquire_owned() else {
            let wait = Change::wait(home, job, task.at, self.clock.now_ms() + WAIT_MS, self.id());
            return self.change(wait).await.map(drop);
        };
        let claim = Change::claim(home.clone(), job, task.at, self.clock.now_ms(), self.id());
        let Some(due) = self.change(claim).await? else { return Ok(()) };
        let Some(row) = self.job(&home, job).await? else {
            // It went with the user that it was about.
            let end = Replace::new(task_key(&home, job), None, self.clock.now_ms(), self.id());
            return self.records.act(Arc::new(end)).await.map(drop).map_err(RoomError::from);
        };
        let run = Run { home, row, due };
        let rooms = self.clone();
        tokio::spawn(async move {
            let job = run.row.id;
            if let Err(error) = rooms.run(run).await {
                tracing::warn!(%job, %error, "a job was left to others");
            }
            drop(turn);
        });
        Ok(())
    }

    /// A job of a home.
    pub(super) async fn job(&self, home: &ChannelKey, job: MessageId) -> Result<Option<JobRow>, RoomError> {
        let look = Look { keys: vec![job_key(home, job)], ..Look::default() };
        let looked = self.records.look(&home.tenant, look).await?;
        Ok(looked.keys.first().and_then(Option::as_ref).map(read).transpose()?)
    }

    /// Answers when the task is due from now on, if the change was done.
    pub(super) async fn change(&self, change: Change) -> Result<Option<u64>, RoomError> {
        let due = change.due().unwrap_or_default();
        match self.records.act(Arc::new(change)).await? {
            Acted::Done { answer, .. } => Ok(answer.map(|_| due)),
            Acted::Refused(refusal) => Err(refusal.into()),
            Acted::Before { .. } | Acted::KeyConflict => Err(RoomError::Internal),
        }
    }

    async fn run(&self, mut run: Run) -> Result<(), RoomError> {
        let mut stored = Instant::now();
        loop {
            let began = Instant::now();
            match self.step_with_lease(&mut run).await {
                Ok(Step::More) => {}
                Ok(Step::Done(proof)) => return self.end(run, State::Done, proof, None).await,
                Err(error) if error.retry_after_ms().is_some() && error.code().is_temporary() => {
                    tracing::info!(job = %run.row.id, %error, "a job waits");
                    sleep(AWAY).await;
                }
                Err(error) => return self.end(run, State::Failed, None, Some(error.to_string())).await,
            }
            if stored.elapsed() >= STORE_EVERY {
                if !self.keep(&mut run).await? {
                    return Ok(());
                }
                stored = Instant::now();
            }
            sleep(began.elapsed().min(REST)).await;
        }
    }

    /// A step may take long: meanwhile nobody else takes the job. One that failed is done again from where it began.
    async fn step_with_lease(&self, run: &mut Run) -> Result<Step, RoomError> {
        let mut ticks = interval(Duration::from_millis(LEASE_MS / 3));
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        ticks.reset();
        let mut due = run.due;
        let stepped = {
            let mut row = run.row.clone();
            let stepping = async {
                let step = self.step(&run.home, &mut row).await?;
                Ok::<_, RoomError>((row, step))
            };
            tokio::pin!(stepping);
            loop {
                tokio::select! {
                    stepped = &mut stepping => break stepped,
                    _ = ticks.tick() => {
                        let renewed = Change::step(run.home.clone(), &run.row, due, self.clock.now_ms(), self.id());
                        due = self.change(renewed).await?.unwrap_or(due);
                    }
                }
            }
        };
        run.due = due;
        let (row, step) = stepped?;
        run.row = row;
        Ok(step)
    }

    async fn step(&self, home: &ChannelKey, row: &mut JobRow) -> Result<Step, RoomError> {
        match row.purpose {
            Purpose::Erase => self.erase_step(home, row).await,
            Purpose::Export => self.export_step(home, row).await,
            Purpose::Again => self.again_step(home, row).await,
        }
    }

    /// Stores how far it is. Answers whether the job still is this node's.
    async fn keep(&self, run: &mut Run) -> Result<bool, RoomError> {
        let step = Change::step(run.home.clone(), &run.row, run.due, self.clock.now_ms(), self.id());
        match self.change(step).await {
            Ok(Some(due)) => run.due = due,
            Ok(None) => return Ok(false),
            // It is stored with the next step.
            Err(error) if error.code().is_temporary() => {}
            Err(error) => return Err(error),
        }
        Ok(true)
    }

    async fn end(
        &self,
        mut run: Run,
        state: State,
        proof: Option<Proof>,
        error: Option<String>,
    ) -> Result<(), RoomError> {
        let row = &mut run.row;
        (row.state, row.ended, row.error) = (state, Some(self.clock.now_ms()), error);
        if row.purpose == Purpose::Erase && state == State::Done {
            (row.user, row.place) = (None, super::job::Place::default());
        }
        loop {
            let now = self.clock.now_ms();
            let end = Change::end(run.home.clone(), &run.row, proof.as_ref(), run.due, now, self.id());
            match self.change(end).await {
                Err(error) if error.code().is_temporary() => sleep(AWAY).await,
                ended => {
                    tracing::info!(job = %run.row.id, purpose = ?run.row.purpose, ?state, "a job ended");
                    return ended.map(drop);
                }
            }
        }
    }
}

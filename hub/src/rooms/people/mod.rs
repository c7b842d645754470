//! People's data: everything about a user told, or taken away, as a job that outlives the node that began it; and messages that go by
//! the age that their room sets. Why it is so stands in docs/decisions/0015-people-and-their-data.md.
//!
//! Read in this order: what names a user (`name`), jobs as records (`job`) and who runs them (`run`), the walk through everything
//! (`walk`); taking somebody out of records (`scrub`), of everything else (`erase`), what proves it (`proof`) and does it again
//! after a restore (`again`); telling everything (`export`); the age of messages (`retention`).

mod name;

mod job;
pub(in crate::rooms) mod run;
mod walk;

mod scrub;

mod erase;

mod proof;

mod again;

mod export;

pub mod retention;

use std::sync::Arc;

use hubbub_persistence::records::{Kind, List, Look, Refusal};
use hubbub_protocol::channel::{ChannelKey, TenantId, UserId};
use hubbub_protocol::{ErrorCode, MessageId};
use serde_json::{Value, json};

pub use self::export::Export;
pub use self::job::Purpose;
pub use self::proof::Proof;

use self::job::{Change, JobRow, Place, State, home_of};
use self::name::Name;
use self::proof::{is_hash, proof_key};
use super::error::{RoomError, refusal};
use super::notice::Replace;
use super::rows::{key, plain, read};
use super::service::{Origin, Rooms};
use crate::broker::Sieve;

/// Most proofs of a page, and of those that are brought back.
pub const PROOFS: u32 = 1_000;

impl Rooms {
    /// Begins a job; answers its id.
    pub async fn begin_job(
        &self,
        tenant: &TenantId,
        purpose: Purpose,
        user: Option<UserId>,
        service: Option<Arc<str>>,
        origin: Origin,
    ) -> Result<MessageId, RoomError> {
        let (home, id, now) = (home_of(tenant), self.id(), self.clock.now_ms());
        // Whoever is erased is not to be found in what is written down about that.
        let named = user.as_ref().filter(|_| purpose == Purpose::Export);
        let row = json!({
            "id": id, "time": now, "actor": null, "service": service, "address": origin.address, "agent": origin.agent,
            "op": purpose, "channel": home.channel, "user": named, "message": null, "before": null, "after": { "job": id },
            "reason": null,
        });
        let audit = plain(key(&home, Kind::Audit, id.to_string()), "", now, None, &row);
        let job = JobRow { place: Place::start(tenant), ..JobRow::new(id, purpose, user, now) };
        self.change(Change::begin(home, &job, audit, now)).await?.ok_or(RoomError::Internal)?;
        tracing::info!(%tenant, job = %id, ?purpose, "a job begins");
        self.work.notify_one();
        Ok(id)
    }

    /// How far a job is, as the API tells it.
    pub async fn job_state(&self, tenant: &TenantId, job: MessageId) -> Result<Value, RoomError> {
        let row = self.job(&home_of(tenant), job).await?.ok_or_else(no_job)?;
        let JobRow { id, purpose, user, state, created, ended, pass, known, done, counts, began, error, .. } = row;
        Ok(json!({
            "job": id, "purpose": purpose, "user": user, "state": state, "created": created, "ended": ended,
            "progress": { "pass": pass, "done": done, "known": known }, "counts": counts, "began": began, "error": error,
        }))
    }

    /// What a finished export tells.
    pub async fn export(&self, tenant: &TenantId, job: MessageId) -> Result<Export, RoomError> {
        let row = self.job(&home_of(tenant), job).await?.ok_or_else(no_job)?;
        match row {
            JobRow { purpose: Purpose::Export, state: State::Done, user: Some(user), .. } => {
                Ok(Export::new(tenant.clone(), Name::new(user)))
            }
            JobRow { purpose: Purpose::Export, state: State::Running, .. } => {
                let message = "the export is not done yet; ask for the job until it is";
                let (code, retry_after_ms) = (ErrorCode::Unavailable, Some(1_000));
                Err(Refusal { code, message: message.into(), retry_after_ms }.into())
            }
            _ => Err(refusal(ErrorCode::NotFound, "this job has no result to read").into()),
        }
    }

    /// Proofs of erasures behind a hash.
    pub async fn proofs(&self, tenant: &TenantId, after: &str, limit: u32) -> Result<Vec<Proof>, RoomError> {
        let list = List::Keys { home: home_of(tenant), kind: Kind::Proof, group: None, after: after.into(), limit };
        let looked = self.records.look(tenant, Look { lists: vec![list], ..Look::default() }).await?;
        Ok(looked.lists.iter().flatten().map(read).collect::<Result<_, _>>()?)
    }

    /// Brings proofs back that a restore from a backup has lost.
    pub async fn bring_proofs(&self, tenant: &TenantId, proofs: Vec<Proof>) -> Result<(), RoomError> {
        if proofs.len() > PROOFS as usize || !proofs.iter().all(|proof| is_hash(&proof.hash)) {
            let message = format!("`proofs` are at most {PROOFS} of those that GET /v1/proofs has answered");
            return Err(refusal(ErrorCode::BadRequest, message).into());
        }
        let home = home_of(tenant);
        for proof in proofs {
            let bring =
                Replace::new(proof_key(&home, &proof.hash), Some(proof.record(&home)), self.clock.now_ms(), self.id());
            self.records.act(Arc::new(bring)).await?;
        }
        Ok(())
    }

    /// Hands windows of a tenant, and their messages, to somebody who says which of them go. Answers from which some went.
    async fn sift(&self, tenant: &TenantId, sieve: Arc<Sieve>) -> Result<Vec<ChannelKey>, RoomError> {
        self.broker.sift(tenant, sieve).await.map_err(|error| {
            tracing::info!(%error, "windows can not be asked now");
            RoomError::Unavailable { retry_after_ms: 1_000 }
        })
    }
}

fn no_job() -> RoomError {
    refusal(ErrorCode::NotFound, "there is no such job").into()
}

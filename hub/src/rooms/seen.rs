//! Who may look into which room. What is asked while the store answers is answered by its next look, all at once: after a node
//! has died everybody attaches together.

use std::collections::BTreeMap;
use std::sync::Arc;

use hubbub_persistence::records::{Look, Records};
use hubbub_protocol::channel::{ChannelKey, TenantId, UserId};
use tokio::sync::{mpsc, oneshot};

use super::actor::Rank;
use super::error::RoomError;
use super::questions::sees;
use super::rows::{MemberRow, RoomRow, member_key, read, room_key};
use crate::clock::Clock;

/// Questions that wait. Overflow policy: who asks waits.
const WAITING: usize = 1_024;
/// Questions of one look.
const AT_ONCE: usize = 256;

/// A user, and the room that they want to look into.
type Reader = (ChannelKey, UserId);

struct Question {
    reader: Reader,
    answer: oneshot::Sender<Result<bool, RoomError>>,
}

/// Where to ask. Cheap to clone.
#[derive(Clone)]
pub(super) struct Seen(mpsc::Sender<Question>);

impl Seen {
    /// Starts to answer, on the current runtime, for as long as somebody may ask.
    pub(super) fn start(records: Arc<dyn Records>, clock: Arc<Clock>) -> Self {
        let (questions, asked) = mpsc::channel(WAITING);
        tokio::spawn(answer(records, clock, asked));
        Self(questions)
    }

    /// Whether a user may look into a room now.
    pub(super) async fn ask(&self, room: &ChannelKey, user: &UserId) -> Result<bool, RoomError> {
        let (answer, answered) = oneshot::channel();
        let question = Question { reader: (room.clone(), user.clone()), answer };
        // Nobody answers any more where the runtime ends.
        self.0.send(question).await.map_err(|_| RoomError::Internal)?;
        answered.await.map_err(|_| RoomError::Internal)?
    }
}

async fn answer(records: Arc<dyn Records>, clock: Arc<Clock>, mut asked: mpsc::Receiver<Question>) {
    let mut questions = Vec::with_capacity(AT_ONCE);
    while asked.recv_many(&mut questions, AT_ONCE).await > 0 {
        // One look is of one tenant.
        let mut tenants: BTreeMap<TenantId, (Vec<Reader>, Vec<oneshot::Sender<_>>)> = BTreeMap::new();
        for Question { reader, answer } in questions.drain(..) {
            let (readers, answers) = tenants.entry(reader.0.tenant.clone()).or_default();
            readers.push(reader);
            answers.push(answer);
        }
        for (readers, answers) in tenants.into_values() {
            let seen = who_sees(&*records, &readers, clock.now_ms()).await;
            let seen = seen.unwrap_or_else(|error| vec![Err(error); answers.len()]);
            for (answer, seen) in answers.into_iter().zip(seen) {
                // Whoever asked may have gone.
                let _ = answer.send(seen.map(|seen| seen == Some(true)));
            }
        }
    }
}

/// Of each reader of one tenant, whether they may look into their room now; `None` where there is no room. A record that is
/// damaged costs nobody else their answer.
pub(super) async fn who_sees(
    records: &dyn Records,
    readers: &[Reader],
    now_ms: u64,
) -> Result<Vec<Result<Option<bool>, RoomError>>, RoomError> {
    let Some((first, _)) = readers.first() else { return Ok(Vec::new()) };
    let keys = readers.iter().flat_map(|(home, user)| [room_key(home), member_key(home, user)]).collect();
    let looked = records.look(&first.tenant, Look { keys, ..Look::default() }).await?;
    let seen = looked.keys.chunks(2).map(|pair| {
        let [Some(room), me] = pair else { return Ok(None) };
        let (room, me): (RoomRow, Option<MemberRow>) = (read(room)?, me.as_ref().map(read).transpose()?);
        Ok(Some(sees(&room.room, Rank::of(me.as_ref(), now_ms))))
    });
    Ok(seen.collect())
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use async_trait::async_trait;
    use futures_util::future::join_all;
    use hubbub_persistence::StoreError;
    use hubbub_persistence::records::{Act, ActFuture, Hit, Looked, Record, RecordKey, Search};
    use hubbub_protocol::channel::ChannelName;

    use super::*;

    /// How the room is named whose record is damaged; there is no other.
    const DAMAGED: &str = "room:7";

    /// Counts how often it is asked.
    #[derive(Default)]
    struct Counting(AtomicUsize);

    #[async_trait]
    impl Records for Counting {
        fn act(&self, _: Arc<dyn Act>) -> ActFuture {
            unreachable!("nothing is done")
        }

        async fn look(&self, _: &TenantId, look: Look) -> Result<Looked, StoreError> {
            self.0.fetch_add(1, Ordering::Relaxed);
            tokio::task::yield_now().await;
            let damaged = |key: RecordKey| {
                let body = "not a room".to_owned();
                (key.home.channel.as_str() == DAMAGED).then(|| Record {
                    key,
                    group: String::new(),
                    at: 0,
                    who: None,
                    text: None,
                    body,
                })
            };
            Ok(Looked { keys: look.keys.into_iter().map(damaged).collect(), ..Looked::default() })
        }

        async fn search(&self, _: Search) -> Result<Vec<Hit>, StoreError> {
            unreachable!("nothing is searched")
        }

        async fn due(&self, _: u64, _: u32) -> Result<Vec<RecordKey>, StoreError> {
            unreachable!("nothing is due")
        }

        async fn naming(&self, _: &ChannelKey, _: &UserId, _: u64, _: u32) -> Result<Vec<u64>, StoreError> {
            unreachable!("nothing is read")
        }
    }

    #[tokio::test]
    async fn a_storm_is_answered_by_few_looks() {
        let records = Arc::new(Counting::default());
        let seen = Seen::start(records.clone(), Arc::new(Clock::System));
        let readers: Vec<Reader> = (0..1_000)
            .map(|number| {
                let tenant = TenantId::parse(["acme", "other"][number % 2]).expect("a tenant");
                let channel = ChannelName::parse(&format!("room:{number}")).expect("a channel");
                (ChannelKey::new(tenant, channel), UserId::parse("ann").expect("a user"))
            })
            .collect();
        let answers = join_all(readers.iter().map(|(room, user)| seen.ask(room, user))).await;
        let failed: Vec<usize> = (0..answers.len()).filter(|at| answers[*at] != Ok(false)).collect();
        assert_eq!(failed, [7], "of the others there is no room, and that is answered");
        let looks = records.0.load(Ordering::Relaxed);
        assert!(looks <= 50, "{looks} looks for 1,000 questions of two tenants");
    }
}

//! The batching over a backend that does what the test says.

use std::sync::{Arc, Mutex};

use hubbub_protocol::channel::{ChannelKey, ChannelName, TenantId};
use hubbub_protocol::{Data, Epoch, Key, MessageId, Position};

use super::*;
use crate::log::Appended;
use crate::records::{Acted, Stop, Verdict as Decided, View};

/// What a commit or a resolve did, by the numbers of its appends.
type Calls = Arc<Mutex<Vec<(&'static str, Vec<u64>)>>>;
/// Decides how a call ends.
type Verdict = Box<dyn FnMut(&'static str, &[u64]) -> Result<(), StoreError> + Send>;

struct Scripted {
    calls: Calls,
    verdict: Verdict,
    stored: Vec<u64>,
    /// Whether a commit of unknown end did store its batch.
    stores_unknown: bool,
}

#[async_trait]
impl Backend for Scripted {
    async fn commit(&mut self, batch: &[Item]) -> Result<Vec<Result<Outcome, StoreError>>, StoreError> {
        let numbers: Vec<u64> = batch.iter().map(Item::time).collect();
        self.calls.lock().expect("no panic").push(("commit", numbers.clone()));
        let end = (self.verdict)("commit", &numbers);
        if end.is_ok() || (self.stores_unknown && matches!(end, Err(StoreError::Unknown(_)))) {
            self.stored.extend(&numbers);
        }
        end.map(|()| batch.iter().map(|item| Ok(self.at(item))).collect())
    }

    async fn resolve(&mut self, batch: &[Item]) -> Result<Vec<Option<Outcome>>, StoreError> {
        let numbers: Vec<u64> = batch.iter().map(Item::time).collect();
        self.calls.lock().expect("no panic").push(("resolve", numbers.clone()));
        (self.verdict)("resolve", &numbers)?;
        Ok(batch.iter().map(|item| self.stored.contains(&item.time()).then(|| self.at(item))).collect())
    }
}

impl Scripted {
    /// The place of an item among what is stored.
    fn at(&self, item: &Item) -> Outcome {
        let time = item.time();
        let offset = self.stored.iter().position(|stored| *stored == time).map_or(0, |index| index as u64 + 1);
        let position = Position::new(Epoch::from_u64(1), offset);
        let id = MessageId::from_parts(time, 0);
        match item {
            Item::Append(_) => Outcome::Appended(Appended::At { id, position, time, duplicate: false }),
            Item::Act(_) => Outcome::Acted(Acted::Before { id, position, time }),
        }
    }
}

fn start(
    bounds: Bounds,
    verdict: impl FnMut(&'static str, &[u64]) -> Result<(), StoreError> + Send + 'static,
) -> (Batcher, Calls) {
    let calls = Calls::default();
    let backend =
        Scripted { calls: calls.clone(), verdict: Box::new(verdict), stored: Vec::new(), stores_unknown: false };
    (Batcher::start(backend, bounds), calls)
}

fn append(number: u64) -> Append {
    Append {
        channel: ChannelKey::new(
            TenantId::parse("t").expect("a tenant"),
            ChannelName::parse("chat:a").expect("a channel"),
        ),
        id: MessageId::from_parts(number, 0),
        time: number,
        publisher: "user/u".into(),
        key: None,
        conflate_key: None,
        from: None,
        data: Data::parse("1".into()).expect("json"),
    }
}

/// An act of that number.
#[derive(Debug)]
struct Numbered(u64, Vec<ChannelKey>);

impl Act for Numbered {
    fn channels(&self) -> &[ChannelKey] {
        &self.1
    }

    fn time(&self) -> u64 {
        self.0
    }

    fn publisher(&self) -> &str {
        "user/u"
    }

    fn key(&self) -> Option<&Key> {
        None
    }

    fn digest(&self) -> &[u8] {
        b"digest"
    }

    fn id(&self) -> MessageId {
        MessageId::from_parts(self.0, 0)
    }

    fn decide(&self, _: &mut View<'_>) -> Result<Decided, Stop> {
        Ok(Decided::default())
    }
}

fn act(number: u64) -> Arc<dyn Act> {
    Arc::new(Numbered(number, vec![append(number).channel]))
}

/// Enqueues all before the writer runs, and collects the answers as offsets.
async fn all(batcher: &Batcher, numbers: std::ops::RangeInclusive<u64>) -> Vec<Result<u64, StoreError>> {
    let waiting: Vec<_> = numbers.map(|number| batcher.append(append(number))).collect();
    let mut answers = Vec::new();
    for answer in waiting {
        answers.push(answer.await.map(|appended| match appended {
            Appended::At { position, .. } => position.offset,
            Appended::KeyConflict => 0,
        }));
    }
    answers
}

fn called(calls: &Calls) -> Vec<(&'static str, Vec<u64>)> {
    calls.lock().expect("no panic").clone()
}

fn away() -> StoreError {
    StoreError::Unavailable("away".into())
}

#[tokio::test]
async fn what_waits_is_committed_together_within_the_bounds() {
    let (batcher, calls) = start(Bounds { batch_appends: 4, ..Bounds::default() }, |_, _| Ok(()));
    let answers = all(&batcher, 1..=10).await;
    assert_eq!(answers, (1..=10).map(Ok).collect::<Vec<_>>());
    assert_eq!(called(&calls), [("commit", vec![1, 2, 3, 4]), ("commit", vec![5, 6, 7, 8]), ("commit", vec![9, 10])]);
    // Each costs more than half of the bytes of a batch.
    let bounds = Bounds { batch_bytes: 2 * Item::Append(append(1)).cost() - 1, ..Bounds::default() };
    let (batcher, calls) = start(bounds, |_, _| Ok(()));
    all(&batcher, 1..=3).await;
    assert_eq!(called(&calls), [("commit", vec![1, 2]), ("commit", vec![3])]);
}

#[tokio::test]
async fn a_refused_append_fails_alone_and_the_order_stays() {
    let refused = |number: &u64| *number == 3 || *number == 8;
    let (batcher, _) = start(Bounds::default(), move |_, numbers| {
        if numbers.iter().any(refused) { Err(StoreError::Refused("no".into())) } else { Ok(()) }
    });
    let answers = all(&batcher, 1..=9).await;
    let no = || Err(StoreError::Refused("no".into()));
    assert_eq!(answers, [Ok(1), Ok(2), no(), Ok(3), Ok(4), Ok(5), Ok(6), no(), Ok(7)]);
}

#[tokio::test]
async fn a_store_that_is_away_fails_the_whole_batch_at_once() {
    // Refused as a whole, then away at the second half: the first half stands, nothing else is tried.
    let (batcher, calls) = start(Bounds::default(), |_, numbers| match numbers {
        [1, 2] => Ok(()),
        [3, ..] => Err(away()),
        _ => Err(StoreError::Refused("no".into())),
    });
    let answers = all(&batcher, 1..=8).await;
    assert_eq!(answers[..2], [Ok(1), Ok(2)]);
    assert!(answers[2..].iter().all(|answer| *answer == Err(away())), "{answers:?}");
    assert_eq!(
        called(&calls).into_iter().map(|(_, numbers)| numbers).collect::<Vec<_>>(),
        [(1..=8).collect(), vec![1, 2, 3, 4], vec![1, 2], vec![3, 4]]
    );
}

#[tokio::test]
async fn an_unknown_commit_is_looked_up_and_never_repeated() {
    for stores_unknown in [true, false] {
        let calls = Calls::default();
        let mut first = true;
        let verdict = move |call: &'static str, _: &[u64]| {
            let unknown = call == "commit" && std::mem::take(&mut first);
            if unknown { Err(StoreError::Unknown("cut".into())) } else { Ok(()) }
        };
        let backend = Scripted { calls: calls.clone(), verdict: Box::new(verdict), stored: Vec::new(), stores_unknown };
        let batcher = Batcher::start(backend, Bounds::default());
        let answers = all(&batcher, 1..=3).await;
        if stores_unknown {
            assert_eq!(answers, [Ok(1), Ok(2), Ok(3)]);
        } else {
            assert!(answers.iter().all(|answer| matches!(answer, Err(StoreError::Unavailable(_)))), "{answers:?}");
        }
        assert_eq!(called(&calls), [("commit", vec![1, 2, 3]), ("resolve", vec![1, 2, 3])]);
        // Life goes on.
        assert!(all(&batcher, 4..=4).await[0].is_ok());
    }
}

#[tokio::test]
async fn acts_keep_their_place_among_appends() {
    let (batcher, calls) = start(Bounds::default(), |_, _| Ok(()));
    let appends = [1, 3, 5].map(|number| (batcher.append(append(number)), batcher.act(act(number + 1))));
    for (number, (appended, acted)) in (1..).step_by(2).zip(appends) {
        assert!(matches!(appended.await, Ok(Appended::At { position, .. }) if position.offset == number));
        assert!(matches!(acted.await, Ok(Acted::Before { position, .. }) if position.offset == number + 1));
    }
    assert_eq!(called(&calls), [("commit", vec![1, 2, 3, 4, 5, 6])]);
    // An act counts what it may become, not what it is.
    let bounds = Bounds { batch_bytes: 4_096, ..Bounds::default() };
    let (batcher, calls) = start(bounds, |_, _| Ok(()));
    let acted: Vec<_> = (1..=4).map(|number| batcher.act(act(number))).collect();
    for acted in acted {
        acted.await.expect("acted");
    }
    assert_eq!(called(&calls), [("commit", vec![1, 2]), ("commit", vec![3, 4])]);
}

#[tokio::test]
async fn an_act_without_a_message_stays_unknown() {
    let calls = Calls::default();
    let mut first = true;
    let verdict = move |_: &'static str, _: &[u64]| {
        if std::mem::take(&mut first) { Err(StoreError::Unknown("cut".into())) } else { Ok(()) }
    };
    let backend =
        Scripted { calls: calls.clone(), verdict: Box::new(verdict), stored: Vec::new(), stores_unknown: false };
    let batcher = Batcher::start(backend, Bounds::default());
    let (appended, acted) = (batcher.append(append(1)), batcher.act(act(2)));
    assert!(matches!(appended.await, Err(StoreError::Unavailable(_))), "an append is there or was not stored");
    assert_eq!(acted.await, Err(StoreError::Unknown("cut".into())));
}

#[tokio::test(start_paused = true)]
async fn what_can_not_be_looked_up_stays_unknown() {
    let (batcher, calls) = start(Bounds::default(), |call, _| match call {
        "commit" => Err(StoreError::Unknown("cut".into())),
        _ => Err(away()),
    });
    assert_eq!(all(&batcher, 1..=1).await, [Err(StoreError::Unknown("cut".into()))]);
    let calls = called(&calls);
    assert_eq!(calls.iter().filter(|(call, _)| *call == "commit").count(), 1);
    assert_eq!(calls.iter().filter(|(call, _)| *call == "resolve").count(), 6);
}

#[tokio::test]
async fn a_writer_that_dies_leaves_its_appends_unknown_and_refuses_later_ones() {
    let (batcher, _) = start(Bounds::default(), |_, _| panic!("the backend dies, as this test wants"));
    assert!(matches!(all(&batcher, 1..=1).await[0], Err(StoreError::Unknown(_))));
    assert!(matches!(all(&batcher, 2..=2).await[0], Err(StoreError::Unavailable(_))));
    batcher.close().await;
}

#[tokio::test]
async fn the_queue_is_bounded_in_count_and_bytes() {
    for bounds in [
        Bounds { waiting_appends: 3, ..Bounds::default() },
        Bounds { waiting_bytes: 3 * Item::Append(append(1)).cost(), ..Bounds::default() },
    ] {
        let (batcher, _) = start(bounds, |_, _| Ok(()));
        let answers = all(&batcher, 1..=5).await;
        let full = || Err(StoreError::Overloaded);
        assert_eq!(answers, [Ok(1), Ok(2), Ok(3), full(), full()]);
        assert_eq!(all(&batcher, 6..=8).await, [Ok(4), Ok(5), Ok(6)], "answered appends make room");
    }
}

#[tokio::test]
async fn closing_commits_what_waits_and_refuses_what_comes() {
    let (batcher, calls) = start(Bounds { batch_appends: 2, ..Bounds::default() }, |_, _| Ok(()));
    let waiting: Vec<_> = (1..=5).map(|number| batcher.append(append(number))).collect();
    batcher.close().await;
    assert_eq!(called(&calls).len(), 3);
    assert!(matches!(batcher.append(append(6)).await, Err(StoreError::Unavailable(_))));
    for answer in waiting {
        assert!(answer.await.is_ok());
    }
    batcher.close().await;
}

//! What the ends of a broker share: interest, pulses, whether anything is heard. Receives what comes on pub/sub channels.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::Duration;

use hubbub_protocol::MessageId;
use hubbub_protocol::channel::ChannelKey;
use hubbub_protocol::envelope::wire::{self, WireError};
use tokio::time::Instant;

use super::interest::{Interest, SessionNumber};
use super::names;
use super::pulse::Pulse;
use crate::broker::{Content, Envelope, Inbox, Link};
use crate::redis::{Redis, State};

/// How long a subscriber without a connection is part of an outage, and not a fault of this node, in milliseconds.
const PATIENCE_MS: u64 = 5_000;
/// How long the echo of an append whose answer was lost is waited for, in milliseconds: longer than Redis keeps a connection that
/// broke.
const UNANSWERED_MS: u64 = 120_000;
/// Such appends that are remembered at most; of more the sweep after the lost link takes care.
const UNANSWERED: usize = 65_536;

pub(super) struct Shared {
    pub(super) redis: Redis,
    pub(super) inbox: Inbox,
    pub(super) incarnation: [u8; 16],
    /// How long interest lingers, in milliseconds.
    pub(super) linger_ms: u64,
    /// The session that runs; 0 while none does.
    pub(super) session: AtomicU64,
    /// Set when messages were dropped between the socket and us.
    pub(super) lagged: AtomicBool,
    interest: RwLock<Interest>,
    pulses: Mutex<Pulses>,
    hearing: Mutex<Hearing>,
    /// Own appends that were sent and not answered yet, and since when. Whoever takes one out delivers it: the answer, or the
    /// echo where the answer was lost.
    unanswered: Mutex<HashMap<MessageId, u64>>,
    began: Instant,
}

/// The pulses of the buckets in use, and where one was missed.
#[derive(Debug, Default)]
pub(super) struct Pulses {
    pub(super) of: HashMap<u16, Pulse>,
    pub(super) missed: Vec<u16>,
}

enum Hearing {
    Well,
    Lost { since: u64, why: String },
}

impl Shared {
    pub(super) fn new(redis: Redis, inbox: Inbox, incarnation: [u8; 16], linger: Duration) -> Self {
        let hearing = Mutex::new(Hearing::Lost { since: 0, why: "not subscribed yet".into() });
        Self {
            redis,
            inbox,
            incarnation,
            linger_ms: linger.as_millis() as u64,
            session: AtomicU64::new(0),
            lagged: AtomicBool::new(false),
            interest: RwLock::default(),
            pulses: Mutex::default(),
            hearing,
            unanswered: Mutex::default(),
            began: Instant::now(),
        }
    }

    /// Milliseconds of a clock that does not jump.
    pub(super) fn now(&self) -> u64 {
        self.began.elapsed().as_millis() as u64
    }

    pub(super) fn interest(&self) -> RwLockReadGuard<'_, Interest> {
        // What a panic left behind is whole: every change under these locks is one step.
        self.interest.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn interest_mut(&self) -> RwLockWriteGuard<'_, Interest> {
        self.interest.write().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn pulses(&self) -> MutexGuard<'_, Pulses> {
        self.pulses.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn session(&self) -> SessionNumber {
        self.session.load(Ordering::Acquire)
    }

    /// Everything is heard from now on.
    pub(super) fn hears(&self) {
        *self.hearing.lock().unwrap_or_else(PoisonError::into_inner) = Hearing::Well;
    }

    /// Something may not be heard from now on.
    pub(super) fn lost(&self, why: impl Into<String>) {
        let mut hearing = self.hearing.lock().unwrap_or_else(PoisonError::into_inner);
        let since = match &*hearing {
            Hearing::Well => self.now(),
            Hearing::Lost { since, .. } => *since,
        };
        *hearing = Hearing::Lost { since, why: why.into() };
    }

    pub(super) fn link(&self) -> Link {
        if let State::Away(why) = self.redis.state() {
            return Link::Away(why);
        }
        match &*self.hearing.lock().unwrap_or_else(PoisonError::into_inner) {
            Hearing::Well => Link::Well,
            Hearing::Lost { since, why } => {
                let lost_for = self.now().saturating_sub(*since);
                // Only an answer since then shows that the fault is here.
                let deaf = lost_for > PATIENCE_MS && self.redis.answered_within(lost_for - PATIENCE_MS);
                if deaf { Link::Deaf(why.clone()) } else { Link::Away(why.clone()) }
            }
        }
    }

    /// Takes what came on a pub/sub channel.
    pub(super) async fn receive(&self, name: &str, bytes: &[u8]) {
        let Some(channel) = self.interest().receiver(name) else { return self.beat(name, bytes) };
        match wire::decode(&channel, bytes) {
            Ok(received) if received.origin == self.incarnation && !self.is_lost_answer(&received.envelope) => {}
            Ok(received) => self.inbox.deliver(received.envelope).await,
            Err(error) => refuse(&channel, error),
        }
    }

    /// Delivers to this node, if it wants it and has not given it.
    pub(super) async fn deliver_here(&self, envelope: Envelope) {
        let given = matches!(envelope.content, Content::Order(_));
        if !given && self.interest().wants(&envelope.channel) {
            self.inbox.deliver(envelope).await;
        }
    }

    /// An own append is on its way. Answers whether its echo will be known for an answer.
    pub(super) fn sent(&self, id: MessageId) -> bool {
        let mut unanswered = self.unanswered();
        let remembered = unanswered.len() < UNANSWERED;
        if remembered {
            unanswered.insert(id, self.now());
        }
        remembered
    }

    /// Its answer came. Answers whether it is still to be delivered here.
    pub(super) fn answered(&self, id: MessageId) -> bool {
        self.unanswered().remove(&id).is_some()
    }

    /// Lets go what nobody will answer any more.
    pub(super) fn forget_unanswered(&self) {
        let now = self.now();
        self.unanswered().retain(|_, since| now.saturating_sub(*since) < UNANSWERED_MS);
    }

    fn unanswered(&self) -> MutexGuard<'_, HashMap<MessageId, u64>> {
        self.unanswered.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_lost_answer(&self, envelope: &Envelope) -> bool {
        matches!(&envelope.content, Content::Message(message) if self.answered(message.id))
    }

    fn beat(&self, name: &str, bytes: &[u8]) {
        let number = std::str::from_utf8(bytes).ok().and_then(|text| text.parse().ok());
        let (Some(bucket), Some(number)) = (names::beaten(&self.redis, name), number) else { return };
        let now = self.now();
        let mut pulses = self.pulses();
        if pulses.of.get_mut(&bucket).is_some_and(|pulse| pulse.heard(number, now)) {
            pulses.missed.push(bucket);
        }
    }
}

/// What can not be read is let go and counted; it says nothing about what else came.
fn refuse(channel: &ChannelKey, error: WireError) {
    let cause = match error {
        WireError::Version(_) => "version",
        WireError::Kind(_) => "kind",
        WireError::Length | WireError::Field(_) | WireError::Position => "malformed",
    };
    metrics::counter!("hubbub_refused_envelopes_total", "cause" => cause).increment(1);
    tracing::debug!(%channel, %error, "an envelope was refused");
}

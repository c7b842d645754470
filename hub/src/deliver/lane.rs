//! A lane: owns the channels that hash to it, and is the only one that orders their deliveries. It executes what
//! [`LaneChannel`] decides: asks the broker and the logs, encodes, and hands each delivery to the shards that want it.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use hubbub_persistence::{Entry, Head, Page, ReadFrom};
use hubbub_protocol::channel::ChannelKey;
use hubbub_protocol::frame::ServerFrame;
use hubbub_protocol::{GapReason, Position};
use tokio::sync::{Semaphore, SemaphorePermit, mpsc};
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep, sleep_until};

use super::channel::{LaneChannel, Life, Out, gap_frame};
use super::{Command, Parts};
use crate::broker::{Content, Envelope, Incoming};
use crate::encoded::Encoded;
use crate::logs::{LogError, Logs, Resumption};
use crate::namespace::LogKind;
use crate::shard::mail::{Delivery, Mail};

/// How often the logs of durable channels are asked whether they moved without a delivery.
const TAIL_SWEEP: Duration = Duration::from_secs(2);
/// Channels in one question for heads.
const HEADS_AT_ONCE: usize = 512;
/// Reads of each kind of log that one lane has under way at once: after a storm of attaches, or where much was missed, the
/// others wait here and not at the log, which would give up.
const READS_AT_ONCE: usize = 32;
/// Pause before a log that did not answer is asked again.
const REFILL_RETRY: Duration = Duration::from_secs(1);

/// What a question to the broker or a log brought.
enum Answer {
    Opened(ChannelKey, Life, Result<Option<Page>, LogError>),
    Refilled(ChannelKey, Position, Result<(Resumption, Page), LogError>),
    Heads(Vec<ChannelKey>, Result<Vec<Head>, LogError>),
}

/// Who may read which kind of log now. A log that hangs does not hold up the reads of the other.
#[derive(Clone)]
struct Turns {
    durable: Arc<Semaphore>,
    window: Arc<Semaphore>,
}

/// One lane, running in one task.
pub(super) struct Lane {
    parts: Parts,
    channels: HashMap<ChannelKey, LaneChannel>,
    /// Channels with a missing message, by when it is looked for in the log.
    late: VecDeque<(Instant, ChannelKey)>,
    questions: JoinSet<Answer>,
    turns: Turns,
    lives: Life,
    started: Instant,
}

impl Lane {
    pub(super) fn new(parts: Parts) -> Self {
        let (channels, late, questions) = (HashMap::new(), VecDeque::new(), JoinSet::new());
        Self { parts, channels, late, questions, turns: Turns::new(), lives: 0, started: Instant::now() }
    }

    /// Runs until the node drops its end of the queues.
    pub(super) async fn run(mut self, mut incoming: mpsc::Receiver<Incoming>, mut commands: mpsc::Receiver<Command>) {
        let mut tail_sweep = interval(TAIL_SWEEP);
        tail_sweep.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let late = self.late.front().map(|(at, _)| *at);
            tokio::select! {
                biased;
                command = commands.recv() => match command {
                    Some(command) => self.obey(command).await,
                    None => return,
                },
                Some(answer) = self.questions.join_next() => match answer {
                    Ok(answer) => self.take_answer(answer).await,
                    Err(error) => tracing::error!(%error, "a question of a lane panicked"),
                },
                Some(incoming) = incoming.recv() => self.receive(incoming).await,
                () = sleep_until(late.unwrap_or(self.started)), if late.is_some() => self.look_for_late(),
                _ = tail_sweep.tick() => self.sweep_tails(),
            }
        }
    }

    async fn obey(&mut self, command: Command) {
        match command {
            Command::Attach { channel, kind, shard } => self.attach(channel, kind, shard).await,
            Command::Detach { channel, shard } => self.detach(&channel, shard).await,
        }
    }

    async fn attach(&mut self, channel: ChannelKey, kind: LogKind, shard: usize) {
        if let Some(known) = self.channels.get_mut(&channel) {
            if !known.shards.contains(&shard) {
                known.shards.push(shard);
            }
            if known.is_open() {
                let position = Ok(known.position());
                self.parts.shards[shard].send(Mail::Attached { channel, position }).await;
            }
            return;
        }
        self.lives += 1;
        let life = self.lives;
        let mut opening = LaneChannel::opening(life, kind, self.parts.limits.reorder_bytes);
        opening.shards.push(shard);
        self.channels.insert(channel.clone(), opening);
        let Parts { broker, logs, limits, .. } = &self.parts;
        let (broker, logs, turns) = (broker.clone(), logs.clone(), self.turns.clone());
        let (limit, bytes) = (limits.hot_messages as u32, limits.hot_bytes);
        self.questions.spawn(async move {
            let registered = broker.subscribe(std::slice::from_ref(&channel)).await;
            let page = match registered {
                Err(error) => Err(error.into()),
                Ok(()) if kind == LogKind::None => Ok(None),
                // One read tells where the log stands and what those who resume will ask for.
                Ok(()) => {
                    let _turn = turns.take(kind).await;
                    logs.read(kind, &channel, ReadFrom::Before(u64::MAX), limit, bytes).await.map(Some)
                }
            };
            Answer::Opened(channel, life, page)
        });
    }

    async fn detach(&mut self, channel: &ChannelKey, shard: usize) {
        let Some(known) = self.channels.get_mut(channel) else { return };
        known.shards.retain(|other| *other != shard);
        if known.shards.is_empty() {
            self.channels.remove(channel);
            self.parts.hot.close(channel);
            self.end_interest(channel).await;
        }
    }

    async fn end_interest(&self, channel: &ChannelKey) {
        if let Err(error) = self.parts.broker.unsubscribe(std::slice::from_ref(channel)).await {
            // What still comes is dropped: nobody wants it.
            tracing::warn!(%channel, %error, "could not end the interest in a channel");
        }
    }

    async fn take_answer(&mut self, answer: Answer) {
        match answer {
            Answer::Opened(channel, life, page) => self.opened(channel, life, page).await,
            Answer::Refilled(channel, asked, read) => self.refilled(channel, asked, read).await,
            Answer::Heads(channels, heads) => self.compare(channels, heads),
        }
    }

    async fn opened(&mut self, channel: ChannelKey, life: Life, page: Result<Option<Page>, LogError>) {
        let now = self.now_ms();
        let Some(known) = self.channels.get_mut(&channel) else {
            // Nobody wants it any more, and the interest may have been registered after it was ended.
            return self.end_interest(&channel).await;
        };
        // Of an earlier time: it does not say what the channel has missed since.
        if known.life() != life {
            return;
        }
        let (position, out) = match page {
            Ok(page) => {
                let head = page.as_ref().map(|page| page.head.position);
                if let Some(page) = page {
                    let recent = newest(&channel, &page);
                    self.parts.hot.open(&channel, page.head.position, recent, Instant::now());
                }
                (Ok(head), known.open(head, now))
            }
            Err(error) => (Err(error.to_string()), Vec::new()),
        };
        let (shards, waits) = (known.shards.clone(), known.waiting_since().is_some());
        if waits {
            self.expect_soon(channel.clone());
        }
        if position.is_err() {
            self.channels.remove(&channel);
            self.end_interest(&channel).await;
        }
        for shard in shards {
            let (channel, position) = (channel.clone(), position.clone());
            self.parts.shards[shard].send(Mail::Attached { channel, position }).await;
        }
        self.emit(&channel, out).await;
    }

    async fn receive(&mut self, incoming: Incoming) {
        match incoming {
            Incoming::Envelope(envelope) => {
                let now = self.now_ms();
                let channel = envelope.channel.clone();
                let Some(known) = self.channels.get_mut(&channel) else { return };
                let was_waiting = known.waiting_since().is_some();
                let out = known.offer(envelope, now);
                if known.waiting_since().is_some() && !was_waiting {
                    self.expect_soon(channel.clone());
                }
                self.emit(&channel, out).await;
            }
            Incoming::Sweep(channels) => self.ask_heads(channels),
        }
    }

    /// A message of the channel is missing: it comes within the time in which nodes race, or is looked for.
    fn expect_soon(&mut self, channel: ChannelKey) {
        let at = Instant::now() + Duration::from_millis(self.parts.limits.reorder_ms);
        self.late.push_back((at, channel));
    }

    /// What is missing for longer than nodes race is read from the log.
    fn look_for_late(&mut self) {
        let reorder_ms = self.parts.limits.reorder_ms;
        // One clock for the whole turn: what is put back is not due in it.
        let looked = Instant::now();
        let now = self.now_ms();
        while let Some((_, channel)) = self.late.pop_front_if(|(at, _)| *at <= looked) {
            let Some(known) = self.channels.get_mut(&channel) else { continue };
            match known.waiting_since() {
                Some(since) if since + reorder_ms <= now => known.wants_refill = true,
                Some(since) => {
                    let at = self.started + Duration::from_millis(since + reorder_ms);
                    self.late.push_back((at, channel));
                    continue;
                }
                None => continue,
            }
            metrics::counter!("hubbub_refills_total", "cause" => "missing").increment(1);
            self.refill_if_wanted(&channel);
        }
    }

    /// Reads the log of a channel once at a time.
    fn refill_if_wanted(&mut self, channel: &ChannelKey) {
        let Some(known) = self.channels.get_mut(channel) else { return };
        let Some(position) = known.position().filter(|_| known.wants_refill && !known.refilling) else { return };
        (known.wants_refill, known.refilling) = (false, true);
        let (logs, kind, channel) = (self.parts.logs.clone(), known.kind(), channel.clone());
        let (limit, bytes) = (self.parts.limits.page_messages, self.parts.limits.page_bytes);
        let turns = self.turns.clone();
        self.questions.spawn(async move {
            let turn = turns.take(kind).await;
            let read = read_on(&logs, kind, &channel, position, limit, bytes).await;
            drop(turn);
            if read.is_err() {
                sleep(REFILL_RETRY).await;
            }
            Answer::Refilled(channel, position, read)
        });
    }

    async fn refilled(&mut self, channel: ChannelKey, asked: Position, read: Result<(Resumption, Page), LogError>) {
        let now = self.now_ms();
        let Some(known) = self.channels.get_mut(&channel) else { return };
        known.refilling = false;
        let out = match read {
            Ok((resumption, page)) => known.refilled(&channel, asked, resumption, page, now),
            Err(error) => {
                tracing::warn!(%channel, %error, "could not refill from the log, trying again");
                known.wants_refill = true;
                Vec::new()
            }
        };
        self.emit(&channel, out).await;
        if let Some(at) = self.channels.get(&channel).and_then(LaneChannel::position) {
            self.parts.hot.stand(&channel, at);
        }
    }

    fn sweep_tails(&mut self) {
        let durable = |(channel, known): (&ChannelKey, &LaneChannel)| {
            (known.kind() == LogKind::Durable && known.is_open()).then(|| channel.clone())
        };
        let channels = self.channels.iter().filter_map(durable).collect();
        self.ask_heads(channels);
    }

    /// Asks the logs where they stand, for each channel once at a time: what was asked before this does not count.
    fn ask_heads(&mut self, channels: Vec<ChannelKey>) {
        let (mut durable, mut window) = (Vec::new(), Vec::new());
        for channel in channels {
            let Some(known) = self.channels.get_mut(&channel) else { continue };
            if known.asks_head() {
                match known.kind() {
                    LogKind::Durable => durable.push(channel),
                    LogKind::Window => window.push(channel),
                    LogKind::None => {}
                }
            }
        }
        for (kind, channels) in [(LogKind::Durable, durable), (LogKind::Window, window)] {
            for channels in channels.chunks(HEADS_AT_ONCE) {
                let (logs, channels) = (self.parts.logs.clone(), channels.to_vec());
                self.questions.spawn(async move {
                    let heads = logs.heads(kind, &channels).await;
                    if heads.is_err() {
                        sleep(REFILL_RETRY).await;
                    }
                    Answer::Heads(channels, heads)
                });
            }
        }
    }

    /// Reads what the heads show to be missing.
    fn compare(&mut self, channels: Vec<ChannelKey>, heads: Result<Vec<Head>, LogError>) {
        let mut heads = heads.into_iter().flatten();
        let mut again = Vec::new();
        for channel in channels {
            let head = heads.next();
            let Some(known) = self.channels.get_mut(&channel) else { continue };
            if known.compare(head.map(|head| head.position)) {
                again.push(channel.clone());
            }
            self.refill_if_wanted(&channel);
        }
        self.ask_heads(again);
    }

    /// Hands what leaves to the shards that want it, then reads the log if the channel asks for it.
    async fn emit(&mut self, channel: &ChannelKey, out: Vec<Out>) {
        if let Some(known) = self.channels.get(channel) {
            for delivery in out.into_iter().filter_map(|out| deliverable(channel, out)) {
                // First here: whoever misses it in the mailbox finds it there.
                self.parts.hot.push(&delivery, Instant::now());
                for shard in &known.shards {
                    self.parts.shards[*shard].send(Mail::Delivery(delivery.clone())).await;
                }
            }
        }
        self.refill_if_wanted(channel);
    }

    fn now_ms(&self) -> u64 {
        self.started.elapsed().as_millis() as u64
    }
}

impl Turns {
    fn new() -> Self {
        let turns = || Arc::new(Semaphore::new(READS_AT_ONCE));
        Self { durable: turns(), window: turns() }
    }

    /// Free again when it is dropped.
    async fn take(&self, kind: LogKind) -> Option<SemaphorePermit<'_>> {
        let turns = match kind {
            LogKind::Durable => &self.durable,
            LogKind::Window => &self.window,
            LogKind::None => return None,
        };
        // Never closed.
        turns.acquire().await.ok()
    }
}

async fn read_on(
    logs: &Logs,
    kind: LogKind,
    channel: &ChannelKey,
    position: Position,
    limit: u32,
    bytes: usize,
) -> Result<(Resumption, Page), LogError> {
    let resumption = logs.resume(kind, channel, position).await?;
    let page = logs.read(kind, channel, ReadFrom::After(resumption.after), limit, bytes).await?;
    Ok((resumption, page))
}

/// The newest messages of a page that was read backwards from the head, in order, as far as nothing is missing between them.
fn newest(channel: &ChannelKey, page: &Page) -> Vec<Delivery> {
    let mut expected = page.head.position.offset;
    let mut recent = Vec::with_capacity(page.entries.len());
    for entry in &page.entries {
        let Entry::Message(message) = entry else { break };
        if entry.offset() != expected {
            break;
        }
        expected -= 1;
        let content = Content::Message(message.clone());
        recent.extend(deliverable(channel, Out::Envelope(Envelope { channel: channel.clone(), content })));
    }
    recent.reverse();
    recent
}

fn deliverable(channel: &ChannelKey, out: Out) -> Option<Delivery> {
    let (position, conflate_key, cost, frame) = match out {
        Out::Envelope(Envelope { content: Content::Message(message), .. }) => {
            (message.position, message.conflate_key.clone(), message.cost(), ServerFrame::Message(message))
        }
        Out::Envelope(Envelope { content: Content::Presence(change), .. }) => {
            (None, None, 256, ServerFrame::Presence(change))
        }
        Out::Envelope(Envelope { content: Content::PresenceCount(count), .. }) => {
            (None, None, 256, ServerFrame::PresenceCount(count))
        }
        // Orders go to control, not to subscribers.
        Out::Envelope(Envelope { content: Content::Order(_), .. }) => return None,
        Out::Gap(at, lost, reason) => {
            if reason == GapReason::Lost {
                metrics::counter!("hubbub_lost_messages_total").increment(lost.to - lost.from + 1);
                tracing::error!(%channel, from = lost.from, to = lost.to, "the log does not hold what it should");
            }
            (Some(at), None, 256, gap_frame(channel.channel.clone(), at, lost, reason))
        }
    };
    let presence = matches!(frame, ServerFrame::Presence(_) | ServerFrame::PresenceCount(_));
    let encoded = Encoded::new(frame);
    Some(Delivery { channel: channel.clone(), position, presence, conflate_key, encoded, cost })
}

//! One channel as a lane sees it: which shards want it, and in what order its deliveries leave. Pure.

use hubbub_persistence::{Entry, Page};
use hubbub_protocol::channel::ChannelKey;
use hubbub_protocol::frame::ServerFrame;
use hubbub_protocol::{GapReason, Position, Range};

use super::cursor::{Cursor, Verdict};
use crate::broker::{Content, Envelope};
use crate::logs::Resumption;
use crate::namespace::LogKind;

/// What leaves a lane, in order.
#[derive(Clone, Debug)]
pub enum Out {
    /// An envelope.
    Envelope(Envelope),
    /// Offsets that will never come; the log stands at the position after them.
    Gap(Position, Range, GapReason),
}

/// How far the channel is.
#[derive(Debug)]
enum State {
    /// The broker and the log are being asked; what comes meanwhile waits here.
    Opening(Vec<Envelope>, usize),
    /// Everything is in order. Channels without a log have no cursor.
    Open(Option<Cursor<Envelope>>),
}

/// Numbers the times that a lane began to follow a channel.
pub type Life = u64;

/// Whether the log is asked where it stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Question {
    Not,
    Asked,
    /// It was asked before somebody wanted to know: it will be asked again.
    AskedBefore,
}

/// A channel with interest on this node.
#[derive(Debug)]
pub struct LaneChannel {
    life: Life,
    kind: LogKind,
    state: State,
    /// The shards that want it.
    pub shards: Vec<usize>,
    /// Whether the log is being read for it.
    pub refilling: bool,
    /// Whether the log has to be read (again) for it.
    pub wants_refill: bool,
    head: Question,
    max_bytes: usize,
}

impl LaneChannel {
    /// A channel whose interest is being registered; at most `max_bytes` wait meanwhile, and for a missing message later.
    pub fn opening(life: Life, kind: LogKind, max_bytes: usize) -> Self {
        let (state, shards, head) = (State::Opening(Vec::new(), 0), Vec::new(), Question::Not);
        Self { life, kind, state, shards, refilling: false, wants_refill: false, head, max_bytes }
    }

    /// Which time it is that the lane follows it.
    pub fn life(&self) -> Life {
        self.life
    }

    /// What its namespace remembers.
    pub fn kind(&self) -> LogKind {
        self.kind
    }

    /// Whether it can answer where it stands.
    pub fn is_open(&self) -> bool {
        matches!(self.state, State::Open(_))
    }

    /// Everything up to here has left; `None` without a log or before it is open.
    pub fn position(&self) -> Option<Position> {
        match &self.state {
            State::Open(Some(cursor)) => Some(cursor.position()),
            _ => None,
        }
    }

    /// Since when a message is missing, in milliseconds of the lane's clock.
    pub fn waiting_since(&self) -> Option<u64> {
        match &self.state {
            State::Open(Some(cursor)) => cursor.waiting_since(),
            _ => None,
        }
    }

    /// The interest is registered; deliveries follow after `head`.
    pub fn open(&mut self, head: Option<Position>, now_ms: u64) -> Vec<Out> {
        let cursor = head.map(|head| Cursor::new(head, self.max_bytes));
        let before = std::mem::replace(&mut self.state, State::Open(cursor));
        let State::Opening(waiting, _) = before else { return Vec::new() };
        waiting.into_iter().flat_map(|envelope| self.offer(envelope, now_ms)).collect()
    }

    /// Takes what the broker brought; answers what may leave now.
    pub fn offer(&mut self, envelope: Envelope, now_ms: u64) -> Vec<Out> {
        let cursor = match &mut self.state {
            State::Opening(waiting, bytes) => {
                *bytes += envelope.cost();
                if *bytes <= self.max_bytes {
                    waiting.push(envelope);
                } else if self.kind != LogKind::None {
                    // The log has it; the cursor will miss it and ask.
                    self.wants_refill = true;
                }
                return Vec::new();
            }
            State::Open(cursor) => cursor,
        };
        let position = match &envelope.content {
            Content::Message(message) => message.position,
            Content::Presence(_) | Content::PresenceCount(_) | Content::Order(_) => None,
        };
        let (Some(cursor), Some(position)) = (cursor, position) else { return vec![Out::Envelope(envelope)] };
        let cost = envelope.cost();
        let mut offered = Some(envelope);
        // The closure runs only for `Held`; in the other cases the envelope stays here.
        let verdict = cursor.offer(position, cost, now_ms, || offered.take().expect("offered once"));
        match verdict {
            Verdict::Deliver => {
                let first = offered.map(Out::Envelope);
                first.into_iter().chain(std::iter::from_fn(|| cursor.pop(now_ms).map(Out::Envelope))).collect()
            }
            Verdict::Held | Verdict::Duplicate => Vec::new(),
            Verdict::Refill => {
                self.wants_refill = true;
                Vec::new()
            }
        }
    }

    /// Somebody wants to know whether something was missed. Answers whether the log is to be asked now.
    pub fn asks_head(&mut self) -> bool {
        match self.head {
            _ if self.kind == LogKind::None => false,
            // Its log is read when it opens, at the latest.
            _ if !self.is_open() => {
                self.wants_refill = true;
                false
            }
            Question::Not => {
                self.head = Question::Asked;
                true
            }
            Question::Asked | Question::AskedBefore => {
                self.head = Question::AskedBefore;
                false
            }
        }
    }

    /// The log says that it stands here (`None`: it said nothing): was something missed? Answers whether it is to be asked again.
    pub fn compare(&mut self, head: Option<Position>) -> bool {
        let missed = |here: Position, head: Position| here.epoch != head.epoch || here.offset < head.offset;
        let asked = std::mem::replace(&mut self.head, Question::Not);
        if self.position().zip(head).is_some_and(|(here, head)| missed(here, head)) {
            self.wants_refill = true;
        }
        head.is_none() || asked == Question::AskedBefore
    }

    /// Takes a page of the log that begins where the cursor stood when it was `asked` for; answers what may leave now.
    pub fn refilled(
        &mut self,
        channel: &ChannelKey,
        asked: Position,
        resumption: Resumption,
        page: Page,
        now_ms: u64,
    ) -> Vec<Out> {
        let State::Open(Some(cursor)) = &mut self.state else { return Vec::new() };
        let epoch = page.head.position.epoch;
        let before = cursor.position();
        let moved_on = epoch != before.epoch && before != asked;
        if resumption.head.position.epoch != epoch || moved_on {
            // The epoch changed between the two reads, or what was delivered since is of the old one: ask again.
            self.wants_refill = true;
            return Vec::new();
        }
        let mut out = Vec::new();
        let at = Position::new(epoch, resumption.after);
        if epoch != before.epoch {
            cursor.advance(at, now_ms);
        }
        if let Some((lost, reason)) = resumption.lost
            && (epoch != before.epoch || lost.to > before.offset)
        {
            cursor.advance(at, now_ms);
            out.push(Out::Gap(at, lost, reason));
        }
        let mut walk = PageWalk { channel, page: &page, cursor, now_ms, out: &mut out };
        walk.run();
        self.wants_refill |= page.more;
        let State::Open(Some(cursor)) = &mut self.state else { return out };
        out.extend(std::iter::from_fn(|| cursor.pop(now_ms).map(Out::Envelope)));
        out
    }
}

/// Walks a page from the cursor on: messages leave, tombstones and holes become gaps.
struct PageWalk<'a> {
    channel: &'a ChannelKey,
    page: &'a Page,
    cursor: &'a mut Cursor<Envelope>,
    now_ms: u64,
    out: &'a mut Vec<Out>,
}

impl PageWalk<'_> {
    fn run(&mut self) {
        let head = self.page.head;
        self.give_up(head.low, GapReason::Expired);
        for entry in &self.page.entries {
            let offset = entry.offset();
            if offset <= self.cursor.position().offset {
                continue;
            }
            self.give_up(offset - 1, GapReason::Lost);
            match entry {
                Entry::Message(message) => {
                    self.cursor.advance(Position::new(head.position.epoch, offset), self.now_ms);
                    let content = Content::Message(message.clone());
                    self.out.push(Out::Envelope(Envelope { channel: self.channel.clone(), content }));
                }
                Entry::Tombstone { .. } => self.give_up(offset, GapReason::Expired),
            }
        }
        if !self.page.more {
            self.give_up(head.position.offset, GapReason::Lost);
        }
    }

    /// Nothing up to `to` will come any more.
    fn give_up(&mut self, to: u64, reason: GapReason) {
        let Position { epoch, offset } = self.cursor.position();
        if to > offset {
            let at = Position::new(epoch, to);
            self.cursor.advance(at, self.now_ms);
            self.out.push(Out::Gap(at, Range { from: offset + 1, to }, reason));
        }
    }
}

/// The frame of a gap.
pub fn gap_frame(channel: hubbub_protocol::ChannelName, at: Position, lost: Range, reason: GapReason) -> ServerFrame {
    ServerFrame::Gap { channel, epoch: at.epoch, lost, reason }
}

#[cfg(test)]
mod tests {
    use hubbub_protocol::Epoch;

    use super::*;

    fn at(offset: u64) -> Position {
        Position::new(Epoch::from_u64(1), offset)
    }

    #[test]
    fn a_log_is_asked_once_at_a_time_and_again_for_whoever_came_meanwhile() {
        let mut channel = LaneChannel::opening(1, LogKind::Durable, 1_000);
        assert!(!channel.asks_head() && channel.wants_refill, "its log is read when it is open");
        channel.open(Some(at(7)), 0);
        channel.wants_refill = false;
        assert!(channel.asks_head(), "nobody has asked");
        assert!(!channel.asks_head(), "it is being asked");
        assert!(channel.compare(Some(at(7))), "what was asked before the second question does not answer it");
        assert!(!channel.wants_refill, "nothing is missing");
        assert!(channel.asks_head());
        assert!(channel.compare(None), "no answer");
        assert!(channel.asks_head());
        assert!(!channel.compare(Some(at(8))) && channel.wants_refill, "a message is missing");
    }

    #[test]
    fn without_a_log_nobody_is_asked() {
        let mut channel = LaneChannel::opening(1, LogKind::None, 1_000);
        assert!(!channel.asks_head());
        channel.open(None, 0);
        assert!(!channel.asks_head() && !channel.wants_refill);
    }
}

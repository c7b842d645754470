//! What the timers of a shard do when they fire.

use hubbub_protocol::CloseCode;
use hubbub_protocol::frame::ServerFrame;
use hubbub_protocol::sse;

use super::connection::{Closing, ConnectionId, Goodbye};
use super::state::State;
use super::wheel::TICK_MS;
use crate::encoded::Format;

/// A timer of a shard.
#[derive(Clone, Copy, Debug)]
pub(super) enum Timer {
    /// The connect frame should have come.
    Connect(ConnectionId),
    /// Is the peer still there?
    Heartbeat(ConnectionId),
    /// The token expires, or is about to.
    Expiry(ConnectionId),
    /// A connection that said goodbye, or broke, is taken out.
    Gone(ConnectionId),
    /// A channel without subscribers lets go of its interest.
    Linger(u32, u32),
    /// A channel with a flush interval hands out what waits.
    Gathered(u32),
    /// A stream with a rate may write again.
    StreamFlush(ConnectionId),
    /// A stream has lived long enough.
    Rotate(ConnectionId),
}

/// A drain under way.
#[derive(Debug)]
pub(super) struct Drain {
    /// Who has not been told yet.
    pub(super) left: Vec<ConnectionId>,
    /// How many are told at each tick.
    pub(super) per_tick: usize,
    /// The window they are told, in milliseconds.
    pub(super) within_ms: u64,
}

impl State {
    /// Turns the wheel up to a tick and does what is due.
    pub(super) fn turn(&mut self, tick: u64, now_ms: u64) {
        let mut due = Vec::new();
        self.wheel.turn(tick, &mut due);
        for timer in due {
            match timer {
                Timer::Connect(id) => self.connect_overdue(id),
                Timer::Heartbeat(id) => {
                    self.heartbeat(id);
                    self.watch_expiry(id, now_ms);
                }
                Timer::Expiry(id) => self.expiry(id, now_ms),
                Timer::Gone(id) => self.gone(id),
                Timer::Linger(slot, emptied) => self.linger_over(slot, emptied),
                Timer::Gathered(slot) => self.gathered_due(slot),
                Timer::StreamFlush(id) => self.stream_flush(id),
                Timer::Rotate(id) => self.close(id, Goodbye::Code(CloseCode::Reconnect), None),
            }
        }
        self.drain_some();
    }

    fn connect_overdue(&mut self, id: ConnectionId) {
        if self.connections.get(id).is_some_and(|connection| connection.session.is_none()) {
            self.close(id, Goodbye::Code(CloseCode::ConnectTimeout), None);
        }
    }

    /// A WebSocket that was silent for an interval is pinged and closed after half an interval more. An SSE stream that was
    /// silent gets a comment.
    fn heartbeat(&mut self, id: ConnectionId) {
        let tick = self.wheel.tick();
        let (heartbeat_ms, sse_ms) = (self.limits.heartbeat_ms, self.limits.sse_heartbeat_ms);
        let Some(connection) = self.connections.get(id).filter(|connection| connection.is_open()) else { return };
        connection.outbox.release();
        let idle_ms = (tick - connection.active) * TICK_MS;
        if connection.format == Format::Sse {
            if idle_ms >= sse_ms {
                self.send_bytes(id, &sse::HEARTBEAT.into());
            }
            self.wheel.arm(sse_ms.saturating_sub(idle_ms).max(sse_ms / 4), Timer::Heartbeat(id));
            return;
        }
        let dead_ms = heartbeat_ms + heartbeat_ms / 2;
        let next_ms = if idle_ms >= dead_ms {
            self.close(id, Goodbye::Code(CloseCode::HeartbeatLost), None);
            return;
        } else if idle_ms >= heartbeat_ms {
            self.send_ping(id);
            dead_ms - idle_ms
        } else {
            heartbeat_ms - idle_ms
        };
        self.wheel.arm(next_ms, Timer::Heartbeat(id));
    }

    /// One timer at most watches a token: the heartbeat arms it when the end comes near.
    pub(super) fn watch_expiry(&mut self, id: ConnectionId, now_ms: u64) {
        let warning_ms = self.limits.expiry_warning_ms;
        // The next look comes within one interval.
        let near_ms = match self.connections.get(id).map(|connection| connection.format) {
            Some(Format::Sse) => 2 * self.limits.sse_heartbeat_ms,
            _ => 2 * self.limits.heartbeat_ms,
        };
        let Some(session) = self.session(id) else { return };
        let warn_in_ms = session.identity.expires_at_ms.saturating_sub(now_ms).saturating_sub(warning_ms);
        if session.expiry_due.is_none() && warn_in_ms <= near_ms {
            self.arm_expiry(id, warn_in_ms);
        }
    }

    /// The session has a new token, which may end before the old one would have.
    pub fn refreshed(&mut self, id: ConnectionId, now_ms: u64) {
        let Some(session) = self.session(id) else { return };
        (session.expiry_due, session.warned) = (None, false);
        self.watch_expiry(id, now_ms);
    }

    fn arm_expiry(&mut self, id: ConnectionId, delay_ms: u64) {
        let due = self.wheel.arm(delay_ms, Timer::Expiry(id));
        if let Some(session) = self.session(id) {
            session.expiry_due = Some(due);
        }
    }

    fn expiry(&mut self, id: ConnectionId, now_ms: u64) {
        let (tick, warning_ms) = (self.wheel.tick(), self.limits.expiry_warning_ms);
        let Some(session) = self.session(id) else { return };
        if session.expiry_due.is_none_or(|due| due > tick) {
            return;
        }
        session.expiry_due = None;
        let expires_at = session.identity.expires_at_ms;
        let left_ms = expires_at.saturating_sub(now_ms);
        if left_ms == 0 {
            self.close(id, Goodbye::Code(CloseCode::TokenExpired), None);
        } else if left_ms > warning_ms {
            self.watch_expiry(id, now_ms);
        } else {
            // A timer may fire up to a tick early: the end is waited for again, but told once.
            if !std::mem::replace(&mut session.warned, true) {
                self.send(id, &ServerFrame::Expiring { expires_at });
            }
            self.arm_expiry(id, left_ms);
        }
    }

    fn gone(&mut self, id: ConnectionId) {
        if self.connections.get(id).is_some_and(|connection| connection.closing != Closing::No) {
            self.remove(id);
        }
    }

    /// A stream with a rate flushes at most once in its interval.
    pub(super) fn arm_stream_flush(&mut self, index: u32) {
        let tick = self.wheel.tick();
        let Some(id) = self.connections.id_at(index) else { return };
        let Some(stream) = self.connections.at(index).and_then(|connection| connection.stream()) else { return };
        if stream.armed {
            return;
        }
        stream.armed = true;
        let passed_ms = (tick - stream.flushed) * TICK_MS;
        let wait_ms = stream.interval_ms.saturating_sub(passed_ms);
        self.wheel.arm(wait_ms, Timer::StreamFlush(id));
    }

    fn stream_flush(&mut self, id: ConnectionId) {
        let tick = self.wheel.tick();
        let Some(connection) = self.connections.get(id) else { return };
        let blocked = connection.blocked || !connection.outbox.is_empty();
        let Some(stream) = connection.stream() else { return };
        stream.flushed = tick;
        stream.armed = false;
        if blocked {
            // What waits goes on being conflated until the reader has caught up.
            self.arm_stream_flush(id.index);
        } else {
            self.release(id.index);
        }
    }

    /// Asks the next connections to reconnect elsewhere.
    fn drain_some(&mut self) {
        let Some(drain) = self.draining.as_mut() else { return };
        let from = drain.left.len().saturating_sub(drain.per_tick);
        let batch = drain.left.split_off(from);
        let frame = ServerFrame::Drain { within_ms: drain.within_ms };
        for id in batch {
            self.send(id, &frame);
        }
    }
}

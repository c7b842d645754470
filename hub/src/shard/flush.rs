//! Flush: bytes leave the outboxes for the wires, and connections that can not go on are closed.

use std::rc::Rc;

use hubbub_protocol::CloseCode;
use hubbub_protocol::frame::ServerFrame;
use tungstenite::protocol::frame::coding::{Control, OpCode};

use super::connection::{Closing, ConnectionId, Goodbye};
use super::state::{Effect, State};
use super::timers::Timer;
use super::wire::Wire;
use crate::encoded::{Format, encode, websocket_frame};
use crate::outbox::{Bounds, Flushed, Pushed};

/// How long a peer has to answer a goodbye, in milliseconds.
const GOODBYE_MS: u64 = 2_000;

impl State {
    /// Adds bytes to an outbox; answers whether they found a place. A connection that is closing takes everything and
    /// forgets it.
    pub(super) fn push(&mut self, id: ConnectionId, bytes: &Rc<[u8]>, droppable: bool) -> bool {
        match self.connections.get(id) {
            Some(_) => self.push_at(id.index, bytes, droppable),
            None => true,
        }
    }

    /// The same for a connection that is known to live.
    #[inline]
    pub(super) fn push_at(&mut self, index: u32, bytes: &Rc<[u8]>, droppable: bool) -> bool {
        let bounds = self.bounds();
        let Some(connection) = self.connections.at(index).filter(|connection| connection.is_open()) else {
            return true;
        };
        let mut pushed = connection.outbox.push(bytes, droppable, bounds);
        if pushed == Pushed::Full && !connection.blocked {
            // Not slow, only not asked yet: the reader takes what waits, then this. Whoever waits for a drained outbox goes on
            // later: this comes first.
            self.write_out(index);
            let Some(connection) = self.connections.at(index).filter(|connection| connection.is_open()) else {
                return true;
            };
            pushed = connection.outbox.push(bytes, droppable, bounds);
        }
        let Some(connection) = self.connections.at(index) else { return true };
        if pushed == Pushed::Full && droppable {
            self.counters.dropped += connection.outbox.make_place(bytes.len(), bounds) as u64;
            pushed = connection.outbox.push(bytes, droppable, bounds);
        }
        if !connection.dirty && !connection.blocked {
            connection.dirty = true;
            if let Some(id) = self.connections.id_at(index) {
                self.dirty.push_back(id);
            }
        }
        pushed == Pushed::Taken
    }

    /// Writes what waits for the next dirty connection; answers whether there was one.
    pub(super) fn flush_next(&mut self) -> bool {
        let Some(id) = self.dirty.pop_front() else { return false };
        if let Some(connection) = self.connections.get(id) {
            connection.dirty = false;
            self.flush_at(id.index);
        }
        true
    }

    /// The writer of a connection may take bytes again.
    pub fn unblock(&mut self, id: ConnectionId) {
        if let Some(connection) = self.connections.get(id).filter(|connection| connection.blocked) {
            connection.blocked = false;
            self.flush_at(id.index);
        }
    }

    /// Writes what waits.
    pub(super) fn flush_at(&mut self, index: u32) {
        if self.write_out(index) {
            self.drained(index);
        }
    }

    /// Writes what waits; answers whether nothing does any more.
    fn write_out(&mut self, index: u32) -> bool {
        let tick = self.wheel.tick();
        let Some(connection) = self.connections.at(index).filter(|connection| !connection.blocked) else {
            return false;
        };
        if connection.format == Format::Sse {
            connection.active = tick;
        }
        let wire = &connection.wire;
        match connection.outbox.flush(|slices| wire.try_write_vectored(slices)) {
            Ok(Flushed::Drained) => return true,
            Ok(Flushed::Blocked) => {
                connection.blocked = true;
                let wire = Rc::clone(&connection.wire);
                if let (Wire::Pipe(_), Some(id)) = (&*wire, self.connections.id_at(index)) {
                    self.effects.push(Effect::AwaitRoom(id, wire));
                }
            }
            Err(error) => {
                tracing::debug!(%error, "a peer went away");
                self.hang_up(index);
            }
        }
        false
    }

    /// Nothing waits for the connection any more: what waited for that goes on.
    fn drained(&mut self, index: u32) {
        let Some(connection) = self.connections.at(index) else { return };
        if connection.closing == Closing::Flushing {
            connection.closing = Closing::Finished;
            connection.wire.finish();
            return;
        }
        let Some(extra) = connection.extra.as_mut() else { return };
        if let Some(drained) = extra.drained.take() {
            drained.notify_waiters();
        }
        let rated = extra.stream.as_ref().is_some_and(|stream| stream.interval_ms > 0);
        if !rated && !extra.conflater.is_empty() {
            self.release(index);
        }
    }

    /// A connection whose wire is broken. Its place is freed by a timer, not here: a broadcast may be walking over it.
    fn hang_up(&mut self, index: u32) {
        let Some(connection) = self.connections.at(index) else { return };
        connection.closing = Closing::Finished;
        connection.outbox.clear();
        connection.wire.abort();
        connection.wake_waiters();
        if let Some(id) = self.connections.id_at(index) {
            self.wheel.arm(0, Timer::Gone(id));
        }
    }

    /// Says goodbye, after some last words if there are any. What waits is dropped: the peer resumes by position. Only the
    /// answer to a peer's own goodbye stands there already, and leaves.
    pub fn close(&mut self, id: ConnectionId, goodbye: Goodbye, last_words: Option<&ServerFrame>) {
        let Some(connection) = self.connections.get(id).filter(|connection| connection.is_open()) else { return };
        if goodbye != Goodbye::Echo {
            connection.outbox.clear();
        }
        connection.wake_waiters();
        connection.extra = None;
        let mut last = last_words.map(|frame| encode(frame, connection.format)).unwrap_or_default();
        if let (Format::Json, Goodbye::Code(code)) = (connection.format, goodbye) {
            last.extend_from_slice(&close_frame(code));
        }
        if let Goodbye::Code(code) = goodbye {
            metrics::counter!("hubbub_closed_connections_total", "code" => code.code().to_string()).increment(1);
        }
        if !last.is_empty() {
            // These few bytes go in whatever waits.
            let unbounded = Bounds { bytes: usize::MAX, chunks: usize::MAX };
            let _ = connection.outbox.push(&last.into(), false, unbounded);
        }
        connection.closing = Closing::Flushing;
        self.wheel.arm(GOODBYE_MS, Timer::Gone(id));
        if !connection.dirty && !connection.blocked {
            connection.dirty = true;
            self.dirty.push_back(id);
        }
    }
}

fn close_frame(code: CloseCode) -> Vec<u8> {
    let mut payload = code.code().to_be_bytes().to_vec();
    payload.extend_from_slice(code.reason().as_bytes());
    websocket_frame(OpCode::Control(Control::Close), &payload)
}

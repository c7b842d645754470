//! The sockets of a shard, watched by one set of events: a silent connection costs no task and no registration with the
//! runtime, only its place here. Knows when a socket can be read, not what is said. Stage 1 of the walk.

use std::cell::RefCell;
use std::io::{self, Read};
use std::os::fd::{AsRawFd, RawFd};
use std::rc::Rc;
use std::task::{Context, Poll as Polled, Waker};
use std::time::{Duration, Instant};

use futures_util::FutureExt;
use mio::event::Event;
use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Registry, Token};
use slab::Slab;
use tokio::io::unix::AsyncFd;
use tokio::task::{spawn_local, yield_now};

use super::Mode;
use super::codec::Inbound;
use super::hearing::{Hearing, Input};
use super::takeover::Taken;
use crate::admission::Admission;
use crate::encoded::Format;
use crate::shard::{ConnectionId, Shard, Wire};

/// The read buffer of a shard, in bytes: one for all its connections.
const READ_BUFFER: usize = 64 * 1024;
/// What a reader of events may say before it is hung up, in bytes: it has nothing to say.
const IGNORED: usize = 32 * 1024;
/// Events taken from the set at once.
const EVENTS: usize = 256;

/// The sockets of one shard.
pub(super) struct Sockets {
    shard: Rc<Shard>,
    hearing: Rc<Hearing>,
    registry: Registry,
    peers: RefCell<Slab<Peer>>,
    buffer: RefCell<Box<[u8]>>,
    /// How long events may be worked through before others have their turn.
    slice: Duration,
}

/// The read side of one socket.
struct Peer {
    id: ConnectionId,
    wire: Rc<Wire>,
    /// Where it stands in the middle of a frame or a message.
    inbound: Option<Box<Inbound>>,
    /// What it speaks; a reader of events does not speak.
    mode: Option<Mode>,
    /// Whether what it said last is still being worked on: until then nothing more is read.
    busy: bool,
    /// Whether the end of its bytes is there.
    ended: bool,
    /// Bytes of a reader of events that were not looked at.
    ignored: usize,
}

impl Peer {
    fn new(id: ConnectionId, wire: Rc<Wire>, mode: Option<Mode>) -> Self {
        Self { id, wire, inbound: None, mode, busy: false, ended: false, ignored: 0 }
    }
}

/// The set, as the runtime sees it.
struct Set(Poll);

impl AsRawFd for Set {
    fn as_raw_fd(&self) -> RawFd {
        self.0.as_raw_fd()
    }
}

impl Sockets {
    /// Makes the set of a shard and watches it from now on.
    pub(super) fn start(shard: Rc<Shard>, hearing: Hearing, slice: Duration) -> io::Result<Rc<Self>> {
        let poll = Poll::new()?;
        let registry = poll.registry().try_clone()?;
        let buffer = RefCell::new(vec![0; READ_BUFFER].into());
        let (hearing, peers) = (Rc::new(hearing), RefCell::default());
        let sockets = Rc::new(Self { shard, hearing, registry, peers, buffer, slice });
        #[expect(
            deprecated,
            reason = "its successor asks by `unsafe` for what `Set` shows: the set owns its descriptor for good"
        )]
        let set = AsyncFd::with_interest(Set(poll), tokio::io::Interest::READABLE)?;
        spawn_local(Rc::clone(&sockets).watch(set));
        Ok(sockets)
    }

    /// Serves a socket until it ends.
    pub(super) fn serve(self: &Rc<Self>, taken: Taken, admission: Admission, mode: Mode) {
        let Taken { socket, head, early } = taken;
        let key = self.peers.borrow().vacant_key();
        let socket = match self.watched(socket, key) {
            Ok(socket) => socket,
            Err(error) => return tracing::debug!(%error, "the socket is gone already"),
        };
        let adopted = self.shard.with(|state| {
            let id = state.adopt(Wire::Coming, Format::Json, admission, mode == Mode::Native);
            // The head leaves before anything is heard: a goodbye drops what waits.
            state.arrive(id, socket, &head).map(|wire| (id, wire))
        });
        let Some((id, wire)) = adopted else { return };
        self.peers.borrow_mut().insert(Peer::new(id, wire, Some(mode)));
        if early.is_empty() {
            // The set tells at once of what is there by now.
            return;
        }
        let input = self.parse(key, &early);
        drop(early);
        if input.is_some_and(|input| self.hear(key, input)) {
            self.read(key);
        }
    }

    /// Gives a stream its socket, and takes the stream out when the reader has gone.
    pub(super) fn follow(&self, id: ConnectionId, taken: Taken) {
        let Taken { socket, head, early: _ } = taken;
        let key = self.peers.borrow().vacant_key();
        let arrived = self.watched(socket, key).map(|socket| self.shard.with(|state| state.arrive(id, socket, &head)));
        match arrived {
            Ok(Some(wire)) => drop(self.peers.borrow_mut().insert(Peer::new(id, wire, None))),
            // It ended meanwhile, which closes the socket.
            Ok(None) => {}
            Err(error) => {
                tracing::debug!(%error, "the socket is gone already");
                self.shard.with(|state| state.remove(id));
            }
        }
    }

    /// Leaves the runtime and joins the set under a key.
    fn watched(&self, socket: tokio::net::TcpStream, key: usize) -> io::Result<TcpStream> {
        // Small frames leave at once; batching is ours.
        socket.set_nodelay(true)?;
        let mut socket = TcpStream::from_std(socket.into_std()?);
        self.registry.register(&mut socket, Token(key), Interest::READABLE | Interest::WRITABLE)?;
        Ok(socket)
    }

    async fn watch(self: Rc<Self>, mut set: AsyncFd<Set>) {
        let mut events = Events::with_capacity(EVENTS);
        // Over all the events until nothing is left: small ones that never end would else never give way.
        let mut slice = Instant::now();
        loop {
            let Ok(mut ready) = set.readable_mut().await else { return };
            match ready.get_inner_mut().0.poll(&mut events, Some(Duration::ZERO)) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return tracing::error!(%error, "the sockets of a shard can not be watched any more"),
                Ok(()) if events.is_empty() => {
                    ready.clear_ready();
                    slice = Instant::now();
                }
                Ok(()) => {}
            }
            for event in &events {
                self.happened(event);
                if slice.elapsed() >= self.slice {
                    yield_now().await;
                    slice = Instant::now();
                }
            }
        }
    }

    /// An event may be older than the socket that has its key by now: then it only causes a look that finds nothing.
    fn happened(self: &Rc<Self>, event: &Event) {
        let Token(key) = event.token();
        let ends = event.is_read_closed() || event.is_error();
        let (id, mode, busy) = {
            let mut peers = self.peers.borrow_mut();
            let Some(peer) = peers.get_mut(key) else { return };
            peer.ended |= ends;
            (peer.id, peer.mode, peer.busy)
        };
        if event.is_writable() {
            self.shard.with(|state| state.unblock(id));
        }
        if busy || !(event.is_readable() || ends) {
            return;
        }
        match mode {
            Some(_) => self.read(key),
            None => self.ignore(key),
        }
    }

    /// Reads what is there and forgets it, until nothing is left.
    fn ignore(&self, key: usize) {
        loop {
            let wire = self.peers.borrow().get(key).map(|peer| Rc::clone(&peer.wire));
            let Some(Wire::Socket(socket)) = wire.as_deref() else { return };
            let mut reader: &TcpStream = socket;
            let came = reader.read(&mut self.buffer.borrow_mut());
            match came {
                Ok(count @ 1..) if self.may_say(key, count) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                Ok(_) | Err(_) => return self.remove(key),
            }
        }
    }

    fn may_say(&self, key: usize, count: usize) -> bool {
        let mut peers = self.peers.borrow_mut();
        let Some(peer) = peers.get_mut(key) else { return false };
        peer.ignored += count;
        peer.ignored <= IGNORED
    }

    /// Reads what is there and works on it, until nothing is left: the set tells of new bytes only.
    fn read(self: &Rc<Self>, key: usize) {
        loop {
            let (input, whole) = match self.read_once(key) {
                Ok(Some(came)) => came,
                Ok(None) => return,
                Err(error) => {
                    tracing::debug!(%error, "a peer went away");
                    return self.remove(key);
                }
            };
            if !self.hear(key, input) {
                return;
            }
            let ended = self.peers.borrow().get(key).is_some_and(|peer| peer.ended);
            match (ended, whole) {
                // Who says so much lets the others have their turn.
                (_, false) => return self.go_on_after(key, yield_now().map(|()| true)),
                // Nothing tells of the end again.
                (true, true) => {}
                (false, true) => return,
            }
        }
    }

    /// Reads into the shard's buffer and parses it before anybody else reads; `None` when nothing is there. Tells whether that
    /// was all.
    fn read_once(&self, key: usize) -> io::Result<Option<(Input, bool)>> {
        let wire = self.peers.borrow().get(key).map(|peer| Rc::clone(&peer.wire));
        let Some(Wire::Socket(socket)) = wire.as_deref() else { return Ok(None) };
        let mut buffer = self.buffer.borrow_mut();
        let mut reader: &TcpStream = socket;
        match reader.read(&mut buffer) {
            Ok(0) => Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(count) => Ok(self.parse(key, &buffer[..count]).map(|input| (input, count < buffer.len()))),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn parse(&self, key: usize, bytes: &[u8]) -> Option<Input> {
        let (id, mode, inbound) = {
            let mut peers = self.peers.borrow_mut();
            let peer = peers.get_mut(key)?;
            (peer.id, peer.mode?, peer.inbound.take())
        };
        let mut inbound = inbound.unwrap_or_default();
        let input = self.hearing.parse(id, mode, &mut inbound, bytes);
        if !inbound.is_idle()
            && let Some(peer) = self.peers.borrow_mut().get_mut(key)
        {
            peer.inbound = Some(inbound);
        }
        Some(input)
    }

    /// Works on what was said; answers whether that is done and more may be read at once.
    fn hear(self: &Rc<Self>, key: usize, input: Input) -> bool {
        let known = self.peers.borrow().get(key).and_then(|peer| Some((peer.id, peer.mode?)));
        let Some((id, mode)) = known else { return false };
        let mut heard = Box::pin(Rc::clone(&self.hearing).hear(id, mode, input));
        // Most of it is done at once; a task is for what has to wait.
        match heard.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            Polled::Ready(true) => return true,
            Polled::Ready(false) => self.remove(key),
            Polled::Pending => self.go_on_after(key, heard),
        }
        false
    }

    /// Reads on when something has ended, unless it says that the connection has.
    fn go_on_after(self: &Rc<Self>, key: usize, until: impl Future<Output = bool> + 'static) {
        let sockets = Rc::clone(self);
        self.set_busy(key, true);
        spawn_local(async move {
            if until.await {
                sockets.set_busy(key, false);
                sockets.read(key);
            } else {
                sockets.remove(key);
            }
        });
    }

    fn set_busy(&self, key: usize, busy: bool) {
        if let Some(peer) = self.peers.borrow_mut().get_mut(key) {
            peer.busy = busy;
        }
    }

    fn remove(&self, key: usize) {
        let Some(peer) = self.peers.borrow_mut().try_remove(key) else { return };
        self.shard.with(|state| state.remove(peer.id));
    }
}

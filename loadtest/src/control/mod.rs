//! The other end of every control: a bare loop on one thread that accepts sockets, answers with canned frames and
//! writes the same bytes to as many sockets with plain writes. It keeps no rule of a hub: no token is checked,
//! no rate, no heartbeat, no memory bound. What it costs is what the kernel and the bytes cost.

mod log;
mod request;

use std::collections::HashMap;
use std::io::{ErrorKind, Read, Write};
use std::net::SocketAddr;

use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Token};

use crate::control::log::Log;
use crate::control::request::Request;
use crate::{LoadError, during};

const PUBLIC: Token = Token(usize::MAX - 1);
const INTERNAL: Token = Token(usize::MAX - 2);
const BUFFER_BYTES: usize = 64 * 1024;

#[derive(Debug)]
struct Peer {
    socket: TcpStream,
    internal: bool,
    /// What came and is not a whole request or frame yet.
    carry: Vec<u8>,
    upgraded: bool,
    /// Its channel and how far it was written.
    follows: Option<(usize, u64)>,
    blocked: bool,
}

/// The control server.
#[derive(Debug)]
pub struct Control {
    poll: Poll,
    public: TcpListener,
    internal: TcpListener,
    peers: Vec<Option<Peer>>,
    names: HashMap<String, usize>,
    logs: Vec<Log>,
    followers: Vec<Vec<usize>>,
    /// Channels with something new in this round.
    dirty: Vec<usize>,
}

impl Control {
    /// Binds two free ports.
    pub fn bind() -> Result<Self, LoadError> {
        let poll = Poll::new().map_err(during("epoll"))?;
        let any = SocketAddr::from(([127, 0, 0, 1], 0));
        let mut public = TcpListener::bind(any).map_err(during("bind"))?;
        let mut internal = TcpListener::bind(any).map_err(during("bind"))?;
        poll.registry().register(&mut public, PUBLIC, Interest::READABLE).map_err(during("epoll"))?;
        poll.registry().register(&mut internal, INTERNAL, Interest::READABLE).map_err(during("epoll"))?;
        let (peers, names, logs) = (Vec::new(), HashMap::new(), Vec::new());
        Ok(Self { poll, public, internal, peers, names, logs, followers: Vec::new(), dirty: Vec::new() })
    }

    /// The line by which its owner finds it.
    pub fn ready(&self) -> Result<String, LoadError> {
        let public = self.public.local_addr().map_err(during("bind"))?;
        let internal = self.internal.local_addr().map_err(during("bind"))?;
        Ok(format!("ready public=http://{public} internal=http://{internal}"))
    }

    /// Serves until the process is killed.
    pub fn run(mut self) -> Result<(), LoadError> {
        let mut events = Events::with_capacity(1_024);
        let mut buffer = vec![0; BUFFER_BYTES];
        loop {
            match self.poll.poll(&mut events, None) {
                Err(error) if error.kind() != ErrorKind::Interrupted => return Err(during("epoll")(error)),
                _ => {}
            }
            for event in &events {
                match event.token() {
                    PUBLIC => self.accept(false)?,
                    INTERNAL => self.accept(true)?,
                    Token(index) => {
                        if event.is_readable() {
                            self.read(index, &mut buffer);
                        }
                        if event.is_writable() {
                            self.unblock(index);
                        }
                    }
                }
            }
            self.fan_out();
        }
    }

    fn accept(&mut self, internal: bool) -> Result<(), LoadError> {
        loop {
            let listener = if internal { &self.internal } else { &self.public };
            let mut socket = match listener.accept() {
                Ok((socket, _)) => socket,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(during("accept")(error)),
            };
            let _ = socket.set_nodelay(true);
            let token = Token(self.peers.len());
            let interest = Interest::READABLE | Interest::WRITABLE;
            self.poll.registry().register(&mut socket, token, interest).map_err(during("epoll"))?;
            let (carry, upgraded, follows, blocked) = (Vec::new(), false, None, false);
            self.peers.push(Some(Peer { socket, internal, carry, upgraded, follows, blocked }));
        }
    }

    fn read(&mut self, index: usize, buffer: &mut [u8]) {
        loop {
            let Some(peer) = &mut self.peers[index] else { return };
            match peer.socket.read(buffer) {
                Ok(0) => return self.leave(index),
                Ok(length) => {
                    peer.carry.extend_from_slice(&buffer[..length]);
                    self.requests(index);
                    if length < buffer.len() {
                        return;
                    }
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                Err(_) => return self.leave(index),
            }
        }
    }

    /// Serves every whole request or frame that has come.
    fn requests(&mut self, index: usize) {
        loop {
            let Some(peer) = &mut self.peers[index] else { return };
            let (request, length) = match request::parse(&peer.carry, peer.internal, peer.upgraded) {
                Ok(Some(parsed)) => parsed,
                Ok(None) => return,
                Err(()) => return self.leave(index),
            };
            peer.carry.drain(..length);
            match request {
                Request::Upgrade { accept } => {
                    peer.upgraded = true;
                    self.write(index, &request::upgraded(&accept));
                }
                Request::Connect => self.write(index, &request::connected()),
                Request::Subscribe(channel) => self.subscribe(index, channel),
                Request::Other => {}
                Request::Publish(publishes) => {
                    let items: Vec<_> = publishes.iter().map(|(name, data)| self.publish(name, data)).collect();
                    self.write(index, &request::published(&items));
                }
            }
        }
    }

    fn subscribe(&mut self, index: usize, name: String) {
        let channel = self.channel(&name);
        let (offset, end) = (self.logs[channel].head(), self.logs[channel].end());
        self.write(index, &request::subscribed(&name, offset));
        if let Some(peer) = &mut self.peers[index] {
            peer.follows = Some((channel, end));
            self.followers[channel].push(index);
        }
    }

    fn publish(&mut self, name: &str, data: &str) -> String {
        let channel = self.channel(name);
        self.dirty.push(channel);
        self.logs[channel].append(name, data)
    }

    fn channel(&mut self, name: &str) -> usize {
        if let Some(channel) = self.names.get(name) {
            return *channel;
        }
        self.logs.push(Log::default());
        self.followers.push(Vec::new());
        self.names.insert(name.to_owned(), self.logs.len() - 1);
        self.logs.len() - 1
    }

    /// Writes what is new to everybody who is not blocked: the bare loop.
    fn fan_out(&mut self) {
        self.dirty.sort_unstable();
        self.dirty.dedup();
        for channel in std::mem::take(&mut self.dirty) {
            let followers = std::mem::take(&mut self.followers[channel]);
            for index in &followers {
                self.push(*index);
            }
            let cursors = followers.iter().filter_map(|index| self.peers[*index].as_ref()?.follows);
            let slowest = cursors.map(|(_, cursor)| cursor).min();
            let log = &mut self.logs[channel];
            log.forget(slowest.unwrap_or(log.end()));
            self.followers[channel] = followers;
        }
    }

    fn push(&mut self, index: usize) {
        let Some(peer) = &mut self.peers[index] else { return };
        let Some((channel, cursor)) = &mut peer.follows else { return };
        while !peer.blocked {
            let rest = self.logs[*channel].from(*cursor);
            if rest.is_empty() {
                return;
            }
            match peer.socket.write(rest) {
                Ok(length) => *cursor += length as u64,
                Err(error) if error.kind() == ErrorKind::WouldBlock => peer.blocked = true,
                Err(_) => return self.leave(index),
            }
        }
    }

    fn unblock(&mut self, index: usize) {
        if let Some(peer) = &mut self.peers[index]
            && peer.blocked
        {
            peer.blocked = false;
            self.push(index);
        }
    }

    /// Answers are small; a socket without room for one is given up.
    fn write(&mut self, index: usize, bytes: &[u8]) {
        let Some(peer) = &mut self.peers[index] else { return };
        let mut rest = bytes;
        while !rest.is_empty() {
            match peer.socket.write(rest) {
                Ok(length) => rest = &rest[length..],
                Err(error) if error.kind() == ErrorKind::WouldBlock && peer.internal => std::thread::yield_now(),
                Err(_) => return self.leave(index),
            }
        }
    }

    fn leave(&mut self, index: usize) {
        let Some(peer) = self.peers[index].take() else { return };
        if let Some((channel, _)) = peer.follows {
            self.followers[channel].retain(|follower| *follower != index);
        }
    }
}

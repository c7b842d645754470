//! Transports: how clients reach the shards. The only modules, beside the internal API, that know axum, hyper and sockets.
//!
//! Read in this order: the accept loop ([`listener`]), the routes of the public port ([`public`]), how a socket leaves HTTP
//! (`takeover`) and is watched from then on (`sockets`), WebSockets (`websocket`, `hearing` over `codec`) and server-sent events
//! (`sse`), rooms over REST (`rooms`, `turns`), and what goes with them (`pages`, `problem`).

pub mod listener;
pub mod public;
pub mod turns;

mod takeover;

mod codec;
mod hearing;
mod rooms;
mod sockets;
mod sse;
mod websocket;

pub mod hostile;
mod pages;
pub mod problem;

pub(crate) use rooms::{key as room_key, origin as room_origin};

use std::io;
use std::rc::Rc;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::task::spawn_local;

use self::hearing::Hearing;
use self::sockets::Sockets;
use self::takeover::{Claim, Taken};
use crate::admission::Admission;
use crate::encoded::Format;
use crate::session::{AttachError, Services, StreamRequest, open_stream};
use crate::shard::{ConnectionId, Shard, Wire};

/// What the connections of a shard speak.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Mode {
    /// The native protocol.
    Native,
    /// Whatever comes goes back.
    Echo,
}

/// A stream that a handler asks for. The handler knows nothing of the shard: axum wants it `Send`.
#[derive(Debug)]
pub(crate) struct Opening {
    request: Box<StreamRequest>,
    admission: Admission,
    /// Brings the socket when the answer is made. When it brings none, whoever asked is gone.
    socket: oneshot::Receiver<Taken>,
    /// Who waits for the beginning.
    reply: oneshot::Sender<Result<(), AttachError>>,
}

/// Streams that may wait for one shard. Overflow policy: the handler waits.
pub(crate) const INTAKE: usize = 1_024;

/// What of a shard claims sockets from HTTP.
pub(crate) struct Claimants {
    shard: Rc<Shard>,
    /// One for the shard: a connection keeps a pointer.
    services: Rc<Services>,
    sockets: Rc<Sockets>,
}

impl Claimants {
    /// Those of a shard, whose sockets are watched from now on.
    pub(crate) fn start(shard: Rc<Shard>, services: Services) -> io::Result<Rc<Self>> {
        let slice = Duration::from_micros(services.limits.slice_us);
        let services = Rc::new(services);
        let hearing = Hearing::new(shard.clone(), services.clone());
        let sockets = Sockets::start(shard.clone(), hearing, slice)?;
        Ok(Rc::new(Self { shard, services, sockets }))
    }

    fn take(&self, claim: Claim, taken: Taken) {
        match claim {
            Claim::Socket(admission, mode) => self.sockets.serve(taken, admission, mode),
            // A stream that has ended meanwhile closes it.
            Claim::Stream(waiting) => drop(waiting.send(taken)),
        }
    }

    /// Opens what the handlers ask for, until they are gone.
    pub(crate) async fn open(self: Rc<Self>, mut intake: mpsc::Receiver<Opening>) {
        while let Some(Opening { request, admission, socket, reply }) = intake.recv().await {
            let (shard, services) = (self.shard.clone(), self.services.clone());
            let id = shard.with(|state| state.adopt(Wire::Coming, Format::Sse, admission, false));
            spawn_local(self.clone().follow(id, socket));
            spawn_local(async move {
                // Whoever asked may have gone; then the socket has, and the stream ends by itself.
                let _ = reply.send(open_stream(&shard, &services, id, *request).await);
            });
        }
    }

    /// A stream whose socket does not come is over.
    async fn follow(self: Rc<Self>, id: ConnectionId, socket: oneshot::Receiver<Taken>) {
        match socket.await {
            Ok(taken) => self.sockets.follow(id, taken),
            Err(_) => self.shard.with(|state| state.remove(id)),
        }
    }
}

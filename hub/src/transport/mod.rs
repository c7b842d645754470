//! Transports: how clients reach the shards. The only modules, beside the internal API, that know axum, hyper and sockets.
//!
//! Read in this order: the accept loop ([`listener`]), the routes of the public port ([`public`]), WebSockets
//! (`websocket`, then `sockets`, `hearing` over `codec`) and server-sent events (`sse`), and what goes with them (`pages`,
//! `problem`).

pub mod listener;
pub mod public;

mod codec;
mod hearing;
mod sockets;
mod sse;
mod websocket;

pub mod hostile;
mod pages;
pub mod problem;

use std::rc::Rc;
use std::time::Duration;

use axum::body::Bytes;
use tokio::net::TcpStream;
use tokio::sync::{mpsc, oneshot};
use tokio::task::spawn_local;

use self::hearing::Hearing;
use self::sockets::Sockets;
use crate::admission::Admission;
use crate::session::{AttachError, Services, StreamRequest, open_stream};
use crate::shard::Shard;

/// What the connections of a shard speak.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Mode {
    /// The native protocol.
    Native,
    /// Whatever comes goes back.
    Echo,
}

/// A socket taken back after its upgrade.
#[derive(Debug)]
pub(crate) struct Upgraded {
    socket: TcpStream,
    /// Bytes that were read with the handshake.
    early: Bytes,
    admission: Admission,
    mode: Mode,
}

/// What HTTP handlers hand to the shard of their thread. They know nothing of the shard: axum wants them `Send`.
#[derive(Debug)]
pub(crate) enum Intake {
    /// A WebSocket.
    Socket(Upgraded),
    /// A stream, and who waits for its beginning.
    Stream(Box<StreamRequest>, oneshot::Sender<Result<(), AttachError>>),
}

/// Hand-overs that may wait for one shard. Overflow policy: the handler waits.
pub(crate) const INTAKE: usize = 1_024;

/// Takes over what the handlers hand to a shard, until they are gone.
pub(crate) async fn take_in(shard: Rc<Shard>, services: Services, mut intake: mpsc::Receiver<Intake>) {
    let slice = Duration::from_micros(services.limits.slice_us);
    // One for the shard: a connection keeps a pointer.
    let services = Rc::new(services);
    let hearing = Hearing::new(Rc::clone(&shard), Rc::clone(&services));
    let sockets = match Sockets::start(Rc::clone(&shard), hearing, slice) {
        Ok(sockets) => sockets,
        Err(error) => return tracing::error!(%error, "a shard can not watch its sockets"),
    };
    while let Some(next) = intake.recv().await {
        match next {
            Intake::Socket(upgraded) => sockets.serve(upgraded),
            Intake::Stream(request, reply) => {
                let (shard, services) = (Rc::clone(&shard), Rc::clone(&services));
                spawn_local(async move {
                    // Whoever asked may have gone; then the pipe has, and the stream ends by itself.
                    let _ = reply.send(open_stream(&shard, &services, *request).await);
                });
            }
        }
    }
}

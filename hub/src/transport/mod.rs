//! Transports: how clients reach the shards. The only modules, beside the internal API, that know axum, hyper and sockets.
//!
//! Read in this order: the accept loop ([`listener`]), the routes of the public port ([`public`]), WebSockets
//! (`websocket` over `codec`) and server-sent events (`sse`), and what goes with them (`pages`, `problem`).

pub mod listener;
pub mod public;

mod codec;
mod sse;
mod websocket;

pub mod hostile;
mod pages;
pub mod problem;

use std::rc::Rc;

use axum::body::Bytes;
use tokio::net::TcpStream;
use tokio::sync::{mpsc, oneshot};
use tokio::task::spawn_local;

use self::websocket::Reading;
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
    let reading = Reading::new(services.limits.frame_bytes);
    // One for the shard: a connection keeps a pointer.
    let services = Rc::new(services);
    while let Some(next) = intake.recv().await {
        let (shard, services) = (Rc::clone(&shard), Rc::clone(&services));
        match next {
            Intake::Socket(upgraded) => {
                spawn_local(websocket::serve(shard, services, Rc::clone(&reading), upgraded));
            }
            Intake::Stream(request, reply) => {
                spawn_local(async move {
                    // Whoever asked may have gone; then the pipe has, and the stream ends by itself.
                    let _ = reply.send(open_stream(&shard, &services, *request).await);
                });
            }
        }
    }
}

//! The accept loop of a shard: its own listener on the shared port, HTTP/1.1 on each accepted stream until its socket is claimed.

use std::io;
use std::net::{SocketAddr, TcpListener as StdListener};
use std::rc::Rc;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::StatusCode;
use axum::http::header::{CONNECTION, HeaderValue};
use axum::response::{IntoResponse, Response};
use hubbub_protocol::ErrorCode;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper_util::rt::TokioTimer;
use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::spawn_local;
use tokio::time::{sleep, timeout};
use tower::ServiceExt;

use super::problem::Problem;
use super::public::Peer;
use super::{Claimants, takeover};
use crate::admission::Gatekeeper;
use crate::clock::Clock;

/// Connections that may wait in the kernel for one listener.
const BACKLOG: i32 = 8_192;
/// Largest head of a request, in bytes: an SSE URL with 64 long channel names fits.
const HEAD_BYTES: usize = 32 * 1024;
/// Most headers of a request.
const HEADERS: usize = 64;
/// A request, its body included, is answered within so many times the time for its head. What a stream or a WebSocket says later
/// is not meant.
const ANSWER: u32 = 2;
/// Pause after the process ran out of files.
const PAUSE: Duration = Duration::from_millis(50);

/// Proves that nobody else has the port and gives `count` listeners on it. With port 0 the system chooses one.
pub fn bind(address: SocketAddr, count: usize) -> io::Result<(SocketAddr, Vec<StdListener>)> {
    // Without SO_REUSEPORT this fails when any other socket listens there, also one with it.
    let proof = socket(address, false)?;
    proof.bind(&address.into())?;
    let bound = proof.local_addr()?.as_socket().ok_or(io::ErrorKind::AddrNotAvailable)?;
    drop(proof);
    let listen = || {
        let socket = socket(bound, true)?;
        socket.bind(&bound.into())?;
        socket.listen(BACKLOG)?;
        Ok(StdListener::from(socket))
    };
    let listeners = (0..count).map(|_| listen()).collect::<io::Result<Vec<_>>>()?;
    Ok((bound, listeners))
}

fn socket(address: SocketAddr, shared: bool) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_nonblocking(true)?;
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(shared)?;
    Ok(socket)
}

/// What accepting needs to know.
#[derive(Clone)]
pub(crate) struct Accepting {
    pub(crate) router: Router,
    pub(crate) claimants: Rc<Claimants>,
    /// Counts connections that have not asked for anything yet.
    pub(crate) handshakes: Arc<Gatekeeper>,
    pub(crate) clock: Arc<Clock>,
    pub(crate) header_timeout: Duration,
}

/// Accepts until told to close, then until nothing waits in the kernel any more: closing a shared listener resets what does.
pub(crate) async fn accept(listener: TcpListener, accepting: Accepting, mut closing: watch::Receiver<bool>) {
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = closing.wait_for(|closing| *closing) => break,
        };
        match accepted {
            Ok((stream, address)) => take(stream, address, &accepting),
            Err(error) => {
                tracing::warn!(%error, "could not accept a connection");
                sleep(PAUSE).await;
            }
        }
    }
    let rest = std::future::poll_fn(|context| {
        while let std::task::Poll::Ready(Ok((stream, address))) = listener.poll_accept(context) {
            take(stream, address, &accepting);
        }
        std::task::Poll::Ready(())
    });
    rest.await;
}

fn take(stream: TcpStream, address: SocketAddr, accepting: &Accepting) {
    // Somebody who opens connections and asks for nothing has few of them; the socket just closes.
    let Ok(handshake) = accepting.handshakes.admit(address.ip(), accepting.clock.now_ms()) else { return };
    let peer = Peer { address, handshake: Arc::new(Mutex::new(Some(handshake))) };
    let Accepting { router, claimants, clock, header_timeout, .. } = accepting.clone();
    spawn_local(async move {
        let answer = |mut request: hyper::Request<Incoming>| {
            request.extensions_mut().insert(peer.clone());
            let answering = timeout(header_timeout * ANSWER, router.clone().oneshot(request.map(Body::new)));
            async move { answering.await.map_or_else(|_| too_slow(), |Ok(response)| response) }
        };
        let mut http = http1::Builder::new();
        http.timer(TokioTimer::new()).header_read_timeout(header_timeout).max_buf_size(HEAD_BYTES).max_headers(HEADERS);
        match takeover::serve(&http, stream, clock, header_timeout, answer).await {
            Ok(Some((claim, taken))) => claimants.take(claim, taken),
            Ok(None) => {}
            Err(error) => tracing::debug!(%error, "an HTTP connection ended early"),
        }
    });
}

/// Whoever sends a body drop by drop would hold one of the few places before the session.
fn too_slow() -> Response {
    let problem = Problem::new(ErrorCode::BadRequest, "the request took too long to come or to be answered; try again");
    let mut response = problem.with_status(StatusCode::REQUEST_TIMEOUT).into_response();
    response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    response
}

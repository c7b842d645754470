//! Takes a socket back from hyper: hyper reads the request, the router answers it, and the socket with the head of the answer
//! goes to whoever claimed it. What HTTP needed, its buffers above all, is freed with that.
//!
//! Knows nothing of what the claimants do with it. See `docs/decisions/0011-sse-on-the-raw-stream.md`.

use std::cell::{Cell, RefCell};
use std::future::{pending, poll_fn};
use std::io::{self, IoSlice, Write};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::{Duration, UNIX_EPOCH};

use axum::body::Bytes;
use axum::http::Version;
use axum::http::header::{CONTENT_LENGTH, DATE, HeaderName, TRANSFER_ENCODING};
use axum::response::Response;
use hyper::Request;
use hyper::body::Incoming;
use hyper::rt::{Read, ReadBufCursor, Write as HyperWrite};
use hyper::server::conn::http1::{self, Builder};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio::time::timeout;

use super::Mode;
use crate::admission::Admission;
use crate::clock::Clock;

/// A socket that was taken back.
#[derive(Debug)]
pub(super) struct Taken {
    pub(super) socket: TcpStream,
    /// The head of the answer; nothing of it is written.
    pub(super) head: Vec<u8>,
    /// Bytes that were read behind the request.
    pub(super) early: Bytes,
}

/// Who takes the socket behind an answer, put into the answer by its handler.
#[derive(Debug)]
pub(super) enum Claim {
    /// A WebSocket.
    Socket(Admission, Mode),
    /// A stream that waits for it.
    Stream(oneshot::Sender<Taken>),
}

/// What goes with an answer can be cloned.
#[derive(Clone)]
struct Carried(Arc<Mutex<Option<Claim>>>);

impl Claim {
    /// Claims the socket behind an answer.
    pub(super) fn put_into(self, response: &mut Response) {
        response.extensions_mut().insert(Carried(Arc::new(Mutex::new(Some(self)))));
    }

    fn take_from(response: &mut Response) -> Option<Self> {
        let Carried(claim) = response.extensions_mut().remove()?;
        claim.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

/// Serves requests until the connection ends, or until the socket behind an answer is claimed. Then answers to earlier requests
/// have left, or it ends after `patience`.
pub(super) async fn serve<A: Future<Output = Response>>(
    http: &Builder,
    stream: TcpStream,
    clock: Arc<Clock>,
    patience: Duration,
    answer: impl Fn(Request<Incoming>) -> A,
) -> hyper::Result<Option<(Claim, Taken)>> {
    let claimed = Rc::new(RefCell::new(None));
    let service = service_fn(|request: Request<Incoming>| {
        let (version, answering, claimed) = (request.version(), answer(request), Rc::clone(&claimed));
        let clock = &clock;
        async move {
            let mut response = answering.await;
            let Some(claim) = Claim::take_from(&mut response) else { return Ok(response) };
            claimed.replace(Some((claim, head(version, &response, clock.now_ms()))));
            // hyper gets no answer. While this waits it writes what is left of earlier ones.
            timeout(patience, pending()).await
        }
    });
    let flushed = Rc::new(Cell::new(true));
    let io = Watched { io: TokioIo::new(stream), flushed: Rc::clone(&flushed) };
    let mut connection = http.serve_connection(io, service);
    let ended = poll_fn(|context| {
        let ended = Pin::new(&mut connection).poll(context)?;
        // Each poll ends with an attempt to write all that is left.
        let claimed = if ended.is_pending() && flushed.get() { claimed.take() } else { None };
        match claimed {
            Some(claimed) => Poll::Ready(Ok(Some(claimed))),
            None => ended.map(|()| hyper::Result::Ok(None)),
        }
    });
    let Some((claim, head)) = ended.await? else { return Ok(None) };
    let http1::Parts { io, read_buf, .. } = connection.into_parts();
    Ok(Some((claim, Taken { socket: io.io.into_inner(), head, early: read_buf })))
}

/// The head of an answer whose body, if there is one, ends with the connection.
fn head(version: Version, response: &Response, now_ms: u64) -> Vec<u8> {
    let mut head = Vec::with_capacity(512);
    let status = response.status();
    let date = httpdate::fmt_http_date(UNIX_EPOCH + Duration::from_millis(now_ms));
    let reason = status.canonical_reason().unwrap_or_default();
    // Writing to memory does not fail.
    let _ = write!(head, "{version:?} {} {reason}\r\n{DATE}: {date}\r\n", status.as_u16());
    let framing = |name: &HeaderName| *name == CONTENT_LENGTH || *name == TRANSFER_ENCODING;
    for (name, value) in response.headers().iter().filter(|(name, _)| !framing(name)) {
        for part in [name.as_str().as_bytes(), b": ", value.as_bytes(), b"\r\n"] {
            head.extend_from_slice(part);
        }
    }
    head.extend_from_slice(b"\r\n");
    head
}

/// A socket that knows whether hyper has written all it had: hyper flushes when nothing is left, and only then.
struct Watched {
    io: TokioIo<TcpStream>,
    flushed: Rc<Cell<bool>>,
}

impl Read for Watched {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, into: ReadBufCursor<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_read(context, into)
    }
}

impl HyperWrite for Watched {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.flushed.set(false);
        Pin::new(&mut self.io).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.flushed.set(false);
        Pin::new(&mut self.io).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.io).poll_flush(context);
        self.flushed.set(matches!(flushed, Poll::Ready(Ok(()))));
        flushed
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(context)
    }
}

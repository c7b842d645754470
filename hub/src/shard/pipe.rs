//! A byte pipe in memory: what a connection writes to in a simulated network. Bounded in bytes; a full pipe blocks its writer.

use std::cell::RefCell;
use std::io::{self, IoSlice};
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use bytes::{Bytes, BytesMut};

#[derive(Debug, Default)]
struct State {
    waiting: BytesMut,
    closed: bool,
    reader: Option<Waker>,
    writer: Option<Waker>,
}

/// Makes a pipe that holds at most `capacity` bytes.
pub fn pipe(capacity: usize) -> (PipeWriter, PipeReader) {
    let state = Rc::new(RefCell::new(State::default()));
    (PipeWriter { state: state.clone(), capacity }, PipeReader { state })
}

/// The connection's end.
#[derive(Debug)]
pub struct PipeWriter {
    state: Rc<RefCell<State>>,
    capacity: usize,
}

/// The other end.
#[derive(Debug)]
pub struct PipeReader {
    state: Rc<RefCell<State>>,
}

fn close(state: &RefCell<State>) {
    let mut state = state.borrow_mut();
    state.closed = true;
    for waker in [state.reader.take(), state.writer.take()].into_iter().flatten() {
        waker.wake();
    }
}

impl PipeWriter {
    /// Takes what fits; `WouldBlock` when nothing does, `BrokenPipe` when the reader is gone.
    pub fn try_write_vectored(&self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        let mut state = self.state.borrow_mut();
        if state.closed {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        let mut written = 0;
        for slice in slices {
            let take = slice.len().min(self.capacity.saturating_sub(state.waiting.len()));
            state.waiting.extend_from_slice(&slice[..take]);
            written += take;
        }
        if written == 0 {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        if let Some(reader) = state.reader.take() {
            reader.wake();
        }
        Ok(written)
    }

    /// Waits until the reader took something, or is gone.
    pub async fn writable(&self) {
        std::future::poll_fn(|context| {
            let mut state = self.state.borrow_mut();
            if state.closed || state.waiting.len() < self.capacity {
                return Poll::Ready(());
            }
            state.writer = Some(context.waker().clone());
            Poll::Pending
        })
        .await;
    }

    /// No more bytes follow; the reader still gets what waits.
    pub fn close(&self) {
        close(&self.state);
    }
}

impl Drop for PipeWriter {
    fn drop(&mut self) {
        self.close();
    }
}

impl PipeReader {
    /// The next bytes; `None` after the last.
    pub fn poll_read(&self, context: &mut Context<'_>) -> Poll<Option<Bytes>> {
        let mut state = self.state.borrow_mut();
        if !state.waiting.is_empty() {
            let bytes = std::mem::take(&mut state.waiting).freeze();
            if let Some(writer) = state.writer.take() {
                writer.wake();
            }
            return Poll::Ready(Some(bytes));
        }
        if state.closed {
            return Poll::Ready(None);
        }
        state.reader = Some(context.waker().clone());
        Poll::Pending
    }
}

impl Drop for PipeReader {
    fn drop(&mut self) {
        close(&self.state);
    }
}

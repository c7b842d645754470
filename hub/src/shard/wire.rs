//! Where the bytes of a connection go: a socket, or a pipe.

use std::io::{self, IoSlice};
use std::net::Shutdown;

use socket2::SockRef;
use tokio::net::TcpStream;

use super::pipe::PipeWriter;

/// The writable end of a connection.
#[derive(Debug)]
pub enum Wire {
    /// A socket taken back after its upgrade.
    Socket(TcpStream),
    /// The body of a response, or a simulated network.
    Pipe(PipeWriter),
}

impl Wire {
    /// Writes what fits now; `WouldBlock` when nothing does.
    pub fn try_write_vectored(&self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        match self {
            Self::Socket(socket) => socket.try_write_vectored(slices),
            Self::Pipe(pipe) => pipe.try_write_vectored(slices),
        }
    }

    /// Waits until a write may succeed.
    pub async fn writable(&self) {
        match self {
            // An error shows again at the write that follows.
            Self::Socket(socket) => drop(socket.writable().await),
            Self::Pipe(pipe) => pipe.writable().await,
        }
    }

    /// Says that no more bytes follow. What was written still arrives.
    pub fn finish(&self) {
        match self {
            // A peer that is gone needs no goodbye.
            Self::Socket(socket) => drop(SockRef::from(socket).shutdown(Shutdown::Write)),
            Self::Pipe(pipe) => pipe.close(),
        }
    }

    /// Ends both directions, so that whoever reads wakes up.
    pub fn abort(&self) {
        match self {
            Self::Socket(socket) => drop(SockRef::from(socket).shutdown(Shutdown::Both)),
            Self::Pipe(pipe) => pipe.close(),
        }
    }
}

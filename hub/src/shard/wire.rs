//! Where the bytes of a connection go: a socket, or a pipe.

use std::io::{self, IoSlice, Write};
use std::net::Shutdown;

use mio::net::TcpStream;
use socket2::SockRef;

use super::pipe::PipeWriter;

/// The writable end of a connection.
#[derive(Debug)]
pub enum Wire {
    /// A socket taken back after its upgrade. Whoever watches it says when it takes bytes again.
    Socket(TcpStream),
    /// The body of a response, or a simulated network.
    Pipe(PipeWriter),
}

impl Wire {
    /// Writes what fits now; `WouldBlock` when nothing does.
    pub fn try_write_vectored(&self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        match self {
            Self::Socket(socket) => {
                let mut writer: &TcpStream = socket;
                // Most often it is one, and sending that costs the kernel less.
                match slices {
                    [one] => writer.write(one),
                    several => writer.write_vectored(several),
                }
            }
            Self::Pipe(pipe) => pipe.try_write_vectored(slices),
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

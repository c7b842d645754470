//! Opens the sockets of simulated people, each group from a loopback address of its own.

use std::io;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use socket2::{Domain, Protocol, Socket, Type};

/// Where and how to connect.
#[derive(Clone, Debug)]
pub struct Dial {
    /// The hub's public port.
    pub target: SocketAddr,
    /// The local address: one address has 55,000 ports, so groups have their own.
    pub source: Ipv4Addr,
}

impl Dial {
    /// Begins to connect and does not wait, with a small receive buffer where one is given.
    pub fn start(&self, receive_buffer_bytes: Option<usize>) -> io::Result<mio::net::TcpStream> {
        let socket = self.socket()?;
        if let Some(bytes) = receive_buffer_bytes {
            socket.set_recv_buffer_size(bytes)?;
        }
        socket.set_nonblocking(true)?;
        match socket.connect(&self.target.into()) {
            Ok(()) => {}
            Err(error) if error.raw_os_error() == Some(EINPROGRESS) => {}
            Err(error) => return Err(error),
        }
        Ok(mio::net::TcpStream::from_std(socket.into()))
    }

    /// Connects and waits, with a small receive buffer where one is given.
    pub fn connect(&self, receive_buffer_bytes: Option<usize>) -> io::Result<std::net::TcpStream> {
        let socket = self.socket()?;
        if let Some(bytes) = receive_buffer_bytes {
            socket.set_recv_buffer_size(bytes)?;
        }
        socket.connect_timeout(&self.target.into(), Duration::from_secs(10))?;
        Ok(socket.into())
    }

    fn socket(&self) -> io::Result<Socket> {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, Some(Protocol::TCP))?;
        // Ports of runs before are free again at once, and those of this run will be.
        socket.set_reuse_address(true)?;
        socket.set_linger(Some(Duration::ZERO))?;
        self.bind(&socket)?;
        socket.set_tcp_nodelay(true)?;
        Ok(socket)
    }

    /// Takes the next port of the address. (The kernel's own search for a free one reads long lists when there
    /// are thousands, which would cost more than all the rest.)
    fn bind(&self, socket: &Socket) -> io::Result<()> {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let mut taken = io::Error::from(io::ErrorKind::AddrInUse);
        for _ in 0..PORT_TRIES {
            let port = FIRST_PORT + (NEXT.fetch_add(1, Ordering::Relaxed) % u32::from(PORTS)) as u16;
            match socket.bind(&SocketAddrV4::new(self.source, port).into()) {
                Err(error) if error.kind() == io::ErrorKind::AddrInUse => taken = error,
                other => return other,
            }
        }
        Err(taken)
    }

    /// The request that makes a WebSocket of the connection.
    pub fn upgrade(&self) -> Vec<u8> {
        self.upgrade_of("/ws")
    }

    /// The same as somebody whom balancers know again, calling the hub by this name.
    pub fn upgrade_with_affinity(&self, affinity: &str, host: Option<&str>) -> Vec<u8> {
        let path = format!("/ws?affinity={affinity}");
        host.map_or_else(|| self.upgrade_of(&path), |host| upgrade(&path, host))
    }

    fn upgrade_of(&self, path: &str) -> Vec<u8> {
        upgrade(path, &self.target.to_string())
    }
}

fn upgrade(path: &str, host: &str) -> Vec<u8> {
    // The key is any 16 bytes; the answer to it is not checked, the hub's own tests do that.
    format!(
        "GET {path} HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: aHViYnViLWxvYWR0ZXN0IQ==\r\n\r\n"
    )
    .into_bytes()
}

const FIRST_PORT: u16 = 10_000;
const PORTS: u16 = 55_000;
/// Ports in a row that may be taken by somebody else.
const PORT_TRIES: usize = 1_000;

/// "Connecting", on Linux.
const EINPROGRESS: i32 = 115;

/// The loopback address of a group: different for each process and run, so that none waits for ports of another.
pub fn source(run: u8, group: usize) -> Ipv4Addr {
    let process = 1 + (std::process::id() % 250) as u8;
    Ipv4Addr::new(127, process, run, 10 + (group % 200) as u8)
}

//! A wire between a node and Redis that can go silent without closing: nothing arrives any more, in either direction, and nobody
//! is told. Knows nothing of what is said on it.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

const BUFFER_BYTES: usize = 16 * 1024;

/// The wire; everything on it ends with it.
pub(crate) struct Proxy {
    address: SocketAddr,
    wires: Arc<Wires>,
    accepting: JoinHandle<()>,
}

/// The connections on it by the port from which they reach the server, each with the way to silence it.
struct Wires {
    by_port: Mutex<HashMap<u16, watch::Sender<bool>>>,
    /// Whether new ones are silent from the start.
    silent: watch::Sender<bool>,
}

impl Proxy {
    /// In front of a server.
    pub(crate) async fn start(server: SocketAddr) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a free port");
        let address = listener.local_addr().expect("bound");
        let wires = Arc::new(Wires { by_port: Mutex::default(), silent: watch::Sender::new(false) });
        let accepting = tokio::spawn(accept(listener, server, Arc::clone(&wires)));
        Self { address, wires, accepting }
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Connections that reach the server from these ports go silent, for good.
    pub(crate) fn silence(&self, ports: &[u16]) {
        let wires = self.wires.lock();
        for silent in ports.iter().filter_map(|port| wires.get(port)) {
            silent.send_replace(true);
        }
    }

    /// Every connection goes silent, and so does each new one; or all of them speak again.
    pub(crate) fn silence_all(&self, silent: bool) {
        self.wires.silent.send_replace(silent);
        for wire in self.wires.lock().values() {
            wire.send_replace(silent);
        }
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.accepting.abort();
        // Whoever waits for speech finds its sender gone, and ends.
        self.wires.lock().clear();
    }
}

impl Wires {
    fn lock(&self) -> MutexGuard<'_, HashMap<u16, watch::Sender<bool>>> {
        self.by_port.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn accept(listener: TcpListener, server: SocketAddr, wires: Arc<Wires>) {
    loop {
        let Ok((near, _)) = listener.accept().await else { continue };
        tokio::spawn(carry(near, server, Arc::clone(&wires)));
    }
}

async fn carry(near: TcpStream, server: SocketAddr, wires: Arc<Wires>) {
    let Ok(far) = TcpStream::connect(server).await else { return };
    let Ok(port) = far.local_addr().map(|address| address.port()) else { return };
    // Commands must not wait for acknowledgements.
    let _ = near.set_nodelay(true).and_then(|()| far.set_nodelay(true));
    let silent = watch::Sender::new(*wires.silent.borrow());
    let (there, back) = (silent.subscribe(), silent.subscribe());
    wires.lock().insert(port, silent);
    let ((near_read, near_write), (far_read, far_write)) = (near.into_split(), far.into_split());
    // The end of one direction is the end of both.
    tokio::select! {
        _ = pump(near_read, far_write, there) => {}
        _ = pump(far_read, near_write, back) => {}
    }
    wires.lock().remove(&port);
}

/// Carries bytes while it may; `None` at the end.
async fn pump(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    mut silent: watch::Receiver<bool>,
) -> Option<()> {
    let mut buffer = vec![0; BUFFER_BYTES];
    loop {
        silent.wait_for(|silent| !silent).await.ok()?;
        let read = tokio::select! {
            read = from.read(&mut buffer) => read.ok().filter(|count| *count > 0)?,
            changed = silent.changed() => {
                changed.ok()?;
                continue;
            }
        };
        silent.wait_for(|silent| !silent).await.ok()?;
        to.write_all(&buffer[..read]).await.ok()?;
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::timeout;

    use super::*;

    /// A server that sends back what it gets, and tells from which port.
    async fn echo() -> (SocketAddr, tokio::sync::mpsc::Receiver<u16>) {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a free port");
        let address = listener.local_addr().expect("bound");
        let (ports, told) = tokio::sync::mpsc::channel(8);
        tokio::spawn(async move {
            while let Ok((mut socket, peer)) = listener.accept().await {
                let _ = ports.send(peer.port()).await;
                tokio::spawn(async move {
                    let (mut read, mut write) = socket.split();
                    tokio::io::copy(&mut read, &mut write).await
                });
            }
        });
        (address, told)
    }

    async fn answers(socket: &mut TcpStream, within_ms: u64) -> bool {
        let mut answer = [0; 4];
        socket.write_all(b"ping").await.expect("written");
        timeout(Duration::from_millis(within_ms), socket.read_exact(&mut answer)).await.is_ok_and(|read| read.is_ok())
    }

    #[tokio::test]
    async fn a_silent_wire_says_nothing_and_stays_open() {
        let (server, mut ports) = echo().await;
        let proxy = Proxy::start(server).await;
        let mut one = TcpStream::connect(proxy.address()).await.expect("connects");
        let port = ports.recv().await.expect("a port");
        let mut other = TcpStream::connect(proxy.address()).await.expect("connects");
        assert!(answers(&mut one, 5_000).await && answers(&mut other, 5_000).await);
        proxy.silence(&[port]);
        assert!(!answers(&mut one, 100).await, "it is silent");
        assert!(answers(&mut other, 5_000).await, "the other one is not");
        proxy.silence_all(true);
        let mut new = TcpStream::connect(proxy.address()).await.expect("connects");
        assert!(!answers(&mut new, 100).await, "a new one is silent too");
        proxy.silence_all(false);
        assert!(answers(&mut new, 5_000).await && answers(&mut one, 5_000).await, "all speak again");
    }
}

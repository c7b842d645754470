//! A proxy in front of Redis that can be half-dead: connections stay open and nothing comes through.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// What comes through.
#[derive(Debug, Default)]
struct Switches {
    /// Connections with a subscription and a number up to this one are dead in both directions.
    dead_subscribers: AtomicU64,
    /// Answers to commands are dropped, and whatever follows on a connection that lost one: bytes are never lost from the middle.
    no_answers: AtomicBool,
    opened: AtomicU64,
}

#[derive(Debug)]
pub(crate) struct Proxy {
    pub(crate) port: u16,
    switches: Arc<Switches>,
    task: JoinHandle<()>,
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Proxy {
    pub(crate) async fn start(target: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let port = listener.local_addr().expect("bound").port();
        let switches = Arc::new(Switches::default());
        let task = tokio::spawn(accept(listener, target, switches.clone()));
        Self { port, switches, task }
    }

    /// Subscribers that are connected now hear nothing from now on, and are not heard. New ones are.
    pub(crate) fn silence_subscribers(&self) {
        self.switches.dead_subscribers.store(self.switches.opened.load(Ordering::SeqCst), Ordering::SeqCst);
    }

    /// Commands reach Redis, their answers do not come back.
    pub(crate) fn drop_answers(&self, dropped: bool) {
        self.switches.no_answers.store(dropped, Ordering::SeqCst);
    }
}

async fn accept(listener: TcpListener, target: u16, switches: Arc<Switches>) {
    while let Ok((client, _)) = listener.accept().await {
        let number = switches.opened.fetch_add(1, Ordering::SeqCst) + 1;
        let Ok(server) = TcpStream::connect(("127.0.0.1", target)).await else { continue };
        let subscribes = Arc::new(AtomicBool::new(false));
        let ((from_client, to_client), (from_server, to_server)) = (client.into_split(), server.into_split());
        let way = Way { number, subscribes, switches: switches.clone() };
        tokio::spawn(way.clone().carry(from_client, to_server, true));
        tokio::spawn(way.carry(from_server, to_client, false));
    }
}

#[derive(Clone)]
struct Way {
    number: u64,
    subscribes: Arc<AtomicBool>,
    switches: Arc<Switches>,
}

impl Way {
    async fn carry(self, mut from: OwnedReadHalf, mut to: OwnedWriteHalf, asks: bool) {
        let mut buffer = vec![0; 64 * 1024];
        let mut dead = false;
        while let Ok(length @ 1..) = from.read(&mut buffer).await {
            let bytes = &buffer[..length];
            if asks && bytes.windows(10).any(|word| word == b"SSUBSCRIBE") {
                self.subscribes.store(true, Ordering::SeqCst);
            }
            let subscribes = self.subscribes.load(Ordering::SeqCst);
            dead |= subscribes && self.number <= self.switches.dead_subscribers.load(Ordering::SeqCst);
            dead |= !asks && !subscribes && self.switches.no_answers.load(Ordering::SeqCst);
            if !dead && to.write_all(bytes).await.is_err() {
                return;
            }
        }
    }
}

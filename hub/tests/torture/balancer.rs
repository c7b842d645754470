//! A balancer in this process: takes the clients' connections and carries their bytes to some node that listens. It can cut
//! them without a frame. Knows nothing of what they say.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rand::seq::IteratorRandom;
use tokio::io::copy_bidirectional_with_sizes;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::timeout;

/// A node that takes no connection for so long is passed over.
const CONNECT_WITHIN: Duration = Duration::from_millis(500);
/// Bytes under way in each direction of a connection.
const BUFFER_BYTES: usize = 4 * 1024;

/// A running balancer; its connections end with it.
pub(crate) struct Balancer {
    address: SocketAddr,
    open: Arc<Open>,
    accepting: JoinHandle<()>,
}

/// The connections that it carries, each with the way to cut it.
#[derive(Default)]
struct Open {
    next: AtomicU64,
    cuts: Mutex<HashMap<u64, oneshot::Sender<()>>>,
}

impl Balancer {
    /// In front of these nodes.
    pub(crate) async fn start(nodes: Vec<SocketAddr>) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a free port");
        let address = listener.local_addr().expect("bound");
        let open = Arc::<Open>::default();
        let accepting = tokio::spawn(accept(listener, nodes.into(), Arc::clone(&open)));
        Self { address, open, accepting }
    }

    /// Where clients connect.
    pub(crate) fn ws(&self) -> String {
        format!("ws://{}/ws", self.address)
    }

    /// Ends some connections without a word, in both directions, with a reset; answers how many.
    pub(crate) fn cut(&self, share: f64) -> usize {
        let mut cuts = self.open.cuts.lock().unwrap_or_else(PoisonError::into_inner);
        let count = (cuts.len() as f64 * share).ceil() as usize;
        let chosen = cuts.keys().copied().sample(&mut rand::rng(), count);
        // One whose receiver is gone is ending by itself.
        chosen.into_iter().filter_map(|id| cuts.remove(&id)).filter_map(|cut| cut.send(()).ok()).count()
    }
}

impl Drop for Balancer {
    fn drop(&mut self) {
        self.accepting.abort();
        self.open.cuts.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}

async fn accept(listener: TcpListener, nodes: Arc<[SocketAddr]>, open: Arc<Open>) {
    loop {
        // Out of files is the one thing that can go wrong, and then connections wait.
        let Ok((client, _)) = listener.accept().await else { continue };
        let (id, (cut, is_cut)) = (open.next.fetch_add(1, Ordering::Relaxed), oneshot::channel());
        open.cuts.lock().unwrap_or_else(PoisonError::into_inner).insert(id, cut);
        let (nodes, open) = (Arc::clone(&nodes), Arc::clone(&open));
        tokio::spawn(async move {
            carry(client, &nodes, is_cut).await;
            open.cuts.lock().unwrap_or_else(PoisonError::into_inner).remove(&id);
        });
    }
}

/// Carries one connection to its end. Without a node it ends at once.
async fn carry(mut client: TcpStream, nodes: &[SocketAddr], is_cut: oneshot::Receiver<()>) {
    let Some(mut node) = reach(nodes).await else { return };
    // Small frames must not wait for an acknowledgement of the ones before.
    let _ = client.set_nodelay(true).and_then(|()| node.set_nodelay(true));
    tokio::select! {
        _ = copy_bidirectional_with_sizes(&mut client, &mut node, BUFFER_BYTES, BUFFER_BYTES) => {}
        _ = is_cut => {
            let _ = client.set_zero_linger().and_then(|()| node.set_zero_linger());
        }
    }
}

/// A connection to a node, beginning with a random one.
async fn reach(nodes: &[SocketAddr]) -> Option<TcpStream> {
    let first = rand::random_range(0..nodes.len());
    for index in 0..nodes.len() {
        let node = nodes[(first + index) % nodes.len()];
        if let Ok(Ok(stream)) = timeout(CONNECT_WITHIN, TcpStream::connect(node)).await {
            return Some(stream);
        }
    }
    None
}

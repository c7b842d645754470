//! The threads of the shards: each with a local runtime that nothing of it leaves.

use std::io;
use std::net::TcpListener as StdListener;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::runtime::{Builder, LocalOptions};
use tokio::sync::{mpsc, watch};
use tokio::task::spawn_local;

use crate::admission::Gatekeeper;
use crate::deliver::Interest;
use crate::shard::Shard;
use crate::shard::mail::MailboxReader;
use crate::transport::listener::{Accepting, accept};
use crate::transport::public::{Public, router};
use crate::transport::{Claimants, INTAKE};

/// What the thread of a shard starts with.
pub(super) struct Seed {
    pub(super) index: usize,
    pub(super) listener: StdListener,
    pub(super) mailbox: MailboxReader,
    pub(super) interest: Interest,
    pub(super) public: Arc<Public>,
    pub(super) handshakes: Arc<Gatekeeper>,
    /// Accept no more.
    pub(super) closing: watch::Receiver<bool>,
    /// End the thread.
    pub(super) ended: watch::Receiver<bool>,
}

/// Starts the thread.
pub(super) fn start(seed: Seed) -> io::Result<JoinHandle<()>> {
    std::thread::Builder::new().name(format!("shard-{}", seed.index)).spawn(move || {
        let runtime = Builder::new_current_thread().enable_io().enable_time().build_local(LocalOptions::default());
        match runtime {
            Ok(runtime) => runtime.block_on(run(seed)),
            Err(error) => tracing::error!(%error, "a shard has no runtime"),
        }
    })
}

/// A shard on a local runtime, until the node ends.
pub(super) async fn run(seed: Seed) {
    let Seed { index, listener, mailbox, interest, public, handshakes, closing, mut ended } = seed;
    let services = public.services.clone();
    let (clock, limits) = (services.clock.clone(), services.limits.clone());
    let header_timeout = Duration::from_millis(limits.header_timeout_ms);
    let shard = Shard::start(index, mailbox, interest, services.presence.clone(), clock.clone(), limits);
    let (sender, intake) = mpsc::channel(INTAKE);
    let started =
        Claimants::start(shard, services).and_then(|claimants| Ok((claimants, TcpListener::from_std(listener)?)));
    match started {
        Ok((claimants, listener)) => {
            spawn_local(claimants.clone().open(intake));
            let accepting = Accepting { router: router(sender, public), claimants, handshakes, clock, header_timeout };
            spawn_local(accept(listener, accepting, closing));
        }
        Err(error) => tracing::error!(%error, "a shard can not listen"),
    }
    // An error means that the node is gone, which ends the thread too.
    let _ = ended.wait_for(|ended| *ended).await;
}

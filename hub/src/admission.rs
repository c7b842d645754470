//! Admission: who may open a connection at all. Shared by all shards, asked once for each connection.

use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use dashmap::DashMap;

use crate::rate::Bucket;

/// Why a newcomer is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// The node is at its memory watermark.
    #[error("this node is at its memory limit, try again in {retry_after_ms} ms")]
    Memory {
        /// When to try again, in milliseconds.
        retry_after_ms: u64,
    },
    /// The node is draining.
    #[error("this node is draining, reconnect to another one")]
    Draining,
    /// Too many connections in all.
    #[error("this node holds as many connections as it may, try again in {retry_after_ms} ms")]
    Full {
        /// When to try again, in milliseconds.
        retry_after_ms: u64,
    },
    /// Too many connections from one address.
    #[error("too many connections from your address, close some or try again in {retry_after_ms} ms")]
    Address {
        /// When to try again, in milliseconds.
        retry_after_ms: u64,
    },
    /// Too many newcomers a second.
    #[error("too many new connections at once, try again in {retry_after_ms} ms")]
    Rate {
        /// When to try again, in milliseconds.
        retry_after_ms: u64,
    },
}

impl Refused {
    /// When to try again, in milliseconds.
    pub fn retry_after_ms(self) -> u64 {
        match self {
            Self::Draining => 1_000,
            Self::Memory { retry_after_ms }
            | Self::Full { retry_after_ms }
            | Self::Address { retry_after_ms }
            | Self::Rate { retry_after_ms } => retry_after_ms,
        }
    }

    fn label(self) -> &'static str {
        match self {
            Self::Memory { .. } => "memory",
            Self::Draining => "draining",
            Self::Full { .. } => "full",
            Self::Address { .. } => "address",
            Self::Rate { .. } => "rate",
        }
    }
}

/// The bounds of the gate.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// Connections in all.
    pub connections: usize,
    /// Connections from one address.
    pub per_address: u32,
    /// New connections a second.
    pub per_second: u32,
    /// New connections at once.
    pub burst: u32,
}

/// The gate of a node.
#[derive(Debug)]
pub struct Gatekeeper {
    bounds: Bounds,
    connections: AtomicUsize,
    by_address: DashMap<IpAddr, u32>,
    // A lock of a few nanoseconds, taken once for each new connection.
    rate: Mutex<Bucket>,
    memory_short: AtomicBool,
    draining: AtomicBool,
}

/// How long newcomers are sent away when memory is short or the node is full, in milliseconds.
const BUSY_RETRY_MS: u64 = 5_000;

impl Gatekeeper {
    /// An open gate.
    pub fn new(bounds: Bounds, now_ms: u64) -> Arc<Self> {
        Arc::new(Self {
            bounds,
            connections: AtomicUsize::new(0),
            by_address: DashMap::new(),
            rate: Mutex::new(Bucket::full(bounds.burst, now_ms)),
            memory_short: AtomicBool::new(false),
            draining: AtomicBool::new(false),
        })
    }

    /// Lets a newcomer in, counted until the admission is dropped.
    pub fn admit(self: &Arc<Self>, address: IpAddr, now_ms: u64) -> Result<Admission, Refused> {
        self.check(address, now_ms).inspect_err(|refused| {
            metrics::counter!("hubbub_refused_connections_total", "cause" => refused.label()).increment(1);
        })
    }

    fn check(self: &Arc<Self>, address: IpAddr, now_ms: u64) -> Result<Admission, Refused> {
        if self.draining.load(Ordering::Relaxed) {
            return Err(Refused::Draining);
        }
        if self.memory_short.load(Ordering::Relaxed) {
            return Err(Refused::Memory { retry_after_ms: BUSY_RETRY_MS });
        }
        let mut rate = self.rate.lock().unwrap_or_else(PoisonError::into_inner);
        let taken = rate.take(self.bounds.per_second, self.bounds.burst, now_ms);
        drop(rate);
        taken.map_err(|retry_after_ms| Refused::Rate { retry_after_ms: retry_after_ms.max(100) })?;
        if self.connections.fetch_add(1, Ordering::Relaxed) >= self.bounds.connections {
            self.connections.fetch_sub(1, Ordering::Relaxed);
            return Err(Refused::Full { retry_after_ms: BUSY_RETRY_MS });
        }
        let mut count = self.by_address.entry(address).or_insert(0);
        if *count >= self.bounds.per_address {
            self.connections.fetch_sub(1, Ordering::Relaxed);
            return Err(Refused::Address { retry_after_ms: BUSY_RETRY_MS });
        }
        *count += 1;
        drop(count);
        Ok(Admission { gatekeeper: self.clone(), address })
    }

    /// Says whether memory is short.
    pub fn set_memory_short(&self, short: bool) {
        self.memory_short.store(short, Ordering::Relaxed);
    }

    /// Whether memory is short.
    pub fn memory_short(&self) -> bool {
        self.memory_short.load(Ordering::Relaxed)
    }

    /// Lets nobody in any more.
    pub fn drain(&self) {
        self.draining.store(true, Ordering::Relaxed);
    }

    /// Whether nobody is let in any more.
    pub fn is_draining(&self) -> bool {
        self.draining.load(Ordering::Relaxed)
    }

    /// Most connections in all.
    pub fn capacity(&self) -> usize {
        self.bounds.connections
    }

    /// Connections now.
    pub fn connections(&self) -> usize {
        self.connections.load(Ordering::Relaxed)
    }
}

/// Counts a connection while it lives.
#[derive(Debug)]
pub struct Admission {
    gatekeeper: Arc<Gatekeeper>,
    address: IpAddr,
}

impl Admission {
    /// From where it came, behind trusted proxies the real address.
    pub fn address(&self) -> IpAddr {
        self.address
    }
}

impl Drop for Admission {
    fn drop(&mut self) {
        self.gatekeeper.connections.fetch_sub(1, Ordering::Relaxed);
        // An entry at 0 goes, or addresses that came once would stay for ever.
        self.gatekeeper.by_address.remove_if_mut(&self.address, |_, count| {
            *count = count.saturating_sub(1);
            *count == 0
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOUNDS: Bounds = Bounds { connections: 3, per_address: 2, per_second: 1, burst: 9 };

    fn address(last: u8) -> IpAddr {
        IpAddr::from([127, 0, 0, last])
    }

    #[test]
    fn bounds_hold_and_places_come_back() {
        let gate = Gatekeeper::new(BOUNDS, 0);
        let first = gate.admit(address(1), 0).expect("room");
        let _second = gate.admit(address(1), 0).expect("room");
        assert!(matches!(gate.admit(address(1), 0), Err(Refused::Address { .. })));
        let _third = gate.admit(address(2), 0).expect("room");
        assert!(matches!(gate.admit(address(3), 0), Err(Refused::Full { .. })));
        assert!(gate.by_address.get(&address(3)).is_none(), "a refused address leaves nothing behind");
        drop(first);
        assert_eq!(gate.connections(), 2);
        assert!(gate.admit(address(1), 0).is_ok());
    }

    #[test]
    fn a_flood_waits_for_the_rate() {
        let gate = Gatekeeper::new(Bounds { burst: 1, ..BOUNDS }, 0);
        let _one = gate.admit(address(1), 0).expect("room");
        assert_eq!(gate.admit(address(1), 0).map(drop), Err(Refused::Rate { retry_after_ms: 1_000 }));
    }
}

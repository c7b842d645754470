//! Goal: the Postgres store keeps every obligation of the trait. Method: the conformance suite, on a server of its own
//! for each test, directly and through PgBouncer in transaction mode.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use hubbub_local::pgbouncer::PgBouncer;
use hubbub_local::postgres::{Options, Postgres as Server};
use hubbub_persistence::conformance::Database;
use hubbub_persistence::conformance::records::{RecordsDatabase, Whole};
use hubbub_persistence::postgres::{Settings, migrate};
use hubbub_persistence::{Bounds, Postgres, Store};

/// A server that goes with the test.
struct Fresh {
    // Dropped in this order.
    bouncer: Option<PgBouncer>,
    server: Server,
    openings: AtomicU64,
}

#[async_trait]
impl Database for Fresh {
    async fn open(&self, bounds: Bounds) -> Arc<dyn Store> {
        self.open_whole(bounds).await
    }
}

#[async_trait]
impl RecordsDatabase for Fresh {
    async fn open_whole(&self, bounds: Bounds) -> Arc<dyn Whole> {
        let url = self.bouncer.as_ref().map_or_else(|| self.server.url(), PgBouncer::url);
        let seed = self.openings.fetch_add(1, Ordering::Relaxed);
        let settings = Settings { url, replica_url: None, connections: 8, bounds, seed };
        Arc::new(Postgres::open(settings).await.expect("the store opens"))
    }
}

async fn fresh() -> Fresh {
    let server = Server::start(Options::default()).expect("a server");
    migrate(&server.owner_url(), "hubbub").await.expect("migrated");
    Fresh { bouncer: None, server, openings: AtomicU64::new(0) }
}

async fn behind_pgbouncer() -> Fresh {
    let fresh = fresh().await;
    Fresh { bouncer: Some(PgBouncer::start(&fresh.server).expect("a pooler")), ..fresh }
}

mod direct {
    hubbub_persistence::conformance_tests!(super::fresh);

    mod records {
        hubbub_persistence::records_conformance_tests!(super::super::fresh);
    }
}

mod through_pgbouncer {
    hubbub_persistence::conformance_tests!(super::behind_pgbouncer);

    mod records {
        hubbub_persistence::records_conformance_tests!(super::super::behind_pgbouncer);
    }
}

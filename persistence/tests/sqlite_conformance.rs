//! SQLite passes the suites of every store and of all records.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use hubbub_persistence::conformance::Database;
use hubbub_persistence::conformance::records::{RecordsDatabase, Whole};
use hubbub_persistence::sqlite::Settings;
use hubbub_persistence::{Bounds, Sqlite, Store};
use tempfile::TempDir;

/// A file in a folder that goes with the test.
struct File {
    folder: TempDir,
    openings: AtomicU64,
}

#[async_trait]
impl Database for File {
    async fn open(&self, bounds: Bounds) -> Arc<dyn Store> {
        self.open_whole(bounds).await
    }
}

#[async_trait]
impl RecordsDatabase for File {
    async fn open_whole(&self, bounds: Bounds) -> Arc<dyn Whole> {
        let seed = 1_000 + self.openings.fetch_add(1, Ordering::Relaxed);
        let settings = Settings { bounds, ..Settings::new(self.folder.path().join("data/hubbub.db"), seed) };
        Arc::new(Sqlite::open(settings).await.expect("the store opens"))
    }
}

async fn file() -> File {
    File { folder: tempfile::tempdir().expect("a folder"), openings: AtomicU64::new(0) }
}

hubbub_persistence::conformance_tests!(file);

mod records {
    hubbub_persistence::records_conformance_tests!(super::file);
}

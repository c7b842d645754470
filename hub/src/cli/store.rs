//! Opens the store that the configuration names. The only place of the hub that knows the backends.

use std::sync::Arc;
use std::time::Duration;

use hubbub_persistence::postgres::{Postgres, Settings as PostgresSettings};
use hubbub_persistence::records::Records;
use hubbub_persistence::sqlite::{Settings as SqliteSettings, Sqlite};
use hubbub_persistence::{Bounds, Store, StoreError};
use rand::RngExt;
use tokio::time::sleep;

use super::CliError;
use crate::config::Config;

/// Pause before a Postgres that is away is tried again.
const RETRY: Duration = Duration::from_secs(1);

/// Opens Postgres where it is configured, else the SQLite file. Waits for a Postgres that is away.
pub(super) async fn open(config: &Config) -> Result<(Arc<dyn Store>, Arc<dyn Records>), CliError> {
    let refused = |error: StoreError| CliError::Refused(error.to_string());
    let (settings, seed) = (&config.store, rand::rng().random());
    let Some(url) = &settings.postgres_url else {
        let store = Sqlite::open(SqliteSettings::new(&settings.path, seed)).await.map_err(refused)?;
        return Ok(both(store));
    };
    let settings = PostgresSettings {
        url: url.expose().to_owned(),
        replica_url: settings.postgres_replica_url.as_ref().map(|url| url.expose().to_owned()),
        connections: settings.postgres_connections,
        bounds: Bounds::default(),
        seed,
    };
    loop {
        match Postgres::open(settings.clone()).await {
            Ok(store) => return Ok(both(store)),
            // A fleet that starts together with its database waits for it; whoever watches sees that no port is open yet.
            Err(StoreError::Unavailable(why)) => tracing::warn!(why, "waiting for Postgres"),
            Err(error) => return Err(refused(error)),
        }
        sleep(RETRY).await;
    }
}

/// One database, by both of its faces.
fn both<S: Store + Records>(store: S) -> (Arc<dyn Store>, Arc<dyn Records>) {
    let store = Arc::new(store);
    (store.clone(), store)
}

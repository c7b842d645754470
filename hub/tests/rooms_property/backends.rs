//! The stores that the property is held on: a SQLite file and a Postgres server of its own.

use std::sync::Arc;

use hubbub_local::postgres::{Options, Postgres as Server};
use hubbub_persistence::postgres::{self, migrate};
use hubbub_persistence::records::Records;
use hubbub_persistence::{Bounds, Postgres, Sqlite, Store, sqlite};
use tempfile::TempDir;

pub(crate) struct Backend {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) records: Arc<dyn Records>,
    /// What goes with it when it is done.
    _keep: Keep,
}

enum Keep {
    File { _folder: TempDir },
    Server { _server: Box<Server> },
}

pub(crate) async fn in_sqlite() -> Backend {
    let folder = tempfile::tempdir().expect("a folder");
    let settings = sqlite::Settings::new(folder.path().join("hubbub.db"), 1);
    let sqlite = Arc::new(Sqlite::open(settings).await.expect("the store opens"));
    Backend { store: sqlite.clone(), records: sqlite, _keep: Keep::File { _folder: folder } }
}

pub(crate) async fn in_postgres() -> Backend {
    let server = Server::start(Options::default()).expect("a server");
    migrate(&server.owner_url(), "hubbub").await.expect("migrated");
    let (url, bounds) = (server.url(), Bounds::default());
    let settings = postgres::Settings { url, replica_url: None, connections: 8, bounds, seed: 1 };
    let store = Arc::new(Postgres::open(settings).await.expect("the store opens"));
    Backend { store: store.clone(), records: store, _keep: Keep::Server { _server: Box::new(server) } }
}

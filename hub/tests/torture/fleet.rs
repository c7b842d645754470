//! The servers of a round, and how each fault is done to them and repaired. Blocks; knows nothing of clients.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::sleep;

use hubbub_local::Error;
use hubbub_local::hub::{self, Hub};
use hubbub_local::postgres::Postgres;
use hubbub_local::redis::{Cluster, Data, Options, Sentinel, Standalone};

use crate::plan::{Fault, Form, Planned, Victim};

/// Settings of the nodes: everything as it is by default, but for what would make a test wait.
const SETTINGS: &[(&str, &str)] = &[
    ("HUBBUB_LOG__LEVEL", "info"),
    ("HUBBUB_LIMITS__HEARTBEAT_MS", "5000"),
    ("HUBBUB_LIMITS__DRAIN_MS", "1500"),
    ("HUBBUB_NODE__SHARDS", "2"),
];

/// The Redis of a round.
enum Redis {
    Standalone(Standalone),
    Sentinel(Sentinel),
    Cluster(Cluster),
}

/// Postgres, which outlives a round.
pub(crate) type SharedPostgres = Arc<Mutex<Postgres>>;

/// Nodes and what they need.
pub(crate) struct Fleet {
    nodes: Vec<Mutex<Hub>>,
    addresses: Vec<(SocketAddr, SocketAddr)>,
    redis: Option<Mutex<Redis>>,
    postgres: Option<SharedPostgres>,
}

impl Fleet {
    /// Starts Redis in this form and nodes on it.
    pub(crate) fn start(form: Form, postgres: Option<&SharedPostgres>) -> Result<Self, Error> {
        let redis = Redis::start(form)?;
        let (redis_url, postgres_url) = (redis.as_ref().map(Redis::url), postgres.map(|postgres| lock(postgres).url()));
        let options = |number| node(number, redis_url.as_deref(), postgres_url.as_deref());
        let nodes = (0..form.nodes()).map(|number| Hub::start(options(number)));
        let nodes = nodes.collect::<Result<Vec<_>, _>>()?;
        let addresses = nodes.iter().map(|node| (node.public(), node.internal())).collect();
        let nodes = nodes.into_iter().map(Mutex::new).collect();
        Ok(Self { nodes, addresses, redis: redis.map(Mutex::new), postgres: postgres.cloned() })
    }

    /// Where the nodes take clients.
    pub(crate) fn public(&self) -> Vec<SocketAddr> {
        self.addresses.iter().map(|(public, _)| *public).collect()
    }

    /// Where the nodes take services.
    pub(crate) fn internal(&self) -> Vec<SocketAddr> {
        self.addresses.iter().map(|(_, internal)| *internal).collect()
    }

    /// Does a fault, waits as long as it lasts, and repairs it.
    pub(crate) fn suffer(&self, planned: &Planned) -> Result<(), Error> {
        match planned.victim {
            Victim::Node(number) => {
                let mut node = lock(&self.nodes[number]);
                match planned.fault {
                    Fault::NodeKill => node.kill()?,
                    Fault::NodePause => {
                        node.pause()?;
                        sleep(planned.lasts);
                        return node.resume();
                    }
                    _ => {
                        node.terminate()?;
                        node.wait()?;
                    }
                }
                sleep(planned.lasts);
                node.start_again()
            }
            Victim::Postgres => self.postgres.as_ref().map_or(Ok(()), |postgres| {
                let mut postgres = lock(postgres);
                if planned.fault == Fault::PostgresPause {
                    postgres.pause()?;
                    sleep(planned.lasts);
                    return postgres.resume();
                }
                postgres.kill()?;
                sleep(planned.lasts);
                postgres.start_again()
            }),
            Victim::Redis => self.redis.as_ref().map_or(Ok(()), |redis| lock(redis).suffer(planned)),
            Victim::Sockets => Ok(()),
        }
    }

    /// Nodes that say that something panicked, with what they say.
    pub(crate) fn panics(&self) -> Vec<String> {
        let logs = self.nodes.iter().map(|node| lock(node).log());
        let panics = logs.flat_map(|log| {
            log.lines().filter(|line| line.contains("panicked")).map(str::to_owned).collect::<Vec<_>>()
        });
        panics.collect()
    }

    /// What each node said, whole.
    pub(crate) fn logs(&self) -> Vec<String> {
        self.nodes.iter().map(|node| lock(node).log()).collect()
    }
}

impl Redis {
    fn start(form: Form) -> Result<Option<Self>, Error> {
        Ok(match form {
            Form::Alone => None,
            Form::Standalone => Some(Self::Standalone(Standalone::start(Options::default().append_only("everysec"))?)),
            Form::Sentinel => Some(Self::Sentinel(Sentinel::start(2)?)),
            Form::Cluster => Some(Self::Cluster(Cluster::start(3, 1)?)),
        })
    }

    fn url(&self) -> String {
        match self {
            Self::Standalone(redis) => redis.url(),
            Self::Sentinel(redis) => redis.url(),
            Self::Cluster(redis) => redis.url(),
        }
    }

    fn suffer(&mut self, planned: &Planned) -> Result<(), Error> {
        match self {
            Self::Standalone(redis) => {
                let data = match planned.fault {
                    Fault::RedisPause => {
                        redis.pause()?;
                        sleep(planned.lasts);
                        return redis.resume();
                    }
                    Fault::RedisLoss => Data::Lost,
                    _ => Data::Kept,
                };
                redis.kill()?;
                sleep(planned.lasts);
                redis.start_again(data)
            }
            Self::Sentinel(redis) => {
                if planned.fault == Fault::RedisPause {
                    redis.pause_primary()?;
                    sleep(planned.lasts);
                    return redis.resume();
                }
                if planned.fault == Fault::StaleFailover {
                    redis.stop_replication()?;
                    sleep(planned.lasts);
                }
                let old = redis.kill_primary()?;
                redis.wait_for_primary_other_than(old)?;
                redis.revive()
            }
            Self::Cluster(redis) => {
                let shard = planned.shard;
                if planned.fault == Fault::RedisPause {
                    redis.pause_primary(shard)?;
                    sleep(planned.lasts);
                    return redis.resume();
                }
                if planned.fault == Fault::StaleFailover {
                    redis.stop_replication(shard)?;
                    sleep(planned.lasts);
                }
                let old = redis.kill_primary(shard)?;
                redis.wait_for_primary_other_than(shard, old)?;
                redis.revive()?;
                redis.wait_until_healthy()
            }
        }
    }
}

/// How a node of a fleet is started: its name and what it needs of others.
pub(crate) fn node(number: usize, redis: Option<&str>, postgres: Option<&str>) -> hub::Options {
    let options = hub::Options::default().binary(binary()).env("HUBBUB_NODE__NAME", &format!("n{number}"));
    let options = SETTINGS.iter().fold(options, |options, (name, value)| options.env(name, value));
    let backends = [("HUBBUB_REDIS__URL", redis), ("HUBBUB_STORE__POSTGRES_URL", postgres)];
    let named = backends.into_iter().filter_map(|(name, url)| Some((name, url?)));
    named.fold(options, |options, (name, url)| options.env(name, url))
}

/// Starts Postgres and makes its tables.
pub(crate) fn postgres() -> Result<Postgres, Error> {
    let postgres = Postgres::start(hubbub_local::postgres::Options::default())?;
    let folder = tempfile::tempdir().expect("a folder");
    let mut migrate = Command::new(binary());
    migrate.args(["migrate", "--dev"]).current_dir(folder.path()).env_clear();
    migrate.env("HUBBUB_STORE__POSTGRES_URL", postgres.url());
    migrate.env("HUBBUB_STORE__POSTGRES_MIGRATE_URL", postgres.owner_url());
    let output = migrate.output().expect("the hub starts");
    assert!(output.status.success(), "hubbub migrate: {}", String::from_utf8_lossy(&output.stderr));
    Ok(postgres)
}

/// The program of this build.
fn binary() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_hubbub"))
}

fn lock<T>(server: &Mutex<T>) -> MutexGuard<'_, T> {
    server.lock().unwrap_or_else(PoisonError::into_inner)
}

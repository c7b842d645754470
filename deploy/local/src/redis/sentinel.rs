//! A primary with replicas, and three Sentinels that fail over.

use super::options::Options;
use super::server::Server;
use crate::error::Error;
use crate::patience;
use crate::process::{PATIENCE, Signal};

/// What the Sentinels call the service.
const SERVICE: &str = "hubbub";
const SENTINELS: usize = 3;

/// A primary, replicas and three Sentinels (down after 1 s, failover timeout 3 s). All killed when dropped.
#[derive(Debug)]
pub struct Sentinel {
    sentinels: Vec<Server>,
    servers: Vec<Server>,
}

impl Sentinel {
    /// Starts them and waits until every replica follows and every Sentinel knows all.
    pub fn start(replicas: usize) -> Result<Self, Error> {
        let mut primary = Server::prepare(&Options::default(), "")?;
        primary.start(&[])?;
        let port = primary.port();
        let mut servers = vec![primary];
        for _ in 0..replicas {
            let mut replica = Server::prepare(&Options::default(), "")?;
            replica.start(&["--replicaof", "127.0.0.1", &port.to_string()])?;
            servers.push(replica);
        }
        for replica in servers.iter().skip(1) {
            replica.until("a replica that follows", || Ok(replica.follows().then_some(())))?;
        }
        let mut sentinels = Vec::new();
        for _ in 0..SENTINELS {
            let mut sentinel = Server::prepare_sentinel(&directives(port))?;
            sentinel.start(&[])?;
            sentinels.push(sentinel);
        }
        let fleet = Self { sentinels, servers };
        fleet.wait_until_watched()?;
        Ok(fleet)
    }

    /// `redis-sentinel://127.0.0.1:P1?sentinelServiceName=hubbub&node=127.0.0.1:P2&node=…`; the ports are the Sentinels'.
    pub fn url(&self) -> String {
        let [first, others @ ..] = self.sentinels.as_slice() else { return String::new() };
        let nodes: String = others.iter().map(|sentinel| format!("&node=127.0.0.1:{}", sentinel.port())).collect();
        format!("redis-sentinel://127.0.0.1:{}?sentinelServiceName={SERVICE}{nodes}", first.port())
    }

    /// The port of the primary, as the first Sentinel that answers says.
    pub fn primary_port(&self) -> Result<u16, Error> {
        self.sentinels
            .iter()
            .find_map(asked_for_primary)
            .ok_or_else(|| Error::Failed { what: "no Sentinel names a primary".into(), log: self.log_tail() })
    }

    /// Kills the primary of now and gives back its port. The Sentinels need some seconds to notice and fail over.
    pub fn kill_primary(&mut self) -> Result<u16, Error> {
        let port = self.primary_port()?;
        self.servers.iter_mut().filter(|server| server.port() == port).try_for_each(Server::kill)?;
        Ok(port)
    }

    /// Waits until most Sentinels name another primary than this one, and until it says that it is one.
    pub fn wait_for_primary_other_than(&self, old: u16) -> Result<u16, Error> {
        self.until("a new primary", || {
            let named: Vec<u16> = self.sentinels.iter().filter_map(asked_for_primary).collect();
            let most = named.iter().find(|port| named.iter().filter(|other| other == port).count() * 2 > SENTINELS);
            let Some(port) = most.copied().filter(|port| *port != old) else { return Ok(None) };
            let is_one = self.servers.iter().any(|server| server.port() == port && server.is_primary());
            Ok(is_one.then_some(port))
        })
    }

    /// Starts whoever was killed, empty, as a replica of the primary of now, and waits until it follows.
    pub fn revive(&mut self) -> Result<(), Error> {
        let primary = self.primary_port()?;
        for server in self.servers.iter_mut().filter(|server| !server.is_running()) {
            let again = server.port() == primary;
            let follow = ["--replicaof", "127.0.0.1", &primary.to_string()].map(str::to_owned);
            let follow: Vec<&str> = follow.iter().map(String::as_str).collect();
            server.start(if again { &[] } else { &follow })?;
        }
        self.wait_until_healthy()
    }

    /// Waits until every server runs and every replica has what the primary has, and more coming.
    pub fn wait_until_healthy(&self) -> Result<(), Error> {
        self.until("replicas that follow", || {
            let primary = self.primary_port()?;
            let fine = self.servers.iter().all(|server| {
                server.is_running() && if server.port() == primary { server.is_primary() } else { server.follows() }
            });
            Ok(fine.then_some(()))
        })
    }

    /// The replicas get nothing more from the primary of now, although all run. What is written from here on is lost by
    /// a failover: the way to a STALE primary. (Pausing the replicas would not do: the kernel keeps what is sent to them.)
    pub fn stop_replication(&self) -> Result<(), Error> {
        self.primary()?.stop_replication()
    }

    /// The replicas follow again. After a failover there is nothing to resume: the new primary replicates.
    pub fn resume_replication(&self) -> Result<(), Error> {
        self.primary()?.resume_replication()
    }

    /// SIGSTOP to the primary of now, whose port comes back: connections stay open, nothing answers, the Sentinels fail over.
    pub fn pause_primary(&mut self) -> Result<u16, Error> {
        let port = self.primary_port()?;
        let mut servers = self.servers.iter_mut().filter(|server| server.port() == port);
        servers.try_for_each(|server| server.signal(Signal::Stop))?;
        Ok(port)
    }

    /// SIGCONT to all: a primary that was paused still believes that it is one, until a Sentinel tells it.
    pub fn resume(&mut self) -> Result<(), Error> {
        self.servers.iter_mut().try_for_each(|server| server.signal(Signal::Continue))
    }

    /// Runs `redis-cli` on the primary of now.
    pub fn cli(&self, words: &[&str]) -> Result<String, Error> {
        self.primary()?.cli(words)
    }

    fn primary(&self) -> Result<&Server, Error> {
        let port = self.primary_port()?;
        self.servers.iter().find(|server| server.port() == port).ok_or_else(|| Error::Failed {
            what: format!("the Sentinels name {port}, which is not one of ours"),
            log: self.log_tail(),
        })
    }

    /// Each Sentinel knows the others and the replicas: before that a failover is not possible.
    fn wait_until_watched(&self) -> Result<(), Error> {
        let expected = [("num-slaves", self.servers.len() - 1), ("num-other-sentinels", SENTINELS - 1)];
        self.until("Sentinels that know everybody", || {
            let complete = self.sentinels.iter().all(|sentinel| {
                let Ok(state) = sentinel.cli(&["SENTINEL", "MASTER", SERVICE]) else { return false };
                let lines: Vec<&str> = state.lines().collect();
                expected
                    .iter()
                    .all(|(key, count)| lines.windows(2).any(|pair| pair == [*key, count.to_string().as_str()]))
            });
            Ok(complete.then_some(()))
        })
    }

    fn until<T>(&self, what: &str, look: impl FnMut() -> Result<Option<T>, Error>) -> Result<T, Error> {
        patience::until(what, PATIENCE, || self.log_tail(), look)
    }

    fn log_tail(&self) -> String {
        let logs = self.sentinels.iter().chain(&self.servers).map(Server::log_tail);
        logs.collect::<Vec<_>>().join("\n")
    }
}

fn asked_for_primary(sentinel: &Server) -> Option<u16> {
    let answer = sentinel.cli(&["SENTINEL", "GET-MASTER-ADDR-BY-NAME", SERVICE]).ok()?;
    answer.lines().nth(1)?.parse().ok()
}

fn directives(primary: u16) -> String {
    format!(
        "sentinel monitor {SERVICE} 127.0.0.1 {primary} 2\n\
         sentinel down-after-milliseconds {SERVICE} 1000\n\
         sentinel failover-timeout {SERVICE} 3000\n\
         sentinel parallel-syncs {SERVICE} 4\n"
    )
}

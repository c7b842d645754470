//! A Redis Cluster: shards of a primary and its replicas, failing over by themselves.

use super::options::Options;
use super::server::Server;
use crate::error::Error;
use crate::patience;
use crate::port::Port;
use crate::process::{PATIENCE, Signal};

/// Hash slots of every Redis Cluster.
const SLOTS: usize = 16_384;
/// Milliseconds without an answer after which the others call a server failed.
const NODE_TIMEOUT_MS: u32 = 1_500;
/// Keys that move at a time.
const MOVED_AT_ONCE: &str = "100";

/// A Redis Cluster (node timeout 1.5 s). All killed when dropped.
#[derive(Debug)]
pub struct Cluster {
    /// Shard `i` is made of the members whose index leaves `i` when divided by the number of shards.
    members: Vec<Server>,
    // Ports of the cluster bus.
    buses: Vec<Port>,
    shards: usize,
}

impl Cluster {
    /// Starts `primaries` shards of one primary and `replicas_each` replicas, and waits until all slots are served and
    /// every replica follows.
    pub fn start(primaries: usize, replicas_each: usize) -> Result<Self, Error> {
        let mut members = Vec::new();
        let mut buses = Vec::new();
        for _ in 0..primaries * (1 + replicas_each) {
            let bus = Port::get(None)?;
            let mut server = Server::prepare(&Options::default(), &directives(bus.number()))?;
            server.start(&[])?;
            members.push(server);
            buses.push(bus);
        }
        let cluster = Self { members, buses, shards: primaries };
        cluster.introduce()?;
        cluster.assign()?;
        cluster.wait_until_healthy()?;
        Ok(cluster)
    }

    /// `redis-cluster://127.0.0.1:P1?node=127.0.0.1:P2&node=…`.
    pub fn url(&self) -> String {
        let [first, others @ ..] = self.members.as_slice() else { return String::new() };
        let nodes: Vec<String> = others.iter().map(|member| format!("node=127.0.0.1:{}", member.port())).collect();
        format!("redis-cluster://127.0.0.1:{}?{}", first.port(), nodes.join("&"))
    }

    /// How many shards there are.
    pub fn shards(&self) -> usize {
        self.shards
    }

    /// The port of the shard's primary of now.
    pub fn primary_port(&self, shard: usize) -> Result<u16, Error> {
        self.primary(shard).map(Server::port)
    }

    /// Kills the shard's primary and gives back its port. The others need some seconds to notice and fail over.
    pub fn kill_primary(&mut self, shard: usize) -> Result<u16, Error> {
        let port = self.primary_port(shard)?;
        self.member(port).map_or(Ok(()), Server::kill)?;
        Ok(port)
    }

    /// Waits until the shard has another primary than this one.
    pub fn wait_for_primary_other_than(&self, shard: usize, old: u16) -> Result<u16, Error> {
        self.until("a new primary of the shard", || {
            let mut primaries = self.of_shard(shard).filter(|member| member.port() != old && owns_slots(member));
            Ok(primaries.next().map(Server::port))
        })
    }

    /// Starts whoever was killed, empty: one that others replaced comes back as their replica.
    pub fn revive(&mut self) -> Result<(), Error> {
        self.members.iter_mut().filter(|member| !member.is_running()).try_for_each(|member| member.start(&[]))
    }

    /// Waits until everybody runs, sees all slots served and nobody failed, and every replica follows.
    pub fn wait_until_healthy(&self) -> Result<(), Error> {
        self.until("a healthy cluster", || {
            let fine = self
                .members
                .iter()
                .all(|member| member.is_running() && self.sees_all(member) && (owns_slots(member) || member.follows()));
            Ok(fine.then_some(()))
        })
    }

    /// The replicas of the shard get nothing more from its primary of now, although all run: what is written from here
    /// on is lost by a failover.
    pub fn stop_replication(&self, shard: usize) -> Result<(), Error> {
        self.primary(shard)?.stop_replication()
    }

    /// They follow again.
    pub fn resume_replication(&self, shard: usize) -> Result<(), Error> {
        self.primary(shard)?.resume_replication()
    }

    /// SIGSTOP to the shard's primary, whose port comes back.
    pub fn pause_primary(&mut self, shard: usize) -> Result<u16, Error> {
        let port = self.primary_port(shard)?;
        self.member(port).map_or(Ok(()), |member| member.signal(Signal::Stop))?;
        Ok(port)
    }

    /// SIGCONT to all.
    pub fn resume(&mut self) -> Result<(), Error> {
        self.members.iter_mut().try_for_each(|member| member.signal(Signal::Continue))
    }

    /// Moves a slot with its keys to another shard while clients go on.
    pub fn move_slot(&self, slot: u16, to: usize) -> Result<(), Error> {
        let target = self.primary(to)?;
        let mut owners = (0..self.shards).filter_map(|shard| self.primary(shard).ok());
        let source = owners.find(|member| owns(member, slot)).ok_or_else(|| self.failed("a slot without an owner"))?;
        let number = slot.to_string();
        let [from_id, to_id] = [source.cli(&["CLUSTER", "MYID"])?, target.cli(&["CLUSTER", "MYID"])?];
        if from_id == to_id {
            return Ok(());
        }
        target.cli(&["CLUSTER", "SETSLOT", &number, "IMPORTING", &from_id])?;
        source.cli(&["CLUSTER", "SETSLOT", &number, "MIGRATING", &to_id])?;
        loop {
            let keys = source.cli(&["CLUSTER", "GETKEYSINSLOT", &number, MOVED_AT_ONCE])?;
            let keys: Vec<&str> = keys.lines().filter(|key| !key.is_empty()).collect();
            if keys.is_empty() {
                break;
            }
            let port = target.port().to_string();
            let mut words = vec!["MIGRATE", "127.0.0.1", &port, "", "0", "5000", "KEYS"];
            words.extend(keys);
            source.cli(&words)?;
        }
        // The target first: between the two commands somebody must answer for the slot.
        target.cli(&["CLUSTER", "SETSLOT", &number, "NODE", &to_id])?;
        source.cli(&["CLUSTER", "SETSLOT", &number, "NODE", &to_id])?;
        self.until("everybody knows where the slot is", || {
            let known = self.members.iter().filter(|member| member.is_running()).all(|member| {
                let nodes = member.cli(&["CLUSTER", "NODES"]).unwrap_or_default();
                nodes.lines().any(|line| line.starts_with(&to_id) && holds(line, slot))
            });
            Ok(known.then_some(()))
        })
    }

    /// Runs `redis-cli` on the primary of a shard.
    pub fn cli(&self, shard: usize, words: &[&str]) -> Result<String, Error> {
        self.primary(shard)?.cli(words)
    }

    fn of_shard(&self, shard: usize) -> impl Iterator<Item = &Server> {
        let members = self.members.iter().enumerate().filter(move |(index, _)| index % self.shards == shard);
        members.map(|(_, member)| member).filter(|member| member.is_running())
    }

    fn primary(&self, shard: usize) -> Result<&Server, Error> {
        let found = self.of_shard(shard).find(|member| owns_slots(member));
        found.ok_or_else(|| self.failed(&format!("shard {shard} has no primary")))
    }

    fn member(&mut self, port: u16) -> Option<&mut Server> {
        self.members.iter_mut().find(|member| member.port() == port)
    }

    /// Everybody meets the first, and learns of the rest from it.
    fn introduce(&self) -> Result<(), Error> {
        let [first, others @ ..] = self.members.as_slice() else { return Ok(()) };
        for (index, member) in self.members.iter().enumerate() {
            member.cli(&["CLUSTER", "SET-CONFIG-EPOCH", &(index + 1).to_string()])?;
        }
        for (other, bus) in others.iter().zip(self.buses.iter().skip(1)) {
            let (port, bus) = (other.port().to_string(), bus.number().to_string());
            first.cli(&["CLUSTER", "MEET", "127.0.0.1", &port, &bus])?;
        }
        self.until("everybody knows everybody", || {
            let known = |member: &Server| {
                let nodes = member.cli(&["CLUSTER", "NODES"]).unwrap_or_default();
                nodes.lines().count() == self.members.len() && !nodes.contains("handshake")
            };
            Ok(self.members.iter().all(known).then_some(()))
        })
    }

    /// Slots to the first of each shard, the rest to its replicas.
    fn assign(&self) -> Result<(), Error> {
        for (index, member) in self.members.iter().enumerate() {
            if let Some(primary) = (index >= self.shards).then(|| &self.members[index % self.shards]) {
                member.cli(&["CLUSTER", "REPLICATE", &primary.cli(&["CLUSTER", "MYID"])?])?;
            } else {
                let [first, end] = [index, index + 1].map(|bound| bound * SLOTS / self.shards);
                member.cli(&["CLUSTER", "ADDSLOTSRANGE", &first.to_string(), &(end - 1).to_string()])?;
            }
        }
        Ok(())
    }

    fn sees_all(&self, member: &Server) -> bool {
        let state = member.cli(&["CLUSTER", "INFO"]).unwrap_or_default();
        let nodes = member.cli(&["CLUSTER", "NODES"]).unwrap_or_default();
        let failed = nodes.lines().any(|line| line.split(' ').nth(2).is_some_and(|flags| flags.contains("fail")));
        state.contains("cluster_state:ok") && state.contains(&format!("cluster_slots_ok:{SLOTS}")) && !failed
    }

    fn until<T>(&self, what: &str, look: impl FnMut() -> Result<Option<T>, Error>) -> Result<T, Error> {
        patience::until(what, PATIENCE, || self.log_tail(), look)
    }

    fn failed(&self, what: &str) -> Error {
        Error::Failed { what: what.to_owned(), log: self.log_tail() }
    }

    fn log_tail(&self) -> String {
        self.members.iter().map(Server::log_tail).collect::<Vec<_>>().join("\n")
    }
}

/// The line of `CLUSTER NODES` in which a server speaks of itself.
fn own_line(member: &Server) -> String {
    let nodes = member.cli(&["CLUSTER", "NODES"]).unwrap_or_default();
    nodes.lines().find(|line| line.contains("myself")).unwrap_or_default().to_owned()
}

fn owns_slots(member: &Server) -> bool {
    let line = own_line(member);
    line.contains("master") && line.split(' ').nth(8).is_some()
}

fn owns(member: &Server, slot: u16) -> bool {
    holds(&own_line(member), slot)
}

/// Whether a line of `CLUSTER NODES` lists the slot: `7` or `0-5460`, from the ninth word on; `[7->-…]` is on its way.
fn holds(line: &str, slot: u16) -> bool {
    line.split(' ').skip(8).filter(|range| !range.starts_with('[')).any(|range| {
        let (first, last) = range.split_once('-').unwrap_or((range, range));
        let bounds = first.parse::<u16>().ok().zip(last.parse::<u16>().ok());
        bounds.is_some_and(|(first, last)| (first..=last).contains(&slot))
    })
}

fn directives(bus: u16) -> String {
    format!(
        "cluster-enabled yes\n\
         cluster-config-file nodes.conf\n\
         cluster-port {bus}\n\
         cluster-node-timeout {NODE_TIMEOUT_MS}\n\
         cluster-allow-replica-migration no\n\
         # A replica that has fallen behind may be promoted too: the worst case is what is tested.\n\
         cluster-replica-validity-factor 0\n"
    )
}

#[cfg(test)]
mod tests {
    use super::holds;

    #[test]
    fn a_line_of_cluster_nodes_lists_slots() {
        let line = "07c3 127.0.0.1:30004@31004 myself,master - 0 1426238317239 4 connected 0-5460 5462 [93->-e7d1]";
        let table = [(0, true), (5460, true), (5461, false), (5462, true), (93, true), (9000, false)];
        for (slot, listed) in table {
            assert_eq!(holds(line, slot), listed, "{slot}");
        }
        assert!(!holds("07c3 127.0.0.1:30004@31004 slave 07c4 0 1 4 connected", 7));
    }
}

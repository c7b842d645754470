//! A Redis in a network namespace of its own, reached over a pair of virtual links, so that the kernel itself can lose the
//! packets of one connection, or of the whole link, without a word. Needs root. Knows nothing of hubs.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// How long Redis may take to answer.
const WITHIN: Duration = Duration::from_secs(10);
const PORT: u16 = 6_379;

/// The namespace with its Redis. Both are gone when it is dropped, and the link with them.
pub(crate) struct Namespace {
    name: String,
    /// The ends of the link: outside of it, and in it.
    outer: String,
    inner: String,
    redis: Child,
    address: Ipv4Addr,
    _folder: TempDir,
}

impl Namespace {
    /// Makes it and starts Redis in it. Names and addresses are of this process and time, so that several do not meet: the kernel
    /// keeps a namespace until the last of its sockets has given up.
    pub(crate) fn start() -> Self {
        static STARTED: AtomicU32 = AtomicU32::new(0);
        let id = std::process::id() % 100_000 * 100 + STARTED.fetch_add(1, Ordering::Relaxed) % 100;
        let (name, outer, inner) = (format!("hubbub{id}"), format!("hb{id}a"), format!("hb{id}b"));
        // Of a network that is for tests of networks (RFC 2544).
        let [near, address] =
            [1, 2].map(|host| Ipv4Addr::new(198, 18, (id % 256) as u8, ((id / 256 % 63) * 4 + host) as u8));
        ip(&["netns", "add", &name]);
        ip(&["link", "add", &outer, "type", "veth", "peer", "name", &inner, "netns", &name]);
        ip(&["address", "add", &format!("{near}/30"), "dev", &outer]);
        ip(&["link", "set", &outer, "up"]);
        for words in [
            ["address", "add", &format!("{address}/30"), "dev", &inner].as_slice(),
            &["link", "set", &inner, "up"],
            &["link", "set", "lo", "up"],
            // What arrives is looked up here first of all, before it is found to be for this host: see `silence`.
            &["rule", "add", "pref", "100", "lookup", "local"],
            &["rule", "del", "pref", "0"],
        ] {
            ip(&[["-n", &name].as_slice(), words].concat());
        }
        let folder = tempfile::tempdir().expect("a folder");
        let redis = redis(&name, address, folder.path());
        let namespace = Self { name, outer, inner, redis, address, _folder: folder };
        namespace.until_it_answers();
        namespace
    }

    /// Where Redis listens.
    pub(crate) fn address(&self) -> SocketAddr {
        (self.address, PORT).into()
    }

    /// From now on the kernel drops every packet from and to these ports of clients.
    pub(crate) fn silence(&self, ports: &[u16]) {
        for port in ports {
            for side in ["sport", "dport"] {
                self.ip(&["rule", "add", "pref", "50", "ipproto", "tcp", side, &port.to_string(), "blackhole"]);
            }
        }
    }

    /// The whole link goes down or up, at the end of Redis: on the other the route stays, and what is sent goes nowhere.
    pub(crate) fn set_link(&self, up: bool) {
        self.ip(&["link", "set", &self.inner, if up { "up" } else { "down" }]);
    }

    fn ip(&self, words: &[&str]) {
        ip(&[["-n", &self.name].as_slice(), words].concat());
    }

    fn until_it_answers(&self) {
        let deadline = Instant::now() + WITHIN;
        while std::net::TcpStream::connect_timeout(&self.address(), Duration::from_millis(100)).is_err() {
            assert!(Instant::now() < deadline, "Redis does not listen in its namespace");
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        // Whatever was not made can not be taken away.
        let _ = self.redis.kill();
        let _ = self.redis.wait();
        let _ = Command::new("ip").args(["link", "del", &self.outer]).status();
        let _ = Command::new("ip").args(["netns", "del", &self.name]).status();
    }
}

fn redis(namespace: &str, address: Ipv4Addr, folder: &Path) -> Child {
    let mut command = Command::new("ip");
    command.args(["netns", "exec", namespace, "redis-server", "--port", &PORT.to_string(), "--protected-mode", "no"]);
    command.args(["--bind", &address.to_string(), "--save", "", "--dir"]).arg(folder);
    command.stdin(Stdio::null()).stdout(Stdio::null()).spawn().expect("ip is there (Debian: iproute2)")
}

fn ip(words: &[&str]) {
    let output = Command::new("ip").args(words).output().expect("ip is there (Debian: iproute2)");
    let why = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "ip {} (this needs root): {why}", words.join(" "));
}

//! Goal: one command is a fleet, and one Ctrl-C ends it in good order with its data kept. Method: the program itself,
//! told as a terminal tells it.

use std::fs::{self, Permissions};
use std::io::{BufRead, BufReader, Lines};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};

use hubbub_local::hub;

use super::client::{Stream, post, token};

/// Streams that are open at once: that one of three hubs has none of them has a chance of one in ten million.
const STREAMS: usize = 40;

/// The running program.
struct Cluster {
    child: Child,
    output: Lines<BufReader<ChildStdout>>,
    front: SocketAddr,
    internals: Vec<SocketAddr>,
}

impl Cluster {
    fn start(data: &Path) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_hubbub-local"));
        command.args(["cluster", "--port", "0", "--internal", "0", "--data"]).arg(data);
        // As the Makefile names it: from here.
        let binary = hub::default_binary().expect("the hub is built");
        command.current_dir(binary.parent().expect("a folder")).args(["--hub", "./hubbub"]);
        let mut child = command.stdout(Stdio::piped()).spawn().expect("started");
        let mut output = BufReader::new(child.stdout.take().expect("piped")).lines();
        let (mut front, mut internals) = (None, Vec::new());
        for line in output.by_ref().map(|line| line.expect("a line")) {
            if line.starts_with("clients ") {
                front = Some(address_in(&line));
            } else if line.contains(" internal http://") {
                internals.push(address_in(&line));
            } else if line.starts_with("ready;") {
                break;
            }
        }
        Self { child, output, front: front.expect("it says where nginx is"), internals }
    }

    /// What Ctrl-C does: the signal goes to the program alone, since its servers have process groups of their own.
    fn interrupt(&mut self) -> ExitStatus {
        let mut kill = Command::new("/bin/sh");
        kill.args(["-c", r#"kill -s INT "$1""#, "kill", &self.child.id().to_string()]);
        assert!(kill.status().expect("sent").success());
        self.output.by_ref().for_each(|line| drop(line.expect("a line")));
        self.child.wait().expect("ended")
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        // After `interrupt` there is nobody left to kill.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn one_command_is_a_fleet_and_one_signal_ends_it() {
    let data = tempfile::tempdir().expect("a folder");
    // Postgres has an account of its own where we are root.
    fs::set_permissions(data.path(), Permissions::from_mode(0o755)).expect("ours");
    let mut cluster = Cluster::start(data.path());
    assert_eq!(cluster.internals.len(), 3);
    let token = token(cluster.front);
    let open = |index: usize| {
        let path = format!("/sse?channel=chat:lobby&channel=feed:cpu&affinity=client-{index:017}");
        let mut stream = Stream::open(cluster.front, &path, &token);
        stream.read_until(r#""type":"open""#);
        stream
    };
    let mut streams: Vec<Stream> = (0..STREAMS).map(open).collect();
    let mut said = Vec::new();
    for (number, internal) in cluster.internals.iter().enumerate() {
        for channel in ["chat:lobby", "feed:cpu"] {
            let what = format!("to {channel} on hub {number}");
            let body = format!(r#"{{"channel":"{channel}","data":"{what}"}}"#);
            assert_eq!(post(*internal, "/v1/publish", "dev-key", &body), 200);
            said.push(what);
        }
    }
    for stream in &mut streams {
        stream.read_until_all(&said);
    }
    drop(streams);
    let status = cluster.interrupt();
    assert!(status.success(), "{status}");
    for address in [cluster.front].iter().chain(&cluster.internals) {
        assert!(TcpStream::connect(address).is_err(), "{address} still listens");
    }

    let mut cluster = Cluster::start(data.path());
    let mut stream = Stream::open(cluster.front, "/sse?channel=chat:lobby&rewind=3", &token);
    stream.read_until("to chat:lobby on hub 2");
    assert!(cluster.interrupt().success());
}

/// The first address behind `http://`.
fn address_in(line: &str) -> SocketAddr {
    let behind = line.split_once("http://").map(|(_, behind)| behind).unwrap_or_default();
    let address = behind.split_whitespace().next().unwrap_or_default();
    address.parse().unwrap_or_else(|error| panic!("{line}: {error}"))
}

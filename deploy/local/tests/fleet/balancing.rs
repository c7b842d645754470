//! Goal: affinity holds, a hub that is away costs its own clients a reconnect and nobody anything else. Method: nginx from
//! Debian's package with the configuration that we ship, in front of three real hubs.

use std::collections::BTreeSet;
use std::net::TcpListener;
use std::time::{Duration, Instant};

use hubbub_local::Error;
use hubbub_local::hub::{Hub, Options};
use hubbub_local::nginx::{self, Nginx};

use super::client::{Stream, WebSocket, post, token, until_status};

const NAMES: [&str; 3] = ["a", "b", "c"];
/// Enough of them that each hub gets some: that one gets none has a chance below one in two million.
const CLIENTS: usize = 40;

struct Fleet {
    hubs: Vec<Hub>,
    nginx: Nginx,
}

impl Fleet {
    fn start(workers: usize) -> Result<Self, Error> {
        let hubs = NAMES.map(|name| {
            let options = Options::default().env("HUBBUB_NODE__NAME", name).env("HUBBUB_NODE__SHARDS", "1");
            // One that is told to end refuses newcomers for this long before it closes its door.
            Hub::start(options.env("HUBBUB_LIMITS__DRAIN_NOTICE_MS", "60000"))
        });
        let hubs = hubs.into_iter().collect::<Result<Vec<_>, _>>()?;
        let addresses: Vec<_> = hubs.iter().map(Hub::public).collect();
        let nginx = Nginx::start(&addresses, nginx::Options::default().workers(workers))?;
        Ok(Self { hubs, nginx })
    }

    fn hub(&mut self, name: &str) -> &mut Hub {
        let index = NAMES.iter().position(|other| *other == name).expect("a hub of this fleet");
        &mut self.hubs[index]
    }

    /// On which node each client lands.
    fn places(&self) -> Vec<String> {
        let address = self.nginx.address();
        let token = token(self.hubs[0].public());
        // The SDKs make theirs in this form.
        let affinity = |index: usize| format!("client-{index:017}");
        (0..CLIENTS).map(|index| WebSocket::open(address, &affinity(index)).connect(&token)).collect()
    }
}

#[test]
fn who_comes_back_lands_on_the_same_hub() -> Result<(), Error> {
    let fleet = Fleet::start(3)?;
    let places = fleet.places();
    assert_eq!(places.iter().collect::<BTreeSet<_>>().len(), NAMES.len(), "{places:?}");
    for _ in 0..3 {
        assert_eq!(fleet.places(), places, "whichever worker takes the connection");
    }
    Ok(())
}

#[test]
fn another_hub_is_taken_when_one_dies_and_only_by_its_clients() -> Result<(), Error> {
    let mut fleet = Fleet::start(2)?;
    let before = fleet.places();
    fleet.hub("b").kill()?;
    let without = fleet.places();
    for (before, now) in before.iter().zip(&without) {
        assert_ne!(now, "b");
        assert!(before == "b" || before == now, "a client of {before} moved to {now}");
    }
    fleet.hub("b").start_again()?;
    assert_eq!(fleet.places(), before, "they did not come back");
    Ok(())
}

#[test]
fn a_draining_hub_is_passed_over() -> Result<(), Error> {
    let mut fleet = Fleet::start(1)?;
    let before = fleet.places();
    fleet.hub("c").terminate()?;
    until_status(fleet.hub("c").internal(), "/readyz", 503);
    let now = fleet.places();
    for (before, now) in before.iter().zip(&now) {
        assert_ne!(now, "c");
        assert!(before == "c" || before == now, "a client of {before} moved to {now}");
    }
    Ok(())
}

#[test]
fn sockets_and_streams_get_messages_at_once() -> Result<(), Error> {
    let fleet = Fleet::start(1)?;
    let address = fleet.nginx.address();
    let mut socket = WebSocket::open(address, "client-00000000000000007");
    let token = token(address);
    socket.connect(&token);
    socket.send(r#"{"type":"subscribe","id":1,"channel":"feed:a"}"#);
    assert!(socket.read().contains(r#""subscribed""#));
    let mut stream = Stream::open(address, "/sse?channel=feed:a&affinity=client-00000000000000007", &token);
    assert!(stream.read_until(r#""type":"open""#).contains("event: open"));
    // The hubs of this test do not know each other.
    for hub in &fleet.hubs {
        let body = r#"{"channel":"feed:a","data":"a message of a few bytes"}"#;
        assert_eq!(post(hub.internal(), "/v1/publish", "dev-key", body), 200);
    }
    assert!(socket.read().contains("a message of a few bytes"));
    stream.read_until("a message of a few bytes");
    Ok(())
}

/// Whoever reads the ticket of a stream may read the stream.
#[test]
fn tickets_stay_out_of_the_logs() -> Result<(), Error> {
    // Hubs that are away are logged too: nobody listens on a port that was given back.
    let away = TcpListener::bind("127.0.0.1:0").and_then(|socket| socket.local_addr()).expect("a port");
    let nginx = Nginx::start(&[away], nginx::Options::default())?;
    until_status(nginx.address(), "/sse?channel=feed:a&ticket=very-secret", 502);
    until_status(nginx.address(), "/elsewhere?seen=1", 502);
    let deadline = Instant::now() + Duration::from_secs(20);
    let written = |logs: &str| logs.contains("GET /sse HTTP/1.1") && logs.contains("GET /elsewhere HTTP/1.1");
    while !written(&nginx.logs()) {
        assert!(Instant::now() < deadline, "not logged: {}", nginx.logs());
        std::thread::yield_now();
    }
    let logs = nginx.logs();
    assert!(logs.contains("while connecting to upstream"), "a fault is logged: {logs}");
    assert!(!logs.contains("ticket") && !logs.contains("very-secret"), "{logs}");
    Ok(())
}

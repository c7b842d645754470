//! Goal: a node that is told to end sends everybody away in good order, in time, and loses nothing that it acknowledged. Method:
//! SIGTERM with 200 sockets under load, then the same folder started again.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use hubbub_client::Received;
use hubbub_protocol::frame::Side;
use hubbub_protocol::{ClientFrame, MessageId, Position, ServerFrame};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::harness::{Hub, Setup, WITHIN, token};
use crate::http::get;
use crate::peer::{Peer, draft, fresh, resume};
use crate::stream::Stream;

const SOCKETS: usize = 200;
const CHANNELS: usize = 8;
const DRAIN: Duration = Duration::from_millis(4_000);

fn name(number: usize) -> String {
    format!("chat:{}", number % CHANNELS)
}

/// What a subscriber saw: whether it was told to go, the close code, and where it stands.
struct Seen {
    drained: bool,
    code: Option<u16>,
    channel: String,
    at: Position,
}

async fn read_to_the_end(mut peer: Peer, channel: String, mut at: Position) -> Seen {
    let mut drained = false;
    loop {
        match peer.raw.receive(WITHIN).await.expect("something") {
            Received::Frame(ServerFrame::Message(message), _) => {
                assert_eq!(message.position, Some(Position::new(at.epoch, at.offset + 1)), "{channel}");
                at.offset += 1;
            }
            Received::Frame(ServerFrame::Drain { within_ms }, _) => {
                assert!(!drained && within_ms <= DRAIN.as_millis() as u64);
                drained = true;
            }
            Received::Frame(ServerFrame::Ping, _) | Received::Control => {}
            Received::Closed(code, _) => return Seen { drained, code, channel, at },
            Received::Gone(why) => panic!("{channel}: no goodbye: {why}"),
            other => panic!("unexpected: {other:?}"),
        }
    }
}

type Acked = HashMap<MessageId, (String, Position)>;

/// Publishes until the connection closes; answers what was acknowledged.
async fn publish_to_the_end(mut peer: Peer, channel: String) -> Acked {
    let (mut acked, mut under_way) = (Acked::new(), 0);
    loop {
        if under_way < 4 {
            under_way += 1;
            let id = peer.next_id();
            // The hub may be closing this very moment.
            let _ = peer.raw.send(&ClientFrame::Publish(id, draft(&channel, "1"))).await;
            continue;
        }
        match peer.raw.receive(WITHIN).await.expect("something") {
            Received::Frame(ServerFrame::Ack { message, position, .. }, _) => {
                under_way -= 1;
                acked.insert(message, (channel.clone(), position.expect("a log")));
            }
            Received::Closed(..) | Received::Gone(_) => return acked,
            _ => {}
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn under_load() {
    let setup = Setup::new()
        .limit("drain_ms", DRAIN.as_millis() as u64)
        .limit("requests_per_second", 1_000_000)
        .limit("request_burst", 1_000_000);
    let mut hub = setup.start();
    let mut readers = JoinSet::new();
    for number in 0..SOCKETS {
        let mut peer = Peer::connect(&hub, &format!("u{number}")).await;
        let head = peer.subscribe(fresh(&name(number))).await.head.expect("a log");
        readers.spawn(read_to_the_end(peer, name(number), head));
    }
    let mut writers = JoinSet::new();
    for number in 0..CHANNELS {
        writers.spawn(publish_to_the_end(Peer::connect(&hub, &format!("w{number}")).await, name(number)));
    }
    // The load is there when something of it has arrived at somebody new.
    let mut witness = Peer::connect(&hub, "witness").await;
    witness.subscribe(fresh(&name(0))).await;
    witness.offsets(5).await;
    let (internal, public, told) = (hub.internal, hub.public, Instant::now());
    hub.terminate();
    hub.says("draining").await;
    assert!(!is_let_in(public).await, "a newcomer of a node that goes away");
    let ready = get(internal, "/readyz", &[]).await;
    assert_eq!((ready.status, ready.json()["status"].as_str()), (503, Some("unready")), "{ready:?}");
    assert!(ready.text().contains("draining"));
    let mut seen = Vec::new();
    while let Some(one) = readers.join_next().await {
        seen.push(one.expect("whole"));
    }
    assert!(told.elapsed() < DRAIN + Duration::from_secs(2), "{:?}", told.elapsed());
    assert!(seen.iter().all(|one| one.drained && one.code == Some(4000)), "everybody is told, then sent away");
    let mut acked = Acked::new();
    for of_one in writers.join_all().await {
        acked.extend(of_one);
    }
    assert!(hub.ended().await.success(), "a drain ends with 0");
    assert!(told.elapsed() < DRAIN + Duration::from_secs(3), "{:?}", told.elapsed());
    assert!(acked.len() > 50, "{} acknowledgements are no load", acked.len());
    check_after_restart(&hub.setup().start(), &acked, &seen).await;
}

/// Whether a newcomer gets a WebSocket.
async fn is_let_in(public: SocketAddr) -> bool {
    let Ok(mut socket) = TcpStream::connect(public).await else { return false };
    let request = "GET /ws HTTP/1.1\r\nhost: hub\r\nconnection: Upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\n\
                   sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    // The listener may close at any moment.
    let _ = socket.write_all(request.as_bytes()).await;
    let mut answer = Vec::new();
    let _ = timeout(WITHIN, socket.read_buf(&mut answer)).await.expect("an answer or an end");
    answer.starts_with(b"HTTP/1.1 101")
}

/// Everything acknowledged is there, and everybody goes on where they stood.
async fn check_after_restart(hub: &Hub, acked: &Acked, seen: &[Seen]) {
    let mut reader = Peer::connect(hub, "auditor").await;
    let mut kept = HashMap::new();
    let mut heads = HashMap::new();
    for channel in (0..CHANNELS).map(name) {
        let mut after = 0;
        loop {
            let page = reader.history(&channel, Side::After(after), 1_000).await;
            for message in page.messages {
                let position = message.position.expect("a log");
                assert_eq!(position.offset, after + 1, "{channel} has a hole");
                after = position.offset;
                kept.insert(message.id, (channel.clone(), position.offset));
            }
            if !page.more {
                heads.insert(channel.clone(), Position::new(page.epoch, after));
                break;
            }
        }
    }
    for (id, (channel, position)) in acked {
        assert_eq!(kept.get(id), Some(&(channel.clone(), position.offset)), "{id} was acknowledged");
        assert_eq!(heads[channel].epoch, position.epoch, "a clean end keeps the epoch");
    }
    for one in seen.iter().step_by(17) {
        let mut peer = Peer::open(hub).await;
        let connected = peer.begin(&token("back"), vec![resume(&one.channel, Some(one.at))]).await;
        let attached = connected.subscriptions[0].result.expect("attached");
        assert_eq!((attached.start(), attached.head), (one.at.offset, Some(heads[&one.channel])));
        let missed = heads[&one.channel].offset - one.at.offset;
        assert_eq!(peer.offsets(missed as usize).await.len() as u64, missed);
    }
}

#[tokio::test]
async fn even_a_kill_loses_nothing_durable() {
    let mut hub = Setup::new().start();
    let mut peer = Peer::connect(&hub, "u1").await;
    let head = peer.subscribe(fresh("chat:a")).await.head.expect("a log");
    let mut acked = Acked::new();
    for _ in 0..50 {
        let ack = peer.publish(draft("chat:a", "1")).await;
        acked.insert(ack.message, ("chat:a".to_owned(), ack.position.expect("a log")));
    }
    hub.kill();
    let hub = hub.setup().on_ports([hub.public.port(), hub.internal.port()]).start();
    let mut again = Peer::open(&hub).await;
    let connected = again.begin(&token("u1"), vec![resume("chat:a", Some(Position::new(head.epoch, 20)))]).await;
    let attached = connected.subscriptions[0].result.expect("attached");
    assert_eq!((attached.start(), attached.head.expect("a log").offset), (20, 50), "{attached:?}");
    assert_ne!(attached.epoch(), Some(head.epoch), "nobody can prove that the disk kept all");
    for offset in 21..=50 {
        let message = again.message().await;
        assert_eq!((message.position.expect("a log").offset, acked[&message.id].1.offset), (offset, offset));
    }
}

#[tokio::test]
async fn without_anybody_is_quick() {
    let mut hub = Setup::new().start();
    hub.publish("chat:a", "1").await;
    let told = Instant::now();
    hub.terminate();
    assert!(hub.ended().await.success());
    assert!(told.elapsed() < Duration::from_secs(3), "nobody was waited for: {:?}", told.elapsed());
}

#[tokio::test]
async fn of_streams_says_so_and_ends_them() {
    let mut hub = Setup::new().limit("drain_ms", 3_000).start();
    let (mut stream, _) = Stream::begin(&hub, "channel=feed:a", &[]).await;
    hub.terminate();
    assert_eq!(stream.event().await.name, "drain");
    while stream.anything().await.is_some() {}
    assert!(!stream.cut_off());
    assert!(hub.ended().await.success());
}

#[tokio::test]
async fn sends_those_away_who_read_nothing() {
    let mut hub = Setup::new().limit("drain_ms", 2_500).start();
    let text = format!("\"{}\"", "x".repeat(50_000));
    let items: Vec<_> = (0..200).map(|_| format!(r#"{{"channel":"chat:a","data":{text}}}"#)).collect();
    let answer = hub.post("/v1/batch", &format!(r#"{{"publishes":[{}]}}"#, items.join(","))).await;
    let epoch =
        hubbub_protocol::Epoch::parse(answer.json()["results"][0]["epoch"].as_str().expect("a log")).expect("an epoch");
    // In the middle of ten megabytes of catch-up, and not reading: it can not even be told.
    let mut slow = Peer::connect_slow(&hub, "slow", 4 * 1024).await;
    slow.subscribe(crate::peer::since("chat:a", Position::new(epoch, 0))).await;
    let silent = Peer::open(&hub).await;
    let told = Instant::now();
    hub.terminate();
    assert!(hub.ended().await.success());
    assert!(told.elapsed() < Duration::from_secs(6), "{:?}", told.elapsed());
    drop((slow, silent));
}

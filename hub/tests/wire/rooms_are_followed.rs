//! Goal: whoever follows their rooms gets every event of them, of one more as soon as they are in it, and nothing of one that they
//! were sent out of. Method: an owner and a member on two connections; operations over the socket and over REST.

use hubbub_protocol::frame::{Reply, Side};
use hubbub_protocol::json::decode;
use hubbub_protocol::{ClientFrame, ErrorCode, Message, ServerFrame};
use serde_json::{Value, json};

use crate::harness::{Hub, token};
use crate::peer::{Peer, channel, draft, fresh, since};

/// Does or asks something in rooms.
async fn room(peer: &mut Peer, mut op: Value) -> Value {
    let id = peer.next_id();
    op["type"] = "room".into();
    op["id"] = id.into();
    let frame = decode(&op.to_string()).unwrap_or_else(|error| panic!("{op}: {error}"));
    peer.send(&frame).await;
    match peer.answer(id).await {
        ServerFrame::Reply { result: Reply::Result(data), .. } => serde_json::from_str(data.get()).expect("JSON"),
        ServerFrame::Error(error) => json!({ "error": error.code.as_str() }),
        other => panic!("{op}: {other:?}"),
    }
}

/// The next message of a channel. Others are let go: notices come when they come.
async fn message_of(peer: &mut Peer, name: &str) -> Message {
    loop {
        let message = peer.message().await;
        if message.channel.as_str() == name {
            return message;
        }
    }
}

/// The next event of a channel.
async fn event_of(peer: &mut Peer, name: &str) -> Value {
    serde_json::from_str(message_of(peer, name).await.data.get()).expect("an event")
}

/// The next event of that kind of a channel.
async fn event_named(peer: &mut Peer, name: &str, kind: &str) -> Value {
    loop {
        let event = event_of(peer, name).await;
        if event["event"] == kind {
            return event;
        }
    }
}

async fn general(hub: &Hub) -> (Peer, Peer) {
    let (mut ann, mut bob) = (Peer::connect(hub, "ann").await, Peer::connect(hub, "bob").await);
    room(&mut ann, json!({"op": "create", "kind": "private", "name": "General", "channel": "room:general"})).await;
    room(&mut ann, json!({"op": "invite", "channel": "room:general", "user": "bob"})).await;
    room(&mut bob, json!({"op": "join", "channel": "room:general"})).await;
    (ann, bob)
}

#[tokio::test]
async fn one_request_follows_all_rooms_and_the_next() {
    let hub = Hub::dev();
    let (mut ann, mut bob) = general(&hub).await;
    let listed = room(&mut bob, json!({"op": "rooms", "follow": true})).await;
    assert_eq!(listed["rooms"][0]["room"]["channel"], "room:general");
    let at = listed["rooms"][0]["offset"].as_u64().expect("a place");
    let said = room(&mut ann, json!({"op": "send", "channel": "room:general", "text": "hi @bob", "key": "k"})).await;
    let message = message_of(&mut bob, "room:general").await;
    let position = message.position.expect("a place");
    assert_eq!((position.offset, json!(position.offset)), (at + 1, said["offset"].clone()));
    assert_eq!((message.key.expect("echoed").as_str(), message.from.expect("named").as_str()), ("k", "ann"));
    while event_named(&mut bob, "user:bob", "inbox.added").await["notice"]["what"] != "mention" {}
    // A room that comes later is told in the own channel, and followed by the same operation.
    room(&mut ann, json!({"op": "create", "kind": "direct", "members": ["bob"]})).await;
    let joined = event_named(&mut bob, "user:bob", "room.joined").await;
    let direct = joined["channel"].clone();
    let more = room(&mut bob, json!({"op": "rooms", "follow": true, "channels": [direct]})).await;
    assert_eq!(more["rooms"].as_array().expect("a list").len(), 1);
    room(&mut ann, json!({"op": "send", "channel": direct, "text": "psst"})).await;
    let name = direct.as_str().expect("a channel");
    assert_eq!(event_of(&mut bob, name).await["text"], "psst");
}

#[tokio::test]
async fn a_subscribe_takes_the_place_of_following_and_gives_it_back() {
    let hub = Hub::dev();
    let (mut ann, mut bob) = general(&hub).await;
    room(&mut bob, json!({"op": "rooms", "follow": true})).await;
    bob.subscribe(fresh("room:general")).await;
    let id = bob.next_id();
    bob.send(&ClientFrame::Subscribe(id, fresh("room:general"))).await;
    assert!(matches!(bob.answer(id).await, ServerFrame::Error(error) if error.code == ErrorCode::AlreadySubscribed));
    room(&mut ann, json!({"op": "send", "channel": "room:general", "text": "once"})).await;
    assert_eq!(event_of(&mut bob, "room:general").await["text"], "once");
    bob.unsubscribe("room:general").await;
    room(&mut ann, json!({"op": "send", "channel": "room:general", "text": "again"})).await;
    assert_eq!(event_of(&mut bob, "room:general").await["text"], "again", "followed on, and came once before");
    let id = bob.next_id();
    bob.send(&ClientFrame::Unsubscribe(id, channel("room:general"))).await;
    assert!(matches!(bob.answer(id).await, ServerFrame::Error(error) if error.code == ErrorCode::NotSubscribed));
}

#[tokio::test]
async fn who_is_sent_out_hears_nothing_more() {
    let hub = Hub::dev();
    let (mut ann, mut bob) = general(&hub).await;
    room(&mut bob, json!({"op": "rooms", "follow": true})).await;
    let mut other = Peer::connect(&hub, "bob").await;
    let attached = other.subscribe(fresh("room:general")).await;
    room(&mut ann, json!({"op": "kick", "channel": "room:general", "user": "bob"})).await;
    for peer in [&mut bob, &mut other] {
        loop {
            match peer.frame().await {
                ServerFrame::Unsubscribed { id: None, channel, code } => {
                    assert_eq!((channel.as_str(), code), ("room:general", Some(ErrorCode::Forbidden)));
                    break;
                }
                ServerFrame::Message(_) => {}
                frame => panic!("unexpected: {frame:?}"),
            }
        }
    }
    room(&mut ann, json!({"op": "send", "channel": "room:general", "text": "he is gone"})).await;
    other.expect_nothing().await;
    let refused = other.refused(|id| ClientFrame::Subscribe(id, fresh("room:general"))).await;
    assert_eq!(refused, ErrorCode::NotFound);
    let old = since("room:general", attached.head.expect("a place"));
    assert_eq!(
        other.refused(|id| ClientFrame::Subscribe(id, old)).await,
        ErrorCode::NotFound,
        "no way back by a position"
    );
    let history = |id| {
        let (channel, side, limit) = (channel("room:general"), Side::Before(None), 10);
        ClientFrame::History(id, hubbub_protocol::frame::HistoryQuery { channel, side, limit })
    };
    assert_eq!(other.refused(history).await, ErrorCode::NotFound);
    assert_eq!(room(&mut other, json!({"op": "messages", "channel": "room:general"})).await["error"], "not_found");
}

#[tokio::test]
async fn nobody_publishes_into_a_room() {
    let hub = Hub::dev();
    let (mut ann, _) = general(&hub).await;
    let refused = ann.refused(|id| ClientFrame::Publish(id, draft("room:general", "1"))).await;
    assert_eq!(refused, ErrorCode::NotSupported);
}

#[tokio::test]
async fn rest_does_the_same() {
    let hub = Hub::dev();
    let (mut ann, mut bob) = general(&hub).await;
    room(&mut bob, json!({"op": "rooms", "follow": true})).await;
    let client = reqwest::Client::builder().no_proxy().build().expect("a client");
    let post = |op: &str, token: String, body: Value| {
        client.post(format!("http://{}/v1/rooms/{op}", hub.public)).bearer_auth(token).json(&body).send()
    };
    let body = json!({"channel": "room:general", "text": "by REST"});
    let answer = post("send", token("ann"), body.clone()).await.expect("an answer");
    assert_eq!(answer.status(), 200);
    assert_eq!(event_of(&mut bob, "room:general").await["text"], "by REST");
    assert_eq!(post("send", token("eve"), body.clone()).await.expect("an answer").status(), 404);
    assert_eq!(post("shout", token("ann"), body.clone()).await.expect("an answer").status(), 404);
    assert_eq!(post("send", "nonsense".into(), body.clone()).await.expect("an answer").status(), 401);
    let as_other = json!({"channel": "room:general", "text": "x", "as": "bob"});
    assert_eq!(post("send", token("ann"), as_other).await.expect("an answer").status(), 403);
    // The audit log remembers from where.
    room(&mut ann, json!({"op": "mute", "channel": "room:general", "user": "bob"})).await;
    let audit = room(&mut ann, json!({"op": "audit", "channel": "room:general"})).await;
    assert_eq!((&audit["entries"][0]["op"], &audit["entries"][0]["address"]), (&json!("mute"), &json!("127.0.0.1")));
}

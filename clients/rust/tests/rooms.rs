//! Rooms over a connection: operations have typed answers and are done once, and followed rooms stay right through holes, gaps and
//! reconnects.
//!
//! Method: a scripted hub over real sockets says what a hub could say at the worst moment.

mod scripted_hub;

use hubbub_client::rooms::{Change, FollowedRooms, Happened, Outbox, Sending};
use hubbub_client::{Client, ClientError};
use hubbub_protocol::frame::{Reply, RequestId, ServerError};
use hubbub_protocol::room::{Op, RoomRequest, op};
use hubbub_protocol::{ClientFrame, ErrorCode, GapReason, Key, Message, MessageId, Range, ServerFrame, UserId};
use scripted_hub::{Peer, SOON, ScriptedHub, channel, data, position};
use serde_json::{Value, json};
use tokio::time::timeout;

const ROOM: &str = "room:a";

fn user(name: &str) -> UserId {
    UserId::parse(name).expect("a user")
}

fn id(number: u64) -> MessageId {
    MessageId::from_parts(1, u128::from(number))
}

fn key(text: &str) -> Key {
    Key::parse(text).expect("a key")
}

fn say(text: &str) -> op::Send {
    let (entities, attachments) = (Vec::new(), Vec::new());
    let (channel, text) = (channel(ROOM), text.to_owned());
    op::Send { channel, text, entities, attachments, reply_to: None, thread: None, at: None }
}

/// The room as the hub answers it at an offset: with so many messages, all of them unread.
fn entry(offset: u64, messages: u64) -> Value {
    json!({
        "room": {
            "channel": ROOM, "kind": "public", "name": "A", "topic": "", "archived": false, "created": 1, "members": 2,
            "messages": messages, "mentions_all": 0, "slow_mode_s": 0, "reactions": "distinct", "receipts": false,
            "mention_all": "member", "retention_days": 0, "filtered": false, "pins": []
        },
        "me": {
            "user": "u", "role": "member", "state": "joined", "since": 1, "read": 0, "mentions": 0, "mentions_read": 0,
            "mentions_all_read": 0, "notify": "all", "muted_until": null
        },
        "epoch": position(0).epoch, "offset": offset, "unread": messages, "mentions": 0
    })
}

fn list(rooms: &[Value], own: u64) -> Value {
    json!({
        "rooms": rooms, "user": { "epoch": position(0).epoch, "offset": own }, "person": { "unread": 0, "dnd_until": null }
    })
}

/// A message of somebody, as it stands in the log of the room.
fn said(offset: u64, ordinal: u64, from: &str, key: Option<Key>) -> ServerFrame {
    let event = json!({
        "event": "message.created", "v": 1, "text": "hi", "entities": [], "attachments": [], "ordinal": ordinal,
        "mentions": { "users": [], "all": false }, "mentions_all": 0
    });
    ServerFrame::Message(Message {
        channel: channel(ROOM),
        id: id(offset),
        position: Some(position(offset)),
        time: offset,
        from: Some(user(from)),
        key,
        conflate_key: None,
        data: data(&event.to_string()),
    })
}

async fn asked(peer: &mut Peer) -> (RequestId, RoomRequest) {
    match peer.hear().await {
        ClientFrame::Room(id, request) => (id, *request),
        other => panic!("not `room`: {other:?}"),
    }
}

async fn answer(peer: &mut Peer, id: RequestId, answer: &Value) {
    peer.say(ServerFrame::Reply { id, result: Reply::Result(data(&answer.to_string())) }).await;
}

async fn connected(hub: &ScriptedHub) -> (Client, Peer) {
    let (client, (peer, _)) = tokio::join!(Client::connect(hub.options()), hub.greet(&[]));
    (client.expect("connected"), peer)
}

/// A client that follows the room, which stands at offset 5 with one message.
async fn following(hub: &ScriptedHub) -> (FollowedRooms, Peer) {
    let (client, mut peer) = connected(hub).await;
    let rooms = client.rooms();
    let (followed, ()) = tokio::join!(rooms.follow(user("u")), async {
        let (id, request) = asked(&mut peer).await;
        assert!(matches!(request.op, Op::Rooms(op::Rooms { follow: true, channels: None, .. })));
        answer(&mut peer, id, &list(&[entry(5, 1)], 2)).await;
    });
    (followed.expect("a list"), peer)
}

async fn next(followed: &mut FollowedRooms) -> Happened {
    timeout(SOON, followed.next()).await.expect("in time").expect("not over")
}

fn unread(followed: &FollowedRooms) -> (u64, u64) {
    let room = followed.list().room(&channel(ROOM)).expect("in the list");
    (room.place().offset, room.unread())
}

#[tokio::test]
async fn a_change_is_done_once_and_says_what_came_of_it() {
    let hub = ScriptedHub::start().await;
    let (client, mut peer) = connected(&hub).await;
    let rooms = client.rooms();
    let asking = tokio::spawn(async move {
        let sent = rooms.send(say("hi"), key("k1")).await;
        let follow = |following| op::Follow { channel: channel(ROOM), thread: id(1), following };
        let unchanged = rooms.change(Op::Follow(follow(true)), None).await;
        let refused = rooms.change(Op::Follow(follow(false)), None).await;
        (sent, unchanged, refused)
    });
    let (_, first) = asked(&mut peer).await;
    assert_eq!(first, RoomRequest { op: Op::Send(say("hi")), key: Some(key("k1")) });
    drop(peer);

    let (mut peer, _) = hub.greet(&[]).await;
    let (number, again) = asked(&mut peer).await;
    assert_eq!(again, first, "the same with its key");
    let changed = json!({ "message": id(9), "epoch": position(0).epoch, "offset": 9, "time": 1 });
    answer(&mut peer, number, &changed).await;
    let (number, request) = asked(&mut peer).await;
    assert!(request.key.is_some(), "every change has one");
    answer(&mut peer, number, &json!({ "unchanged": true })).await;
    let (number, _) = asked(&mut peer).await;
    let no = ServerError { id: Some(number), code: ErrorCode::Forbidden, message: "no".into(), retry_after_ms: None };
    peer.say(ServerFrame::Error(no)).await;

    let (sent, unchanged, refused) = timeout(SOON, asking).await.expect("in time").expect("no panic");
    assert_eq!(sent.expect("sent").map(|changed| changed.place.offset), Some(9));
    assert_eq!(unchanged, Ok(Change::Unchanged));
    assert_eq!(refused, Err(ClientError::Refused { code: ErrorCode::Forbidden, message: "no".into() }));
}

#[tokio::test]
async fn what_was_in_the_answer_is_not_counted_twice() {
    let hub = ScriptedHub::start().await;
    let (mut followed, mut peer) = following(&hub).await;
    assert_eq!(unread(&followed), (5, 1));
    for (offset, ordinal) in [(4, 1), (5, 1), (6, 2)] {
        peer.say(said(offset, ordinal, "v", None)).await;
        assert!(matches!(next(&mut followed).await, Happened::Message(_)));
    }
    assert_eq!(unread(&followed), (6, 2));
}

#[tokio::test]
async fn behind_a_hole_or_a_gap_the_room_is_asked_for_again() {
    let hub = ScriptedHub::start().await;
    let (mut followed, mut peer) = following(&hub).await;
    peer.say(said(7, 3, "v", None)).await;
    assert!(matches!(next(&mut followed).await, Happened::Message(_)));
    let (again, ()) = tokio::join!(next(&mut followed), async {
        let (number, request) = asked(&mut peer).await;
        let Op::Rooms(op::Rooms { channels, follow: true, .. }) = request.op else { panic!("not followed again") };
        assert_eq!(channels, Some(vec![channel(ROOM)]));
        // What comes before the answer is behind it all the same.
        peer.say(said(8, 4, "v", None)).await;
        answer(&mut peer, number, &list(&[entry(7, 3)], 2)).await;
    });
    assert_eq!(again, Happened::Again(Some(vec![channel(ROOM)])));
    assert_eq!(unread(&followed), (7, 3));
    assert!(matches!(next(&mut followed).await, Happened::Message(_)));
    assert_eq!(unread(&followed), (8, 4));

    let (lost, reason) = (Range { from: 9, to: 9 }, GapReason::Expired);
    peer.say(ServerFrame::Gap { channel: channel(ROOM), epoch: position(0).epoch, lost, reason }).await;
    assert_eq!(next(&mut followed).await, Happened::Gap(channel(ROOM)));
    let (_, ()) = tokio::join!(next(&mut followed), async {
        let (number, _) = asked(&mut peer).await;
        answer(&mut peer, number, &list(&[entry(9, 4)], 2)).await;
    });
    assert_eq!(unread(&followed), (9, 4));
}

#[tokio::test]
async fn after_a_reconnect_the_list_is_asked_for_again() {
    let hub = ScriptedHub::start().await;
    let (mut followed, peer) = following(&hub).await;
    drop(peer);
    let (again, _peer) = tokio::join!(next(&mut followed), async {
        let (mut peer, _) = hub.greet(&[]).await;
        let (number, request) = asked(&mut peer).await;
        assert!(matches!(request.op, Op::Rooms(op::Rooms { follow: true, channels: None, .. })));
        answer(&mut peer, number, &list(&[entry(30, 20)], 7)).await;
        peer
    });
    assert_eq!(again, Happened::Again(None));
    assert_eq!((unread(&followed), followed.list().place().offset), ((30, 20), 7));
}

#[tokio::test]
async fn an_own_message_shows_at_once_and_gets_its_place_by_its_event() {
    let hub = ScriptedHub::start().await;
    let (mut followed, mut peer) = following(&hub).await;
    let mut outbox = Outbox::new(user("u"));
    outbox.add(key("k1"), say("one"), 1);
    outbox.add(key("k2"), say("two"), 2);
    outbox.add(key("k3"), say("three"), 3);
    assert!(outbox.answered(&key("k1"), Ok(None)));
    assert!(outbox.answered(&key("k3"), Err(ClientError::Timeout)));
    // Somebody else's key is another key.
    for (offset, from, named) in [(6, "v", "k2"), (7, "u", "k2"), (8, "u", "k1")] {
        peer.say(said(offset, offset - 4, from, Some(key(named)))).await;
        let Happened::Message(message) = next(&mut followed).await else { panic!("a message") };
        assert_eq!(outbox.apply(&message), from == "u");
    }
    assert!(!outbox.answered(&key("k2"), Ok(None)), "its event came before the answer");
    let left: Vec<_> = outbox.items().iter().map(|item| (item.key.as_str(), item.sending.clone())).collect();
    assert_eq!(left, [("k3", Sending::Failed(ClientError::Timeout))]);
    assert_eq!(unread(&followed), (8, 0), "sending reads everything before it");
}

//! A client keeps its subscriptions and requests through everything that happens to its connection.
//!
//! Method: a scripted hub over real sockets closes, drains, falls silent and breaks rules at chosen moments.

mod scripted_hub;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use hubbub_client::{
    Affinity, Client, ClientError, Event, Options, PublishOptions, State, SubscribeOptions, Subscription, TokenSource,
};
use hubbub_protocol::frame::{ServerError, Side};
use hubbub_protocol::outcome::Attached;
use hubbub_protocol::{ClientFrame, ErrorCode, GapReason, Key, Outcome, Range, ServerFrame};
use scripted_hub::{Peer, SOON, ScriptedHub, ack, channel, continued, data, fresh, message, position};
use tokio::time::timeout;

async fn next(subscription: &mut Subscription) -> Event {
    timeout(SOON, subscription.next()).await.expect("an event in time").expect("not over")
}

async fn next_offset(subscription: &mut Subscription) -> u64 {
    match next(subscription).await {
        Event::Message(message) => message.position.expect("logged").offset,
        other => panic!("not a message: {other:?}"),
    }
}

/// A client with one subscription, attached at offset 3.
async fn following(hub: &ScriptedHub, options: Options) -> (Client, Subscription, Peer) {
    let (client, (mut peer, _)) = tokio::join!(Client::connect(options), hub.greet(&[]));
    let client = client.expect("connected");
    let wish = client.subscribe(channel("chat:a"), SubscribeOptions::default());
    let (subscription, ()) = tokio::join!(wish, peer.subscribed(fresh(3)));
    let mut subscription = subscription.expect("subscribed");
    assert_eq!(next(&mut subscription).await, Event::Outcome(fresh(3)));
    (client, subscription, peer)
}

#[tokio::test]
async fn after_a_loss_the_stream_continues_behind_the_last_message() {
    let hub = ScriptedHub::start().await;
    let (client, mut subscription, mut peer) = following(&hub, hub.options()).await;
    peer.say(message("chat:a", 4)).await;
    assert_eq!(next_offset(&mut subscription).await, 4);
    drop(peer);

    let (mut peer, connect) = hub.greet(&[("chat:a", continued(5, 6))]).await;
    assert_eq!(connect.resume[0].since, Some(position(4)));
    for offset in 5..=7 {
        peer.say(message("chat:a", offset)).await;
    }
    assert_eq!(next(&mut subscription).await, Event::Outcome(continued(5, 6)));
    for offset in 5..=7 {
        assert_eq!(next_offset(&mut subscription).await, offset);
    }
    assert_eq!(client.faults(), 0);
}

#[tokio::test]
async fn a_publish_without_an_answer_is_repeated_with_its_key() {
    let hub = ScriptedHub::start().await;
    let (client, _subscription, mut peer) = following(&hub, hub.options()).await;
    let publishing = tokio::spawn(async move {
        let generated = client.publish(channel("chat:a"), data("1"), PublishOptions::default()).await;
        let options = PublishOptions { key: Some(Key::parse("mine").expect("valid")), conflate_key: None };
        (generated, client.publish(channel("chat:a"), data("2"), options).await)
    });
    let (_, key) = peer.publish().await;
    peer.close(4001).await;

    let (mut peer, _) = hub.greet(&[("chat:a", continued(4, 4))]).await;
    let (id, repeated) = peer.publish().await;
    assert_eq!(repeated, key);
    let wait =
        ServerError { id: Some(id), code: ErrorCode::Unavailable, message: "later".into(), retry_after_ms: Some(1) };
    peer.say(ServerFrame::Error(wait)).await;
    let (id, repeated) = peer.publish().await;
    assert_eq!(repeated, key, "also after a refusal for now");
    peer.say(ack(id, 4)).await;
    let (id, own) = peer.publish().await;
    assert_eq!(own, "mine");
    peer.say(ack(id, 5)).await;
    let (first, second) = timeout(SOON, publishing).await.expect("in time").expect("no panic");
    assert_eq!(first.expect("taken").position, Some(position(4)));
    assert_eq!(second.expect("taken").position, Some(position(5)));
}

#[tokio::test]
async fn a_publish_gives_up_when_its_time_is_over() {
    let hub = ScriptedHub::start().await;
    let options = Options { request_within: Duration::from_millis(30), ..hub.options() };
    let (client, (_peer, _)) = tokio::join!(Client::connect(options), hub.greet(&[]));
    let client = client.expect("connected");
    let answer = timeout(SOON, client.publish(channel("chat:a"), data("1"), PublishOptions::default())).await;
    assert_eq!(answer.expect("an end"), Err(ClientError::Timeout));
}

#[tokio::test]
async fn gaps_are_told_and_the_stream_goes_on_behind_them() {
    let hub = ScriptedHub::start().await;
    let (client, mut subscription, mut peer) = following(&hub, hub.options()).await;
    let lost = Range { from: 4, to: 8 };
    let epoch = position(0).epoch;
    peer.say(ServerFrame::Gap { channel: channel("chat:a"), epoch, lost, reason: GapReason::Lost }).await;
    peer.say(message("chat:a", 9)).await;
    assert_eq!(next(&mut subscription).await, Event::Gap { epoch, lost, reason: GapReason::Lost });
    assert_eq!(next_offset(&mut subscription).await, 9);
    peer.close(4007).await;

    let lost = Range { from: 10, to: 19 };
    let gap = Attached { outcome: Outcome::Gap { lost, reason: GapReason::Expired }, head: Some(position(25)) };
    let (mut peer, _) = hub.greet(&[("chat:a", gap)]).await;
    peer.say(message("chat:a", 20)).await;
    assert_eq!(next(&mut subscription).await, Event::Outcome(gap));
    assert_eq!(next_offset(&mut subscription).await, 20);
    assert_eq!(client.faults(), 0);
}

#[tokio::test]
async fn a_hole_is_never_shown_it_is_read_again() {
    let hub = ScriptedHub::start().await;
    let (client, mut subscription, mut peer) = following(&hub, hub.options()).await;
    peer.say(message("chat:a", 5)).await;
    peer.ended().await;
    let (mut peer, connect) = hub.greet(&[("chat:a", continued(4, 5))]).await;
    assert_eq!(connect.resume[0].since, Some(position(3)));
    peer.say(message("chat:a", 4)).await;
    peer.say(message("chat:a", 5)).await;
    assert_eq!(next(&mut subscription).await, Event::Outcome(continued(4, 5)));
    assert_eq!((next_offset(&mut subscription).await, next_offset(&mut subscription).await), (4, 5));
    assert_eq!(client.faults(), 1);
}

#[tokio::test]
async fn a_draining_node_is_left() {
    let hub = ScriptedHub::start().await;
    let (_client, mut subscription, mut peer) = following(&hub, hub.options()).await;
    peer.say(ServerFrame::Drain { within_ms: 20 }).await;
    peer.ended().await;
    let _next_node = hub.greet(&[("chat:a", continued(4, 3))]).await;
    assert_eq!(next(&mut subscription).await, Event::Outcome(continued(4, 3)));
}

#[tokio::test]
async fn a_silent_hub_is_left_and_a_pinging_one_is_not() {
    let mut hub = ScriptedHub::start().await;
    hub.heartbeat_ms = 100;
    let (_client, mut subscription, mut peer) = following(&hub, hub.options()).await;
    for _ in 0..3 {
        peer.say(ServerFrame::Ping).await;
        assert_eq!(peer.hear().await, ClientFrame::Pong);
    }
    // From here on it says nothing, and its socket stays open.
    let resumed = [("chat:a", continued(4, 3))];
    let ((), _next) = tokio::join!(peer.ended(), hub.greet(&resumed));
    assert_eq!(next(&mut subscription).await, Event::Outcome(continued(4, 3)));
}

#[tokio::test]
async fn a_final_close_ends_everything() {
    let hub = ScriptedHub::start().await;
    let (client, mut subscription, peer) = following(&hub, hub.options()).await;
    peer.close(4502).await;
    let why = ClientError::Closed { code: 4502, message: "scripted".into() };
    assert_eq!(next(&mut subscription).await, Event::Ended(why.clone()));
    assert_eq!(timeout(SOON, subscription.next()).await.expect("in time"), None);
    assert_eq!(*client.state().borrow(), State::Ended(why));
    let answer = client.publish(channel("chat:a"), data("1"), PublishOptions::default()).await;
    assert_eq!(answer, Err(ClientError::Gone));
}

#[tokio::test]
async fn a_first_session_that_can_not_be_says_why() {
    let hub = ScriptedHub::start().await;
    let (refused, ()) = tokio::join!(Client::connect(hub.options()), async {
        let (peer, _) = hub.accept().await;
        peer.close(4501).await;
    });
    assert_eq!(refused.map(drop), Err(ClientError::Closed { code: 4501, message: "scripted".into() }));

    let options = Options { connect_within: Duration::from_millis(50), ..hub.options() };
    drop(hub);
    let unreachable = Client::connect(options).await;
    assert!(matches!(&unreachable, Err(ClientError::Unreachable(why)) if !why.is_empty()), "{unreachable:?}");
    let options = Options::new("wss://hub/ws", TokenSource::fixed("t"));
    assert!(matches!(Client::connect(options).await, Err(ClientError::Url(_))));
}

#[tokio::test]
async fn tokens_are_asked_for_when_they_are_needed() {
    let hub = ScriptedHub::start().await;
    let count = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&count);
    let token = TokenSource::new(move || {
        let number = counted.fetch_add(1, Ordering::Relaxed) + 1;
        async move { Ok(format!("token {number}")) }
    });
    let options = Options { token, ..hub.options() };
    let (client, (mut peer, connect)) = tokio::join!(Client::connect(options), hub.greet(&[]));
    let _client = client.expect("connected");
    assert_eq!(connect.token, "token 1");
    peer.say(ServerFrame::Expiring { expires_at: 1 }).await;
    let ClientFrame::Refresh(_, token) = peer.hear().await else { panic!("not `refresh`") };
    assert_eq!(token, "token 2");
    peer.close(4005).await;
    let (_, connect) = hub.greet(&[]).await;
    assert_eq!(connect.token, "token 3");
}

#[tokio::test]
async fn what_a_newer_hub_says_is_left_aside() {
    let hub = ScriptedHub::start().await;
    let (client, mut subscription, mut peer) = following(&hub, hub.options()).await;
    peer.say_text(r#"{"type":"weather","id":"x","from":{}}"#).await;
    peer.say(message("chat:a", 4)).await;
    assert_eq!(next_offset(&mut subscription).await, 4);
    peer.say_text(r#"{"type":"message"}"#).await;
    peer.ended().await;
    hub.greet(&[("chat:a", continued(5, 4))]).await;
    assert_eq!(next(&mut subscription).await, Event::Outcome(continued(5, 4)));
    assert_eq!(client.faults(), 1);
}

#[tokio::test]
async fn a_caller_that_does_not_read_stops_the_socket_and_loses_nothing() {
    let mut hub = ScriptedHub::start().await;
    hub.heartbeat_ms = 40;
    let options = Options { events: 2, ..hub.options() };
    let (client, mut subscription, mut peer) = following(&hub, options).await;
    for offset in 4..=40 {
        peer.say(message("chat:a", offset)).await;
    }
    // The client can still speak while it can not hear.
    let asking = tokio::spawn(async move {
        let page = client.history(channel("chat:a"), Side::Before(None), 10).await;
        (client, page)
    });
    let ClientFrame::History(id, _) = peer.hear().await else { panic!("not `history`") };
    let refusal = ServerError { id: Some(id), code: ErrorCode::Forbidden, message: "no".into(), retry_after_ms: None };
    peer.say(ServerFrame::Error(refusal)).await;
    // Not a wait for something: the silence that would be death (60 ms) must really pass.
    tokio::time::sleep(Duration::from_millis(150)).await;
    for offset in 4..=40 {
        assert_eq!(next_offset(&mut subscription).await, offset);
    }
    let (client, page) = timeout(SOON, asking).await.expect("in time").expect("no panic");
    assert_eq!(page.map(drop), Err(ClientError::Refused { code: ErrorCode::Forbidden, message: "no".into() }));
    assert_eq!(client.faults(), 0);
}

#[tokio::test]
async fn a_dropped_subscription_is_ended_at_the_hub() {
    let hub = ScriptedHub::start().await;
    let (client, subscription, mut peer) = following(&hub, hub.options()).await;
    drop(subscription);
    let ClientFrame::Unsubscribe(id, name) = peer.hear().await else { panic!("not `unsubscribe`") };
    assert_eq!(name, channel("chat:a"));
    peer.say(ServerFrame::Unsubscribed { id: Some(id), channel: name, code: None }).await;

    let wish = client.subscribe(channel("chat:a"), SubscribeOptions { rewind: Some(2), ..SubscribeOptions::default() });
    let (again, ()) = tokio::join!(wish, peer.subscribed(fresh(9)));
    let again = again.expect("subscribed again");
    let (done, ()) = tokio::join!(client.unsubscribe(again), async {
        let ClientFrame::Unsubscribe(id, name) = peer.hear().await else { panic!("not `unsubscribe`") };
        peer.say(ServerFrame::Unsubscribed { id: Some(id), channel: name, code: None }).await;
    });
    assert_eq!(done, Ok(()));
}

#[tokio::test]
async fn a_client_keeps_its_affinity_and_no_other_has_it() {
    let hub = ScriptedHub::start().await;
    let mut targets = Vec::new();
    for _ in 0..2 {
        let (client, (peer, _)) = tokio::join!(Client::connect(hub.options()), hub.greet(&[]));
        let first = peer.target.clone();
        drop(peer);
        let (peer, _) = hub.greet(&[]).await;
        assert_eq!(peer.target, first, "another one after the reconnect");
        targets.push(first);
        tokio::join!(client.expect("connected").close(), peer.ended());
    }
    assert_ne!(targets[0], targets[1]);
    for target in targets {
        let name = target.strip_prefix("/ws?affinity=").expect("an affinity");
        assert!((16..=32).contains(&name.len()) && name.bytes().all(|byte| byte.is_ascii_alphanumeric()), "{name}");
    }
}

#[tokio::test]
async fn an_affinity_can_be_chosen_or_left_out() {
    let hub = ScriptedHub::start().await;
    for (affinity, target) in [(Affinity::Named("x7".into()), "/ws?affinity=x7"), (Affinity::None, "/ws")] {
        let options = Options { affinity, ..hub.options() };
        let (client, (peer, _)) = tokio::join!(Client::connect(options), hub.greet(&[]));
        assert_eq!(peer.target, target);
        tokio::join!(client.expect("connected").close(), peer.ended());
    }
}

#[tokio::test]
async fn closing_ends_the_connection_and_the_subscriptions() {
    let hub = ScriptedHub::start().await;
    let (client, mut subscription, peer) = following(&hub, hub.options()).await;
    tokio::join!(client.close(), peer.ended());
    assert_eq!(next(&mut subscription).await, Event::Ended(ClientError::Gone));
    assert_eq!(subscription.next().await, None);
}

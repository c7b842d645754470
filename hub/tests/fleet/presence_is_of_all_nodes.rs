//! Goal: who is present is the same whatever node is asked, and a node that dies takes its users along and nobody else. Method:
//! people on three processes, of which one is killed without a word and one is stopped for longer than its lease.

use hubbub_client::{Client, Event, SubscribeOptions, Subscription};
use hubbub_protocol::frame::{PresenceChange, PresenceKind};
use tokio::time::{Instant, timeout};

use crate::harness::{Fleet, SOON, channel};

const LEASE_MS: u64 = 1_500;

async fn fleet(nodes: usize) -> Fleet {
    let fleet = Fleet::start_with(nodes, |options| {
        options
            .env("HUBBUB_LIMITS__PRESENCE_LEASE_MS", &LEASE_MS.to_string())
            .env("HUBBUB_LIMITS__PRESENCE_GRACE_MS", "300")
    });
    // A node that has not found its Redis yet hears nothing of the others.
    for node in 0..nodes {
        fleet.until_ready_says(node, "ready").await;
    }
    fleet
}

/// Subscribes to a channel with its joins and leaves, and waits for the outcome: nothing behind it is lost.
async fn watch(client: &Client, name: &str) -> Subscription {
    let options = SubscribeOptions { presence: true, ..SubscribeOptions::default() };
    let mut subscription = client.subscribe(channel(name), options).await.expect("subscribes");
    match timeout(SOON, subscription.next()).await {
        Ok(Some(Event::Outcome(_))) => subscription,
        other => panic!("no outcome: {other:?}"),
    }
}

/// The next join or leave of somebody else. The own join may come before the outcome, and then it is not heard.
async fn change(subscription: &mut Subscription) -> PresenceChange {
    loop {
        match timeout(SOON, subscription.next()).await.expect("told in time").expect("the subscription lives") {
            Event::Presence(change) if change.user.as_str() != "ada" => return change,
            Event::Presence(_) | Event::Outcome(_) | Event::PresenceCount(_) => {}
            other => panic!("not a change: {other:?}"),
        }
    }
}

async fn hear(subscription: &mut Subscription, user: &str, event: PresenceKind) {
    let change = change(subscription).await;
    assert_eq!((change.user.as_str(), change.event), (user, event), "{change:?}");
}

/// Waits until a node tells exactly these users, each with so many connections.
async fn until_there(fleet: &Fleet, node: usize, name: &str, expected: &[(&str, u64)]) {
    let until = Instant::now() + SOON;
    loop {
        let (status, answer) = fleet.call(node, "GET", &format!("/v1/channels/{name}/presence"), None).await;
        let users = answer["users"].as_array().cloned().unwrap_or_default();
        let there: Vec<_> =
            users.iter().filter_map(|user| Some((user["user"].as_str()?, user["connections"].as_u64()?))).collect();
        if status == 200 && there == expected && answer.get("scope").is_none() {
            return;
        }
        assert!(Instant::now() < until, "node {node} tells {answer}, expected {expected:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_process_takes_its_users_along() {
    let mut fleet = fleet(3).await;
    let (ada, bo) = (fleet.person(0, "ada").await, fleet.person(1, "bo").await);
    let mut seen = watch(&ada, "chat:room").await;
    let of_bo = watch(&bo, "chat:room").await;
    hear(&mut seen, "bo", PresenceKind::Join).await;
    let (cy, bo_again) = (fleet.person(2, "cy").await, fleet.person(2, "bo").await);
    let (_cy, _bo_again) = (watch(&cy, "chat:room").await, watch(&bo_again, "chat:room").await);
    hear(&mut seen, "cy", PresenceKind::Join).await;
    for node in 0..3 {
        until_there(&fleet, node, "chat:room", &[("ada", 1), ("bo", 2), ("cy", 1)]).await;
    }
    fleet.hubs[2].kill().expect("killed");
    for node in 0..2 {
        until_there(&fleet, node, "chat:room", &[("ada", 1), ("bo", 1)]).await;
    }
    hear(&mut seen, "cy", PresenceKind::Leave).await;
    drop((bo, of_bo));
    hear(&mut seen, "bo", PresenceKind::Leave).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_that_stood_still_brings_its_users_back() {
    let mut fleet = fleet(2).await;
    let (ada, bo) = (fleet.person(0, "ada").await, fleet.person(1, "bo").await);
    let mut seen = watch(&ada, "chat:room").await;
    let _bo = watch(&bo, "chat:room").await;
    hear(&mut seen, "bo", PresenceKind::Join).await;
    fleet.hubs[1].pause().expect("stopped");
    until_there(&fleet, 0, "chat:room", &[("ada", 1)]).await;
    hear(&mut seen, "bo", PresenceKind::Leave).await;
    fleet.hubs[1].resume().expect("goes on");
    for node in 0..2 {
        until_there(&fleet, node, "chat:room", &[("ada", 1), ("bo", 1)]).await;
    }
}

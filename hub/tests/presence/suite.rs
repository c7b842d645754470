//! One test for each obligation written on the roster. A backend gives a [`Fleet`]; `roster_conformance!` makes the tests.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use hubbub::broker::Content;
use hubbub::presence::Page;
use hubbub::presence::roster::{Bounds, Counted, Entered, Entry, Lease, Roster};
use hubbub_protocol::channel::ChannelKey;
use hubbub_protocol::frame::{PresenceKind, PresenceSnapshot};
use hubbub_protocol::{ChannelName, TenantId, UserId};
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout};

/// Small bounds, so that tests reach them.
pub(crate) const BOUNDS: Bounds = Bounds { lease_ms: 1_500, list_users: 8 };
/// How long anything may take.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);

pub(crate) type Node = Arc<dyn Roster>;
pub(crate) type Told = mpsc::Receiver<Content>;

/// Nodes that share a roster.
#[async_trait]
pub(crate) trait Fleet: Send + Sync {
    /// One without nodes and without history.
    async fn new() -> Self
    where
        Self: Sized;
    /// A node.
    async fn join(&self) -> Node;
    /// What everybody who wants the channel is told from now on.
    async fn listen(&self, channel: &ChannelKey) -> Told;
    /// Lets a little time pass.
    async fn tick(&self);
    /// Nodes that join from now on know nothing of earlier ones.
    fn anew(&self) {}
}

/// Makes a module with every test of the suite for one backend.
#[macro_export]
macro_rules! roster_conformance {
    ($name:ident, $fleet:ty) => {
        mod $name {
            use $crate::suite::{self, Fleet};
            $crate::roster_conformance!(@tests $fleet:
                the_first_node_joins_and_the_last_leaves,
                saying_it_twice_is_saying_it_once,
                versions_never_go_back,
                pages_are_ordered_and_add_up,
                tenants_do_not_meet,
                large_channels_are_counted,
                counts_are_told_once_in_a_while,
                a_dead_node_is_absent_and_leaves_once,
                who_moved_in_time_never_left,
                a_lease_that_ran_out_is_not_revived,
                whoever_enters_over_a_dead_entry_joins,
                reaping_is_done_in_portions,
                many_entries_go_at_once,
            );
        }
    };
    (@tests $fleet:ty: $($test:ident),+ $(,)?) => {
        $(#[tokio::test]
        async fn $test() {
            suite::$test(&<$fleet as Fleet>::new().await).await;
        })+
    };
}

/// All of it on one fleet, one after the other: each test has channels of its own.
pub(crate) async fn every_one(fleet: &impl Fleet) {
    fleet.anew();
    the_first_node_joins_and_the_last_leaves(fleet).await;
    fleet.anew();
    saying_it_twice_is_saying_it_once(fleet).await;
    fleet.anew();
    versions_never_go_back(fleet).await;
    fleet.anew();
    pages_are_ordered_and_add_up(fleet).await;
    fleet.anew();
    tenants_do_not_meet(fleet).await;
    fleet.anew();
    large_channels_are_counted(fleet).await;
    fleet.anew();
    counts_are_told_once_in_a_while(fleet).await;
    fleet.anew();
    a_dead_node_is_absent_and_leaves_once(fleet).await;
    fleet.anew();
    who_moved_in_time_never_left(fleet).await;
    fleet.anew();
    a_lease_that_ran_out_is_not_revived(fleet).await;
    fleet.anew();
    whoever_enters_over_a_dead_entry_joins(fleet).await;
    fleet.anew();
    reaping_is_done_in_portions(fleet).await;
    fleet.anew();
    many_entries_go_at_once(fleet).await;
}

pub(crate) fn key(channel: &str) -> ChannelKey {
    of_tenant("t", channel)
}

fn of_tenant(tenant: &str, channel: &str) -> ChannelKey {
    let tenant = TenantId::parse(tenant).expect("valid");
    ChannelKey::new(tenant, ChannelName::parse(channel).expect("valid"))
}

pub(crate) fn user(name: &str) -> UserId {
    UserId::parse(name).expect("valid")
}

pub(crate) fn entry(channel: &ChannelKey, name: &str, connections: Option<u32>) -> Entry {
    Entry { channel: channel.clone(), user: user(name), connections, again: false, above: 0 }
}

/// Enters one thing; answers the version of the channel.
pub(crate) async fn enter(node: &Node, channel: &ChannelKey, name: &str, connections: Option<u32>) -> u64 {
    version(node.enter(vec![entry(channel, name, connections)]).await[0])
}

fn version(entered: Entered) -> u64 {
    match entered {
        Entered::Done { version, .. } => version,
        other => panic!("not entered: {other:?}"),
    }
}

pub(crate) async fn page(node: &Node, channel: &ChannelKey, after: Option<&str>, limit: u32) -> PresenceSnapshot {
    node.page(channel, &Page { after: after.map(user), limit }).await.expect("the roster is there")
}

/// Who is there, and on how many connections.
pub(crate) async fn users(node: &Node, channel: &ChannelKey) -> Vec<(String, u32)> {
    let page = page(node, channel, None, 1_000).await;
    assert_eq!(page.count as usize, page.users.len(), "{page:?}");
    page.users.into_iter().map(|present| (present.user.as_str().to_owned(), present.connections)).collect()
}

fn pairs(expected: &[(&str, u32)]) -> Vec<(String, u32)> {
    expected.iter().map(|(name, connections)| ((*name).to_owned(), *connections)).collect()
}

pub(crate) async fn next(told: &mut Told) -> Content {
    timeout(PATIENCE, told.recv()).await.expect("something is told in time").expect("the listener lives")
}

/// The next thing that is told: who, whether joined, with which version.
pub(crate) async fn change(told: &mut Told) -> (String, PresenceKind, u64) {
    match next(told).await {
        Content::Presence(change) => (change.user.as_str().to_owned(), change.event, change.version),
        other => panic!("not a change: {other:?}"),
    }
}

async fn expect(told: &mut Told, name: &str, event: PresenceKind) -> u64 {
    let (who, what, version) = change(told).await;
    assert_eq!((who.as_str(), what), (name, event));
    version
}

/// Lets time pass until only these users are there. Whoever lives goes on renewing.
pub(crate) async fn wait_for(fleet: &impl Fleet, living: &[&Node], channel: &ChannelKey, expected: &[(&str, u32)]) {
    let end = Instant::now() + PATIENCE;
    loop {
        for node in living {
            assert_eq!(node.renew(vec![node.part(channel)]).await, [Lease::Held], "renewed in time");
        }
        let there = users(living[0], channel).await;
        if there == pairs(expected) {
            return;
        }
        assert!(Instant::now() < end, "still {there:?}, expected {expected:?}");
        fleet.tick().await;
    }
}

/// Reaps until so much is taken away.
async fn reap_all(fleet: &impl Fleet, node: &Node, channel: &ChannelKey, expected: u64) {
    let end = Instant::now() + PATIENCE;
    let mut reaped = 0;
    while reaped < expected {
        reaped += node.reap().await.expect("the roster is there");
        node.renew(vec![node.part(channel)]).await;
        assert!(Instant::now() < end, "reaped {reaped} of {expected}");
        fleet.tick().await;
    }
    assert_eq!(reaped, expected);
}

pub(crate) async fn the_first_node_joins_and_the_last_leaves(fleet: &impl Fleet) {
    let (one, two, channel) = (fleet.join().await, fleet.join().await, key("chat:first"));
    let mut told = fleet.listen(&channel).await;
    let joined = enter(&one, &channel, "ada", Some(1)).await;
    assert_eq!(enter(&two, &channel, "ada", Some(2)).await, joined, "on a second node: no news");
    assert_eq!(users(&two, &channel).await, pairs(&[("ada", 3)]));
    assert_eq!(enter(&one, &channel, "ada", None).await, joined, "still on the second node");
    let left = enter(&two, &channel, "ada", None).await;
    assert_eq!((expect(&mut told, "ada", PresenceKind::Join).await, left), (joined, joined + 1));
    assert_eq!(expect(&mut told, "ada", PresenceKind::Leave).await, left);
    assert_eq!(users(&one, &channel).await, []);
}

pub(crate) async fn saying_it_twice_is_saying_it_once(fleet: &impl Fleet) {
    let (node, channel) = (fleet.join().await, key("chat:twice"));
    let mut told = fleet.listen(&channel).await;
    let joined = enter(&node, &channel, "ada", Some(1)).await;
    assert_eq!(enter(&node, &channel, "ada", Some(1)).await, joined);
    assert_eq!(enter(&node, &channel, "ada", Some(0)).await, joined, "in its grace");
    assert_eq!(users(&node, &channel).await, pairs(&[("ada", 0)]));
    let left = enter(&node, &channel, "ada", None).await;
    assert_eq!(enter(&node, &channel, "ada", None).await, left);
    assert_eq!(enter(&node, &channel, "nobody", None).await, left);
    enter(&node, &channel, "bo", Some(1)).await;
    for (name, event) in [("ada", PresenceKind::Join), ("ada", PresenceKind::Leave), ("bo", PresenceKind::Join)] {
        expect(&mut told, name, event).await;
    }
}

pub(crate) async fn versions_never_go_back(fleet: &impl Fleet) {
    let (node, channel) = (fleet.join().await, key("chat:versions"));
    assert_eq!(page(&node, &key("chat:untouched"), None, 9).await.count, 0);
    let mut last = 0;
    for round in 0..3 {
        for connections in [Some(1), None] {
            let version = enter(&node, &channel, "ada", connections).await;
            assert!(version > last && (last == 0 || version == last + 1), "{version} after {last} in round {round}");
            assert_eq!(page(&node, &channel, None, 9).await.version, version);
            last = version;
        }
    }
    let told_here = last + 1_000;
    let above = Entry { above: told_here, ..entry(&channel, "ada", Some(1)) };
    assert_eq!(version(node.enter(vec![above]).await[0]), told_here + 1, "above what a node told by itself");
}

pub(crate) async fn pages_are_ordered_and_add_up(fleet: &impl Fleet) {
    let (one, two, channel) = (fleet.join().await, fleet.join().await, key("chat:pages"));
    for (node, names) in [(&one, ["cy", "ada", "di"]), (&two, ["bo", "ada", "eve"])] {
        let entries = names.iter().map(|name| entry(&channel, name, Some(2))).collect();
        assert_eq!(node.enter(entries).await.len(), 3);
    }
    let first = page(&one, &channel, None, 2).await;
    let names = |page: &PresenceSnapshot| page.users.iter().map(|u| u.user.as_str().to_owned()).collect::<Vec<_>>();
    assert_eq!((names(&first), first.count, first.large), (vec!["ada".into(), "bo".into()], 5, false));
    assert_eq!((first.users[0].connections, first.users[1].connections), (4, 2), "over all nodes");
    assert_eq!(first.next, Some(user("bo")));
    let second = page(&two, &channel, Some("bo"), 2).await;
    assert_eq!((names(&second), second.next), (vec!["cy".into(), "di".into()], Some(user("di"))));
    let last = page(&two, &channel, Some("di"), 2).await;
    assert_eq!((names(&last), last.next), (vec!["eve".into()], None));
    assert_eq!(page(&two, &channel, Some("zoe"), 2).await.users, []);
    assert_eq!(page(&two, &channel, Some("b"), 1).await.users[0].user, user("bo"), "behind somebody who is not there");
}

pub(crate) async fn tenants_do_not_meet(fleet: &impl Fleet) {
    let node = fleet.join().await;
    let (here, there) = (key("chat:same"), of_tenant("other", "chat:same"));
    enter(&node, &here, "ada", Some(1)).await;
    assert_eq!(users(&node, &there).await, []);
    assert_eq!(users(&node, &here).await, pairs(&[("ada", 1)]));
}

pub(crate) async fn large_channels_are_counted(fleet: &impl Fleet) {
    let (one, two, channel) = (fleet.join().await, fleet.join().await, key("chat:large"));
    let mut told = fleet.listen(&channel).await;
    let name = |index: u64| format!("u{index:02}");
    for index in 0..BOUNDS.list_users {
        enter(&one, &channel, &name(index), Some(1)).await;
        expect(&mut told, &name(index), PresenceKind::Join).await;
    }
    let full = two.enter(vec![entry(&channel, "one-more", Some(1))]).await[0];
    let Entered::Done { version, large: true } = full else { panic!("{full:?}") };
    let snapshot = page(&one, &channel, None, 100).await;
    assert_eq!((snapshot.version, snapshot.count, snapshot.large), (version, BOUNDS.list_users + 1, true));
    assert!(snapshot.users.is_empty() && snapshot.next.is_none());
    assert_eq!(one.tell_count(&channel).await, Counted::Told);
    match next(&mut told).await {
        Content::PresenceCount(count) => assert_eq!((count.version, count.count), (version, BOUNDS.list_users + 1)),
        other => panic!("a large channel told {other:?}"),
    }
    // Three quarters of the bound: the channel is listed again, and the leave that made it so is told.
    enter(&two, &channel, "one-more", None).await;
    enter(&one, &channel, &name(7), None).await;
    assert!(page(&one, &channel, None, 100).await.large, "it does not go to and fro at the bound");
    enter(&one, &channel, &name(6), None).await;
    expect(&mut told, &name(6), PresenceKind::Leave).await;
    let snapshot = page(&one, &channel, None, 100).await;
    assert_eq!((snapshot.count, snapshot.users.len(), snapshot.large), (6, 6, false));
}

pub(crate) async fn counts_are_told_once_in_a_while(fleet: &impl Fleet) {
    let (one, two, channel) = (fleet.join().await, fleet.join().await, key("chat:counts"));
    let mut told = fleet.listen(&channel).await;
    assert_eq!(one.tell_count(&channel).await, Counted::Told, "nobody was ever there: nothing to tell");
    enter(&one, &channel, "ada", Some(1)).await;
    expect(&mut told, "ada", PresenceKind::Join).await;
    assert_eq!(one.tell_count(&channel).await, Counted::Told);
    assert!(matches!(next(&mut told).await, Content::PresenceCount(count) if count.count == 1));
    assert_eq!(two.tell_count(&channel).await, Counted::Told, "there is nothing new");
    enter(&two, &channel, "bo", Some(1)).await;
    expect(&mut told, "bo", PresenceKind::Join).await;
    assert_eq!(one.tell_count(&channel).await, Counted::Later, "too soon, whoever told the last one");
    let end = Instant::now() + PATIENCE;
    while two.tell_count(&channel).await == Counted::Later {
        assert!(Instant::now() < end, "never told");
        one.renew(vec![one.part(&channel)]).await;
        two.renew(vec![two.part(&channel)]).await;
        fleet.tick().await;
    }
    assert!(matches!(next(&mut told).await, Content::PresenceCount(count) if count.count == 2));
}

pub(crate) async fn a_dead_node_is_absent_and_leaves_once(fleet: &impl Fleet) {
    let (dead, one, two) = (fleet.join().await, fleet.join().await, fleet.join().await);
    let channel = key("chat:dead");
    let mut told = fleet.listen(&channel).await;
    for (node, name) in [(&dead, "ada"), (&dead, "bo"), (&one, "bo"), (&two, "cy")] {
        enter(node, &channel, name, Some(1)).await;
    }
    wait_for(fleet, &[&one, &two], &channel, &[("bo", 1), ("cy", 1)]).await;
    let end = Instant::now() + PATIENCE;
    let mut taken = 0;
    while taken < 2 {
        let (by_one, by_two) = tokio::join!(one.reap(), two.reap());
        taken += by_one.expect("there") + by_two.expect("there");
        assert!(Instant::now() < end, "{taken} of 2 were taken away");
        for node in [&one, &two] {
            node.renew(vec![node.part(&channel)]).await;
        }
        fleet.tick().await;
    }
    assert_eq!(taken, 2);
    assert_eq!((one.reap().await, two.reap().await), (Ok(0), Ok(0)), "each is taken away once");
    for name in ["ada", "bo", "cy"] {
        expect(&mut told, name, PresenceKind::Join).await;
    }
    expect(&mut told, "ada", PresenceKind::Leave).await;
    enter(&two, &channel, "end", Some(1)).await;
    expect(&mut told, "end", PresenceKind::Join).await;
}

pub(crate) async fn who_moved_in_time_never_left(fleet: &impl Fleet) {
    let (dead, living, channel) = (fleet.join().await, fleet.join().await, key("chat:moved"));
    let mut told = fleet.listen(&channel).await;
    enter(&dead, &channel, "ada", Some(1)).await;
    enter(&dead, &channel, "bo", Some(1)).await;
    // Reconnected elsewhere while the lease of the dead node still runs.
    enter(&living, &channel, "ada", Some(1)).await;
    wait_for(fleet, &[&living], &channel, &[("ada", 1)]).await;
    reap_all(fleet, &living, &channel, 2).await;
    expect(&mut told, "ada", PresenceKind::Join).await;
    expect(&mut told, "bo", PresenceKind::Join).await;
    expect(&mut told, "bo", PresenceKind::Leave).await;
    enter(&living, &channel, "end", Some(1)).await;
    expect(&mut told, "end", PresenceKind::Join).await;
}

pub(crate) async fn a_lease_that_ran_out_is_not_revived(fleet: &impl Fleet) {
    let (slept, other, channel) = (fleet.join().await, fleet.join().await, key("chat:slept"));
    let mut told = fleet.listen(&channel).await;
    enter(&slept, &channel, "ada", Some(2)).await;
    let before = enter(&other, &channel, "bo", Some(1)).await;
    wait_for(fleet, &[&other], &channel, &[("bo", 1)]).await;
    let late = slept.enter(vec![entry(&channel, "late", Some(1))]).await;
    assert_eq!(late, [Entered::LeaseGone]);
    assert_eq!(slept.renew(vec![slept.part(&channel)]).await, [Lease::Begun]);
    assert_eq!(users(&slept, &channel).await, pairs(&[("bo", 1)]), "the new lease begins empty");
    let again = Entry { again: true, ..entry(&channel, "ada", Some(2)) };
    let version = version(slept.enter(vec![again]).await[0]);
    assert!(version > before, "a list of before is out of date");
    assert_eq!(users(&other, &channel).await, pairs(&[("ada", 2), ("bo", 1)]));
    assert_eq!(slept.tell_count(&channel).await, Counted::Told);
    for name in ["ada", "bo"] {
        expect(&mut told, name, PresenceKind::Join).await;
    }
    match next(&mut told).await {
        Content::PresenceCount(count) => assert_eq!((count.version, count.count), (version, 2)),
        other => panic!("coming back told {other:?}"),
    }
    // Nothing of the old life is left to leave.
    other.reap().await.expect("there");
    assert_eq!(users(&other, &channel).await, pairs(&[("ada", 2), ("bo", 1)]));
}

pub(crate) async fn whoever_enters_over_a_dead_entry_joins(fleet: &impl Fleet) {
    let (dead, living, channel) = (fleet.join().await, fleet.join().await, key("chat:over"));
    let mut told = fleet.listen(&channel).await;
    enter(&dead, &channel, "ada", Some(1)).await;
    enter(&living, &channel, "bo", Some(1)).await;
    wait_for(fleet, &[&living], &channel, &[("bo", 1)]).await;
    enter(&living, &channel, "ada", Some(1)).await;
    let (by_hand, left) = (living.reap().await.expect("there"), enter(&living, &channel, "ada", None).await);
    assert_eq!(by_hand, 0, "the dead entry went when the living one came");
    for (name, event) in [("ada", PresenceKind::Join), ("bo", PresenceKind::Join), ("ada", PresenceKind::Join)] {
        expect(&mut told, name, event).await;
    }
    assert_eq!(expect(&mut told, "ada", PresenceKind::Leave).await, left);
}

pub(crate) async fn reaping_is_done_in_portions(fleet: &impl Fleet) {
    const ROOMS: usize = 40;
    const USERS: usize = 50;
    let (dead, living) = (fleet.join().await, fleet.join().await);
    let channels: Vec<ChannelKey> = (0..ROOMS).map(|index| key(&format!("chat:portion-{index}"))).collect();
    for channel in &channels {
        let entries = (0..USERS).map(|index| entry(channel, &format!("u{index}"), Some(1))).collect();
        assert_eq!(dead.enter(entries).await.len(), USERS);
    }
    enter(&living, &channels[0], "ada", Some(1)).await;
    let end = Instant::now() + PATIENCE;
    let mut taken = 0;
    while taken < (ROOMS * USERS) as u64 {
        assert!(Instant::now() < end, "{taken} were taken away");
        living.renew(vec![living.part(&channels[0])]).await;
        taken += living.reap().await.expect("there");
        fleet.tick().await;
    }
    assert_eq!(taken, (ROOMS * USERS) as u64);
    assert_eq!(users(&living, &channels[0]).await, pairs(&[("ada", 1)]));
    assert_eq!(users(&living, &channels[ROOMS - 1]).await, []);
}

pub(crate) async fn many_entries_go_at_once(fleet: &impl Fleet) {
    let (node, other) = (fleet.join().await, fleet.join().await);
    let channels: Vec<ChannelKey> = (0..100).map(|index| key(&format!("chat:many-{index}"))).collect();
    let entries = (0..1_000).map(|index| entry(&channels[index % 100], &format!("u{:03}", index / 100), Some(1)));
    let entered = node.enter(entries.collect()).await;
    assert!(entered.iter().all(|entered| matches!(entered, Entered::Done { .. })), "{entered:?}");
    for channel in &channels {
        assert_eq!(page(&other, channel, None, 100).await.count, 10);
    }
    // Both of one user in one call: the last word counts.
    let to_and_fro = vec![entry(&channels[0], "zoe", Some(1)), entry(&channels[0], "zoe", None)];
    let versions: BTreeSet<u64> = node.enter(to_and_fro).await.into_iter().map(version).collect();
    assert_eq!(versions.len(), 2);
    assert_eq!(page(&other, &channels[0], None, 100).await.count, 10);
}

//! One test for each obligation written on the trait. A backend gives a [`Cluster`]; `broker_conformance!` makes the tests.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use hubbub::broker::{Broker, Content, ControlNotice, Envelope, Inbox, Incoming, Order, control_channel};
use hubbub::namespace::WindowBounds;
use hubbub_persistence::{Append, Appended, Continuity, Entry, ReadFrom};
use hubbub_protocol::channel::ChannelKey;
use hubbub_protocol::frame::{PresenceChange, PresenceKind};
use hubbub_protocol::{ChannelName, Data, Epoch, Key, MessageId, Position, TenantId, UserId};
use tokio::sync::mpsc;
use tokio::time::timeout;

/// When the time of a cluster begins, in milliseconds since 1970.
pub(crate) const BEGIN_MS: u64 = 1_800_000_000_000;
/// The version of the whisper that comes after everything else: the largest that JavaScript can hold.
const LAST: u64 = (1 << 53) - 1;
/// How long an envelope may be on its way.
const PATIENCE: Duration = Duration::from_secs(5);

/// Nodes that share a broker.
#[async_trait]
pub(crate) trait Cluster: Send + Sync {
    /// A cluster without nodes and without history.
    fn new() -> Self
    where
        Self: Sized;
    /// A node whose envelopes go to `inbox`.
    async fn join(&self, inbox: Inbox) -> Arc<dyn Broker>;
    /// Lets time pass, as far as windows know.
    async fn pass(&self, milliseconds: u64);
}

/// Calls a macro with the name of every test of the suite.
#[macro_export]
macro_rules! broker_obligations {
    ($with:ident! $($rest:tt)*) => {
        $crate::$with! { $($rest)*
            interest_brings_envelopes_to_every_node_once,
            without_interest_nothing_comes,
            orders_go_to_the_other_nodes_alone,
            tenants_do_not_meet,
            appends_are_numbered_and_published_once,
            racing_appends_leave_no_hole,
            a_key_again_gives_the_first_place_and_publishes_nothing,
            keys_belong_to_a_publisher_and_a_channel,
            keys_go_with_their_messages,
            aged_keys_are_free_again,
            pages_are_read_in_both_directions,
            windows_keep_their_bounds,
            a_sieve_takes_messages_out_and_nothing_else,
            a_window_that_goes_whole_begins_anew,
            numbering_survives_an_empty_window,
            old_positions_are_judged,
            heads_come_in_the_order_asked_for,
        }
    };
}

/// Makes a module with every test of the suite for one backend; with `@each` runs them all, one after the other, over clusters
/// that are made from the name of a test.
#[macro_export]
macro_rules! broker_conformance {
    ($name:ident, $cluster:ty) => {
        mod $name {
            use $crate::suite::{self, Cluster};
            $crate::broker_obligations!(broker_conformance! @tests $cluster;);
        }
    };
    (@each |$test:ident| $cluster:expr) => {
        $crate::broker_obligations!(broker_conformance! @run |$test| $cluster;)
    };
    (@tests $cluster:ty; $($test:ident,)+) => {
        $(#[tokio::test]
        async fn $test() {
            suite::$test(&<$cluster as Cluster>::new()).await;
        })+
    };
    (@run |$name:ident| $cluster:expr; $($test:ident,)+) => {
        $({
            let $name = stringify!($test);
            $crate::suite::$test(&$cluster).await;
        })+
    };
}

type Receiver = mpsc::Receiver<Incoming>;

pub(crate) fn inbox() -> (Inbox, Receiver) {
    let (sender, receiver) = mpsc::channel(100_000);
    (Inbox::new(vec![sender]), receiver)
}

pub(crate) fn key(channel: &str) -> ChannelKey {
    of_tenant("t", channel)
}

fn of_tenant(tenant: &str, channel: &str) -> ChannelKey {
    let tenant = TenantId::parse(tenant).expect("valid");
    ChannelKey::new(tenant, ChannelName::parse(channel).expect("valid"))
}

pub(crate) fn draft(channel: &str, idempotency: Option<&str>, data: &str) -> Append {
    Append {
        channel: key(channel),
        id: MessageId::from_parts(BEGIN_MS, rand::random()),
        time: BEGIN_MS,
        publisher: "user/a".into(),
        key: idempotency.map(|text| Key::parse(text).expect("valid")),
        conflate_key: None,
        from: None,
        data: Data::parse(data.to_owned()).expect("json"),
    }
}

pub(crate) fn whisper(channel: &ChannelKey, version: u64) -> Envelope {
    let user = UserId::parse("u").expect("valid");
    let change = PresenceChange { channel: channel.channel.clone(), version, event: PresenceKind::Join, user };
    Envelope { channel: channel.clone(), content: Content::Presence(change) }
}

async fn next(receiver: &mut Receiver) -> Envelope {
    match timeout(PATIENCE, receiver.recv()).await {
        Ok(Some(Incoming::Envelope(envelope))) => envelope,
        other => panic!("no envelope: {other:?}"),
    }
}

/// What came of a channel up to a whisper that is sent after everything else, by any node with interest.
async fn until_whisper(broker: &Arc<dyn Broker>, channel: &ChannelKey, receiver: &mut Receiver) -> Vec<Envelope> {
    broker.publish(whisper(channel, LAST)).await.expect("publish");
    let mut came = Vec::new();
    loop {
        let envelope = next(receiver).await;
        match &envelope.content {
            Content::Presence(change) if change.version == LAST => return came,
            _ => came.push(envelope),
        }
    }
}

fn offset(envelope: &Envelope) -> u64 {
    match &envelope.content {
        Content::Message(message) => message.position.expect("windows have positions").offset,
        Content::Presence(_) | Content::PresenceCount(_) | Content::Order(_) => panic!("not a message"),
    }
}

async fn append(broker: &Arc<dyn Broker>, append: Append, bounds: WindowBounds) -> (u64, bool) {
    match broker.append(append, bounds).await.expect("append") {
        Appended::At { position, duplicate, .. } => (position.offset, duplicate),
        Appended::KeyConflict => panic!("conflict"),
    }
}

fn offsets(entries: &[Entry]) -> Vec<u64> {
    entries.iter().map(Entry::offset).collect()
}

pub(crate) async fn interest_brings_envelopes_to_every_node_once(cluster: &impl Cluster) {
    let ((one_in, mut one_out), (two_in, mut two_out)) = (inbox(), inbox());
    let (one, two) = (cluster.join(one_in).await, cluster.join(two_in).await);
    let channel = key("eph:x");
    one.subscribe(std::slice::from_ref(&channel)).await.expect("subscribe");
    two.subscribe(std::slice::from_ref(&channel)).await.expect("subscribe");
    for version in 1..=20 {
        one.publish(whisper(&channel, version)).await.expect("publish");
    }
    for receiver in [&mut one_out, &mut two_out] {
        let mut versions: Vec<u64> = Vec::new();
        while versions.len() < 20 {
            if let Content::Presence(change) = next(receiver).await.content {
                versions.push(change.version);
            }
        }
        versions.sort_unstable();
        assert_eq!(versions, (1..=20).collect::<Vec<_>>(), "each once");
    }
}

pub(crate) async fn without_interest_nothing_comes(cluster: &impl Cluster) {
    let (inbox, mut receiver) = inbox();
    let broker = cluster.join(inbox).await;
    let (wanted, other) = (key("eph:wanted"), key("eph:other"));
    broker.subscribe(&[wanted.clone(), other.clone()]).await.expect("subscribe");
    broker.unsubscribe(std::slice::from_ref(&other)).await.expect("unsubscribe");
    broker.publish(whisper(&other, 1)).await.expect("publish");
    broker.publish(whisper(&key("eph:never"), 1)).await.expect("publish");
    let came = until_whisper(&broker, &wanted, &mut receiver).await;
    assert!(came.is_empty(), "{came:?}");
}

pub(crate) async fn orders_go_to_the_other_nodes_alone(cluster: &impl Cluster) {
    let mut nodes = Vec::new();
    for _ in 0..2 {
        let (told, orders) = mpsc::channel(100);
        let broker = cluster.join(inbox().0.with_control(told)).await;
        broker.subscribe(&[control_channel()]).await.expect("subscribe");
        nodes.push((broker, orders));
    }
    // The second answers the first, so an echo would have come before the answer.
    let [(one, of_one), (two, of_two)] = &mut nodes[..] else { unreachable!("two were made") };
    one.publish(order("a")).await.expect("publish");
    assert_eq!(next_order(of_two).await, order("a").content);
    two.publish(order("b")).await.expect("publish");
    assert_eq!(next_order(of_one).await, order("b").content);
    one.publish(order("c")).await.expect("publish");
    assert_eq!(next_order(of_two).await, order("c").content);
}

fn order(channel: &str) -> Envelope {
    let erased = key(&format!("chat:{channel}"));
    Envelope { channel: control_channel(), content: Content::Order(Order::Erased { channel: erased }) }
}

/// The next order; that orders may have been missed is no order.
async fn next_order(orders: &mut mpsc::Receiver<ControlNotice>) -> Content {
    loop {
        match timeout(PATIENCE, orders.recv()).await {
            Ok(Some(ControlNotice::Order(order))) => return Content::Order(order),
            Ok(Some(ControlNotice::Missed)) => {}
            other => panic!("no order: {other:?}"),
        }
    }
}

pub(crate) async fn tenants_do_not_meet(cluster: &impl Cluster) {
    let (inbox, mut receiver) = inbox();
    let broker = cluster.join(inbox).await;
    let (ours, theirs) = (of_tenant("ours", "win:x"), of_tenant("theirs", "win:x"));
    broker.subscribe(std::slice::from_ref(&ours)).await.expect("subscribe");
    let foreign = Append { channel: theirs.clone(), ..draft("win:x", Some("k"), "1") };
    append(&broker, foreign, WindowBounds::default()).await;
    let own = Append { channel: ours.clone(), ..draft("win:x", Some("k"), "2") };
    assert_eq!(append(&broker, own, WindowBounds::default()).await, (1, false), "numbered and keyed apart");
    let came = until_whisper(&broker, &ours, &mut receiver).await;
    assert_eq!(came.iter().map(offset).collect::<Vec<_>>(), [1]);
    assert!(came.iter().all(|envelope| envelope.channel == ours));
}

pub(crate) async fn appends_are_numbered_and_published_once(cluster: &impl Cluster) {
    let (inbox, mut receiver) = inbox();
    let broker = cluster.join(inbox).await;
    let channel = key("win:x");
    broker.subscribe(std::slice::from_ref(&channel)).await.expect("subscribe");
    for expected in 1..=50 {
        assert_eq!(append(&broker, draft("win:x", None, "1"), WindowBounds::default()).await, (expected, false));
    }
    let mut came: Vec<u64> = until_whisper(&broker, &channel, &mut receiver).await.iter().map(offset).collect();
    came.sort_unstable();
    assert_eq!(came, (1..=50).collect::<Vec<_>>());
}

pub(crate) async fn racing_appends_leave_no_hole(cluster: &impl Cluster) {
    let ((one_in, mut receiver), (two_in, _two_out)) = (inbox(), inbox());
    let nodes = [cluster.join(one_in).await, cluster.join(two_in).await];
    let channel = key("win:hot");
    nodes[0].subscribe(std::slice::from_ref(&channel)).await.expect("subscribe");
    let racing: Vec<_> = (0..200)
        .map(|index| {
            let broker = nodes[index % 2].clone();
            tokio::spawn(async move { append(&broker, draft("win:hot", None, "1"), WindowBounds::default()).await.0 })
        })
        .collect();
    let mut given = Vec::new();
    for racer in racing {
        given.push(racer.await.expect("no panic"));
    }
    given.sort_unstable();
    assert_eq!(given, (1..=200).collect::<Vec<_>>());
    let mut came: Vec<u64> = until_whisper(&nodes[1], &channel, &mut receiver).await.iter().map(offset).collect();
    came.sort_unstable();
    assert_eq!(came, given);
}

pub(crate) async fn a_key_again_gives_the_first_place_and_publishes_nothing(cluster: &impl Cluster) {
    let (inbox, mut receiver) = inbox();
    let broker = cluster.join(inbox).await;
    let channel = key("win:x");
    broker.subscribe(std::slice::from_ref(&channel)).await.expect("subscribe");
    let first = draft("win:x", Some("k"), "{\"a\":1}");
    let again = Append { id: MessageId::from_parts(1, 1), time: BEGIN_MS + 1, ..first.clone() };
    let Ok(Appended::At { id, position, time, duplicate: false }) =
        broker.append(first.clone(), WindowBounds::default()).await
    else {
        panic!("not appended")
    };
    let repeated = broker.append(again, WindowBounds::default()).await;
    assert_eq!(repeated, Ok(Appended::At { id, position, time, duplicate: true }));
    let other = draft("win:x", Some("k"), "{\"a\":2}");
    assert_eq!(broker.append(other, WindowBounds::default()).await, Ok(Appended::KeyConflict));
    let conflating = Append { conflate_key: Some(Key::parse("c").expect("valid")), ..first };
    assert_eq!(broker.append(conflating, WindowBounds::default()).await, Ok(Appended::KeyConflict));
    assert_eq!(until_whisper(&broker, &channel, &mut receiver).await.len(), 1);
}

pub(crate) async fn keys_belong_to_a_publisher_and_a_channel(cluster: &impl Cluster) {
    let (inbox, _receiver) = inbox();
    let broker = cluster.join(inbox).await;
    assert_eq!(append(&broker, draft("win:x", Some("k"), "1"), WindowBounds::default()).await, (1, false));
    let other = Append { publisher: "user/b".into(), ..draft("win:x", Some("k"), "1") };
    assert_eq!(append(&broker, other, WindowBounds::default()).await, (2, false));
    assert_eq!(append(&broker, draft("win:y", Some("k"), "1"), WindowBounds::default()).await, (1, false));
}

pub(crate) async fn keys_go_with_their_messages(cluster: &impl Cluster) {
    let (inbox, _receiver) = inbox();
    let broker = cluster.join(inbox).await;
    let bounds = WindowBounds { messages: 3, ..WindowBounds::default() };
    append(&broker, draft("win:x", Some("k"), "1"), bounds).await;
    for _ in 0..3 {
        append(&broker, draft("win:x", None, "1"), bounds).await;
    }
    assert_eq!(
        append(&broker, draft("win:x", Some("k"), "1"), bounds).await,
        (5, false),
        "the first is gone with its key"
    );
}

pub(crate) async fn aged_keys_are_free_again(cluster: &impl Cluster) {
    let (inbox, _receiver) = inbox();
    let broker = cluster.join(inbox).await;
    let bounds = WindowBounds { age_s: 60, ..WindowBounds::default() };
    append(&broker, draft("win:x", Some("k"), "1"), bounds).await;
    cluster.pass(61_000).await;
    let late = |data| Append { time: BEGIN_MS + 61_000, ..draft("win:x", Some("k"), data) };
    assert_eq!(append(&broker, late("2"), bounds).await, (2, false), "other data under a key that was forgotten");
    assert_eq!(append(&broker, late("2"), bounds).await, (2, true), "and the key is kept anew");
    assert_eq!(append(&broker, Append { key: None, ..late("3") }, bounds).await, (3, false));
    assert_eq!(append(&broker, late("2"), bounds).await, (2, true), "letting the old one go does not take it along");
}

pub(crate) async fn pages_are_read_in_both_directions(cluster: &impl Cluster) {
    let (inbox, _receiver) = inbox();
    let broker = cluster.join(inbox).await;
    for _ in 0..10 {
        append(&broker, draft("win:x", None, "\"0123456789\""), WindowBounds::default()).await;
    }
    let channel = key("win:x");
    let table: [(ReadFrom, u32, usize, &[u64], bool); 7] = [
        (ReadFrom::After(0), 4, usize::MAX, &[1, 2, 3, 4], true),
        (ReadFrom::After(8), 4, usize::MAX, &[9, 10], false),
        (ReadFrom::After(10), 4, usize::MAX, &[], false),
        (ReadFrom::After(99), 4, usize::MAX, &[], false),
        (ReadFrom::Before(11), 3, usize::MAX, &[10, 9, 8], true),
        (ReadFrom::Before(3), 9, usize::MAX, &[2, 1], false),
        (ReadFrom::After(0), 9, 1, &[1], true),
    ];
    for (from, limit, bytes, expected, more) in table {
        let page = broker.read(&channel, from, limit, bytes).await.expect("read");
        assert_eq!((offsets(&page.entries).as_slice(), page.more), (expected, more), "{from:?} {limit} {bytes}");
        assert_eq!((page.head.position.offset, page.head.low), (10, 0));
    }
}

pub(crate) async fn windows_keep_their_bounds(cluster: &impl Cluster) {
    let (inbox, _receiver) = inbox();
    let broker = cluster.join(inbox).await;
    let by_count = WindowBounds { messages: 5, ..WindowBounds::default() };
    let by_bytes = WindowBounds { bytes: 2_000, ..WindowBounds::default() };
    let by_age = WindowBounds { age_s: 60, ..WindowBounds::default() };
    for _ in 0..20 {
        append(&broker, draft("win:count", None, "1"), by_count).await;
        append(&broker, draft("win:bytes", None, &format!("\"{}\"", "x".repeat(400))), by_bytes).await;
        append(&broker, draft("win:age", None, "1"), by_age).await;
    }
    let count = broker.read(&key("win:count"), ReadFrom::After(0), 100, usize::MAX).await.expect("read");
    assert_eq!((offsets(&count.entries), count.head.low), ((16..=20).collect(), 15));
    let bytes = broker.read(&key("win:bytes"), ReadFrom::After(0), 100, usize::MAX).await.expect("read");
    assert!((1..=4).contains(&bytes.entries.len()), "{}", bytes.entries.len());
    cluster.pass(61_000).await;
    let age = broker.read(&key("win:age"), ReadFrom::After(0), 100, usize::MAX).await.expect("read");
    assert_eq!((age.entries.len(), age.head.low), (0, 20), "all have aged");
}

pub(crate) async fn numbering_survives_an_empty_window(cluster: &impl Cluster) {
    let (inbox, _receiver) = inbox();
    let broker = cluster.join(inbox).await;
    let bounds = WindowBounds { age_s: 60, ..WindowBounds::default() };
    for _ in 0..7 {
        append(&broker, draft("win:x", None, "1"), bounds).await;
    }
    let before = broker.heads(&[key("win:x")]).await.expect("heads")[0];
    cluster.pass(3_600_000).await;
    let late = Append { time: BEGIN_MS + 3_600_000, ..draft("win:x", None, "1") };
    assert_eq!(append(&broker, late, bounds).await, (8, false));
    let after = broker.heads(&[key("win:x")]).await.expect("heads")[0];
    assert_eq!(before.position.epoch, after.position.epoch);
}

pub(crate) async fn old_positions_are_judged(cluster: &impl Cluster) {
    let (inbox, _receiver) = inbox();
    let broker = cluster.join(inbox).await;
    for _ in 0..5 {
        append(&broker, draft("win:x", None, "1"), WindowBounds::default()).await;
    }
    let channel = key("win:x");
    let epoch = broker.heads(std::slice::from_ref(&channel)).await.expect("heads")[0].position.epoch;
    let judge = |epoch, offset| broker.continuity(&channel, Position::new(epoch, offset));
    assert_eq!(judge(epoch, 3).await, Ok(Continuity::Proven { offset: 3 }));
    assert_eq!(judge(epoch, 5).await, Ok(Continuity::Proven { offset: 5 }));
    assert!(matches!(judge(epoch, 6).await, Ok(Continuity::Broken { since: 5, .. })), "beyond the head");
    let foreign = Epoch::from_u64(epoch.to_u64() ^ 1);
    assert!(matches!(judge(foreign, 3).await, Ok(Continuity::Broken { since: 0, .. })), "another epoch");
}

pub(crate) async fn heads_come_in_the_order_asked_for(cluster: &impl Cluster) {
    let (inbox, _receiver) = inbox();
    let broker = cluster.join(inbox).await;
    append(&broker, draft("win:b", None, "1"), WindowBounds::default()).await;
    let heads = broker.heads(&[key("win:a"), key("win:b"), key("win:a")]).await.expect("heads");
    assert_eq!(heads.iter().map(|head| head.position.offset).collect::<Vec<_>>(), [0, 1, 0]);
    assert_eq!(heads[0], heads[2], "asking changes nothing");
}

pub(crate) async fn a_sieve_takes_messages_out_and_nothing_else(cluster: &impl Cluster) {
    let (inbox, _receiver) = inbox();
    let broker = cluster.join(inbox).await;
    let bounds = WindowBounds { messages: 8, ..WindowBounds::default() };
    let bad = |number: u32| matches!(number, 1 | 4 | 5 | 10);
    for channel in ["win:x", "win:y"] {
        for number in 1..=10 {
            let data = if bad(number) { "\"bad\"" } else { "\"good\"" };
            append(&broker, draft(channel, Some(&format!("k{number}")), data), bounds).await;
        }
    }
    let foreign = Append { channel: of_tenant("other", "win:x"), ..draft("win:x", None, "\"bad\"") };
    append(&broker, foreign, bounds).await;
    let seen = Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let (counted, sieve_counts) = (seen.clone(), seen);
    let sieve = Arc::new(move |channel: &ChannelName, message: Option<&hubbub_protocol::Message>| {
        if message.is_some() {
            sieve_counts.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        }
        channel.as_str() == "win:x" && message.is_some_and(|message| message.data.get() == "\"bad\"")
    });
    let tenant = key("win:x").tenant;
    assert_eq!(broker.sift(&tenant, sieve.clone()).await, Ok(vec![key("win:x")]));
    assert_eq!(counted.load(std::sync::atomic::Ordering::Relaxed), 16, "every message of the tenant was shown once");
    assert_eq!(broker.sift(&tenant, sieve).await, Ok(Vec::new()), "nothing is left to take out");
    let page = broker.read(&key("win:x"), ReadFrom::After(0), 100, usize::MAX).await.expect("read");
    assert_eq!((offsets(&page.entries), page.head.low, page.more), ((3..=10).collect(), 2, false));
    let gone = |entries: &[Entry]| {
        let gone = entries.iter().filter(|entry| matches!(entry, Entry::Tombstone { .. }));
        gone.map(Entry::offset).collect::<Vec<_>>()
    };
    assert_eq!(gone(&page.entries), [4, 5, 10]);
    let back = broker.read(&key("win:x"), ReadFrom::Before(11), 100, usize::MAX).await.expect("read");
    assert_eq!((offsets(&back.entries), gone(&back.entries)), ((3..=10).rev().collect(), vec![10, 5, 4]));
    let some = broker.read(&key("win:x"), ReadFrom::After(3), 2, usize::MAX).await.expect("read");
    assert_eq!((offsets(&some.entries), some.more), (vec![4, 5], true), "a page of what is gone ends like another");
    // Numbering goes on, the keys of what went are free, those of what stays are not, and neighbours are whole.
    assert_eq!(append(&broker, draft("win:x", Some("k9"), "\"good\""), bounds).await, (9, true));
    assert_eq!(append(&broker, draft("win:x", Some("k10"), "\"new\""), bounds).await, (11, false));
    for (channel, expected) in [(key("win:y"), 8), (of_tenant("other", "win:x"), 1)] {
        let page = broker.read(&channel, ReadFrom::After(0), 100, usize::MAX).await.expect("read");
        assert_eq!((page.entries.len(), gone(&page.entries)), (expected, Vec::new()), "{channel}");
    }
    // What is gone counts for the bounds as little as it can be read.
    for _ in 0..8 {
        append(&broker, draft("win:x", None, "1"), bounds).await;
    }
    let page = broker.read(&key("win:x"), ReadFrom::After(0), 100, usize::MAX).await.expect("read");
    assert_eq!((offsets(&page.entries), page.head.low), ((12..=19).collect(), 11));
}

pub(crate) async fn a_window_that_goes_whole_begins_anew(cluster: &impl Cluster) {
    let (inbox, _receiver) = inbox();
    let broker = cluster.join(inbox).await;
    for channel in ["win:x", "win:y"] {
        for _ in 0..3 {
            append(&broker, draft(channel, None, "1"), WindowBounds::default()).await;
        }
    }
    let before = broker.heads(&[key("win:x")]).await.expect("heads")[0];
    let sieve = |channel: &ChannelName, message: Option<&hubbub_protocol::Message>| {
        channel.as_str() == "win:x" && message.is_none()
    };
    assert_eq!(broker.sift(&key("win:x").tenant, Arc::new(sieve)).await, Ok(vec![key("win:x")]));
    let heads = broker.heads(&[key("win:x"), key("win:y")]).await.expect("heads");
    assert_eq!((heads[0].position.offset, heads[0].low, heads[1].position.offset), (0, 0, 3));
    assert_eq!(append(&broker, draft("win:x", None, "1"), WindowBounds::default()).await, (1, false));
    let after = broker.heads(&[key("win:x")]).await.expect("heads")[0];
    assert_ne!(before.position.epoch, after.position.epoch, "its numbers are given again");
}

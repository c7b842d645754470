//! Heads, lists, and single messages by their id.

use super::Database;
use super::sample::{channel, channel_of, fill, keyed, message, open, placed, tenant, whole};
use crate::{Append, Retention};

pub async fn an_untouched_channel_has_the_present_epoch(database: &dyn Database) {
    let store = open(database).await;
    let (lobby, untouched) = (channel("chat:lobby"), channel("chat:untouched"));
    fill(&*store, &lobby, 1).await;
    let heads = store.heads(&[lobby, untouched]).await.expect("heads");
    assert_eq!(heads[0].position.epoch, heads[1].position.epoch);
    assert_eq!((heads[1].position.offset, heads[1].low), (0, 0));
    let listed = store.channels(&tenant("acme"), None, 10).await.expect("channels");
    assert_eq!(listed.len(), 1, "asking for a head makes no log");
    store.close().await;
}

pub async fn heads_come_in_the_order_asked_for(database: &dyn Database) {
    let store = open(database).await;
    let channels: Vec<_> = (0..100).map(|number| channel(&format!("chat:{number}"))).collect();
    for (number, channel) in channels.iter().enumerate().filter(|(number, _)| number.is_multiple_of(9)) {
        fill(&*store, channel, number as u64 % 7 + 1).await;
    }
    let mut asked: Vec<_> = channels.iter().rev().cloned().collect();
    // The same one twice, and one of the same name that is somebody else's.
    asked.push(channels[9].clone());
    asked.push(channel_of("other", "chat:9"));
    let heads = store.heads(&asked).await.expect("heads");
    let offset = |number: usize| if number.is_multiple_of(9) { number as u64 % 7 + 1 } else { 0 };
    let expected = (0..100).rev().map(offset).chain([offset(9), 0]);
    assert_eq!(heads.iter().map(|head| head.position.offset).collect::<Vec<_>>(), expected.collect::<Vec<_>>());
    assert_eq!(store.heads(&[]).await, Ok(Vec::new()));
    store.close().await;
}

pub async fn messages_are_found_by_their_id(database: &dyn Database) {
    let store = open(database).await;
    let (lobby, other) = (channel("chat:lobby"), channel("chat:other"));
    fill(&*store, &lobby, 5).await;
    let head = store.heads(std::slice::from_ref(&lobby)).await.expect("heads")[0];
    let found = store.find(&lobby, message(&lobby, 4).id).await.expect("found");
    assert_eq!(found.map(|position| (position.epoch, position.offset)), Some((head.position.epoch, 4)));
    assert_eq!(store.find(&lobby, message(&lobby, 6).id).await, Ok(None));
    assert_eq!(store.find(&other, message(&lobby, 4).id).await, Ok(None));
    store.close().await;
}

pub async fn channels_are_listed_by_name(database: &dyn Database) {
    let store = open(database).await;
    for (name, count) in [("chat:b", 2), ("chat:a", 1), ("live:a", 3), ("chat:B", 4)] {
        fill(&*store, &channel(name), count).await;
    }
    fill(&*store, &channel_of("other", "chat:aa"), 1).await;
    let expired = Retention { messages: Some(1), age_ms: None };
    store.expire(&channel("live:a"), expired, 0).await.expect("expired");
    let listed = async |after, limit| {
        let channels = store.channels(&tenant("acme"), after, limit).await.expect("channels");
        let row = |(channel, head): (hubbub_protocol::ChannelKey, crate::Head)| {
            assert_eq!(channel.tenant, tenant("acme"));
            (channel.channel.to_string(), head.position.offset, head.low)
        };
        channels.into_iter().map(row).collect::<Vec<_>>()
    };
    // Names are compared as bytes.
    let all = [("chat:B", 4, 0), ("chat:a", 1, 0), ("chat:b", 2, 0), ("live:a", 3, 2)];
    let all = all.map(|(name, head, low)| (name.to_owned(), head, low));
    assert_eq!(listed(None, 10).await, all);
    assert_eq!(listed(None, 2).await, all[..2]);
    assert_eq!(listed(Some("chat:a"), 10).await, all[2..]);
    assert_eq!(listed(Some("zzz"), 10).await, all[..0]);
    store.close().await;
}

pub async fn tenants_are_listed(database: &dyn Database) {
    let store = open(database).await;
    assert_eq!(store.tenants().await, Ok(Vec::new()));
    for (owner, name) in [("b", "chat:x"), ("a", "chat:x"), ("a", "chat:y"), ("c-1", "chat:x")] {
        fill(&*store, &channel_of(owner, name), 1).await;
    }
    let mut tenants = store.tenants().await.expect("tenants");
    tenants.sort();
    assert_eq!(tenants, ["a", "b", "c-1"].map(tenant));
    store.close().await;
}

pub async fn a_forgotten_channel_leaves_nothing(database: &dyn Database) {
    let store = open(database).await;
    let (gone, other, foreign) = (channel("user:ada"), channel("user:bob"), channel_of("other", "user:ada"));
    for kept in [&other, &foreign] {
        fill(&*store, kept, 3).await;
    }
    // More than one step removes.
    fill(&*store, &gone, 2_100).await;
    store.append(keyed(&gone, 2_101, "k")).await.expect("appended");
    store.erase(&gone, 7).await.expect("erased");
    let mut steps = 1;
    while !store.forget_channel(&gone).await.expect("forgotten") {
        steps += 1;
        assert!(steps < 100, "it does not end");
    }
    assert!(steps > 1, "one step did all of it");
    let listed = store.channels(&tenant("acme"), None, 10).await.expect("channels");
    assert_eq!(listed.into_iter().map(|(channel, _)| channel).collect::<Vec<_>>(), std::slice::from_ref(&other));
    assert_eq!(whole(&*store, &gone).await, []);
    assert_eq!(store.find(&gone, message(&gone, 5).id).await, Ok(None));
    assert_eq!((whole(&*store, &other).await.len(), whole(&*store, &foreign).await.len()), (3, 3));
    assert_eq!(store.forget_channel(&gone).await, Ok(true), "there is nothing any more");
    // The same name later is another channel: its keys are free, and it counts from 1.
    let again = Append { id: message(&gone, 9_000).id, ..keyed(&gone, 2_101, "k") };
    assert_eq!(placed(store.append(again).await.expect("appended")), (1, false));
    store.close().await;
}

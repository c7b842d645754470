//! Goal: what is bounded, and what has no words in its event, is told as it was done. Method: one act at a bound, its event into a
//! model, and the next answer.

use hubbub::rooms::NoticeDraft;
use hubbub_client::rooms::InboxModel;
use hubbub_persistence::records::GROUP_RECORDS;
use hubbub_protocol::Data;
use hubbub_protocol::channel::ChannelName;
use hubbub_protocol::room::{Notice, RoomKind};
use serde_json::json;

use crate::between::act;
use crate::draw::{channel, user};
use crate::world::World;
use crate::{answers, backends};

#[tokio::test]
async fn a_full_inbox_is_read_as_far_as_its_event_says() {
    let backend = backends::in_sqlite().await;
    let (mut world, viewer) = (World::begin(&backend, "edges").await, user(3));
    world.watch(&ChannelName::of_user(&viewer)).await;
    let data = Data::parse("{}".to_owned()).expect("JSON");
    let draft = NoticeDraft { from: None, text: None, data, collapse: None, expires: None };
    let notices = (0..GROUP_RECORDS + 5).map(|_| world.notify(&viewer, draft.clone()));
    let given = futures_util::future::join_all(notices).await;
    assert!(given.iter().all(Result::is_ok));
    world.told();
    let mut model = InboxModel::new(viewer.clone(), answers::inbox(&world, &viewer).await);
    act(&world, &viewer, json!({ "op": "inbox_read", "offset": 1_000_000 })).await;
    for message in world.told() {
        model.apply(&message);
    }
    let after = answers::inbox(&world, &viewer).await;
    assert_eq!(model.person(), &after.person);
    let unread = |notices: &mut dyn Iterator<Item = &Notice>| notices.filter(|notice| !notice.read).count();
    assert_eq!(unread(&mut model.notices(0)), unread(&mut after.notices.iter()));
}

#[tokio::test]
async fn other_words_that_are_refused_are_a_change() {
    let backend = backends::in_sqlite().await;
    let (world, owner) = (World::begin(&backend, "edges").await, user(0));
    let name = channel("public");
    act(&world, &owner, json!({ "op": "create", "channel": name, "kind": RoomKind::Public, "name": "A" })).await;
    for words in [["bad"], ["worse"]] {
        let answer = act(&world, &owner, json!({ "op": "filters", "channel": name, "words": words })).await;
        assert!(answer["offset"].is_u64(), "{answer}");
    }
}

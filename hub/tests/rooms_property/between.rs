//! Goal: a list that is made of several looks at the records says no more than it holds. Method: something happens between two
//! looks; its event, applied behind the answer, must lead to it.

use hubbub_client::rooms::{RoomsModel, ThreadsModel, Wanted};
use hubbub_protocol::channel::ChannelName;
use hubbub_protocol::room::{Level, Op, RoomKind, RoomRequest};
use hubbub_protocol::{Message, UserId};
use serde_json::{Value, json};

use crate::backends;
use crate::draw::{channel, user};
use crate::world::{Who, World};

pub(crate) async fn act(world: &World, who: &UserId, op: Value) -> Value {
    let op: Op = serde_json::from_value(op).expect("an operation");
    let answer = world.act(&Who::User(who.clone()), RoomRequest { op, key: None }).await.expect("done");
    serde_json::from_str(answer.get()).expect("JSON")
}

/// Asks, and does something between the first look and the rest; answers both, and what was told of it.
async fn between(world: &mut World, viewer: &UserId, ask: Value, meanwhile: Value) -> (Value, Vec<Message>) {
    world.told();
    world.gate.arm();
    let (asked, ()) = {
        let world = &*world;
        tokio::join!(act(world, viewer, ask), async {
            world.gate.reached.notified().await;
            act(world, viewer, meanwhile).await;
            world.gate.passed.notify_one();
        })
    };
    (asked, world.told())
}

async fn world() -> (backends::Backend, World, UserId) {
    let backend = backends::in_sqlite().await;
    let (world, viewer) = (World::begin(&backend, "between").await, user(3));
    for name in ["public", "other"] {
        world.watch(&channel(name)).await;
        let create = json!({ "op": "create", "channel": channel(name), "kind": RoomKind::Public, "name": name });
        act(&world, &user(0), create).await;
    }
    world.watch(&ChannelName::of_user(&viewer)).await;
    act(&world, &viewer, json!({ "op": "join", "channel": channel("other") })).await;
    (backend, world, viewer)
}

#[tokio::test]
async fn a_room_that_is_joined_while_the_list_is_made_is_asked_for() {
    let (_backend, mut world, viewer) = world().await;
    let join = json!({ "op": "join", "channel": channel("public") });
    let (answer, told) = between(&mut world, &viewer, json!({ "op": "rooms" }), join).await;
    let mut model = RoomsModel::new(viewer, serde_json::from_value(answer).expect("the rooms"));
    for message in &told {
        model.apply(message);
    }
    let listed = model.rooms().any(|entry| *entry.channel() == channel("public"));
    assert!(listed || model.wanted() == Wanted::Rooms(vec![channel("public")]), "{:?}", model.wanted());
}

#[tokio::test]
async fn a_thread_that_is_followed_while_the_list_is_made_is_asked_for() {
    let (_backend, mut world, viewer) = world().await;
    let say = |text: &str| json!({ "op": "send", "channel": channel("other"), "text": text });
    let first = act(&world, &viewer, say("one")).await;
    let second = act(&world, &viewer, say("two")).await;
    let reply =
        |root: &Value| json!({ "op": "send", "channel": channel("other"), "text": "in it", "thread": root["message"] });
    act(&world, &viewer, reply(&first)).await;
    let (answer, told) = between(&mut world, &viewer, json!({ "op": "threads" }), reply(&second)).await;
    let mut model = ThreadsModel::new(viewer, serde_json::from_value(answer).expect("the threads"));
    for message in &told {
        model.apply(message);
    }
    assert!(model.is_torn() || model.threads().count() == 2, "{:?}", model.threads().collect::<Vec<_>>());
}

#[tokio::test]
async fn what_the_list_heard_while_a_room_was_asked_for_is_told_to_the_room() {
    let (_backend, mut world, viewer) = world().await;
    let list = act(&world, &viewer, json!({ "op": "rooms" })).await;
    let mut model = RoomsModel::new(viewer.clone(), serde_json::from_value(list).expect("the rooms"));
    act(&world, &viewer, json!({ "op": "join", "channel": channel("public") })).await;
    for message in world.told() {
        model.apply(&message);
    }
    let Wanted::Rooms(wanted) = model.wanted() else { panic!("{:?}", model.wanted()) };
    let answer = act(&world, &viewer, json!({ "op": "rooms", "channels": wanted })).await;
    act(&world, &viewer, json!({ "op": "notify", "channel": channel("public"), "level": "mentions" })).await;
    let meanwhile = world.told();
    for message in &meanwhile {
        model.apply(message);
    }
    model.refresh(&wanted, serde_json::from_value(answer).expect("the room"));
    for round in ["behind the answer", "once more"] {
        for message in &meanwhile {
            model.apply(message);
        }
        let me = model.room(&channel("public")).and_then(|entry| entry.me()).expect("in it");
        assert_eq!(me.notify, Level::Mentions, "{round}");
    }
}

//! Scenes of requests: what is asked, repeated, bounded and given up.

use super::*;

#[test]
fn a_request_is_repeated_with_its_id_and_key_until_it_is_answered() {
    let mut scene = Scene::open();
    let id = scene.machine.next_id();
    assert_eq!(scene.step(Input::Request(id, publish(id))), [Action::Send(publish(id))]);
    scene.lose();
    let (_, actions) = scene.greet(vec![]);
    assert_eq!(actions, [Action::Send(publish(id))]);
    assert_eq!(scene.frame(refusal(id, ErrorCode::RateLimited)), []);
    assert_eq!(scene.machine.deadline(), Some(scene.now + 100 + 250));
    assert_eq!(scene.pass(), [Action::Send(publish(id))]);
    let (message, time) = (MessageId::from_parts(1, 1), 5);
    let ack = ServerFrame::Ack { id, message, position: None, time, scope: Scope::Node };
    let answer = Answer::Acked { message, position: None, time, scope: Scope::Node };
    assert_eq!(scene.frame(ack.clone()), [Action::Answer(id, Ok(answer))]);
    assert_eq!(scene.frame(ack), [], "a second answer has nobody who waits");
}

#[test]
fn a_request_has_an_end() {
    let mut refused_scene = Scene::open();
    let id = refused_scene.machine.next_id();
    refused_scene.step(Input::Request(id, publish(id)));
    let why = refused(ErrorCode::KeyConflict);
    assert_eq!(refused_scene.frame(refusal(id, ErrorCode::KeyConflict)), [Action::Answer(id, Err(why))]);

    let mut offline = Scene::new();
    let id = offline.machine.next_id();
    assert_eq!(offline.step(Input::Request(id, publish(id))), []);
    offline.now += 30_000;
    assert!(offline.step(Input::Tick).contains(&Action::Answer(id, Err(ClientError::Timeout))));
}

#[test]
fn requests_and_subscriptions_are_bounded() {
    let mut scene = Scene::new();
    for _ in 0..4 {
        let id = scene.machine.next_id();
        assert_eq!(scene.step(Input::Request(id, publish(id))), []);
    }
    let id = scene.machine.next_id();
    assert_eq!(scene.step(Input::Request(id, publish(id))), [Action::Answer(id, Err(ClientError::TooMany))]);
    let id = scene.machine.next_id();
    let actions = scene.step(Input::Subscribe(id, wish("chat:a")));
    assert_eq!(actions, [Action::Forget(channel("chat:a")), Action::Answer(id, Err(ClientError::TooMany))]);
}

#[test]
fn a_refused_subscribe_leaves_nothing_behind() {
    let mut scene = Scene::open();
    let id = scene.machine.next_id();
    scene.step(Input::Subscribe(id, wish("chat:a")));
    let twice = scene.machine.next_id();
    let actions = scene.step(Input::Subscribe(twice, wish("chat:a")));
    assert_eq!(actions, [Action::Answer(twice, Err(ClientError::AlreadySubscribed))]);
    let actions = scene.frame(refusal(id, ErrorCode::Forbidden));
    let answer = Action::Answer(id, Err(refused(ErrorCode::Forbidden)));
    assert_eq!(actions, [answer, Action::Forget(channel("chat:a"))]);
    scene.lose();
    assert_eq!(scene.greet(vec![]).0, []);
}

#[test]
fn unsubscribing_is_said_to_the_hub_and_messages_on_their_way_are_left() {
    let mut scene = Scene::open();
    scene.follow("chat:a", 3);
    let (id, a) = (scene.machine.next_id(), channel("chat:a"));
    let actions = scene.step(Input::Unsubscribe { id, channel: a.clone(), follow: 1 });
    assert_eq!(actions, [Action::Forget(a.clone()), Action::Send(ClientFrame::Unsubscribe(id, a.clone()))]);
    assert_eq!(scene.frame(message("chat:a", 4)), []);
    let done = ServerFrame::Unsubscribed { id: Some(id), channel: a.clone(), code: None };
    assert_eq!(scene.frame(done), [Action::Answer(id, Ok(Answer::Unsubscribed))]);
    let again = scene.machine.next_id();
    let actions = scene.step(Input::Unsubscribe { id: again, channel: a, follow: 1 });
    assert_eq!(actions, [Action::Answer(again, Ok(Answer::Unsubscribed))], "once is enough");
}

#[test]
fn a_lost_connection_has_unsubscribed() {
    let mut scene = Scene::open();
    scene.follow("chat:a", 3);
    let id = scene.machine.next_id();
    scene.step(Input::Unsubscribe { id, channel: channel("chat:a"), follow: 1 });
    let actions = scene.step(closed(4000));
    assert!(actions.contains(&Action::Answer(id, Ok(Answer::Unsubscribed))), "{actions:?}");
}

#[test]
fn what_is_given_up_during_the_greeting_is_taken_back() {
    let mut scene = Scene::open();
    scene.follow("chat:a", 3);
    scene.lose();
    scene.step(Input::Opened("t".into()));
    let (id, a) = (scene.machine.next_id(), channel("chat:a"));
    scene.step(Input::Unsubscribe { id, channel: a.clone(), follow: 1 });
    let anew = scene.machine.next_id();
    scene.step(Input::Subscribe(anew, wish("chat:a")));
    let actions = scene.frame(ServerFrame::Connected(Connected {
        session: SessionId::from_parts(1, 1),
        node: "a".into(),
        user: UserId::parse("u").expect("valid"),
        heartbeat_ms: 20_000,
        expires_at: 0,
        subscriptions: vec![SubscriptionResult { channel: a.clone(), result: Ok(fresh(3)) }],
    }));
    assert!(
        matches!(&actions[1..], [
            Action::Send(ClientFrame::Unsubscribe(_, back)),
            Action::Send(ClientFrame::Subscribe(new, _)),
        ] if *back == a && *new == anew),
        "{actions:?}"
    );
}

#[test]
fn the_hub_can_end_a_subscription() {
    let table = [
        (Some(ErrorCode::Forbidden), Some(ClientError::Refused { code: ErrorCode::Forbidden, message: String::new() })),
        (None, Some(ClientError::Ended)),
        (Some(ErrorCode::Internal), None),
    ];
    for (code, ended) in table {
        let mut scene = Scene::open();
        scene.follow("chat:a", 3);
        let a = channel("chat:a");
        let actions = scene.frame(ServerFrame::Unsubscribed { id: None, channel: a.clone(), code });
        match ended {
            Some(why) => assert_eq!(actions, [Action::Deliver(a.clone(), Event::Ended(why)), Action::Forget(a)]),
            None => {
                assert_eq!(actions, []);
                let again = scene.pass();
                assert!(matches!(&again[..], [Action::Send(ClientFrame::Subscribe(..))]), "{again:?}");
            }
        }
    }
}

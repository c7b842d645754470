//! What the machine does, told as scenes: inputs go in with a time and dice, actions come out.

mod requests;

use hubbub_protocol::frame::{Connect, Connected, Publish, Resume, Scope, ServerError, SubscriptionResult};
use hubbub_protocol::outcome::Attached;
use hubbub_protocol::{Data, Epoch, ErrorCode, GapReason, Message, Outcome, Range, SessionId, UserId};

use super::*;

/// All dice show the middle: full jitter of 500 ms gives 250.
const MIDDLE: u64 = u64::MAX / 2;

struct Scene {
    machine: Machine,
    now: u64,
}

fn channel(name: &str) -> ChannelName {
    ChannelName::parse(name).expect("valid")
}

fn position(offset: u64) -> Position {
    Position::new(Epoch::from_u64(7), offset)
}

fn wish(name: &str) -> Subscribe {
    Subscribe { channel: channel(name), since: None, rewind: None, presence: false, conflate: false }
}

fn publish(id: RequestId) -> ClientFrame {
    let data = Data::parse("1".to_owned()).expect("JSON");
    ClientFrame::Publish(id, Publish { channel: channel("chat:a"), key: None, conflate_key: None, data })
}

fn fresh(offset: u64) -> Attached {
    Attached::fresh(Some(position(offset)))
}

fn message(name: &str, offset: u64) -> ServerFrame {
    ServerFrame::Message(Message {
        channel: channel(name),
        id: MessageId::from_parts(1, u128::from(offset)),
        position: Some(position(offset)),
        time: 1,
        from: None,
        key: None,
        conflate_key: None,
        data: Data::parse("1".to_owned()).expect("JSON"),
    })
}

fn refusal(id: RequestId, code: ErrorCode) -> ServerFrame {
    let retry_after_ms = code.is_temporary().then_some(100);
    ServerFrame::Error(ServerError { id: Some(id), code, message: "no".into(), retry_after_ms })
}

fn closed(code: u16) -> Input {
    Input::Closed(Some(code), "closed".into())
}

fn refused(code: ErrorCode) -> ClientError {
    ClientError::Refused { code, message: "no".into() }
}

impl Scene {
    fn new() -> Self {
        let rules = Rules {
            client_name: "test/1".into(),
            backoff: Backoff::default(),
            open_ms: 10_000,
            request_ms: 30_000,
            requests: 4,
        };
        Self { machine: Machine::new(rules), now: 1_000 }
    }

    /// A scene with an open session.
    fn open() -> Self {
        let mut scene = Self::new();
        assert_eq!(scene.step(Input::Tick), [Action::Open]);
        scene.greet(vec![]);
        scene
    }

    fn step(&mut self, input: Input) -> Vec<Action> {
        self.machine.step(self.now, MIDDLE, input)
    }

    fn frame(&mut self, frame: ServerFrame) -> Vec<Action> {
        self.step(Input::Frame(Box::new(frame)))
    }

    /// Lets time pass up to the deadline, which must be there.
    fn pass(&mut self) -> Vec<Action> {
        self.now = self.machine.deadline().expect("a deadline").max(self.now);
        self.step(Input::Tick)
    }

    /// The socket opens and the hub greets; what was asked to be resumed, and what followed.
    fn greet(&mut self, results: Vec<(&str, Result<Attached, ErrorCode>)>) -> (Vec<Resume>, Vec<Action>) {
        let actions = self.step(Input::Opened("t".into()));
        let [Action::Send(ClientFrame::Connect(Connect { resume, .. }))] = &actions[..] else { panic!("{actions:?}") };
        let subscriptions =
            results.into_iter().map(|(name, result)| SubscriptionResult { channel: channel(name), result }).collect();
        let mut after = self.frame(ServerFrame::Connected(Connected {
            session: SessionId::from_parts(1, 1),
            node: "a".into(),
            user: UserId::parse("u").expect("valid"),
            heartbeat_ms: 20_000,
            expires_at: 0,
            subscriptions,
        }));
        assert!(matches!(after.remove(0), Action::State(State::Connected { .. })));
        (resume.clone(), after)
    }

    fn follow(&mut self, name: &str, offset: u64) {
        let id = self.machine.next_id();
        assert_eq!(self.step(Input::Subscribe(id, wish(name))), [Action::Send(ClientFrame::Subscribe(id, wish(name)))]);
        let attached = fresh(offset);
        let actions = self.frame(ServerFrame::Subscribed { id, channel: channel(name), attached });
        let answered = Action::Answer(id, Ok(Answer::Subscribed));
        assert_eq!(actions, [answered, Action::Deliver(channel(name), Event::Outcome(attached))]);
    }

    /// Loses the connection and waits until the next attempt.
    fn lose(&mut self) {
        let actions = self.step(Input::Closed(None, "tunnel".into()));
        assert!(actions.contains(&Action::Hangup), "{actions:?}");
        assert_eq!(self.pass(), [Action::Open]);
    }
}

#[test]
fn attempts_wait_longer_and_longer_with_full_jitter() {
    let mut scene = Scene::new();
    scene.step(Input::Tick);
    let mut waits = Vec::new();
    for _ in 0..8 {
        scene.step(Input::OpenFailed("refused".into()));
        waits.push(scene.machine.deadline().expect("waiting") - scene.now);
        assert_eq!(scene.pass(), [Action::Open]);
    }
    assert_eq!(waits, [250, 500, 1_000, 2_000, 4_000, 8_000, 10_000, 10_000]);
}

#[test]
fn a_long_session_starts_the_backoff_again() {
    for (lasted, wait) in [(19_999, 500), (20_000, 250)] {
        let mut scene = Scene::new();
        scene.step(Input::Tick);
        scene.step(Input::OpenFailed("refused".into()));
        scene.pass();
        scene.greet(vec![]);
        scene.now += lasted;
        scene.step(closed(4000));
        assert_eq!(scene.machine.deadline(), Some(scene.now + wait));
    }
}

#[test]
fn an_attempt_has_its_time() {
    let mut scene = Scene::new();
    scene.step(Input::Tick);
    assert!(scene.pass().contains(&Action::Hangup));
    scene.pass();
    scene.step(Input::Opened("t".into()));
    let actions = scene.pass();
    assert!(actions.contains(&Action::Hangup), "no `connected` either: {actions:?}");
}

#[test]
fn the_range_of_a_close_code_says_whether_to_come_back() {
    for code in [1001, 1006, 1011, 4000, 4001, 4002, 4005, 4009, 4499] {
        let mut scene = Scene::open();
        scene.step(closed(code));
        assert_eq!(scene.pass(), [Action::Open], "{code}");
    }
    for code in [4500, 4501, 4502, 4503, 4999] {
        let mut scene = Scene::open();
        scene.follow("chat:a", 3);
        let actions = scene.step(closed(code));
        let why = ClientError::Closed { code, message: "closed".into() };
        assert!(actions.contains(&Action::Deliver(channel("chat:a"), Event::Ended(why.clone()))), "{actions:?}");
        assert!(actions.ends_with(&[Action::State(State::Ended(why)), Action::End]), "{actions:?}");
        assert_eq!(scene.machine.deadline(), None);
    }
}

#[test]
fn what_the_hub_said_before_a_final_close_is_the_reason() {
    let mut scene = Scene::open();
    let complaint = ServerError { id: None, code: ErrorCode::Revoked, message: "banned".into(), retry_after_ms: None };
    assert_eq!(scene.frame(ServerFrame::Error(complaint)), []);
    let actions = scene.step(closed(4502));
    let why = ClientError::Closed { code: 4502, message: "banned".into() };
    assert!(actions.contains(&Action::State(State::Ended(why))), "{actions:?}");
}

#[test]
fn a_full_node_is_not_asked_again_too_early() {
    let mut scene = Scene::open();
    let full =
        ServerError { id: None, code: ErrorCode::Overloaded, message: "full".into(), retry_after_ms: Some(7_000) };
    scene.frame(ServerFrame::Error(full));
    scene.step(closed(4003));
    assert_eq!(scene.machine.deadline(), Some(scene.now + 7_000));
}

#[test]
fn silence_of_one_and_a_half_heartbeats_is_death() {
    let mut scene = Scene::open();
    scene.now += 20_000;
    assert_eq!(scene.frame(ServerFrame::Ping), [Action::Send(ClientFrame::Pong)]);
    assert_eq!(scene.machine.deadline(), Some(scene.now + 30_000));
    assert!(scene.pass().contains(&Action::Hangup));
}

#[test]
fn a_draining_node_is_left_within_its_window_and_the_next_tried_at_once() {
    let mut scene = Scene::open();
    scene.follow("chat:a", 3);
    scene.frame(ServerFrame::Drain { within_ms: 10_000 });
    assert_eq!(scene.machine.deadline(), Some(scene.now + 5_000));
    assert_eq!(scene.frame(message("chat:a", 4)).len(), 1, "the stream goes on until then");
    assert!(scene.pass().contains(&Action::Hangup));
    assert_eq!(scene.machine.deadline(), Some(scene.now));
    assert_eq!(scene.pass(), [Action::Open]);
    let continued =
        Attached { outcome: Outcome::Continued { replay: Range { from: 5, to: 4 } }, head: Some(position(4)) };
    let (resume, _) = scene.greet(vec![("chat:a", Ok(continued))]);
    assert_eq!(resume[0].since, Some(position(4)));
}

#[test]
fn every_subscription_is_resumed_behind_its_last_message() {
    let mut scene = Scene::open();
    scene.follow("chat:a", 3);
    scene.follow("live:b", 10);
    scene.frame(message("chat:a", 4));
    scene.frame(ServerFrame::Gap {
        channel: channel("live:b"),
        epoch: Epoch::from_u64(7),
        lost: Range { from: 11, to: 20 },
        reason: GapReason::Expired,
    });
    scene.lose();
    let continued =
        Attached { outcome: Outcome::Continued { replay: Range { from: 5, to: 6 } }, head: Some(position(6)) };
    let lost = Range { from: 21, to: 29 };
    let gap = Attached { outcome: Outcome::Gap { lost, reason: GapReason::Epoch }, head: Some(position(30)) };
    let (resume, actions) = scene.greet(vec![("chat:a", Ok(continued)), ("live:b", Ok(gap))]);
    let asked: Vec<_> = resume.iter().map(|r| (r.channel.as_str(), r.since)).collect();
    assert_eq!(asked, [("chat:a", Some(position(4))), ("live:b", Some(position(20)))]);
    let told = [("chat:a", continued), ("live:b", gap)].map(|(n, a)| Action::Deliver(channel(n), Event::Outcome(a)));
    assert_eq!(actions, told);
    assert_eq!(scene.frame(message("chat:a", 5)).len(), 1);
    assert_eq!(scene.frame(message("live:b", 30)).len(), 1);
}

#[test]
fn a_resume_can_be_refused_for_good_or_for_now() {
    let mut scene = Scene::open();
    scene.follow("chat:a", 3);
    scene.follow("live:b", 10);
    scene.lose();
    let (_, actions) =
        scene.greet(vec![("chat:a", Err(ErrorCode::Forbidden)), ("live:b", Err(ErrorCode::Unavailable))]);
    let why = ClientError::Refused { code: ErrorCode::Forbidden, message: String::new() };
    let (a, b) = (channel("chat:a"), channel("live:b"));
    assert_eq!(actions, [Action::Deliver(a.clone(), Event::Ended(why)), Action::Forget(a)]);

    let again = scene.pass();
    let [Action::Send(ClientFrame::Subscribe(id, asked))] = &again[..] else { panic!("{again:?}") };
    assert_eq!((&asked.channel, asked.since), (&b, Some(position(10))));
    let attached = fresh(10);
    let told = scene.frame(ServerFrame::Subscribed { id: *id, channel: b.clone(), attached });
    assert_eq!(told, [Action::Deliver(b, Event::Outcome(attached))]);
}

#[test]
fn more_than_fits_into_a_connect_frame_is_subscribed_behind_it() {
    let mut scene = Scene::open();
    scene.machine.rules.requests = 1_000;
    let name = |n: usize| format!("chat:{n:03}{}", "x".repeat(180));
    for n in 0..300 {
        scene.follow(&name(n), 3);
    }
    scene.lose();
    let actions = scene.step(Input::Opened("t".into()));
    let [Action::Send(ClientFrame::Connect(connect))] = &actions[..] else { panic!("{actions:?}") };
    let resumed = connect.resume.len();
    let text = hubbub_protocol::json::encode_client(&ClientFrame::Connect(connect.clone()));
    assert!(text.len() <= limits::FRAME_BYTES && resumed > 200, "{resumed} in {} bytes", text.len());
    let results = (0..resumed).map(|n| SubscriptionResult { channel: channel(&name(n)), result: Ok(fresh(3)) });
    let after = scene.frame(ServerFrame::Connected(Connected {
        session: SessionId::from_parts(1, 1),
        node: "a".into(),
        user: UserId::parse("u").expect("valid"),
        heartbeat_ms: 20_000,
        expires_at: 0,
        subscriptions: results.collect(),
    }));
    let rest: Vec<_> = after
        .iter()
        .filter_map(|action| match action {
            Action::Send(ClientFrame::Subscribe(_, wish)) => Some((wish.channel.clone(), wish.since)),
            _ => None,
        })
        .collect();
    let expected: Vec<_> = (resumed..300).map(|n| (channel(&name(n)), Some(position(3)))).collect();
    assert_eq!(rest, expected);
}

#[test]
fn a_message_out_of_order_begins_again_from_the_last_good_one() {
    for wrong in [3, 5] {
        let mut scene = Scene::open();
        scene.follow("chat:a", 3);
        let actions = scene.frame(message("chat:a", wrong));
        assert!(matches!(&actions[..], [Action::Fault(_), Action::Hangup, Action::State(_)]), "{actions:?}");
        scene.pass();
        let (resume, _) = scene.greet(vec![("chat:a", Ok(fresh(3)))]);
        assert_eq!(resume[0].since, Some(position(3)));
    }
}

#[test]
fn what_is_not_the_protocol_is_a_fault() {
    let greeting = |subscriptions| {
        ServerFrame::Connected(Connected {
            session: SessionId::from_parts(1, 1),
            node: "a".into(),
            user: UserId::parse("u").expect("valid"),
            heartbeat_ms: 20_000,
            expires_at: 0,
            subscriptions,
        })
    };
    let entry = SubscriptionResult { channel: channel("chat:a"), result: Ok(fresh(1)) };
    let mut second = Scene::open();
    assert!(matches!(second.frame(greeting(vec![]))[0], Action::Fault(_)));
    let mut unasked = Scene::new();
    unasked.step(Input::Tick);
    unasked.step(Input::Opened("t".into()));
    assert!(matches!(unasked.frame(greeting(vec![entry]))[0], Action::Fault(_)));
    let mut noise = Scene::open();
    assert!(matches!(noise.step(Input::Malformed("x".into()))[0], Action::Fault(_)));
}

#[test]
fn an_expiring_token_is_refreshed() {
    let mut scene = Scene::open();
    assert_eq!(scene.frame(ServerFrame::Expiring { expires_at: 1 }), [Action::AskToken]);
    assert_eq!(scene.step(Input::Token(None)), [], "without a token 4005 will come");
    let actions = scene.step(Input::Token(Some("new".into())));
    let [Action::Send(ClientFrame::Refresh(_, token))] = &actions[..] else { panic!("{actions:?}") };
    assert_eq!(token, "new");
    scene.lose();
    assert_eq!(scene.greet(vec![]).1, [], "a refresh belongs to its connection");
}

#[test]
fn leaving_ends_everything_once() {
    let mut scene = Scene::open();
    scene.follow("chat:a", 3);
    let id = scene.machine.next_id();
    scene.step(Input::Request(id, publish(id)));
    let actions = scene.step(Input::Leave);
    let a = channel("chat:a");
    let expected = [
        Action::Hangup,
        Action::Answer(id, Err(ClientError::Gone)),
        Action::Deliver(a.clone(), Event::Ended(ClientError::Gone)),
        Action::Forget(a),
        Action::State(State::Ended(ClientError::Gone)),
        Action::End,
    ];
    assert_eq!(actions, expected);
    assert_eq!(scene.step(Input::Leave), []);
    assert_eq!(scene.step(closed(4000)), []);
}

//! Every frame that can exist survives its text, and no text that can exist does harm.
//!
//! Method: random frames in both directions are written and read again; random bytes, random texts, and valid
//! frames that were cut, doubled and altered go through the function which the fuzz target uses.

use hubbub_protocol::frame::{
    Connect, Connected, HistoryPage, HistoryQuery, PresenceChange, PresenceCount, PresenceKind, PresenceQuery,
    PresenceSnapshot, PresentUser, Publish, Reply, Resume, Scope, ServerError, Side, Subscribe, SubscriptionResult,
};
use hubbub_protocol::json::{decode, decode_server, encode, encode_client};
use hubbub_protocol::outcome::Attached;
use hubbub_protocol::position::OFFSET_MAX;
use hubbub_protocol::{
    ChannelName, ClientFrame, Data, Epoch, ErrorCode, GapReason, Key, Message, MessageId, Outcome, Position, Range,
    ServerFrame, SessionId, UserId, hostile, limits,
};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::{Index, select};

fn channel() -> impl Strategy<Value = ChannelName> {
    "[a-z][a-z0-9_-]{0,31}:[!$(-)+.-;=@A-Z^_a-z|~]{1,150}".prop_map(|text| ChannelName::parse(&text).expect("valid"))
}

fn user() -> impl Strategy<Value = UserId> {
    "[A-Za-z0-9|@._:-]{1,128}".prop_map(|text| UserId::parse(&text).expect("valid"))
}

fn key() -> impl Strategy<Value = Key> {
    "\\PC{1,32}".prop_filter_map("at most 128 bytes", |text| Key::parse(&text).ok())
}

fn offset() -> impl Strategy<Value = u64> {
    prop_oneof![0..100u64, 0..=OFFSET_MAX, Just(OFFSET_MAX)]
}

fn position() -> impl Strategy<Value = Position> {
    (any::<u64>(), offset()).prop_map(|(epoch, offset)| Position::new(Epoch::from_u64(epoch), offset))
}

fn data() -> impl Strategy<Value = Data> {
    let leaf = prop_oneof![
        Just("null".to_owned()),
        any::<bool>().prop_map(|value| value.to_string()),
        any::<i64>().prop_map(|value| value.to_string()),
        Just("-1.50e+999".to_owned()),
        ".{0,24}".prop_map(|text| serde_json::Value::String(text).to_string()),
    ];
    leaf.prop_recursive(4, 32, 4, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..4).prop_map(|items| format!("[ {}]", items.join(",\n"))),
            vec(inner, 0..4).prop_map(|items| {
                let fields: Vec<_> = items.iter().map(|item| format!("\"type\" :{item}")).collect();
                format!("{{{}}}", fields.join(" , "))
            }),
        ]
    })
    .prop_map(|text| Data::parse(text).expect("JSON"))
}

fn client_frame() -> impl Strategy<Value = ClientFrame> {
    let id = || 0..=OFFSET_MAX;
    let resume = (channel(), option::of(position()), any::<bool>(), any::<bool>())
        .prop_map(|(channel, since, presence, conflate)| Resume { channel, since, presence, conflate });
    let connect = (".{0,64}", option::of("[ -~]{0,64}"), vec(resume, 0..5))
        .prop_map(|(token, client, resume)| ClientFrame::Connect(Connect { token, client, resume }));
    let start = prop_oneof![
        Just((None, None)),
        position().prop_map(|since| (Some(since), None)),
        (0..=limits::REWIND).prop_map(|rewind| (None, Some(rewind))),
    ];
    let subscribe =
        (channel(), start, any::<bool>(), any::<bool>()).prop_map(|(channel, (since, rewind), presence, conflate)| {
            Subscribe { channel, since, rewind, presence, conflate }
        });
    let publish = (channel(), option::of(key()), option::of(key()), data())
        .prop_map(|(channel, key, conflate_key, data)| Publish { channel, key, conflate_key, data });
    let side = prop_oneof![any::<u64>().prop_map(Side::After), option::of(any::<u64>()).prop_map(Side::Before)];
    let history = (channel(), side, 1..=limits::HISTORY_PAGE).prop_map(|(channel, side, limit)| HistoryQuery {
        channel,
        side,
        limit,
    });
    let presence = (channel(), option::of(user()), 1..=limits::PRESENCE_PAGE)
        .prop_map(|(channel, after, limit)| PresenceQuery { channel, after, limit });
    prop_oneof![
        connect,
        (id(), subscribe).prop_map(|(id, body)| ClientFrame::Subscribe(id, body)),
        (id(), channel()).prop_map(|(id, channel)| ClientFrame::Unsubscribe(id, channel)),
        (id(), publish).prop_map(|(id, body)| ClientFrame::Publish(id, body)),
        (id(), history).prop_map(|(id, body)| ClientFrame::History(id, body)),
        (id(), presence).prop_map(|(id, body)| ClientFrame::Presence(id, body)),
        (id(), ".{0,64}").prop_map(|(id, token)| ClientFrame::Refresh(id, token)),
        Just(ClientFrame::Pong),
    ]
}

fn message() -> impl Strategy<Value = Message> {
    let id = (0..1u64 << 48, any::<u128>()).prop_map(|(time, random)| MessageId::from_parts(time, random));
    let keys = (option::of(key()), option::of(key()));
    (channel(), id, option::of(position()), any::<u64>(), option::of(user()), keys, data()).prop_map(
        |(channel, id, position, time, from, (key, conflate_key), data)| Message {
            channel,
            id,
            position,
            time,
            from,
            key,
            conflate_key,
            data,
        },
    )
}

fn reason() -> impl Strategy<Value = GapReason> {
    select(vec![GapReason::Expired, GapReason::Epoch, GapReason::Lost, GapReason::Overflow])
}

fn code() -> impl Strategy<Value = ErrorCode> {
    select(ErrorCode::ALL)
}

fn attached() -> impl Strategy<Value = Attached> {
    let replay = || (1..=OFFSET_MAX, offset()).prop_map(|(from, to)| Range { from, to: to.max(from - 1) });
    let outcome = prop_oneof![
        option::of(replay()).prop_map(|replay| Outcome::Fresh { replay }),
        replay().prop_map(|replay| Outcome::Continued { replay }),
        (offset(), offset(), reason()).prop_map(|(from, to, reason)| Outcome::Gap { lost: Range { from, to }, reason }),
    ];
    (outcome, option::of(position())).prop_map(|(outcome, head)| Attached { outcome, head })
}

fn connected() -> impl Strategy<Value = ServerFrame> {
    let result = prop_oneof![attached().prop_map(Ok), code().prop_map(Err)];
    let entry = (channel(), result).prop_map(|(channel, result)| SubscriptionResult { channel, result });
    let session = any::<u128>().prop_map(|random| SessionId::from_parts(1_763_600_000_000, random));
    (session, ".{0,20}", user(), any::<u64>(), any::<u64>(), vec(entry, 0..4)).prop_map(
        |(session, node, user, heartbeat_ms, expires_at, subscriptions)| {
            ServerFrame::Connected(Connected { session, node, user, heartbeat_ms, expires_at, subscriptions })
        },
    )
}

fn reply() -> impl Strategy<Value = Reply> {
    let page = (any::<u64>(), any::<u64>(), any::<u64>(), any::<bool>(), vec(message(), 0..3)).prop_map(
        |(epoch, first, last, more, messages)| {
            Reply::History(HistoryPage { epoch: Epoch::from_u64(epoch), first, last, more, messages })
        },
    );
    let present = (user(), any::<u32>()).prop_map(|(user, connections)| PresentUser { user, connections });
    let scope = select(vec![Scope::Fleet, Scope::Node]);
    let snapshot = (any::<u64>(), any::<u64>(), vec(present, 0..3), option::of(user()), any::<bool>(), scope).prop_map(
        |(version, count, users, next, large, scope)| {
            Reply::Presence(PresenceSnapshot { version, count, users, next, large, scope })
        },
    );
    prop_oneof![page, snapshot, any::<u64>().prop_map(|expires_at| Reply::Refreshed { expires_at })]
}

fn pushed_frame() -> impl Strategy<Value = ServerFrame> {
    let gap = (channel(), any::<u64>(), offset(), offset(), reason()).prop_map(|(channel, epoch, from, to, reason)| {
        ServerFrame::Gap { channel, epoch: Epoch::from_u64(epoch), lost: Range { from, to }, reason }
    });
    let kind = select(vec![PresenceKind::Join, PresenceKind::Leave]);
    let presence = (channel(), any::<u64>(), kind, user()).prop_map(|(channel, version, event, user)| {
        ServerFrame::Presence(PresenceChange { channel, version, event, user })
    });
    let present = (channel(), any::<u64>(), any::<u64>())
        .prop_map(|(channel, version, count)| ServerFrame::PresenceCount(PresenceCount { channel, version, count }));
    prop_oneof![
        message().prop_map(ServerFrame::Message),
        gap,
        presence,
        present,
        (channel(), any::<u64>()).prop_map(|(channel, count)| ServerFrame::Skipped { channel, count }),
        any::<u64>().prop_map(|expires_at| ServerFrame::Expiring { expires_at }),
        any::<u64>().prop_map(|within_ms| ServerFrame::Drain { within_ms }),
        Just(ServerFrame::Ping),
    ]
}

fn answer_frame() -> impl Strategy<Value = ServerFrame> {
    let id = any::<u64>;
    let ack = (id(), any::<u128>(), option::of(position()), any::<u64>()).prop_map(|(id, random, position, time)| {
        ServerFrame::Ack { id, message: MessageId::from_parts(time >> 16, random), position, time, scope: Scope::Fleet }
    });
    let error = (option::of(id()), code(), ".{0,40}", option::of(any::<u64>())).prop_map(
        |(id, code, message, retry_after_ms)| ServerFrame::Error(ServerError { id, code, message, retry_after_ms }),
    );
    prop_oneof![
        connected(),
        ack,
        error,
        (id(), channel(), attached()).prop_map(|(id, channel, attached)| ServerFrame::Subscribed {
            id,
            channel,
            attached
        }),
        (option::of(id()), channel(), option::of(code())).prop_map(|(id, channel, code)| ServerFrame::Unsubscribed {
            id,
            channel,
            code
        }),
        (id(), reply()).prop_map(|(id, result)| ServerFrame::Reply { id, result }),
    ]
}

/// What happens to bytes on their way through a broken program.
#[derive(Clone, Debug)]
enum Damage {
    Flip(Index, u8),
    Cut(Index),
    Remove(Index),
    Double(Index, Index),
}

fn damage() -> impl Strategy<Value = Damage> {
    prop_oneof![
        (any::<Index>(), any::<u8>()).prop_map(|(at, with)| Damage::Flip(at, with)),
        (any::<Index>(), select(b"{}[]\",:\\0-e".to_vec())).prop_map(|(at, with)| Damage::Flip(at, with)),
        any::<Index>().prop_map(Damage::Cut),
        any::<Index>().prop_map(Damage::Remove),
        (any::<Index>(), any::<Index>()).prop_map(|(from, to)| Damage::Double(from, to)),
    ]
}

fn damaged(mut bytes: Vec<u8>, damage: &[Damage]) -> Vec<u8> {
    for one in damage {
        if bytes.is_empty() {
            break;
        }
        match one {
            Damage::Flip(at, with) => {
                let at = at.index(bytes.len());
                bytes[at] = *with;
            }
            Damage::Cut(at) => bytes.truncate(at.index(bytes.len())),
            Damage::Remove(at) => {
                bytes.remove(at.index(bytes.len()));
            }
            Damage::Double(from, to) => {
                let (from, to) = (from.index(bytes.len()), to.index(bytes.len()));
                let piece = bytes[from.min(to)..from.max(to)].to_vec();
                bytes.splice(from..from, piece);
            }
        }
    }
    bytes
}

proptest! {
    #[test]
    fn client_frames_survive(frame in client_frame()) {
        let text = encode_client(&frame);
        prop_assert_eq!(decode(&text), Ok(frame), "{}", text);
    }

    #[test]
    fn server_frames_survive(frame in prop_oneof![pushed_frame(), answer_frame()]) {
        let text = String::from_utf8(encode(&frame)).expect("UTF-8");
        prop_assert_eq!(decode_server(&text), Ok(Some(frame)), "{}", text);
    }

    #[test]
    fn random_bytes_do_no_harm(bytes in vec(any::<u8>(), 0..400)) {
        hostile::read_everything(&bytes);
    }

    #[test]
    fn random_texts_do_no_harm(text in ".{0,200}") {
        hostile::read_everything(text.as_bytes());
    }

    #[test]
    fn texts_of_the_right_words_do_no_harm(words in vec(select(WORDS), 0..24)) {
        hostile::read_everything(words.concat().as_bytes());
    }

    #[test]
    fn damaged_client_frames_do_no_harm(frame in client_frame(), damage in vec(damage(), 1..6)) {
        hostile::read_everything(&damaged(encode_client(&frame).into_bytes(), &damage));
    }

    #[test]
    fn damaged_server_frames_do_no_harm(
        frame in prop_oneof![pushed_frame(), answer_frame()],
        damage in vec(damage(), 1..6),
    ) {
        hostile::read_everything(&damaged(encode(&frame), &damage));
    }
}

/// The words of the language, from which random sentences are made.
const WORDS: &[&str] = &[
    "{",
    "}",
    "[",
    "]",
    ",",
    ":",
    "\"type\":",
    "\"id\":",
    "\"channel\":",
    "\"data\":",
    "\"since\":",
    "\"epoch\":",
    "\"offset\":",
    "\"from\":",
    "\"to\":",
    "\"outcome\":",
    "\"reason\":",
    "\"connect\"",
    "\"subscribe\"",
    "\"publish\"",
    "\"message\"",
    "\"subscribed\"",
    "\"gap\"",
    "\"fresh\"",
    "\"continued\"",
    "\"lost\"",
    "\"chat:a\"",
    "\"3k9x\"",
    "0",
    "1",
    "9007199254740992",
    "-1",
    "1e400",
    "null",
    "true",
    "\"\\ud800\"",
    " ",
    "\n",
];

/// Nesting must not eat the stack: `data` is scanned, never built.
#[test]
fn deep_nesting_does_no_harm() {
    for (open, close) in [("[", "]"), ("{\"a\":", "}")] {
        let depth = limits::FRAME_BYTES / open.len();
        for text in [open.repeat(depth), format!("{}1{}", open.repeat(depth), close.repeat(depth))] {
            hostile::read_everything(text.as_bytes());
            let publish = format!(r#"{{"type":"publish","id":1,"channel":"chat:a","mood":{text},"data":{text}}}"#);
            hostile::read_everything(publish.as_bytes());
        }
    }
}

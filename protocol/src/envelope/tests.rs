//! Envelopes survive their bytes; nothing else is read as one.

use proptest::prelude::*;

use super::*;
use crate::channel::ChannelName;

const ORIGIN: [u8; 16] = *b"0123456789abcdef";

fn channel() -> ChannelKey {
    ChannelKey::new(TenantId::parse("t").expect("valid"), ChannelName::parse("chat:lobby").expect("valid"))
}

fn message() -> Message {
    Message {
        channel: channel().channel,
        id: MessageId::from_parts(1_763_600_000_000, 7),
        position: Some(Position::new(Epoch::from_u64(0x0abc), 44)),
        time: 1_763_600_000_000,
        from: UserId::parse("u1").ok(),
        key: Key::parse("c0ffee").ok(),
        conflate_key: None,
        data: Data::parse("{ \"text\": \"h\u{ef}\" }".into()).expect("json"),
    }
}

fn envelope(content: Content) -> Envelope {
    Envelope { channel: channel(), content }
}

fn bytes() -> Vec<u8> {
    encode(ORIGIN, &envelope(Content::Message(message())))
}

#[test]
fn the_head_has_its_fixed_form() {
    let bytes = bytes();
    assert_eq!((bytes[0], bytes[1], &bytes[2..18]), (VERSION, 1, &ORIGIN[..]));
    assert_eq!(&bytes[18..50], b"0000000000000abc0000000000000044");
    assert_eq!(bytes[..18], message_prefix(ORIGIN));
    let (mut identity, mut body) = (Vec::new(), Vec::new());
    write_identity(&message(), &mut identity);
    write_body(&message(), &mut body);
    assert_eq!(bytes[50..], [identity, body].concat());
}

#[test]
fn orders_and_presence_come_back() {
    let (tenant, user) = (TenantId::parse("t").expect("valid"), UserId::parse("u").expect("valid"));
    let orders = [
        Order::Disconnect { tenant: tenant.clone(), user: user.clone(), reconnect: true },
        Order::RevokeToken { tenant: tenant.clone(), token: "jti-1".into(), until: OFFSET_MAX },
        Order::RevokeUser { tenant, user: user.clone(), before: 5, until: 6 },
        Order::Erased { channel: ChannelKey::new(TenantId::parse("t").expect("valid"), channel().channel) },
    ];
    let change = |event| PresenceChange { channel: channel().channel, version: 3, event, user: user.clone() };
    let presence = [PresenceKind::Join, PresenceKind::Leave].map(|event| Content::Presence(change(event)));
    let count = PresenceCount { channel: channel().channel, version: OFFSET_MAX, count: 100_000 };
    let presence = presence.into_iter().chain([Content::PresenceCount(count)]);
    for content in orders.into_iter().map(Content::Order).chain(presence) {
        let envelope = envelope(content);
        let received = decode(&channel(), &encode(ORIGIN, &envelope));
        assert_eq!(received, Ok(Received { origin: ORIGIN, envelope }));
    }
}

#[test]
fn neighbouring_versions_are_understood() {
    for (version, understood) in [(0, true), (1, true), (2, true), (3, false), (255, false)] {
        let mut bytes = bytes();
        bytes[0] = version;
        // What a later version might add.
        bytes.extend_from_slice(&[200, 0, 0, 0, 3, 1, 2, 3]);
        let read = decode(&channel(), &bytes);
        assert_eq!(read.is_ok(), understood, "{version}: {read:?}");
    }
    let mut unknown = bytes();
    unknown[1] = 9;
    assert_eq!(decode(&channel(), &unknown), Err(WireError::Kind(9)));
}

#[test]
fn what_breaks_a_rule_is_refused() {
    let good = bytes();
    let twice = [&good[..], &[tag::KEY, 0, 0, 0, 1, b'k']].concat();
    assert_eq!(decode(&channel(), &twice), Err(WireError::Field(tag::KEY)));
    assert_eq!(decode(&channel(), &vec![0; ENVELOPE_BYTES + 1]), Err(WireError::Length));
    for cut in 0..good.len() {
        assert!(decode(&channel(), &good[..cut]).is_err(), "cut off at {cut}");
    }
    for (from, to, error) in [
        ("0000000000000abc", "+000000000000abc", WireError::Position),
        ("0000000000000044", "-000000000000044", WireError::Position),
        ("0000000000000044", "0000000000000000", WireError::Position),
        ("0000000000000044", "9007199254740992", WireError::Position),
        ("\"text\"", "\"text\u{1}", WireError::Field(tag::DATA)),
        ("c0ffee", "c0ff\0e", WireError::Field(tag::KEY)),
        ("u1", "u\"", WireError::Field(tag::FROM)),
    ] {
        let at = good.windows(from.len()).position(|part| part == from.as_bytes()).expect("it is there");
        let mut bad = good.clone();
        bad.splice(at..at + from.len(), to.bytes());
        assert_eq!(decode(&channel(), &bad), Err(error), "{from:?} → {to:?}");
    }
}

prop_compose! {
    fn any_message()(
        time in 0..=OFFSET_MAX,
        random in any::<u128>(),
        position in prop::option::of((1..=u64::MAX, 1..=OFFSET_MAX)),
        from in prop::option::of("[a-z0-9@.-]{1,128}"),
        keys in (prop::option::of("\\PC{1,30}"), prop::option::of("\\PC{1,30}")),
        text in "\\PC{0,200}",
    ) -> Message {
        Message {
            channel: channel().channel,
            id: MessageId::from_parts(time, random),
            position: position.map(|(epoch, offset)| Position::new(Epoch::from_u64(epoch), offset)),
            time,
            from: from.and_then(|text| UserId::parse(&text).ok()),
            key: keys.0.and_then(|text| Key::parse(&text).ok()),
            conflate_key: keys.1.and_then(|text| Key::parse(&text).ok()),
            data: Data::parse(serde_json::to_string(&text).expect("text")).expect("json"),
        }
    }
}

proptest! {
    #[test]
    fn messages_come_back(message in any_message(), origin in any::<[u8; 16]>()) {
        let envelope = envelope(Content::Message(message.clone()));
        let bytes = encode(origin, &envelope);
        prop_assert_eq!(decode_message(&channel(), message.position, &bytes[50..]), Ok(message));
        prop_assert_eq!(decode(&channel(), &bytes), Ok(Received { origin, envelope }));
    }

    /// Whatever bytes do, no reader panics, and what is understood is written and read as the same again.
    #[test]
    fn damage_is_seen_or_harmless(place in 0usize..200, byte in any::<u8>(), cut in 0usize..400, noise in prop::collection::vec(any::<u8>(), 0..40)) {
        let mut bytes = bytes();
        let place = place % bytes.len();
        bytes[place] = byte;
        bytes.truncate(cut);
        bytes.extend_from_slice(&noise);
        crate::hostile::read_everything(&bytes);
        crate::hostile::read_everything(&noise);
    }
}

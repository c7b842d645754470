//! What is done to any input: every reader of this crate gets it, and what was understood must survive being
//! written and read again. One function for the property tests, the fuzz target and the hub's own trial by noise.

use crate::channel::{ChannelKey, ChannelName, TenantId, UserId};
use crate::envelope::wire;
use crate::id::MessageId;
use crate::json;
use crate::limits;
use crate::message::{Data, Key};
use crate::position::{Epoch, parse_composite, write_composite};

/// Gives the bytes to every reader.
///
/// # Panics
/// When a reader panics, or when a frame that was read is another one after writing and reading it again.
pub fn read_everything(bytes: &[u8]) {
    envelope(bytes);
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    client_frame(text);
    server_frame(text);
    event_id(text);
    let _ = (TenantId::parse(text), UserId::parse(text), ChannelName::parse(text));
    let _ = (MessageId::parse(text), Epoch::parse(text), Key::parse(text), Data::parse(text.to_owned()));
}

fn envelope(bytes: &[u8]) {
    // Any valid channel: it is not in the bytes.
    let (Ok(tenant), Ok(name)) = (TenantId::parse("t"), ChannelName::parse("chat:lobby")) else { return };
    let channel = ChannelKey::new(tenant, name);
    if let Ok(received) = wire::decode(&channel, bytes) {
        let written = wire::encode(received.origin, &received.envelope);
        assert_eq!(wire::decode(&channel, &written).as_ref(), Ok(&received));
    }
}

fn client_frame(text: &str) {
    if let Ok(frame) = json::decode(text) {
        let written = json::encode_client(&frame);
        assert_eq!(json::decode(&written).as_ref(), Ok(&frame), "{written}");
    }
}

fn server_frame(text: &str) {
    if let Ok(Some(frame)) = json::decode_server(text) {
        let written = String::from_utf8(json::encode(&frame)).expect("a frame is text");
        assert_eq!(json::decode_server(&written), Ok(Some(frame)), "{written}");
    }
}

fn event_id(text: &str) {
    // Reading must be total for every number of channels, and only the right number can be understood.
    for count in [1, text.split(',').count(), limits::SSE_CHANNELS] {
        if let Ok(positions) = parse_composite(text, count) {
            let mut written = Vec::with_capacity(text.len());
            write_composite(&positions, &mut written);
            assert_eq!(written, text.as_bytes());
        }
    }
}

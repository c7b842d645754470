//! Encode once: a frame that goes to many is written once for each format, and shared by all who read it.

use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use hubbub_protocol::frame::ServerFrame;
use hubbub_protocol::{json, sse};
use tungstenite::protocol::frame::FrameHeader;
use tungstenite::protocol::frame::coding::{Data as DataCode, OpCode};

/// How frames are written on a connection.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Format {
    /// JSON in WebSocket text frames.
    Json,
    /// JSON in server-sent events.
    Sse,
}

/// A frame for many, written when the first reader of a format needs it.
#[derive(Clone, Debug)]
pub struct Encoded(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    frame: ServerFrame,
    json: OnceLock<Bytes>,
    sse: OnceLock<Bytes>,
}

impl Encoded {
    /// Keeps the frame; nothing is written yet.
    pub fn new(frame: ServerFrame) -> Self {
        Self(Arc::new(Inner { frame, json: OnceLock::new(), sse: OnceLock::new() }))
    }

    /// What it says.
    pub fn frame(&self) -> &ServerFrame {
        &self.0.frame
    }

    /// The finished bytes: a whole WebSocket frame, or the body of an event.
    pub fn bytes(&self, format: Format) -> &Bytes {
        match format {
            Format::Json => self.0.json.get_or_init(|| websocket_text(&json::encode(&self.0.frame)).into()),
            Format::Sse => self.0.sse.get_or_init(|| {
                let mut event = Vec::with_capacity(512);
                sse::encode_into(&self.0.frame, &mut event);
                event.into()
            }),
        }
    }
}

/// A frame for one connection.
pub fn encode(frame: &ServerFrame, format: Format) -> Vec<u8> {
    match format {
        Format::Json => websocket_text(&json::encode(frame)),
        Format::Sse => {
            let mut event = Vec::with_capacity(256);
            sse::encode_into(frame, &mut event);
            event
        }
    }
}

/// A finished text frame, unmasked as a server's are.
fn websocket_text(payload: &[u8]) -> Vec<u8> {
    websocket_frame(OpCode::Data(DataCode::Text), payload)
}

/// A finished frame of any kind.
pub fn websocket_frame(opcode: OpCode, payload: &[u8]) -> Vec<u8> {
    let header = FrameHeader { is_final: true, opcode, mask: None, ..FrameHeader::default() };
    let length = payload.len() as u64;
    let mut out = Vec::with_capacity(header.len(length) + payload.len());
    // Writing into memory can not fail, and a length of memory fits a header.
    header.format(length, &mut out).expect("a vector takes every byte");
    out.extend_from_slice(payload);
    out
}

//! What a frame means in which phase of a session. Pure; the executor has the handles.

use hubbub_protocol::frame::{Connect, HistoryQuery, PresenceQuery, Publish, RequestId, ServerError, Subscribe};
use hubbub_protocol::json::DecodeError;
use hubbub_protocol::room::RoomRequest;
use hubbub_protocol::{ChannelName, ClientFrame, CloseCode, ErrorCode};

/// How far a session is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Phase {
    /// Nothing came yet.
    Fresh,
    /// It is connected.
    Open,
}

/// A request of a connected client.
#[derive(Clone, PartialEq, Debug)]
pub enum Request {
    /// Wants the messages of a channel.
    Subscribe(Subscribe),
    /// Wants them no longer.
    Unsubscribe(ChannelName),
    /// Sends a message.
    Publish(Publish),
    /// Reads a log.
    History(HistoryQuery),
    /// Asks who is there.
    Presence(PresenceQuery),
    /// Does or asks something in rooms.
    Room(Box<RoomRequest>),
    /// Brings a new token.
    Refresh(String),
}

/// What to do with a frame.
#[derive(Clone, PartialEq, Debug)]
pub enum Decision {
    /// Open the session.
    Connect(Connect),
    /// Do what was asked for, and answer.
    Do(RequestId, Request),
    /// It was only a sign of life.
    Nothing,
    /// Say what is wrong and go on.
    Refuse(ServerError),
    /// Say what is wrong and close.
    Close(ServerError, CloseCode),
}

/// Decides.
pub fn decide(phase: Phase, frame: Result<ClientFrame, DecodeError>) -> Decision {
    match (phase, frame) {
        (Phase::Fresh, Ok(ClientFrame::Connect(connect))) => Decision::Connect(connect),
        (Phase::Fresh, Ok(_)) => {
            Decision::Close(bad_request("the first frame must be `connect`"), CloseCode::BadRequest)
        }
        (Phase::Fresh, Err(error)) => Decision::Close(error.into(), CloseCode::BadRequest),
        (Phase::Open, Err(error)) => Decision::Refuse(error.into()),
        (Phase::Open, Ok(frame)) => match frame {
            ClientFrame::Connect(_) => Decision::Refuse(bad_request("this connection is connected already")),
            ClientFrame::Subscribe(id, subscribe) => Decision::Do(id, Request::Subscribe(subscribe)),
            ClientFrame::Unsubscribe(id, channel) => Decision::Do(id, Request::Unsubscribe(channel)),
            ClientFrame::Publish(id, publish) => Decision::Do(id, Request::Publish(publish)),
            ClientFrame::History(id, query) => Decision::Do(id, Request::History(query)),
            ClientFrame::Presence(id, query) => Decision::Do(id, Request::Presence(query)),
            ClientFrame::Room(id, request) => Decision::Do(id, Request::Room(request)),
            ClientFrame::Refresh(id, token) => Decision::Do(id, Request::Refresh(token)),
            ClientFrame::Pong => Decision::Nothing,
        },
    }
}

fn bad_request(message: &str) -> ServerError {
    ServerError { id: None, code: ErrorCode::BadRequest, message: message.into(), retry_after_ms: None }
}

#[cfg(test)]
mod tests {
    use hubbub_protocol::json;

    use super::*;

    fn kind(decision: &Decision) -> &'static str {
        match decision {
            Decision::Connect(_) => "connect",
            Decision::Do(..) => "do",
            Decision::Nothing => "nothing",
            Decision::Refuse(_) => "refuse",
            Decision::Close(..) => "close",
        }
    }

    #[test]
    fn every_frame_in_every_phase() {
        let table = [
            (r#"{"type":"connect","token":"t"}"#, "connect", "refuse"),
            (r#"{"type":"subscribe","id":1,"channel":"a:b"}"#, "close", "do"),
            (r#"{"type":"unsubscribe","id":1,"channel":"a:b"}"#, "close", "do"),
            (r#"{"type":"publish","id":1,"channel":"a:b","data":1}"#, "close", "do"),
            (r#"{"type":"history","id":1,"channel":"a:b"}"#, "close", "do"),
            (r#"{"type":"presence","id":1,"channel":"a:b"}"#, "close", "do"),
            (r#"{"type":"room","id":1,"op":"room","channel":"room:a"}"#, "close", "do"),
            (r#"{"type":"refresh","id":1,"token":"t"}"#, "close", "do"),
            (r#"{"type":"pong"}"#, "close", "nothing"),
            (r#"{"type":"nonsense"}"#, "close", "refuse"),
            ("nonsense", "close", "refuse"),
        ];
        for (text, fresh, open) in table {
            assert_eq!(kind(&decide(Phase::Fresh, json::decode(text))), fresh, "fresh: {text}");
            assert_eq!(kind(&decide(Phase::Open, json::decode(text))), open, "open: {text}");
        }
    }
}

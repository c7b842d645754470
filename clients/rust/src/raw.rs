//! One WebSocket and nothing else: for tests that look at every frame, or send what no client would.

use std::net::IpAddr;
use std::time::Duration;

use futures_util::{FutureExt, SinkExt, StreamExt};
use hubbub_protocol::frame::{Connect, Connected, Resume};
use hubbub_protocol::{ClientFrame, ServerFrame, json};
use tokio::io::AsyncWriteExt;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;

use crate::socket::{Opening, Socket, Target, open};

/// How a raw connection is opened.
#[derive(Clone, Debug, Default)]
pub struct RawOptions {
    /// The local address to connect from. Default any.
    pub source_addr: Option<IpAddr>,
    /// More headers for the upgrade, such as `Origin`.
    pub headers: Vec<(String, String)>,
    /// The receive buffer of the kernel, in bytes; a small one makes a slow reader. Default the system's.
    pub receive_buffer_bytes: Option<u32>,
}

/// Why something on a raw connection did not work.
#[derive(Debug, thiserror::Error)]
pub enum RawError {
    /// It could not be opened.
    #[error("not opened: {0}")]
    Open(String),
    /// Nothing could be sent.
    #[error("not sent: {0}")]
    Send(String),
    /// Nothing came in time.
    #[error("nothing came within {0:?}")]
    Silence(Duration),
    /// What came is not a frame of the protocol.
    #[error("not a frame: {0}")]
    Malformed(String),
    /// Something else came than what was waited for.
    #[error("this came instead: {0:?}")]
    Unexpected(Box<Received>),
}

/// What came.
#[derive(Clone, PartialEq, Debug)]
pub enum Received {
    /// A frame, and the text it came as.
    Frame(ServerFrame, String),
    /// A text frame of a type that this version does not know.
    Unknown(String),
    /// A binary frame.
    Binary(Vec<u8>),
    /// A ping or pong of the WebSocket itself.
    Control,
    /// A close frame with its code and reason.
    Closed(Option<u16>, String),
    /// The connection ended without one.
    Gone(String),
}

/// A WebSocket to the hub. It answers nothing by itself except the pings and closes of the WebSocket.
#[derive(Debug)]
pub struct RawConnection {
    socket: Socket,
}

/// Largest message taken from the hub, in bytes.
const FRAME_BYTES: usize = 64 * 1024 * 1024;

impl RawConnection {
    /// Opens a WebSocket and says nothing on it.
    pub async fn open(url: &str, options: RawOptions) -> Result<Self, RawError> {
        let target = Target::parse(url, None).map_err(RawError::Open)?;
        let RawOptions { source_addr, headers, receive_buffer_bytes } = options;
        let opening = Opening { source_addr, headers, receive_buffer_bytes, frame_bytes: FRAME_BYTES };
        open(&target, &opening).await.map(|socket| Self { socket }).map_err(RawError::Open)
    }

    /// Sends the connect frame and waits for `connected`.
    pub async fn connect(&mut self, token: &str, resume: Vec<Resume>, within: Duration) -> Result<Connected, RawError> {
        let connect = Connect { token: token.to_owned(), client: Some("raw/1".to_owned()), resume };
        self.send(&ClientFrame::Connect(connect)).await?;
        match self.receive(within).await? {
            Received::Frame(ServerFrame::Connected(connected), _) => Ok(connected),
            other => Err(RawError::Unexpected(Box::new(other))),
        }
    }

    /// Sends a frame.
    pub async fn send(&mut self, frame: &ClientFrame) -> Result<(), RawError> {
        self.send_text(json::encode_client(frame)).await
    }

    /// Sends any text as a text frame.
    pub async fn send_text(&mut self, text: impl Into<String>) -> Result<(), RawError> {
        self.send_message(Message::text(text.into())).await
    }

    /// Sends bytes as a binary frame.
    pub async fn send_binary(&mut self, bytes: Vec<u8>) -> Result<(), RawError> {
        self.send_message(Message::binary(bytes)).await
    }

    /// Writes bytes onto the TCP connection as they are, past the WebSocket protocol.
    pub async fn send_bytes(&mut self, bytes: &[u8]) -> Result<(), RawError> {
        self.socket.get_mut().write_all(bytes).await.map_err(|error| RawError::Send(error.to_string()))
    }

    /// Sends a close frame.
    pub async fn close(&mut self) -> Result<(), RawError> {
        self.socket.close(None).await.map_err(|error| RawError::Send(error.to_string()))
    }

    /// Whatever comes next. May be cancelled without losing anything.
    pub async fn receive(&mut self, within: Duration) -> Result<Received, RawError> {
        let next = timeout(within, self.socket.next()).await.map_err(|_| RawError::Silence(within))?;
        match next {
            Some(Ok(Message::Text(text))) => match json::decode_server(&text) {
                Ok(Some(frame)) => Ok(Received::Frame(frame, text.to_string())),
                Ok(None) => Ok(Received::Unknown(text.to_string())),
                Err(error) => Err(RawError::Malformed(format!("{error} in {text}"))),
            },
            Some(Ok(Message::Binary(bytes))) => Ok(Received::Binary(bytes.to_vec())),
            Some(Ok(Message::Close(close))) => {
                // The answer to the close is written now or, with a full socket, never.
                let _ = self.socket.flush().now_or_never();
                let (code, reason) = close.map(|close| (u16::from(close.code), close.reason.to_string())).unzip();
                Ok(Received::Closed(code, reason.unwrap_or_default()))
            }
            Some(Ok(_)) => Ok(Received::Control),
            Some(Err(error)) => Ok(Received::Gone(error.to_string())),
            None => Ok(Received::Gone("end".into())),
        }
    }

    /// The next frame; anything else is an error.
    pub async fn frame(&mut self, within: Duration) -> Result<ServerFrame, RawError> {
        match self.receive(within).await? {
            Received::Frame(frame, _) => Ok(frame),
            other => Err(RawError::Unexpected(Box::new(other))),
        }
    }

    /// Reads until the connection ends, each frame within `within`; the close code, if there was one.
    pub async fn closed(&mut self, within: Duration) -> Result<Option<u16>, RawError> {
        loop {
            match self.receive(within).await? {
                Received::Closed(code, _) => return Ok(code),
                Received::Gone(_) => return Ok(None),
                _ => {}
            }
        }
    }

    async fn send_message(&mut self, message: Message) -> Result<(), RawError> {
        self.socket.send(message).await.map_err(|error| RawError::Send(error.to_string()))
    }
}

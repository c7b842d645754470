//! Small servers that speak the protocols of others as their documentation says, for as many people as a thread each can serve.

pub(crate) mod front;

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use hubbub_loadtest::frame::{TEXT, server_frame};
use tungstenite::Message;
use tungstenite::handshake::server::{Request, Response};

/// Somebody who follows: where to write, and how many messages were written.
#[derive(Clone)]
pub(crate) struct Follower {
    stream: Arc<Mutex<TcpStream>>,
    written: u64,
}

/// What is spoken.
pub(crate) trait Protocol: Send + Sync + 'static {
    /// Somebody has connected, asking for this path; what is said first.
    fn opened(&self, path: &str, number: usize) -> Result<Vec<String>, String>;
    /// Somebody said something.
    fn said(&self, text: &str, number: usize) -> Result<Said, String>;
    /// A request to publish: head and body; the channel, and what followers are told, and the answer.
    fn published(&self, head: &str, body: &str) -> Result<(String, String, String), String>;
}

/// What follows from what somebody said.
#[derive(Default)]
pub(crate) struct Said {
    pub(crate) answers: Vec<String>,
    /// The channel that is followed from now on.
    pub(crate) follows: Option<String>,
    /// The channel, and what its followers are told.
    pub(crate) publishes: Option<(String, String)>,
}

impl Said {
    pub(crate) fn answer(text: String) -> Self {
        Self { answers: vec![text], ..Self::default() }
    }

    pub(crate) fn and_follow(mut self, channel: &str) -> Self {
        self.follows = Some(channel.to_owned());
        self
    }
}

/// What goes wrong on purpose: the tenth message of each follower is left out, the twentieth comes twice, and the thirtieth
/// after the one behind it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mischief {
    None,
    All,
}

/// A running server; it ends with the process.
pub(crate) struct Server {
    pub(crate) socket: SocketAddr,
    pub(crate) http: SocketAddr,
    /// What it did not understand or refused.
    pub(crate) complaints: Arc<Mutex<Vec<String>>>,
}

struct Shared<P> {
    protocol: P,
    followers: Mutex<HashMap<String, Vec<Follower>>>,
    held: Mutex<HashMap<usize, String>>,
    mischief: Mischief,
    complaints: Arc<Mutex<Vec<String>>>,
}

impl Server {
    pub(crate) fn start<P: Protocol>(protocol: P, mischief: Mischief) -> Self {
        let (sockets, requests) = (listen(), listen());
        let complaints = Arc::new(Mutex::new(Vec::new()));
        let server = Self {
            socket: sockets.local_addr().expect("bound"),
            http: requests.local_addr().expect("bound"),
            complaints: Arc::clone(&complaints),
        };
        let (followers, held) = (Mutex::default(), Mutex::default());
        let shared = Arc::new(Shared { protocol, followers, held, mischief, complaints });
        let of_sockets = Arc::clone(&shared);
        std::thread::spawn(move || {
            for (number, stream) in sockets.incoming().flatten().enumerate() {
                let shared = Arc::clone(&of_sockets);
                std::thread::spawn(move || shared.note(shared.serve_socket(&stream, number)));
            }
        });
        std::thread::spawn(move || {
            for stream in requests.incoming().flatten() {
                let shared = Arc::clone(&shared);
                std::thread::spawn(move || shared.note(shared.serve_requests(stream)));
            }
        });
        server
    }

    pub(crate) fn complained(&self) -> Vec<String> {
        self.complaints.lock().expect("no panic").clone()
    }
}

fn listen() -> TcpListener {
    TcpListener::bind("127.0.0.1:0").expect("a free port")
}

impl<P: Protocol> Shared<P> {
    fn note(&self, ended: Result<(), String>) {
        if let Err(why) = ended {
            self.complaints.lock().expect("no panic").push(why);
        }
    }

    fn serve_socket(&self, stream: &TcpStream, number: usize) -> Result<(), String> {
        let mut path = String::new();
        #[expect(clippy::result_large_err, reason = "the type is tungstenite's")]
        let look = |request: &Request, response: Response| {
            path = request.uri().to_string();
            Ok(response)
        };
        let mut socket = tungstenite::accept_hdr(stream, look).map_err(|error| error.to_string())?;
        let out = Arc::new(Mutex::new(stream.try_clone().map_err(|error| error.to_string())?));
        for text in self.protocol.opened(&path, number)? {
            write(&out, &text);
        }
        loop {
            let text = match socket.read() {
                Ok(Message::Text(text)) => text,
                Ok(_) => continue,
                // People leave when the run is over.
                Err(_) => return Ok(()),
            };
            let Said { answers, follows, publishes } = self.protocol.said(&text, number)?;
            if let Some(channel) = follows {
                let follower = Follower { stream: Arc::clone(&out), written: 0 };
                self.followers.lock().expect("no panic").entry(channel).or_default().push(follower);
            }
            answers.iter().for_each(|text| write(&out, text));
            if let Some((channel, text)) = publishes {
                self.deliver(&channel, &text);
            }
        }
    }

    fn serve_requests(&self, stream: TcpStream) -> Result<(), String> {
        let mut stream = BufReader::new(stream);
        loop {
            let (mut head, mut length) = (String::new(), 0);
            while !head.ends_with("\r\n\r\n") {
                let before = head.len();
                if stream.read_line(&mut head).unwrap_or(0) == 0 {
                    return Ok(());
                }
                if let Some(value) = head[before..].to_lowercase().strip_prefix("content-length:") {
                    length = value.trim().parse().map_err(|_| head.clone())?;
                }
            }
            let mut body = vec![0; length];
            stream.read_exact(&mut body).map_err(|error| error.to_string())?;
            let body = String::from_utf8_lossy(&body).into_owned();
            let (status, answer) = match self.protocol.published(&head, &body) {
                Ok((channel, text, answer)) => {
                    self.deliver(&channel, &text);
                    ("200 OK", answer)
                }
                Err(why) => {
                    self.note(Err(why.clone()));
                    ("401 Unauthorized", why)
                }
            };
            let answer = format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\n\r\n{answer}", answer.len());
            stream.get_mut().write_all(answer.as_bytes()).map_err(|error| error.to_string())?;
        }
    }

    fn deliver(&self, channel: &str, text: &str) {
        let mut followers = self.followers.lock().expect("no panic");
        let mut held = self.held.lock().expect("no panic");
        for (index, follower) in followers.entry(channel.to_owned()).or_default().iter_mut().enumerate() {
            follower.written += 1;
            match (self.mischief, follower.written) {
                (Mischief::All, 10) => {}
                (Mischief::All, 20) => [text, text].iter().for_each(|text| write(&follower.stream, text)),
                (Mischief::All, 30) => drop(held.insert(index, text.to_owned())),
                _ => {
                    write(&follower.stream, text);
                    if let Some(before) = held.remove(&index) {
                        write(&follower.stream, &before);
                    }
                }
            }
        }
    }
}

/// People who left are no fault here.
fn write(stream: &Mutex<TcpStream>, text: &str) {
    let _ = stream.lock().expect("no panic").write_all(&server_frame(TEXT, text.as_bytes()));
}

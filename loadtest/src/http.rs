//! Requests over one kept HTTP/1.1 connection, one after the other. Knows not what they ask for.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use crate::tls::{Stream, Tls};
use crate::{LoadError, during};

/// Where a server is.
#[derive(Clone, Debug)]
pub struct Server {
    /// Its address.
    pub address: SocketAddr,
    /// How requests call it.
    pub host: String,
    /// TLS, where it is spoken.
    pub tls: Option<Tls>,
}

/// A connection.
#[derive(Debug)]
pub struct Exchange {
    stream: BufReader<Stream>,
    host: String,
    /// The server said that this answer was the last.
    over: bool,
}

/// An answer.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Answer {
    /// The first line.
    pub status: String,
    /// What it carries.
    pub body: String,
}

/// Longest answer that is read, in bytes.
const ANSWER_MAX: usize = 16 * 1024 * 1024;
/// Longest line that is read, in bytes.
const LINE_MAX: u64 = 8_192;
/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// How long a body is.
enum Length {
    Known(usize),
    Chunked,
    /// Until the connection ends.
    Open,
}

impl Server {
    /// Without TLS, and without a name.
    pub fn plain(address: SocketAddr) -> Self {
        Self { address, host: address.to_string(), tls: None }
    }

    /// A socket that waits, but not for ever.
    pub fn connect(&self) -> Result<Stream, LoadError> {
        let socket = TcpStream::connect(self.address).map_err(during("connecting"))?;
        socket.set_nodelay(true).map_err(during("connecting"))?;
        socket.set_read_timeout(Some(PATIENCE)).map_err(during("connecting"))?;
        socket.set_write_timeout(Some(PATIENCE)).map_err(during("connecting"))?;
        Stream::new(socket, self.tls.as_ref())
    }

    /// Whether it can be connected to, and is who it should be.
    pub fn greet(&self) -> Result<(), LoadError> {
        self.connect()?.greet().map_err(|error| LoadError::Start(format!("{}: {error}", self.host)))
    }
}

impl Exchange {
    /// Connects.
    pub fn connect(server: &Server) -> Result<Self, LoadError> {
        Ok(Self { stream: BufReader::new(server.connect()?), host: server.host.clone(), over: false })
    }

    /// Asks and waits for the answer. `headers` end with a line break each, those of host and length are added.
    pub fn ask(&mut self, method: &str, path: &str, headers: &str, body: &str) -> Result<Answer, LoadError> {
        let length = match (method, body) {
            ("GET", "") => String::new(),
            _ => format!("Content-Length: {}\r\n", body.len()),
        };
        let request = format!("{method} {path} HTTP/1.1\r\nHost: {}\r\n{headers}{length}\r\n{body}", self.host);
        let stream = self.stream.get_mut();
        stream.write_all(request.as_bytes()).and_then(|()| stream.flush()).map_err(during("HTTP"))?;
        let status = self.line()?;
        let length = self.headers(&status)?;
        let body = self.body(length)?;
        Ok(Answer { status, body: String::from_utf8_lossy(&body).into_owned() })
    }

    /// Whether no more can be asked over this connection.
    pub fn is_over(&self) -> bool {
        self.over
    }

    fn headers(&mut self, status: &str) -> Result<Length, LoadError> {
        let code = status.split(' ').nth(1).unwrap_or_default();
        let mut length = if matches!(code, "204" | "304") { Length::Known(0) } else { Length::Open };
        self.over = status.starts_with("HTTP/1.0");
        loop {
            let line = self.line()?;
            if line.is_empty() {
                self.over |= matches!(length, Length::Open);
                return Ok(length);
            }
            let Some((name, value)) = line.split_once(':') else { continue };
            let value = value.trim();
            if name.eq_ignore_ascii_case("content-length") {
                length = Length::Known(value.parse().map_err(|_| LoadError::Api(format!("{status}: {line}")))?);
            } else if name.eq_ignore_ascii_case("transfer-encoding") && value.eq_ignore_ascii_case("chunked") {
                length = Length::Chunked;
            } else if name.eq_ignore_ascii_case("connection") && value.eq_ignore_ascii_case("close") {
                self.over = true;
            }
        }
    }

    fn body(&mut self, length: Length) -> Result<Vec<u8>, LoadError> {
        let mut body = Vec::new();
        match length {
            Length::Known(size) => self.part(size, &mut body)?,
            Length::Open => {
                self.stream.by_ref().take(ANSWER_MAX as u64).read_to_end(&mut body).map_err(during("HTTP"))?;
            }
            Length::Chunked => loop {
                let line = self.line()?;
                let size = line.split(';').next().unwrap_or_default().trim();
                let size = usize::from_str_radix(size, 16).map_err(|_| LoadError::Api(format!("chunk of {line}")))?;
                if size == 0 {
                    // Trailers, if any.
                    while !self.line()?.is_empty() {}
                    break;
                }
                self.part(size, &mut body)?;
                self.line()?;
            },
        }
        Ok(body)
    }

    fn part(&mut self, size: usize, body: &mut Vec<u8>) -> Result<(), LoadError> {
        let before = body.len();
        if size > ANSWER_MAX - before.min(ANSWER_MAX) {
            return Err(LoadError::Api(format!("an answer of more than {ANSWER_MAX} bytes")));
        }
        body.resize(before + size, 0);
        self.stream.read_exact(&mut body[before..]).map_err(during("HTTP"))
    }

    fn line(&mut self) -> Result<String, LoadError> {
        let mut line = String::new();
        self.stream.by_ref().take(LINE_MAX).read_line(&mut line).map_err(during("HTTP"))?;
        match line.strip_suffix("\r\n") {
            Some(line) => Ok(line.to_owned()),
            None => Err(LoadError::Api("the connection ended within an answer".into())),
        }
    }
}

impl Answer {
    /// Whether the status is 200 to 299.
    pub fn is_well(&self) -> bool {
        self.status.split(' ').nth(1).is_some_and(|code| code.len() == 3 && code.starts_with('2'))
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    #[test]
    fn bodies_of_every_length_are_read_and_the_connection_is_kept() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        let answers = [
            "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nab",
            "HTTP/1.1 201 Created\r\ntransfer-encoding: chunked\r\n\r\n2;x\r\nab\r\n1\r\nc\r\n0\r\n\r\n",
            "HTTP/1.1 204 No Content\r\n\r\n",
            "HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\nwhy",
        ];
        let server = std::thread::spawn(move || {
            let (socket, _) = listener.accept().expect("a client");
            let mut socket = BufReader::new(socket);
            for answer in answers {
                let mut head = String::new();
                while !head.ends_with("\r\n\r\n") {
                    socket.read_line(&mut head).expect("a line");
                }
                assert!(head.starts_with("POST /x HTTP/1.1\r\nHost: here\r\nA: b\r\nContent-Length: 1\r\n"), "{head}");
                socket.read_exact(&mut [0]).expect("a body");
                socket.get_mut().write_all(answer.as_bytes()).expect("written");
            }
        });
        let mut exchange =
            Exchange::connect(&Server { address, host: "here".to_owned(), tls: None }).expect("connected");
        for (body, well) in [("ab", true), ("abc", true), ("", true), ("why", false)] {
            assert!(!exchange.is_over());
            let answer = exchange.ask("POST", "/x", "A: b\r\n", "y").expect("an answer");
            assert_eq!((answer.body.as_str(), answer.is_well()), (body, well));
        }
        assert!(exchange.is_over());
        server.join().expect("no panic");
    }
}

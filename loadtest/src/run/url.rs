//! Where a server is, from what somebody typed.

use std::net::{SocketAddr, ToSocketAddrs};
use std::path::Path;

use crate::LoadError;
use crate::http::Server;
use crate::tls::{Tls, Trust};

/// A URL that was looked up.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Url {
    /// Where.
    pub(super) address: SocketAddr,
    /// How requests call it: the host, and the port where one was named.
    pub(super) host: String,
    /// What stands behind; `/` alone is nothing.
    pub(super) path: String,
    /// With TLS.
    pub(super) tls: bool,
}

impl Url {
    /// Of `ws://host:port/…`, `wss://host`, `http://host:port`, `https://host` or `host:port`. Tokens are sent, so not over the
    /// internet without TLS.
    pub(super) fn of(text: &str) -> Result<Self, LoadError> {
        let wrong = |why: &str| LoadError::Start(format!("{text}: {why}"));
        let (tls, rest) = match text.split_once("://") {
            Some(("ws" | "http", rest)) => (false, rest),
            Some(("wss" | "https", rest)) => (true, rest),
            Some(_) => return Err(wrong("it begins with ws://, wss://, http:// or https://")),
            None => (false, text),
        };
        let at = rest.find('/').unwrap_or(rest.len());
        let (host, path) = rest.split_at(at);
        let with_port =
            if host.contains(':') { host.to_owned() } else { format!("{host}:{}", if tls { 443 } else { 80 }) };
        let mut found = with_port.to_socket_addrs().map_err(|error| wrong(&error.to_string()))?;
        let address = found.find(SocketAddr::is_ipv4).ok_or_else(|| wrong("it has no IPv4 address"))?;
        Ok(Self { address, host: host.to_owned(), path: path.trim_end_matches('/').to_owned(), tls })
    }

    /// With TLS: which server it is, and whom to believe that.
    pub(super) fn trust(&self, ca: Option<&Path>) -> Option<Trust> {
        // IPv6 has no place here, so a colon begins the port.
        let name = self.host.split(':').next().unwrap_or_default().to_owned();
        self.tls.then(|| Trust { name, ca: ca.map(Path::to_owned) })
    }

    /// The server. With TLS it was asked who it is, since later nobody would say why people do not come in.
    pub(super) fn server(&self, ca: Option<&Path>) -> Result<Server, LoadError> {
        let tls = self.trust(ca).as_ref().map(Tls::of).transpose()?;
        let server = Server { address: self.address, host: self.host.clone(), tls };
        if self.tls {
            server.greet()?;
        }
        Ok(server)
    }

    /// The same, where the path stands elsewhere.
    pub(super) fn without_path(text: &str, elsewhere: &str) -> Result<Self, LoadError> {
        let url = Self::of(text)?;
        match url.path.is_empty() {
            true => Ok(url),
            false => Err(LoadError::Start(format!("{text}: the path is that of {elsewhere}; name host and port only"))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_found_in_urls() {
        let of = |url| Url::of(url).map(|url| (url.address.to_string(), url.path)).map_err(|error| error.to_string());
        let right = |address: &str, path: &str| Ok((address.to_owned(), path.to_owned()));
        assert_eq!(of("ws://127.0.0.1:8080/ws"), right("127.0.0.1:8080", "/ws"));
        assert_eq!(of("http://127.0.0.1/"), right("127.0.0.1:80", ""));
        assert_eq!(of("wss://127.0.0.1"), right("127.0.0.1:443", ""));
        assert_eq!(of("127.0.0.1:9"), right("127.0.0.1:9", ""));
        for wrong in ["ftp://127.0.0.1:1", "ws://[::1]:1"] {
            assert!(of(wrong).is_err(), "{wrong}");
        }
        let error = Url::without_path("ws://127.0.0.1:1/app", "connect.path").expect_err("a path").to_string();
        assert!(error.contains("connect.path"), "{error}");
    }
}

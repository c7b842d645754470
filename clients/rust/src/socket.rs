//! Opens a WebSocket with explicit limits. Knows nothing of what is said on it.

use std::net::{IpAddr, SocketAddr};

use tokio::net::{TcpSocket, TcpStream, lookup_host};
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::handshake::client::Request;
use tokio_tungstenite::tungstenite::http::{HeaderName, HeaderValue, Uri};
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::{WebSocketStream, client_async_with_config};

pub(crate) type Socket = WebSocketStream<TcpStream>;

/// How one WebSocket is opened.
#[derive(Clone, Debug, Default)]
pub(crate) struct Opening {
    /// The local address; any when absent.
    pub(crate) source_addr: Option<IpAddr>,
    /// More headers for the upgrade.
    pub(crate) headers: Vec<(String, String)>,
    /// The receive buffer of the kernel, in bytes; the system's default when absent.
    pub(crate) receive_buffer_bytes: Option<u32>,
    /// Largest message taken.
    pub(crate) frame_bytes: usize,
}

/// A URL of a hub, taken apart.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    uri: Uri,
    host: String,
    port: u16,
}

impl Target {
    /// Reads `ws://host:port/path`; TLS ends in front of the hub, so `wss` is not spoken here.
    pub(crate) fn parse(url: &str, affinity: Option<&str>) -> Result<Self, String> {
        let joined = affinity.map(|affinity| {
            let joint = if url.contains('?') { '&' } else { '?' };
            format!("{url}{joint}affinity={affinity}")
        });
        let uri: Uri = joined.as_deref().unwrap_or(url).parse().map_err(|error| format!("{url}: {error}"))?;
        if uri.scheme_str() != Some("ws") {
            return Err(format!("{url}: the scheme is not ws"));
        }
        let host = uri.host().ok_or_else(|| format!("{url}: no host"))?;
        let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
        let port = uri.port_u16().unwrap_or(80);
        Ok(Self { uri, host, port })
    }
}

/// Connects and upgrades. The error is for people.
pub(crate) async fn open(target: &Target, opening: &Opening) -> Result<Socket, String> {
    let stream = connect(target, opening).await?;
    // Small frames must not wait for an acknowledgement of the ones before.
    stream.set_nodelay(true).map_err(|error| error.to_string())?;
    let request = request(target, opening)?;
    let config = WebSocketConfig::default()
        .read_buffer_size(16 * 1024)
        .write_buffer_size(0)
        .max_write_buffer_size(1024 * 1024)
        .max_message_size(Some(opening.frame_bytes))
        .max_frame_size(Some(opening.frame_bytes));
    let (socket, _) =
        client_async_with_config(request, stream, Some(config)).await.map_err(|error| format!("upgrade: {error}"))?;
    Ok(socket)
}

async fn connect(target: &Target, opening: &Opening) -> Result<TcpStream, String> {
    let place = || format!("{}:{}", target.host, target.port);
    let addresses = lookup_host((target.host.as_str(), target.port)).await;
    let mut last = format!("{}: no address", place());
    for address in addresses.map_err(|error| format!("{}: {error}", place()))? {
        match connect_to(address, opening).await {
            Ok(stream) => return Ok(stream),
            Err(error) => last = format!("{address}: {error}"),
        }
    }
    Err(last)
}

async fn connect_to(address: SocketAddr, opening: &Opening) -> std::io::Result<TcpStream> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    if let Some(bytes) = opening.receive_buffer_bytes {
        socket.set_recv_buffer_size(bytes)?;
    }
    if let Some(source) = opening.source_addr {
        socket.bind(SocketAddr::new(source, 0))?;
    }
    socket.connect(address).await
}

fn request(target: &Target, opening: &Opening) -> Result<Request, String> {
    let mut request = target.uri.clone().into_client_request().map_err(|error| error.to_string())?;
    for (name, value) in &opening.headers {
        let name = HeaderName::try_from(name).map_err(|error| error.to_string())?;
        let value = HeaderValue::try_from(value).map_err(|error| error.to_string())?;
        request.headers_mut().insert(name, value);
    }
    Ok(request)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_taken_apart() {
        let target = Target::parse("ws://[::1]:81/ws?a=1", Some("x7")).expect("valid");
        assert_eq!((target.host.as_str(), target.port), ("::1", 81));
        assert_eq!(target.uri.path_and_query().map(|p| p.as_str()), Some("/ws?a=1&affinity=x7"));
        assert_eq!(Target::parse("ws://hub/ws", None).expect("valid").port, 80);
        for bad in ["", "hub", "wss://hub/ws", "http://hub/ws", "ws:///ws", "ws://h ub/ws"] {
            assert!(Target::parse(bad, None).is_err(), "{bad}");
        }
    }
}

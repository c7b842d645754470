//! TLS, for servers that end it themselves or behind a balancer: whom to believe, and sockets that do not wait.

use std::io::{self, ErrorKind, Read, Write};
use std::net;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use mio::net::TcpStream;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use serde::{Deserialize, Serialize};

use crate::LoadError;

/// Which server, and whom to believe that it is it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Trust {
    /// Its name.
    pub name: String,
    /// The authorities, as a PEM file; without it those of this machine.
    pub ca: Option<PathBuf>,
}

/// Makes connections with TLS.
#[derive(Clone, Debug)]
pub struct Tls {
    config: Arc<ClientConfig>,
    name: ServerName<'static>,
}

impl Tls {
    /// Reads the authorities.
    pub fn of(trust: &Trust) -> Result<Self, LoadError> {
        let roots = match &trust.ca {
            Some(file) => from_file(file)?,
            None => of_this_machine()?,
        };
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| LoadError::Start(format!("TLS: {error}")))?
            .with_root_certificates(roots)
            .with_no_client_auth();
        let name = ServerName::try_from(trust.name.clone())
            .map_err(|error| LoadError::Start(format!("{}: {error}", trust.name)))?;
        Ok(Self { config: Arc::new(config), name })
    }

    /// Over a socket that waits.
    pub fn over(&self, socket: net::TcpStream) -> Result<StreamOwned<ClientConnection, net::TcpStream>, LoadError> {
        Ok(StreamOwned::new(self.connection()?, socket))
    }

    fn connection(&self) -> Result<ClientConnection, LoadError> {
        let made = ClientConnection::new(Arc::clone(&self.config), self.name.clone());
        made.map_err(|error| LoadError::Start(format!("TLS: {error}")))
    }
}

fn from_file(file: &Path) -> Result<RootCertStore, LoadError> {
    let wrong = |error: String| LoadError::Start(format!("--ca {}: {error}", file.display()));
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(file).map_err(|error| wrong(error.to_string()))? {
        let certificate = certificate.map_err(|error| wrong(error.to_string()))?;
        roots.add(certificate).map_err(|error| wrong(error.to_string()))?;
    }
    if roots.is_empty() { Err(wrong("no certificate in it".to_owned())) } else { Ok(roots) }
}

fn of_this_machine() -> Result<RootCertStore, LoadError> {
    let (mut roots, found) = (RootCertStore::empty(), rustls_native_certs::load_native_certs());
    roots.add_parsable_certificates(found.certs);
    if roots.is_empty() {
        return Err(LoadError::Start("this machine knows no certificate authorities; name some with --ca FILE".into()));
    }
    Ok(roots)
}

/// A socket that does not wait, with TLS or without.
#[derive(Debug)]
pub enum Line {
    /// Without.
    Plain(TcpStream),
    /// With.
    Tls(TcpStream, Box<ClientConnection>),
}

impl Line {
    /// A socket that is being connected.
    pub fn new(socket: TcpStream, tls: Option<&Tls>) -> Result<Self, LoadError> {
        Ok(match tls {
            None => Self::Plain(socket),
            Some(tls) => Self::Tls(socket, Box::new(tls.connection()?)),
        })
    }

    /// What is waited on.
    pub fn source(&mut self) -> &mut TcpStream {
        match self {
            Self::Plain(socket) | Self::Tls(socket, _) => socket,
        }
    }

    /// Reads into the buffer.
    #[inline]
    pub fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(socket) => socket.read(buffer),
            Self::Tls(socket, tls) => read_tls(socket, tls, buffer),
        }
    }

    /// Whether a read of less than fits says that there is nothing more now. With TLS there may be.
    pub fn short_is_empty(&self) -> bool {
        matches!(self, Self::Plain(_))
    }

    /// Writes what is small. With TLS what does not fit yet is kept.
    pub fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Plain(socket) => socket.write(bytes),
            Self::Tls(socket, tls) => {
                let length = tls.writer().write(bytes)?;
                flush(socket, tls)?;
                Ok(length)
            }
        }
    }

    /// There is room again: writes what was kept.
    pub fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Plain(_) => Ok(()),
            Self::Tls(socket, tls) => flush(socket, tls),
        }
    }
}

fn read_tls(socket: &mut TcpStream, tls: &mut ClientConnection, buffer: &mut [u8]) -> io::Result<usize> {
    loop {
        match tls.reader().read(buffer) {
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            done => return done,
        }
        match tls.read_tls(socket) {
            Ok(0) => return Ok(0),
            Ok(_) => {
                tls.process_new_packets().map_err(|error| io::Error::new(ErrorKind::InvalidData, error))?;
                flush(socket, tls)?;
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

fn flush(socket: &mut TcpStream, tls: &mut ClientConnection) -> io::Result<()> {
    while tls.wants_write() {
        match tls.write_tls(socket) {
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// A socket that waits, with TLS or without.
#[derive(Debug)]
pub enum Stream {
    /// Without.
    Plain(net::TcpStream),
    /// With.
    Tls(Box<StreamOwned<ClientConnection, net::TcpStream>>),
}

impl Stream {
    /// A connected socket.
    pub fn new(socket: net::TcpStream, tls: Option<&Tls>) -> Result<Self, LoadError> {
        Ok(match tls {
            None => Self::Plain(socket),
            Some(tls) => Self::Tls(Box::new(tls.over(socket)?)),
        })
    }

    /// With TLS: waits until both know each other.
    pub fn greet(&mut self) -> io::Result<()> {
        match self {
            Self::Plain(_) => Ok(()),
            Self::Tls(tls) => tls.conn.complete_io(&mut tls.sock).map(drop),
        }
    }

    /// The socket itself.
    pub fn socket(&self) -> &net::TcpStream {
        match self {
            Self::Plain(socket) => socket,
            Self::Tls(tls) => &tls.sock,
        }
    }
}

impl Read for Stream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(socket) => socket.read(buffer),
            Self::Tls(tls) => tls.read(buffer),
        }
    }
}

impl Write for Stream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Plain(socket) => socket.write(bytes),
            Self::Tls(tls) => tls.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Plain(socket) => socket.flush(),
            Self::Tls(tls) => tls.flush(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn authorities_that_are_none_are_said_with_their_file() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("ca.pem");
        std::fs::write(&file, "nothing").expect("written");
        for ca in [file, folder.path().join("missing.pem")] {
            let trust = Trust { name: "localhost".to_owned(), ca: Some(ca.clone()) };
            let error = Tls::of(&trust).expect_err("no authorities").to_string();
            assert!(error.contains(&format!("--ca {}", ca.display())), "{error}");
        }
    }
}

//! Servers of others, which a hub is measured beside: NATS with its WebSocket listener, and nginx with Nchan. As their
//! documentation shows them, with room for many connections; nothing is tuned against them or for them.

use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::PathBuf;
use std::process::Command;

use crate::error::Error;
use crate::folder::{self, Folder};
use crate::nginx::around;
use crate::port::Port;
use crate::process::Process;
use crate::program::{self, Account};

const LOG: &str = "peer.log";
const HINT: &str = "`scripts/needs.sh peers` installs what is compared with";
/// Where distributions keep modules of nginx.
const MODULES: &[&str] = &["/usr/lib/nginx/modules", "/usr/lib64/nginx/modules", "/usr/share/nginx/modules"];
const NCHAN: &str = "ngx_nchan_module.so";
/// Connections of one nginx worker; each is an open file.
const CONNECTIONS: usize = 15_000;

/// A server on 127.0.0.1. Killed, with its workers, when dropped.
#[derive(Debug)]
pub struct Peer {
    // Dropped in this order: the process before its folder.
    process: Process,
    folder: Folder,
    port: Port,
    _other: Option<Port>,
}

impl Peer {
    /// NATS, whose WebSocket listener takes all that its protocol has.
    pub fn nats() -> Result<Self, Error> {
        let program = find("nats-server")?;
        let (folder, port, clients) = (Folder::open(None, Account::Ours)?, Port::get(None)?, Port::get(None)?);
        let text = format!(
            "host: \"127.0.0.1\"\n\
             port: {clients}\n\
             websocket {{\n    host: \"127.0.0.1\"\n    port: {port}\n    no_tls: true\n}}\n",
            clients = clients.number(),
            port = port.number(),
        );
        folder.write("nats.conf", &text, Account::Ours)?;
        let mut command = Command::new(program);
        command.arg("-c").arg(folder.file("nats.conf"));
        Self::start(command, folder, port, Some(clients))
    }

    /// nginx with Nchan and as many workers as there are cores: `/sub/CHANNEL` is a WebSocket, `/pub/CHANNEL` takes POST.
    pub fn nchan() -> Result<Self, Error> {
        let program = find("nginx")?;
        let modules = MODULES.iter().map(|folder| PathBuf::from(folder).join(NCHAN));
        let module = modules.into_iter().find(|file| file.is_file());
        let module = module.ok_or_else(|| Error::Missing { program: NCHAN.to_owned(), hint: HINT })?;
        let (folder, port) = (Folder::open(None, Account::Ours)?, Port::get(None)?);
        let server = format!(
            "    server {{\n\
             \x20       listen 127.0.0.1:{port} backlog=8192;\n\
             \x20       keepalive_requests 1000000000;\n\
             \x20       location ~ ^/sub/(.+)$ {{\n\
             \x20           nchan_subscriber websocket;\n\
             \x20           nchan_channel_id $1;\n\
             \x20           nchan_subscriber_first_message newest;\n\
             \x20       }}\n\
             \x20       location ~ ^/pub/(.+)$ {{\n\
             \x20           nchan_publisher http;\n\
             \x20           nchan_channel_id $1;\n\
             \x20       }}\n\
             \x20   }}\n",
            port = port.number(),
        );
        let main = around(&folder, "auto", CONNECTIONS, &server)?;
        folder.write("nginx.conf", &format!("load_module {};\n{main}", module.display()), Account::Ours)?;
        let mut command = Command::new(program);
        command.arg("-e").arg("stderr").arg("-p").arg(folder.path()).arg("-c").arg(folder.file("nginx.conf"));
        Self::start(command, folder, port, None)
    }

    /// Where clients connect, and where is published.
    pub fn address(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.port.number()).into()
    }

    /// Its first process.
    pub fn pid(&self) -> u32 {
        self.process.pid()
    }

    /// The last lines of its log.
    pub fn log_tail(&self) -> String {
        folder::tail(&self.folder.file(LOG))
    }

    fn start(command: Command, folder: Folder, port: Port, other: Option<Port>) -> Result<Self, Error> {
        let mut process = Process::spawn(command, &folder, LOG)?;
        let address = (Ipv4Addr::LOCALHOST, port.number());
        process.until("a listening peer", || Ok(TcpStream::connect(address).is_ok().then_some(())))?;
        Ok(Self { process, folder, port, _other: other })
    }
}

/// Looks for a program; the hint is how peers are installed.
fn find(name: &str) -> Result<PathBuf, Error> {
    program::find(name).map_err(|error| match error {
        Error::Missing { program, .. } => Error::Missing { program, hint: HINT },
        other => other,
    })
}

//! nginx with the configuration that we ship (`deploy/nginx/hubbub.conf`); only its addresses are filled in.

use std::fmt::Write as _;
use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::process::Command;

use crate::error::Error;
use crate::folder::{self, Folder};
use crate::port::Port;
use crate::process::{Process, Signal};
use crate::program::{self, Account};

/// What operators copy.
const SHIPPED: &str = include_str!("../../nginx/hubbub.conf");
const LOG: &str = "nginx.log";
/// Where the shipped file wants logs. Without a folder they lie in that of this nginx.
const LOGS: &str = "/var/log/nginx/";

/// How nginx is started.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    workers: usize,
    connections: usize,
    port: Option<u16>,
}

impl Default for Options {
    fn default() -> Self {
        Self { workers: 1, connections: 1_024, port: None }
    }
}

impl Options {
    /// Worker processes; 1 by default.
    #[must_use]
    pub fn workers(mut self, workers: usize) -> Self {
        self.workers = workers;
        self
    }

    /// Connections of one worker, those to the hubs counted too; 1,024 by default. Each is an open file.
    #[must_use]
    pub fn connections(mut self, connections: usize) -> Self {
        self.connections = connections;
        self
    }

    /// Listens on this port instead of any free one.
    #[must_use]
    pub fn port(mut self, port: u16) -> Self {
        self.port = Some(port);
        self
    }
}

/// An nginx on 127.0.0.1 in front of hubs. Killed, with its workers, when dropped.
#[derive(Debug)]
pub struct Nginx {
    // Dropped in this order: the process before its folder.
    process: Process,
    folder: Folder,
    port: Port,
}

impl Nginx {
    /// Starts one and waits until it listens.
    pub fn start(upstreams: &[SocketAddr], options: Options) -> Result<Self, Error> {
        let folder = Folder::open(None, Account::Ours)?;
        let port = Port::get(options.port)?;
        folder.write("hubbub.conf", &filled_in(upstreams, port.number()), Account::Ours)?;
        folder.write("nginx.conf", &main_file(&folder, options)?, Account::Ours)?;
        let mut command = Command::new(program::find("nginx")?);
        command.arg("-e").arg("stderr").arg("-p").arg(folder.path()).arg("-c").arg(folder.file("nginx.conf"));
        let mut process = Process::spawn(command, &folder, LOG)?;
        let address = (Ipv4Addr::LOCALHOST, port.number());
        process.until("a listening nginx", || Ok(TcpStream::connect(address).is_ok().then_some(())))?;
        Ok(Self { process, folder, port })
    }

    /// Where clients connect.
    pub fn address(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.port()).into()
    }

    /// Its port.
    pub fn port(&self) -> u16 {
        self.port.number()
    }

    /// Its master process.
    pub fn pid(&self) -> u32 {
        self.process.pid()
    }

    /// Other hubs from now on: new workers take over, old ones serve their connections to the end.
    pub fn set_upstreams(&mut self, upstreams: &[SocketAddr]) -> Result<(), Error> {
        self.folder.write("hubbub.conf", &filled_in(upstreams, self.port()), Account::Ours)?;
        self.reload()
    }

    /// SIGHUP: it reads its configuration again.
    pub fn reload(&mut self) -> Result<(), Error> {
        self.process.signal(Signal::Hangup)
    }

    /// SIGTERM, and waits for its end: a fast shutdown.
    pub fn stop(mut self) -> Result<(), Error> {
        self.process.signal(Signal::Terminate)?;
        self.process.wait().map(drop)
    }

    /// All that it has written, about requests and about what went wrong.
    pub fn logs(&self) -> String {
        ["access.log", "error.log", LOG]
            .map(|name| fs::read_to_string(self.folder.file(name)).unwrap_or_default())
            .concat()
    }

    /// The last lines of its log.
    pub fn log_tail(&self) -> String {
        folder::tail(&self.folder.file(LOG))
    }
}

/// The shipped file with these hubs instead of its own, listening on 127.0.0.1, with its logs in the folder of nginx.
fn filled_in(upstreams: &[SocketAddr], port: u16) -> String {
    let mut text = String::new();
    let mut written = false;
    for line in SHIPPED.lines() {
        let words: Vec<&str> = line.split_whitespace().collect();
        match words.as_slice() {
            ["server", address, rest @ ..] if *address != "{" => {
                for upstream in upstreams.iter().filter(|_| !written) {
                    // Writing into a String can not fail.
                    let _ = writeln!(text, "    server {upstream} {}", rest.join(" "));
                }
                written = true;
            }
            ["listen", _, rest @ ..] => {
                let _ = writeln!(text, "    listen 127.0.0.1:{port} {}", rest.join(" "));
            }
            _ => {
                let _ = writeln!(text, "{}", line.replace(LOGS, ""));
            }
        }
    }
    text
}

/// What stands around the shipped file.
fn main_file(folder: &Folder, options: Options) -> Result<String, Error> {
    let include = format!("    include {}/hubbub.conf;\n", folder.path().display());
    around(folder, &options.workers.to_string(), options.connections, &include)
}

/// What stands around the part for HTTP: everything that nginx writes stays in its folder.
pub(crate) fn around(folder: &Folder, workers: &str, connections: usize, http: &str) -> Result<String, Error> {
    // Workers of root's nginx become `www-data` by default, who may not enter our folder.
    let user = if program::our_user()? == 0 { "user root;\n" } else { "" };
    let temporary: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .iter()
        .map(|name| format!("    {name}_temp_path {}/{name};\n", folder.path().display()))
        .collect();
    Ok(format!(
        "{user}daemon off;\n\
         worker_processes {workers};\n\
         pid {folder}/nginx.pid;\n\
         error_log stderr warn;\n\
         events {{\n    worker_connections {connections};\n}}\n\
         http {{\n    access_log off;\n{temporary}{http}}}\n",
        folder = folder.path().display(),
    ))
}

#[cfg(test)]
mod tests {
    use super::filled_in;

    #[test]
    fn only_the_addresses_of_the_shipped_file_change() {
        let text = filled_in(&[([127, 0, 0, 1], 81).into(), ([127, 0, 0, 1], 82).into()], 80);
        for line in ["    server 127.0.0.1:81 max_fails=0;", "    server 127.0.0.1:82 max_fails=0;"] {
            assert_eq!(text.lines().filter(|other| *other == line).count(), 1, "{text}");
        }
        assert!(text.contains("    listen 127.0.0.1:80 backlog=8192 reuseport;"), "{text}");
        assert!(!text.contains("hub-1:") && !text.contains("/var/log"), "{text}");
    }
}

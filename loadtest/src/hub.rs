//! The hub of a run: one that is there, one that is started for the run, or the control server in its place.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use crate::LoadError;
use crate::during;
use crate::options::Target;

/// Where a hub is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Place {
    /// Its public port.
    pub public: SocketAddr,
    /// Its internal port.
    pub internal: SocketAddr,
    /// Its process.
    pub pid: u32,
}

/// A hub for the time of a run. One that was started for it is killed at the end, and its data removed.
#[derive(Debug)]
pub struct Hub {
    /// Where it is.
    pub place: Place,
    child: Option<Child>,
    data: Option<PathBuf>,
}

impl Hub {
    /// The hub that the flags name.
    pub fn of(target: &Target) -> Result<Self, LoadError> {
        match (&target.hub, target.public, target.internal, target.hub_pid) {
            (Some(program), ..) => Self::start(program, &[]),
            (None, Some(public), Some(internal), Some(pid)) => {
                Ok(Self { place: Place { public, internal, pid }, child: None, data: None })
            }
            _ => Err(LoadError::Start("name a hub: --hub FILE, or --public, --internal and --hub-pid".into())),
        }
    }

    /// The control server: this program again, as a bare loop.
    pub fn control() -> Result<Self, LoadError> {
        let program = std::env::current_exe().map_err(during("this program"))?;
        let mut command = Command::new(program);
        command.arg("control-server");
        Self::spawn(command, None)
    }

    /// Bun's own pub/sub behind the same frames: the peer that shows compare with. `peers` is the folder `loadtest/peers` with
    /// its packages installed. Bun itself is started, not npm's way to it, so that the process is the one that serves.
    pub fn bun(peers: &Path) -> Result<Self, LoadError> {
        let mut command = Command::new(bun_program(peers)?);
        command.arg("run").arg(peers.join("bun.js"));
        Self::spawn(command, None)
    }

    /// Socket.IO: not spoken to as a hub, but found as one.
    pub fn socketio(peers: &Path) -> Result<Self, LoadError> {
        if !peers.join("node_modules/socket.io").is_dir() {
            let wanted = peers.display();
            return Err(LoadError::Start(format!(
                "Socket.IO is missing in {wanted}; install it with: scripts/needs.sh peers"
            )));
        }
        let mut command = Command::new("node");
        command.arg(peers.join("socketio.js"));
        Self::spawn(command, None)
    }

    /// Starts a hub of this binary in development mode, with these settings by environment variables.
    pub fn start(program: &Path, env: &[(&str, &str)]) -> Result<Self, LoadError> {
        static RUNS: AtomicU32 = AtomicU32::new(0);
        let run = RUNS.fetch_add(1, Ordering::Relaxed);
        let data = std::env::temp_dir().join(format!("hubbub-loadtest-{}-{run}", std::process::id()));
        std::fs::create_dir_all(&data).map_err(during("data folder"))?;
        let mut command = Command::new(program);
        command.args(["serve", "--dev", "--public", "127.0.0.1:0", "--internal", "127.0.0.1:0", "--data"]).arg(&data);
        command.envs(env.iter().copied());
        Self::spawn(command, Some(data))
    }

    fn spawn(mut command: Command, data: Option<PathBuf>) -> Result<Self, LoadError> {
        let spawned = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn();
        let mut child = spawned.map_err(|error| LoadError::Start(format!("{command:?}: {error}")))?;
        let stdout = child.stdout.take();
        let mut hub = Self {
            // Filled in below; the value exists first so that the child is stopped when something fails.
            place: Place { public: ANY, internal: ANY, pid: child.id() },
            child: Some(child),
            data,
        };
        let mut lines = BufReader::new(stdout.ok_or_else(|| LoadError::Start("no output".into()))?).lines();
        let ready = lines.by_ref().map_while(Result::ok).find_map(|line| parse_ready(&line));
        let (public, internal) =
            ready.ok_or_else(|| LoadError::Start(format!("{command:?} ended without the line `ready …`")))?;
        hub.place = Place { public, internal, ..hub.place };
        // Whatever it says later is read away, or it would block.
        std::thread::spawn(move || lines.map_while(Result::ok).for_each(drop));
        Ok(hub)
    }
}

const ANY: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::UNSPECIFIED), 0);

impl Drop for Hub {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            let _ = child.kill();
            let _ = child.wait();
        }
        if let Some(data) = &self.data {
            let _ = std::fs::remove_dir_all(data);
        }
    }
}

/// The executable that npm brought for this machine; the script of its package, where it ran, has moved it.
fn bun_program(peers: &Path) -> Result<PathBuf, LoadError> {
    let packages = peers.join("node_modules");
    let platforms = std::fs::read_dir(packages.join("@oven")).into_iter().flatten().flatten();
    let programs = platforms.map(|platform| platform.path().join("bin/bun"));
    let mut programs = programs.chain([packages.join("bun/bin/bun.exe")]).filter(|program| program.is_file());
    programs.next().ok_or_else(|| {
        let wanted = packages.display();
        LoadError::Start(format!("Bun is missing in {wanted}; install it with: scripts/needs.sh compare"))
    })
}

/// The line `ready public=http://… internal=http://…`.
fn parse_ready(line: &str) -> Option<(SocketAddr, SocketAddr)> {
    let rest = line.strip_prefix("ready ")?;
    let value = |name: &str| {
        let field = rest.split_whitespace().find_map(|field| field.strip_prefix(name))?;
        field.trim_start_matches("http://").trim_end_matches('/').parse().ok()
    };
    Some((value("public=")?, value("internal=")?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ready_line_names_both_ports() {
        let line = "ready public=http://127.0.0.1:81 internal=http://127.0.0.1:82";
        let ports = parse_ready(line).map(|(public, internal)| (public.port(), internal.port()));
        assert_eq!(ports, Some((81, 82)));
        for other in ["", "ready", "ready public=http://127.0.0.1:81", "listening"] {
            assert_eq!(parse_ready(other), None, "{other}");
        }
    }

    #[test]
    fn a_program_that_never_gets_ready_is_an_error() {
        let mut command = Command::new("true");
        command.arg("x");
        assert!(matches!(Hub::spawn(command, None), Err(LoadError::Start(_))));
    }
}

//! One server process in a process group of its own, with a watchdog that ends it when this program can not.

use std::fs::{self, File};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use crate::error::{Error, during};
use crate::folder::{self, Folder};
use crate::patience;

/// How long a process may take to start or to end.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// What the watchdog does once its input closes, which the kernel does when this program ends in any way. `INT` first,
/// since a killed Postgres leaves shared memory behind.
const WATCHDOG: &str = r#"
read -r _
kill -s INT -- "-$1"
for _ in $(seq 50); do kill -s 0 "$1" || break; sleep 0.1; done
kill -s KILL -- "-$1"
[ -z "$2" ] || rm -rf -- "$2"
"#;

/// Signals by the names that `kill` knows.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Signal {
    Kill,
    Quit,
    Interrupt,
    Terminate,
    Hangup,
    Stop,
    Continue,
}

impl Signal {
    fn name(self) -> &'static str {
        match self {
            Self::Kill => "KILL",
            Self::Quit => "QUIT",
            Self::Interrupt => "INT",
            Self::Terminate => "TERM",
            Self::Hangup => "HUP",
            Self::Stop => "STOP",
            Self::Continue => "CONT",
        }
    }
}

/// A running process. Killed, with its whole group, when dropped.
#[derive(Debug)]
pub(crate) struct Process {
    child: Child,
    watchdog: Child,
    log: PathBuf,
    ended: Option<ExitStatus>,
}

impl Process {
    /// Starts a command that stays in the foreground; what it says is appended to the log file.
    pub(crate) fn spawn(mut command: Command, folder: &Folder, log: &str) -> Result<Self, Error> {
        let log = folder.file(log);
        let open = File::options().create(true).append(true).open(&log);
        let file = open.map_err(during(format!("opening {}", log.display())))?;
        let copy = file.try_clone().map_err(during("a second handle of the log"))?;
        command.stdin(Stdio::null()).stderr(file).process_group(0);
        command.stdout(copy);
        let mut child = command.spawn().map_err(during(format!("starting {command:?}")))?;
        match watchdog(child.id(), folder.to_remove()) {
            Ok(watchdog) => Ok(Self { child, watchdog, log, ended: None }),
            Err(error) => {
                let _ = child.kill();
                let _ = child.wait();
                Err(error)
            }
        }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The last lines of its log.
    pub(crate) fn log_tail(&self) -> String {
        folder::tail(&self.log)
    }

    /// How it ended, if it did.
    pub(crate) fn ended(&mut self) -> Result<Option<ExitStatus>, Error> {
        if self.ended.is_none() {
            self.ended = self.child.try_wait().map_err(during("looking at a process"))?;
            if self.ended.is_some() {
                self.dismiss_watchdog();
            }
        }
        Ok(self.ended)
    }

    /// Sends a signal to the process alone.
    pub(crate) fn signal(&mut self, signal: Signal) -> Result<(), Error> {
        if self.ended()?.is_some() {
            return Ok(());
        }
        send(signal, &self.pid().to_string())
    }

    /// Waits until it has ended.
    pub(crate) fn wait(&mut self) -> Result<ExitStatus, Error> {
        let log = self.log.clone();
        patience::until("the end of the process", PATIENCE, || folder::tail(&log), || self.ended())
    }

    /// Kills it and all of its group at once, and waits for it.
    pub(crate) fn kill(&mut self) -> Result<(), Error> {
        if self.ended()?.is_none() {
            send(Signal::Kill, &format!("-{}", self.pid()))?;
            self.wait()?;
        }
        Ok(())
    }

    /// Waits until `look` finds what it looks for; fails early when the process ends.
    pub(crate) fn until<T>(
        &mut self,
        what: &str,
        mut look: impl FnMut() -> Result<Option<T>, Error>,
    ) -> Result<T, Error> {
        let log = self.log.clone();
        patience::until(
            what,
            PATIENCE,
            || folder::tail(&log),
            || {
                if let Some(status) = self.ended()? {
                    return Err(Error::Failed {
                        what: format!("ended with {status} before: {what}"),
                        log: self.log_tail(),
                    });
                }
                look()
            },
        )
    }

    /// Before the process is waited for its number can not be another's; afterwards nobody may signal it.
    fn dismiss_watchdog(&mut self) {
        let _ = self.watchdog.kill();
        let _ = self.watchdog.wait();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if self.ended.is_none() {
            let _ = send(Signal::Kill, &format!("-{}", self.pid()));
            self.dismiss_watchdog();
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}

/// Processes whose parent is this one. Postgres puts each of its own into a group of its own.
pub(crate) fn children(pid: u32) -> Vec<u32> {
    let list = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
    list.split_whitespace().filter_map(|child| child.parse().ok()).collect()
}

/// Sends a signal to a process, or with a minus to a group. By the shell: a signal is a system call that std does not
/// offer. That nobody is there any more is no error.
pub(crate) fn send(signal: Signal, target: &str) -> Result<(), Error> {
    let mut command = Command::new("/bin/sh");
    command.args(["-c", r#"kill -s "$1" -- "$2" 2>/dev/null"#, "kill", signal.name(), target]);
    command.status().map(drop).map_err(during(format!("sending {} to {target}", signal.name())))
}

fn watchdog(pid: u32, folder: Option<&Path>) -> Result<Child, Error> {
    let mut command = Command::new("/bin/sh");
    command.args(["-c", WATCHDOG, "watchdog", &pid.to_string()]);
    command.arg(folder.unwrap_or(Path::new("")));
    command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).process_group(0);
    command.spawn().map_err(during("starting a watchdog"))
}

/// Whether nothing is left of a process but its exit status.
pub(crate) fn is_gone(pid: u32) -> bool {
    let status = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    // The state follows the name, which may hold anything but ends with the last parenthesis.
    status.rsplit_once(") ").is_none_or(|(_, rest)| rest.starts_with(['Z', 'X']))
}

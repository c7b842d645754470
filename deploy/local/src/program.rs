//! Programs of this machine: where they are, as whom they run, and running one to its end.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::error::{Error, during};

/// Where Debian keeps servers that are not in everybody's `PATH`.
const SERVER_FOLDERS: &[&str] = &["/usr/sbin", "/usr/local/sbin", "/usr/local/bin", "/usr/bin"];
/// Debian's Postgres: one folder per version.
const POSTGRES_FOLDER: &str = "/usr/lib/postgresql";
const HINT: &str = "`scripts/needs.sh test` installs what tests need";

/// Looks for a program in `PATH` and where servers live.
pub(crate) fn find(name: &str) -> Result<PathBuf, Error> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&path).chain(SERVER_FOLDERS.iter().map(PathBuf::from));
    let found = folders.chain(postgres_folders()).map(|folder| folder.join(name)).find(|file| file.is_file());
    found.ok_or_else(|| Error::Missing { program: name.to_owned(), hint: HINT })
}

/// The newest version first.
fn postgres_folders() -> Vec<PathBuf> {
    let entries = fs::read_dir(POSTGRES_FOLDER).into_iter().flatten().flatten();
    let mut versions: Vec<(u32, PathBuf)> = entries
        .filter_map(|entry| Some((entry.file_name().to_str()?.parse().ok()?, entry.path().join("bin"))))
        .collect();
    versions.sort_by_key(|(version, _)| std::cmp::Reverse(*version));
    versions.into_iter().map(|(_, folder)| folder).collect()
}

/// As whom a server runs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Account {
    /// As we do.
    Ours,
    /// As somebody else: we are root.
    Other {
        /// User id.
        user: u32,
        /// Group id.
        group: u32,
    },
}

impl Account {
    /// Ours, or the named one where we are root and the server refuses root.
    pub(crate) fn unless_root(name: &str) -> Result<Self, Error> {
        if our_user()? != 0 {
            return Ok(Self::Ours);
        }
        let accounts = fs::read_to_string("/etc/passwd").map_err(during("reading /etc/passwd"))?;
        let line = accounts.lines().map(|line| line.split(':').collect::<Vec<_>>()).find(|line| line[0] == name);
        let ids = line.and_then(|line| Some((line.get(2)?.parse().ok()?, line.get(3)?.parse().ok()?)));
        let (user, group) = ids.ok_or_else(|| Error::Missing { program: format!("user {name}"), hint: HINT })?;
        Ok(Self::Other { user, group })
    }

    /// Lets a command run as it.
    pub(crate) fn apply(self, command: &mut Command) {
        if let Self::Other { user, group } = self {
            command.uid(user).gid(group).env("HOME", "/nonexistent");
        }
    }
}

/// As whom we run.
pub(crate) fn our_user() -> Result<u32, Error> {
    fs::metadata("/proc/self").map(|me| me.uid()).map_err(during("looking at /proc/self"))
}

/// Runs a command to its end and gives back what it printed, without the last line break.
pub(crate) fn run(command: &mut Command) -> Result<String, Error> {
    // A server's folder may be closed to whom the command runs as.
    command.stdin(Stdio::null()).current_dir("/");
    let output = command.output().map_err(during(format!("running {command:?}")))?;
    let printed = String::from_utf8_lossy(&output.stdout);
    if output.status.success() {
        return Ok(printed.trim_end_matches('\n').to_owned());
    }
    let log = format!("{}{}", printed, String::from_utf8_lossy(&output.stderr));
    Err(Error::Failed { what: format!("{}: {}", output.status, shown(command)), log })
}

fn shown(command: &Command) -> String {
    let program = Path::new(command.get_program()).file_name().unwrap_or_default().to_string_lossy().into_owned();
    let mut words = vec![program];
    words.extend(command.get_args().map(|word| word.to_string_lossy().into_owned()));
    words.join(" ")
}

//! The private folder of a server: temporary, or one that is kept.

use std::fs;
use std::os::unix::fs::{MetadataExt, chown};
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::error::{Error, during};
use crate::program::Account;

/// Lines of a log that an error shows.
const TAIL_LINES: usize = 30;

/// Where a server keeps its data, configuration and log.
#[derive(Debug)]
pub(crate) enum Folder {
    /// Removed when dropped, also by the watchdog of a process in it.
    Temporary(TempDir),
    /// Stays.
    Kept(PathBuf),
}

impl Folder {
    /// The given folder, or a temporary one, owned by the account.
    pub(crate) fn open(kept: Option<&Path>, account: Account) -> Result<Self, Error> {
        let folder = match kept {
            Some(path) => {
                let making = || format!("folder {}", path.display());
                fs::create_dir_all(path).map_err(during(making()))?;
                let path = path.canonicalize().map_err(during(making()))?;
                Self::Kept(if account.may_enter(&path)? { path } else { elsewhere(&path)? })
            }
            None => {
                let folder = tempfile::Builder::new().prefix("hubbub-local-").tempdir();
                Self::Temporary(folder.map_err(during("a temporary folder"))?)
            }
        };
        account.give(folder.path())?;
        Ok(folder)
    }

    pub(crate) fn path(&self) -> &Path {
        match self {
            Self::Temporary(folder) => folder.path(),
            Self::Kept(path) => path,
        }
    }

    /// What the watchdog removes when this program was killed.
    pub(crate) fn to_remove(&self) -> Option<&Path> {
        match self {
            Self::Temporary(folder) => Some(folder.path()),
            Self::Kept(_) => None,
        }
    }

    /// A file in it.
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.path().join(name)
    }

    /// Writes a file in it.
    pub(crate) fn write(&self, name: &str, text: &str, account: Account) -> Result<PathBuf, Error> {
        let path = self.file(name);
        fs::write(&path, text).map_err(during(format!("writing {}", path.display())))?;
        account.give(&path)?;
        Ok(path)
    }
}

/// A folder with a name made of that of one which the account can not enter: a clone in the home of root.
fn elsewhere(path: &Path) -> Result<PathBuf, Error> {
    let name = path.to_string_lossy().replace('/', "-");
    let other = Path::new("/var/tmp").join(format!("hubbub-local{name}"));
    fs::create_dir_all(&other).map_err(during(format!("folder {}", other.display())))?;
    Ok(other)
}

impl Account {
    /// Whether everything above a folder lets it through.
    fn may_enter(self, path: &Path) -> Result<bool, Error> {
        const OTHERS_MAY_ENTER: u32 = 0o001;
        for folder in path.ancestors().skip(1).filter(|_| self != Self::Ours) {
            let facts = fs::metadata(folder).map_err(during(format!("folder {}", folder.display())))?;
            if facts.mode() & OTHERS_MAY_ENTER == 0 {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Makes it the owner of a file or folder.
    pub(crate) fn give(self, path: &Path) -> Result<(), Error> {
        let Self::Other { user, group } = self else { return Ok(()) };
        chown(path, Some(user), Some(group)).map_err(during(format!("owner of {}", path.display())))
    }
}

/// The last lines of a log.
pub(crate) fn tail(path: &Path) -> String {
    let text = fs::read(path).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let lines: Vec<&str> = text.lines().collect();
    let last = lines.get(lines.len().saturating_sub(TAIL_LINES)..).unwrap_or_default();
    format!("--- the end of {}\n{}", path.display(), last.join("\n"))
}

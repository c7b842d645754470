//! The file itself: that one hub alone has it open, and whether it is the very file that was closed last.
//!
//! Beside `hubbub.db` lies `hubbub.db.lock`. It is locked while the store is open. After a clean closing it holds the
//! seed of that opening, while the store is open it is empty. Knows nothing of what is inside the database.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use crate::store::StoreError;

/// A claimed database file. The claim ends when this is dropped or released.
#[derive(Debug)]
pub(super) struct Claim {
    path: PathBuf,
    /// Held for a read or a write of a few bytes, never across an await.
    side: Mutex<File>,
}

/// Which file of which file system.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct FileIdentity {
    pub(super) device: u64,
    pub(super) inode: u64,
}

impl Claim {
    /// Makes the folder where it is missing and claims the database file in it.
    pub(super) fn new(path: &Path) -> Result<Self, StoreError> {
        let claim = || -> io::Result<Result<Self, ()>> {
            if let Some(folder) = path.parent() {
                std::fs::create_dir_all(folder)?;
            }
            // By its real name, or a link to the file would open it a second time.
            let path = path.canonicalize().unwrap_or_else(|_| path.to_owned());
            let side = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(side_path(&path))?;
            match side.try_lock() {
                Ok(()) => Ok(Ok(Self { path, side: Mutex::new(side) })),
                Err(TryLockError::WouldBlock) => Ok(Err(())),
                Err(TryLockError::Error(error)) => Err(error),
            }
        };
        match claim() {
            Ok(Ok(claim)) => Ok(claim),
            Ok(Err(())) => Err(StoreError::Unavailable(format!(
                "{} is open in another hub process; stop that one, or give this one a file of its own",
                path.display()
            ))),
            Err(error) => {
                Err(StoreError::Unavailable(format!("{} can not be opened for writing: {error}", path.display())))
            }
        }
    }

    /// Which file it is. It must exist.
    pub(super) fn identity(&self) -> Result<FileIdentity, StoreError> {
        let metadata = std::fs::metadata(&self.path)
            .map_err(|error| StoreError::Unavailable(format!("{}: {error}", self.path.display())))?;
        Ok(identity_of(&metadata))
    }

    /// The seed of the last opening, when that ended with a clean closing.
    pub(super) fn closed_seed(&self) -> Option<u64> {
        let mut text = String::new();
        let mut side = self.side();
        // Anything unreadable counts as unclean, which costs a new epoch and nothing else.
        side.rewind().ok()?;
        (&mut *side).take(64).read_to_string(&mut text).ok()?;
        text.trim().parse().ok()
    }

    /// Forgets the last clean closing: the store is open now.
    pub(super) fn mark_open(&self) -> Result<(), StoreError> {
        let side = self.side();
        side.set_len(0).and_then(|()| side.sync_all()).map_err(|error| self.side_error(&error))
    }

    /// Remembers a clean closing.
    pub(super) fn mark_closed(&self, seed: u64) -> Result<(), StoreError> {
        let mut side = self.side();
        let write = |side: &mut File| {
            side.set_len(0)?;
            side.rewind()?;
            writeln!(side, "{seed}")?;
            side.sync_all()
        };
        write(&mut side).map_err(|error| self.side_error(&error))
    }

    /// Lets others open the file, even while this value is still around.
    pub(super) fn release(&self) {
        if let Err(error) = self.side().unlock() {
            tracing::warn!(%error, "the database file could not be unlocked before the end of the process");
        }
    }

    fn side(&self) -> std::sync::MutexGuard<'_, File> {
        // The file has no state of ours that a panic could leave half-done.
        self.side.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    fn side_error(&self, error: &io::Error) -> StoreError {
        StoreError::Unavailable(format!("{} can not be written: {error}", side_path(&self.path).display()))
    }
}

fn side_path(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".lock");
    name.into()
}

#[cfg(unix)]
fn identity_of(metadata: &std::fs::Metadata) -> FileIdentity {
    use std::os::unix::fs::MetadataExt;
    FileIdentity { device: metadata.dev(), inode: metadata.ino() }
}

/// Elsewhere only the seeds tell files apart.
#[cfg(not(unix))]
fn identity_of(_: &std::fs::Metadata) -> FileIdentity {
    FileIdentity { device: 0, inode: 0 }
}

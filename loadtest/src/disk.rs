//! What the disk itself takes to make a small write durable, and what kind of disk it is. Linux only.

use std::fs::{self, File};
use std::io::Write;
use std::path::Path;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;

use crate::worker::empty_latency;
use crate::{LoadError, during};

/// What a commit writes at least: a page of the write-ahead log.
const WRITE_BYTES: usize = 8_192;
/// File systems that are memory.
const MEMORY: &[&str] = &["tmpfs", "ramfs"];

/// The type of the file system that a folder lies on.
pub fn file_system(folder: &Path) -> Result<String, LoadError> {
    let folder = folder.canonicalize().map_err(during("data folder"))?;
    let mounts = fs::read_to_string("/proc/self/mounts").map_err(during("/proc/self/mounts"))?;
    find(&mounts, &folder).ok_or_else(|| LoadError::Start(format!("{} is on no known file system", folder.display())))
}

/// Whether a file system of this type forgets everything when the machine stops.
pub fn is_memory(file_system: &str) -> bool {
    MEMORY.contains(&file_system)
}

/// The mount with the longest matching path; of two on one path the later one hides the other.
fn find(mounts: &str, folder: &Path) -> Option<String> {
    let lines = mounts.lines().filter_map(|line| {
        let mut fields = line.split(' ').skip(1);
        Some((fields.next()?, fields.next()?))
    });
    let above = lines.filter(|(path, _)| folder.starts_with(path));
    above.max_by_key(|(path, _)| path.len()).map(|(_, kind)| kind.to_owned())
}

/// How long write and `fdatasync` take in a folder, in nanoseconds, one after the other for a while.
pub fn sync_latency(folder: &Path, within: Duration) -> Result<Histogram<u64>, LoadError> {
    let path = folder.join("sync-latency");
    let mut file = File::create(&path).map_err(during("sync file"))?;
    let mut latency = empty_latency();
    let page = vec![b'x'; WRITE_BYTES];
    let begin = Instant::now();
    while begin.elapsed() < within {
        let at = Instant::now();
        file.write_all(&page).and_then(|()| file.sync_data()).map_err(during("sync file"))?;
        latency.saturating_record(at.elapsed().as_nanos() as u64);
    }
    fs::remove_file(&path).map_err(during("sync file"))?;
    Ok(latency)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_mount_above_a_folder_counts() {
        let mounts = "/dev/a / ext4 rw 0 0\ntmpfs /tmp tmpfs rw 0 0\n/dev/b /tmp/real xfs rw 0 0\n";
        for (folder, expected) in [("/data", "ext4"), ("/tmp/x", "tmpfs"), ("/tmp/real/x", "xfs"), ("/tmpx", "ext4")] {
            assert_eq!(find(mounts, Path::new(folder)).as_deref(), Some(expected), "{folder}");
        }
        assert!(is_memory("tmpfs") && !is_memory("ext4"));
    }

    #[test]
    fn a_sync_takes_time() {
        let folder = tempfile::tempdir().expect("a folder");
        let latency = sync_latency(folder.path(), Duration::from_millis(20)).expect("it can be written");
        assert!(!latency.is_empty() && latency.max() > 1_000);
        assert_eq!(fs::read_dir(folder.path()).expect("still there").count(), 0);
    }
}

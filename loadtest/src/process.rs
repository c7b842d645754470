//! What a process costs, as the kernel counts it in `/proc`. Linux only.

use std::fs;
use std::time::{Duration, Instant};

use crate::LoadError;

/// The kernel counts processor time in hundredths of a second (`USER_HZ`, fixed on Linux).
const TICK: Duration = Duration::from_millis(10);

/// Processor time of a process so far, at a moment.
#[derive(Clone, Copy, Debug)]
pub struct Cpu {
    at: Instant,
    user: Duration,
    system: Duration,
}

/// Processor time between two moments.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct CpuSpent {
    /// In the program, in seconds.
    pub user_s: f64,
    /// In the kernel on its behalf, in seconds.
    pub system_s: f64,
    /// The time between the two moments, in seconds.
    pub elapsed_s: f64,
}

impl CpuSpent {
    /// Both together, in seconds.
    pub fn total_s(&self) -> f64 {
        self.user_s + self.system_s
    }

    /// As a share of one core, in percent.
    pub fn percent(&self) -> f64 {
        self.total_s() / self.elapsed_s.max(1e-9) * 100.0
    }
}

impl Cpu {
    /// Of a process by now.
    pub fn of(pid: u32) -> Result<Self, LoadError> {
        let path = format!("/proc/{pid}/stat");
        let text = read(&path)?;
        let (user, system) = parse_stat(&text).ok_or_else(|| unreadable(&path))?;
        Ok(Self { at: Instant::now(), user, system })
    }

    /// Spent so far, in the program and in the kernel, in seconds.
    pub fn so_far_s(&self) -> (f64, f64) {
        (self.user.as_secs_f64(), self.system.as_secs_f64())
    }

    /// Spent since an earlier moment.
    pub fn since(&self, before: &Self) -> CpuSpent {
        CpuSpent {
            user_s: self.user.saturating_sub(before.user).as_secs_f64(),
            system_s: self.system.saturating_sub(before.system).as_secs_f64(),
            elapsed_s: self.at.duration_since(before.at).as_secs_f64(),
        }
    }
}

/// The fields `utime` and `stime`. The name before them may hold spaces and brackets.
fn parse_stat(text: &str) -> Option<(Duration, Duration)> {
    let mut fields = text.rsplit_once(')')?.1.split_whitespace().skip(11);
    let mut ticks = || fields.next()?.parse::<u32>().ok();
    Some((TICK * ticks()?, TICK * ticks()?))
}

/// The proportional set size of a process: its memory, with shared pages divided among their users, in bytes.
pub fn pss_bytes(pid: u32) -> Result<u64, LoadError> {
    let path = format!("/proc/{pid}/smaps_rollup");
    let text = read(&path)?;
    parse_pss(&text).ok_or_else(|| unreadable(&path))
}

fn parse_pss(text: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix("Pss:"))?;
    line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok().map(|kib| kib * 1_024)
}

/// The process, its children, theirs, and so on; those that are there now.
pub fn family(pid: u32) -> Vec<u32> {
    let mut all = vec![pid];
    let mut looked_at = 0;
    // A process is the child of one thread of its parent.
    while let Some(parent) = all.get(looked_at).copied() {
        looked_at += 1;
        let threads = fs::read_dir(format!("/proc/{parent}/task")).into_iter().flatten().flatten();
        for thread in threads {
            let list = fs::read_to_string(thread.path().join("children")).unwrap_or_default();
            all.extend(list.split_whitespace().filter_map(|child| child.parse::<u32>().ok()));
        }
    }
    all
}

/// The time all cores of the machine spent idle so far, in seconds of one core.
pub fn machine_idle_s() -> Result<f64, LoadError> {
    let text = read("/proc/stat")?;
    parse_idle(&text).ok_or_else(|| unreadable("/proc/stat"))
}

fn parse_idle(text: &str) -> Option<f64> {
    let ticks: u64 = text.lines().next()?.strip_prefix("cpu ")?.split_whitespace().nth(3)?.parse().ok()?;
    Some(ticks as f64 * TICK.as_secs_f64())
}

fn read(path: &str) -> Result<String, LoadError> {
    fs::read_to_string(path).map_err(|error| LoadError::Start(format!("{path}: {error}")))
}

fn unreadable(path: &str) -> LoadError {
    LoadError::Start(format!("{path} does not look as expected"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_files_of_the_kernel_are_understood() {
        let stat = "7 (a) b) S 1 7 7 0 -1 4194304 100 0 0 0 123 45 0 0 20 0 4 0 100 1 1";
        assert_eq!(parse_stat(stat), Some((Duration::from_millis(1_230), Duration::from_millis(450))));
        assert_eq!(parse_pss("x rollup\nRss:  9 kB\nPss:               1234 kB\n"), Some(1_234 * 1_024));
        assert_eq!(parse_idle("cpu  1 2 3 400 5\ncpu0 1\n"), Some(4.0));
        assert_eq!((parse_stat("7 (a"), parse_pss("Pss: x"), parse_idle("")), (None, None, None));
    }

    #[test]
    fn a_family_has_children_and_theirs() {
        let mut shell = std::process::Command::new("/bin/sh");
        shell.args(["-c", "sh -c 'read x; :'; :"]).stdin(std::process::Stdio::piped());
        let mut shell = shell.spawn().expect("a shell");
        let until = Instant::now() + Duration::from_secs(20);
        while family(shell.id()).len() < 2 && Instant::now() < until {
            std::thread::yield_now();
        }
        let found = family(shell.id());
        let ours = family(std::process::id());
        drop(shell.stdin.take());
        let _ = shell.wait();
        assert!(found.len() >= 2 && found.iter().all(|pid| ours.contains(pid)), "{found:?} {ours:?}");
    }

    #[test]
    fn this_process_has_a_cost() {
        let pid = std::process::id();
        assert!(pss_bytes(pid).expect("own memory") > 100_000);
        let before = Cpu::of(pid).expect("own time");
        assert!(Cpu::of(pid).expect("own time").since(&before).total_s() >= 0.0);
    }
}

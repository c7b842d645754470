//! How much memory the process has and may have, read from Linux.

use std::fs;

/// Part of the machine's memory that is the watermark when none is configured.
const PART: f64 = 0.8;

/// Memory that the process holds, in bytes; `None` where the system does not tell.
pub fn resident() -> Option<u64> {
    kilobytes(&fs::read_to_string("/proc/self/status").ok()?, "VmRSS:")
}

/// The watermark when none is configured: a part of what the container or the machine has.
pub fn default_watermark() -> Option<u64> {
    let machine = kilobytes(&fs::read_to_string("/proc/meminfo").ok()?, "MemTotal:")?;
    let container =
        fs::read_to_string("/sys/fs/cgroup/memory.max").ok().and_then(|text| text.trim().parse::<u64>().ok());
    Some((machine.min(container.unwrap_or(u64::MAX)) as f64 * PART) as u64)
}

fn kilobytes(text: &str, name: &str) -> Option<u64> {
    let line = text.lines().find(|line| line.starts_with(name))?;
    line.split_ascii_whitespace().nth(1)?.parse::<u64>().ok().map(|kilobytes| kilobytes * 1_024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn linux_tells() {
        assert_eq!(kilobytes("Name:\tx\nVmRSS:\t  12 kB\n", "VmRSS:"), Some(12 * 1_024));
        assert!(resident().is_some_and(|bytes| bytes > 100_000));
    }
}

//! Ports of this machine that nobody else has: not another handle, not another test process, and not the kernel, which
//! gives ephemeral ports to outgoing connections and would take the port of a server while it is down.

use std::collections::hash_map::RandomState;
use std::fs::{self, File};
use std::hash::BuildHasher;
use std::net::{Ipv4Addr, TcpListener};

use crate::error::{Error, during};
use crate::program;

/// Below it live the usual services of a machine.
const LOWEST: u16 = 10_240;
/// Tries before giving up: with thousands of free ports the first few suffice.
const TRIES: usize = 2_000;

/// A port, ours until it is dropped: a lock on a file in the temporary folder says so to other processes.
#[derive(Debug)]
pub(crate) struct Port {
    number: u16,
    _lock: File,
}

impl Port {
    /// Takes any free port.
    fn reserve() -> Result<Self, Error> {
        let highest = first_ephemeral();
        for attempt in 0..TRIES {
            let dice = RandomState::new().hash_one(attempt);
            let span = u64::from(highest - LOWEST);
            let offset = u16::try_from(dice % span).unwrap_or_default();
            if let Some(port) = Self::take(LOWEST + offset)? {
                return Ok(port);
            }
        }
        Err(Error::Failed { what: format!("no free port in {LOWEST}..{highest}"), log: String::new() })
    }

    /// Takes the one that is asked for, or any.
    pub(crate) fn get(wanted: Option<u16>) -> Result<Self, Error> {
        let Some(number) = wanted else { return Self::reserve() };
        Self::take(number)?.ok_or_else(|| Error::Failed {
            what: format!("port {number} is taken; end what listens there"),
            log: String::new(),
        })
    }

    /// Takes this one, if nobody has it.
    fn take(number: u16) -> Result<Option<Self>, Error> {
        let folder = std::env::temp_dir().join(format!("hubbub-local-ports-{}", program::our_user()?));
        fs::create_dir_all(&folder).map_err(during("the folder of port locks"))?;
        let path = folder.join(number.to_string());
        let lock = File::options().create(true).append(true).open(&path);
        let lock = lock.map_err(during(format!("opening {}", path.display())))?;
        let ours = lock.try_lock().is_ok() && TcpListener::bind((Ipv4Addr::LOCALHOST, number)).is_ok();
        Ok(ours.then_some(Self { number, _lock: lock }))
    }

    pub(crate) fn number(&self) -> u16 {
        self.number
    }
}

/// Where the kernel's ephemeral ports begin; where that leaves no room below, all ports will do.
fn first_ephemeral() -> u16 {
    let range = fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range").unwrap_or_default();
    let first = range.split_whitespace().next().and_then(|first| first.parse().ok()).unwrap_or(32_768);
    if first > LOWEST + 2_000 { first } else { u16::MAX }
}

#[cfg(test)]
mod tests {
    use super::Port;

    #[test]
    fn a_port_is_given_once_and_again_after_it_was_let_go() {
        let port = Port::reserve().expect("a free port");
        let number = port.number();
        assert!(Port::take(number).expect("looked").is_none(), "given twice");
        drop(port);
        assert!(Port::take(number).expect("looked").is_some(), "not let go");
    }
}

//! Waiting for a condition with a deadline. The one place of this crate that sleeps.

use std::thread;
use std::time::{Duration, Instant};

use crate::error::Error;

/// Between two looks at a condition.
const PACE: Duration = Duration::from_millis(20);

/// Looks again and again until there is a value, or until the deadline. `log` is asked for the last lines only when it
/// is late.
pub(crate) fn until<T>(
    what: &str,
    limit: Duration,
    log: impl Fn() -> String,
    mut look: impl FnMut() -> Result<Option<T>, Error>,
) -> Result<T, Error> {
    let deadline = Instant::now() + limit;
    loop {
        if let Some(value) = look()? {
            return Ok(value);
        }
        if Instant::now() >= deadline {
            return Err(Error::Late { what: what.to_owned(), seconds: limit.as_secs(), log: log() });
        }
        thread::sleep(PACE);
    }
}

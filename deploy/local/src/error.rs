//! What can go wrong while processes are started, asked and stopped.

use std::io;

/// Why a process is not as it should be. Printed whole it says what to do, and ends with the log of the process.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A program is not on this machine.
    #[error("{program} is not there: {hint}")]
    Missing {
        /// Its name.
        program: String,
        /// How to get it.
        hint: &'static str,
    },
    /// The system refused something.
    #[error("{doing}: {source}")]
    System {
        /// What was tried.
        doing: String,
        /// What the system said.
        source: io::Error,
    },
    /// A command, or a server at its start, ended with a failure.
    #[error("{what}\n{log}")]
    Failed {
        /// What was tried.
        what: String,
        /// The last lines of what it wrote.
        log: String,
    },
    /// Something did not happen in time.
    #[error("after {seconds} s still not: {what}\n{log}")]
    Late {
        /// What was waited for.
        what: String,
        /// How long.
        seconds: u64,
        /// The last lines of what the process wrote.
        log: String,
    },
}

/// Names what was tried when the system refuses it.
pub(crate) fn during(doing: impl Into<String>) -> impl FnOnce(io::Error) -> Error {
    |source| Error::System { doing: doing.into(), source }
}

//! Logging of the process: lines on stderr, as the configuration says. Stdout belongs to the answers of commands.

use tracing_subscriber::EnvFilter;

use crate::config::sections::{LogFormat, LogSettings};

/// Starts logging. Does nothing when something else logs already, as in tests.
pub(super) fn start(settings: &LogSettings) {
    // The level was checked with the configuration.
    let filter = EnvFilter::builder().parse_lossy(&settings.level);
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    let started = match settings.format {
        LogFormat::Text => builder.try_init(),
        LogFormat::Json => builder.json().flatten_event(true).try_init(),
    };
    drop(started);
}

//! Where the command line finds the configuration: flags, the environment of the process, and a file.

use std::path::{Path, PathBuf};

use super::CliError;
use crate::config::{Config, ConfigError, Sources};

/// Read when no other file is named, if it is there.
const DEFAULT_FILE: &str = "hubbub.toml";

/// The arguments that every command with a configuration shares.
#[derive(clap::Args, Debug, Default)]
pub(super) struct SourceArgs {
    /// Development mode: a built-in tenant, secret, API key and namespaces. Never on the internet.
    #[arg(long)]
    pub(super) dev: bool,
    /// The configuration file. Default: hubbub.toml, if there is one.
    #[arg(long, value_name = "FILE", env = "HUBBUB_CONFIG")]
    pub(super) config: Option<PathBuf>,
}

impl SourceArgs {
    /// Loads the configuration; `flags` count most.
    pub(super) fn load(&self, flags: Vec<(&'static str, String)>) -> Result<Config, CliError> {
        self.load_by(flags, Config::load)
    }

    /// The same, of which only what stands beneath a node has to be right.
    pub(super) fn load_backends(&self) -> Result<Config, CliError> {
        self.load_by(Vec::new(), Config::load_backends)
    }

    fn load_by(
        &self,
        flags: Vec<(&'static str, String)>,
        load: impl Fn(&Sources<'_>) -> Result<Config, ConfigError>,
    ) -> Result<Config, CliError> {
        let file = self.file()?;
        let name = file.as_ref().map(|(path, _)| path.display().to_string());
        let sources = Sources {
            dev: self.dev,
            file: name.as_deref().zip(file.as_ref().map(|(_, text)| text.as_str())),
            env: std::env::vars_os()
                .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
                .collect(),
            flags,
            ..Sources::default()
        };
        Ok(load(&sources)?)
    }

    fn file(&self) -> Result<Option<(PathBuf, String)>, CliError> {
        let path = self.config.as_deref().unwrap_or(Path::new(DEFAULT_FILE));
        match std::fs::read_to_string(path) {
            Ok(text) => Ok(Some((path.to_owned(), text))),
            Err(error) if self.config.is_none() && error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(CliError::File { path: path.display().to_string(), error }),
        }
    }
}

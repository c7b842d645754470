//! `hubbub serve`: loads the configuration, starts logging and runs the node until it is told to stop.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use super::sources::SourceArgs;
use super::{CliError, Done, logging};
use crate::config::Config;

/// Arguments of `hubbub serve`.
#[derive(clap::Args, Debug)]
pub(super) struct Args {
    #[command(flatten)]
    sources: SourceArgs,
    /// Address and port for clients.
    #[arg(long, value_name = "ADDR")]
    public: Option<SocketAddr>,
    /// Address and port for services, metrics and probes.
    #[arg(long, value_name = "ADDR")]
    internal: Option<SocketAddr>,
    /// Folder of the SQLite file.
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
}

impl Args {
    fn flags(&self) -> Result<Vec<(&'static str, String)>, CliError> {
        let mut flags = Vec::new();
        flags.extend(self.public.map(|address| ("listen.public", address.to_string())));
        flags.extend(self.internal.map(|address| ("listen.internal", address.to_string())));
        if let Some(folder) = &self.data {
            let path = folder.join("hubbub.db").into_os_string().into_string();
            flags.push(("store.path", path.map_err(|_| CliError::Usage("--data must be UTF-8".into()))?));
        }
        Ok(flags)
    }
}

pub(super) fn run(args: &Args) -> Done {
    let flags = args.flags()?;
    let load = || args.sources.load(flags.clone());
    let config = load()?;
    logging::start(&config.log);
    Ok(serve(config, &load))
}

/// Runs the node. `reload` reads the same sources again, for SIGHUP.
fn serve(_config: Config, _reload: &dyn Fn() -> Result<Config, CliError>) -> ExitCode {
    eprintln!("hubbub: this build can not serve yet");
    ExitCode::FAILURE
}

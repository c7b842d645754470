//! What a scenario drives: a hub that runs, one that is started for it, a fleet of them, or another server by its description.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args;

use super::url::Url;
use crate::LoadError;
use crate::crew::Entrance;
use crate::crew::lines::TargetJob;
use crate::feed::Through;
use crate::fleet::{Fleet, Shape};
use crate::http::Server;
use crate::outcome::{Target, TargetKind};
use crate::plan::Scenario;
use crate::plan::cast::Cast;
use crate::process::family;
use crate::target::description::Description;
use crate::target::dialogue::Language;
use crate::target::outlet::Entry;
use crate::target::spoken::Way;
use crate::target::{Spoken, TargetError, library};
use crate::token::TokenMaker;

/// The flags that say what is driven.
#[derive(Args, Clone, Debug)]
pub struct Driven {
    /// Start this hub in development mode, and end it with the run.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["url", "internal", "hub_pid"])]
    hub: Option<PathBuf>,
    /// What it is called in the report. By default `hubbub`, or as the target is called.
    #[arg(long, value_name = "NAME")]
    called: Option<String>,
    /// How many of them; several are a fleet over a private Redis and Postgres.
    #[arg(long, default_value_t = 1, requires = "hub")]
    nodes: usize,
    /// A setting of every hub that is started, by its environment variable.
    #[arg(long = "hub-env", value_name = "NAME=VALUE", requires = "hub")]
    hub_env: Vec<String>,
    /// Where a running hub, its balancer or another server takes WebSockets: ws://HOST:PORT.
    #[arg(long)]
    url: Option<String>,
    /// The internal API of a running hub: http://HOST:PORT; several are used in turns.
    #[arg(long, requires = "url")]
    internal: Vec<String>,
    /// Drive another server than a hub: a target that `list` names, or a file that ends in .toml.
    #[arg(long, value_name = "NAME|FILE", requires = "url", conflicts_with_all = ["hub", "internal"])]
    target: Option<String>,
    /// Changes a key of the target: `values.key=my-app`, `connect.path=/ws`.
    #[arg(long = "target-set", value_name = "KEY=VALUE", requires = "target")]
    target_set: Vec<String>,
    /// Where the target takes requests that publish: http://HOST:PORT. By default where it takes WebSockets.
    #[arg(long, value_name = "URL", requires = "target")]
    publish: Option<String>,
    /// Whom to believe that a wss:// or https:// server is it: authorities as a PEM file. By default those of this machine.
    #[arg(long, value_name = "FILE", requires = "url")]
    ca: Option<PathBuf>,
    /// A running process on this machine that is driven, so that its costs and those of its children are measured.
    #[arg(long = "pid", alias = "hub-pid", value_name = "PID")]
    hub_pid: Vec<u32>,
    /// The secret that tokens (HS256), or signatures for a target, are made with.
    #[arg(long, default_value = SECRET)]
    secret: String,
    /// The name of that secret in tokens for a hub.
    #[arg(long, default_value = KID)]
    kid: String,
    /// The key for the API that is published through.
    #[arg(long, default_value = API_KEY)]
    api_key: String,
    /// At least so many processes with people. By default one for each 15,000.
    #[arg(long, default_value_t = WORKERS)]
    workers: usize,
    /// Connections that may be opening at once.
    #[arg(long, default_value_t = IN_FLIGHT)]
    in_flight: usize,
    /// Seconds that opening may take beyond the ramp.
    #[arg(long, default_value_t = OPEN_WITHIN_S)]
    open_within_s: u64,
}

const SECRET: &str = "hubbub-development-secret-not-for-production";
const KID: &str = "dev";
const API_KEY: &str = "dev-key";
const WORKERS: usize = 1;
const IN_FLIGHT: usize = 256;
const OPEN_WITHIN_S: u64 = 60;
/// How long a token of the service is valid, in seconds: longer than any run.
const TOKEN_S: u64 = 7 * 24 * 3_600;

/// What is driven, while it lasts.
#[derive(Debug)]
pub(super) struct Hubs {
    /// What was started.
    pub(super) fleet: Option<Fleet>,
    /// Where people connect, and as whom.
    pub(super) entrance: Entrance,
    /// Where is published, and through what.
    pub(super) internals: Vec<Server>,
    pub(super) through: Through,
    pub(super) open_within_s: u64,
    /// What it is called in the report.
    pub(super) target: Target,
    pids: Vec<u32>,
}

impl Hubs {
    /// Finds or starts it. Faults need one that was started, with so many nodes.
    pub(super) fn of(driven: &Driven, scenario: &Scenario, cast: &Cast) -> Result<Self, LoadError> {
        if let Some(target) = &driven.target {
            return driven.described(target, scenario, cast);
        }
        if let Some(most) = scenario.faults.iter().map(|fault| fault.node).max()
            && (driven.hub.is_none() || most > driven.nodes.max(1))
        {
            return Err(LoadError::Start(format!(
                "a fault happens to node {most}: start so many with --hub and --nodes"
            )));
        }
        let (mut fleet, mut publics, mut internals, mut typed) = (None, Vec::new(), Vec::new(), None);
        match (&driven.hub, &driven.url) {
            (Some(program), _) => {
                let started = Fleet::start(program, &driven.shape()?)?;
                publics = started.hubs.iter().map(hubbub_local::hub::Hub::public).collect();
                internals = started.internals().into_iter().map(Server::plain).collect();
                fleet = Some(started);
            }
            (None, Some(url)) if !driven.internal.is_empty() => {
                for internal in &driven.internal {
                    internals.push(Url::of(internal)?.server(driven.ca.as_deref())?);
                }
                let url = Url::of(url)?;
                publics.push(url.server(driven.ca.as_deref())?.address);
                typed = Some(url);
            }
            _ => {
                let why = "name a hub: --hub FILE, or --url and --internal; or another server: --target and --url";
                return Err(LoadError::Start(why.into()));
            }
        }
        let url = publics.first().map_or_else(String::new, |public| format!("ws://{public}/ws"));
        let target = Target { kind: TargetKind::Hubbub, name: driven.called("hubbub"), url };
        Ok(Self {
            fleet,
            entrance: driven.entrance(publics, typed.as_ref(), None),
            internals,
            through: Through::Hub(driven.api_key.clone()),
            open_within_s: driven.open_within_s,
            target,
            pids: driven.hub_pid.clone(),
        })
    }

    /// The processes that are there now.
    pub(super) fn pids(&self) -> Vec<u32> {
        match &self.fleet {
            Some(fleet) => fleet.hubs.iter().filter_map(hubbub_local::hub::Hub::pid).collect(),
            // A server may divide itself into several.
            None => self.pids.iter().flat_map(|pid| family(*pid)).collect(),
        }
    }
}

impl Driven {
    /// This hub, started for the run.
    pub(crate) fn start(hub: &Path) -> Self {
        Self { hub: Some(hub.to_owned()), nodes: 1, ..Self::default() }
    }

    /// What runs and is spoken to as a hub.
    pub(crate) fn at_hub(called: &str, public: SocketAddr, internal: SocketAddr, pid: u32) -> Self {
        let (url, internal) = (Some(format!("ws://{public}")), vec![format!("http://{internal}")]);
        Self { called: Some(called.to_owned()), url, internal, hub_pid: vec![pid], ..Self::default() }
    }

    /// What runs and is described.
    pub(crate) fn at_target(target: &str, public: SocketAddr, publish: Option<SocketAddr>, pid: u32) -> Self {
        let (url, publish) = (Some(format!("ws://{public}")), publish.map(|publish| format!("http://{publish}")));
        Self { target: Some(target.to_owned()), url, publish, hub_pid: vec![pid], ..Self::default() }
    }

    fn called(&self, otherwise: &str) -> String {
        self.called.clone().unwrap_or_else(|| otherwise.to_owned())
    }

    fn entrance(&self, publics: Vec<SocketAddr>, url: Option<&Url>, target: Option<TargetJob>) -> Entrance {
        let Self { secret, kid, in_flight, workers, .. } = self.clone();
        // Names of secrets are the hub's own.
        let kid = if target.is_some() { String::new() } else { kid };
        let (host, trust) = (url.map(|url| url.host.clone()), url.and_then(|url| url.trust(self.ca.as_deref())));
        Entrance { publics, secret, kid, in_flight, workers, target, host, trust }
    }

    /// A described server.
    fn described(&self, file: &str, scenario: &Scenario, cast: &Cast) -> Result<Hubs, LoadError> {
        let description = Description::parse(file, &library::find(file)?, &self.target_set)?;
        let spoken = Spoken::of(file, &description)?;
        spoken.can_play(scenario)?;
        let url = Url::without_path(self.url.as_deref().unwrap_or_default(), "connect.path of the target")?;
        let publish = match (&self.publish, &spoken.publish) {
            (Some(_), Some(Way::Socket { .. })) => {
                return Err(LoadError::Start(
                    "--publish: this target is published through by WebSocket, at --url".into(),
                ));
            }
            (Some(publish), _) => Url::without_path(publish, "publish.http.path of the target")?,
            (None, _) => url.clone(),
        };
        let token = TokenMaker::new(&self.secret, "").token_for("service", TOKEN_S)?;
        let text = toml::to_string(&description)
            .map_err(|error| TargetError::Toml(file.to_owned(), format!("can not be passed on: {error}")))?;
        let job = TargetJob { file: file.to_owned(), text };
        let target =
            Target { kind: TargetKind::Websocket, name: self.called(&spoken.name), url: format!("ws://{}", url.host) };
        let channels = spoken.names(&cast.names)?;
        let language = Arc::new(Language { spoken, channels, secret: self.secret.clone() });
        let entry = Entry { language, api_key: self.api_key.clone(), token };
        Ok(Hubs {
            fleet: None,
            entrance: self.entrance(vec![url.server(self.ca.as_deref())?.address], Some(&url), Some(job)),
            internals: vec![publish.server(self.ca.as_deref())?],
            through: Through::Target(Box::new(entry)),
            open_within_s: self.open_within_s,
            target,
            pids: self.hub_pid.clone(),
        })
    }

    fn shape(&self) -> Result<Shape, LoadError> {
        let nodes = self.nodes.max(1);
        let mut env = Vec::new();
        for setting in &self.hub_env {
            let (name, value) = setting.split_once('=').ok_or_else(|| {
                LoadError::Start(format!("--hub-env {setting}: it is NAME=VALUE, e.g. HUBBUB_LIMITS__DRAIN_MS=5000"))
            })?;
            env.push((name.to_owned(), value.to_owned()));
        }
        Ok(Shape { nodes, alone: nodes == 1, env, ..Shape::default() })
    }
}

impl Default for Driven {
    fn default() -> Self {
        Self {
            hub: None,
            called: None,
            nodes: 1,
            hub_env: Vec::new(),
            url: None,
            internal: Vec::new(),
            target: None,
            target_set: Vec::new(),
            publish: None,
            ca: None,
            hub_pid: Vec::new(),
            secret: SECRET.to_owned(),
            kid: KID.to_owned(),
            api_key: API_KEY.to_owned(),
            workers: WORKERS,
            in_flight: IN_FLIGHT,
            open_within_s: OPEN_WITHIN_S,
        }
    }
}

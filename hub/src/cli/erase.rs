//! `hubbub erase`: takes a user out, or after a restore from a backup everybody who was taken out before, through the internal API. Waits for
//! the jobs that do it.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use hubbub_protocol::UserId;
use reqwest::Method;
use serde_json::{Value, json};
use tokio::time::sleep;

use super::publish::{innermost, refusal};
use super::{CliError, Done};

/// How long an answer may take.
const TIMEOUT: Duration = Duration::from_secs(15);
/// How often a job is asked for.
const LOOK: Duration = Duration::from_millis(250);

/// Arguments of `hubbub erase`.
#[derive(clap::Args, Debug)]
pub(super) struct Args {
    /// The user.
    #[arg(required_unless_present = "again", conflicts_with = "again")]
    user: Option<UserId>,
    /// Everybody who was erased before and is there again, as after a restore from a backup.
    #[arg(long)]
    again: bool,
    /// What GET /v1/proofs has answered before the restore: proofs that came after the backup.
    #[arg(long, requires = "again", value_name = "FILE")]
    proofs: Option<PathBuf>,
    /// The internal port of a node.
    #[arg(long, env = "HUBBUB_URL", default_value = "http://127.0.0.1:8081")]
    url: String,
    /// The API key. It needs the scope `admin`.
    #[arg(long, env = "HUBBUB_API_KEY", default_value = "dev-key", hide_env_values = true)]
    api_key: String,
}

pub(super) fn run(args: &Args) -> Done {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(CliError::Runtime)?;
    runtime.block_on(erase(args))
}

async fn erase(args: &Args) -> Done {
    let hub = Hub::new(args)?;
    if let Some(user) = &args.user {
        let id = user.as_str().bytes().map(|byte| format!("%{byte:02X}")).collect::<String>();
        let ended = hub.job(&format!("/v1/users/{id}/erase"), None).await?;
        println!("erased: {}", ended["counts"]);
        return Ok(ExitCode::SUCCESS);
    }
    let ended = hub.job("/v1/erase/again", Some(json!({ "proofs": kept(args)? }))).await?;
    let began = ended["began"].as_array().cloned().unwrap_or_default();
    for job in &began {
        hub.ended(job.as_str().unwrap_or_default()).await?;
    }
    println!("erased again: {}", began.len());
    Ok(ExitCode::SUCCESS)
}

/// The proofs of the file, as they were answered: a page, or a list.
fn kept(args: &Args) -> Result<Value, CliError> {
    let Some(path) = &args.proofs else { return Ok(json!([])) };
    let fault = |error| CliError::File { path: path.display().to_string(), error };
    let mut kept: Value = serde_json::from_slice(&std::fs::read(path).map_err(fault)?)
        .map_err(|error| CliError::Usage(format!("{} is not what GET /v1/proofs answers: {error}", path.display())))?;
    Ok(if kept.is_array() { kept } else { kept["proofs"].take() })
}

/// The internal API of a node.
struct Hub<'a> {
    args: &'a Args,
    client: reqwest::Client,
}

impl<'a> Hub<'a> {
    fn new(args: &'a Args) -> Result<Self, CliError> {
        let client = reqwest::Client::builder().timeout(TIMEOUT).build();
        let client = client.map_err(|error| CliError::Refused(innermost(&error)))?;
        Ok(Self { args, client })
    }

    async fn ask(&self, method: Method, path: &str, body: Option<Value>) -> Result<Value, CliError> {
        let url = format!("{}{path}", self.args.url.trim_end_matches('/'));
        let unreachable = |error: reqwest::Error| CliError::Unreachable { url: url.clone(), cause: innermost(&error) };
        let mut request = self.client.request(method, &url).bearer_auth(&self.args.api_key);
        if let Some(body) = body {
            request = request.json(&body);
        }
        let response = request.send().await.map_err(unreachable)?;
        let status = response.status();
        let text = response.text().await.map_err(unreachable)?;
        if !status.is_success() {
            return Err(CliError::Refused(refusal(status.as_u16(), &text)));
        }
        serde_json::from_str(&text).map_err(|error| CliError::Refused(format!("the hub answered no JSON: {error}")))
    }

    /// Begins a job and waits for its end.
    async fn job(&self, path: &str, body: Option<Value>) -> Result<Value, CliError> {
        let begun = self.ask(Method::POST, path, body).await?;
        self.ended(begun["job"].as_str().unwrap_or_default()).await
    }

    async fn ended(&self, job: &str) -> Result<Value, CliError> {
        loop {
            let state = self.ask(Method::GET, &format!("/v1/jobs/{job}"), None).await?;
            match state["state"].as_str() {
                Some("running") => sleep(LOOK).await,
                Some("done") => return Ok(state),
                _ => return Err(CliError::Refused(format!("the job {job} failed: {}", state["error"]))),
            }
        }
    }
}

//! `hubbub publish`: sends one message through the internal API and prints the answer.

use std::process::ExitCode;
use std::time::Duration;

use hubbub_protocol::{ChannelName, Data, Key};
use serde::{Deserialize, Serialize};

use super::{CliError, Done};

/// How long the answer may take.
const TIMEOUT: Duration = Duration::from_secs(15);

/// Arguments of `hubbub publish`.
#[derive(clap::Args, Debug)]
pub(super) struct Args {
    /// The channel, e.g. live:score.
    #[arg(long)]
    channel: ChannelName,
    /// The message: any JSON, e.g. '{"home":1}' or '"text"'.
    #[arg(long, value_name = "JSON", value_parser = parse_data)]
    data: Data,
    /// The idempotency key.
    #[arg(long, value_parser = parse_key)]
    key: Option<Key>,
    /// Messages with the same conflate key replace each other for slow readers.
    #[arg(long, value_parser = parse_key)]
    conflate_key: Option<Key>,
    /// The internal port of a node.
    #[arg(long, env = "HUBBUB_URL", default_value = "http://127.0.0.1:8081")]
    url: String,
    /// The API key.
    #[arg(long, env = "HUBBUB_API_KEY", default_value = "dev-key", hide_env_values = true)]
    api_key: String,
}

#[derive(Serialize)]
struct Body<'a> {
    channel: &'a ChannelName,
    data: &'a Data,
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<&'a Key>,
    #[serde(skip_serializing_if = "Option::is_none")]
    conflate_key: Option<&'a Key>,
}

/// RFC 9457.
#[derive(Deserialize)]
struct ProblemDetails {
    title: Option<String>,
    detail: Option<String>,
}

pub(super) fn run(args: &Args) -> Done {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(CliError::Runtime)?;
    println!("{}", runtime.block_on(publish(args))?);
    Ok(ExitCode::SUCCESS)
}

async fn publish(args: &Args) -> Result<String, CliError> {
    let url = format!("{}/v1/publish", args.url.trim_end_matches('/'));
    let unreachable = |error: reqwest::Error| CliError::Unreachable { url: url.clone(), cause: innermost(&error) };
    let client = reqwest::Client::builder().timeout(TIMEOUT).build().map_err(unreachable)?;
    let (key, conflate_key) = (args.key.as_ref(), args.conflate_key.as_ref());
    let body = Body { channel: &args.channel, data: &args.data, key, conflate_key };
    let request = client.post(&url).bearer_auth(&args.api_key).json(&body);
    let response = request.send().await.map_err(unreachable)?;
    let status = response.status();
    let text = response.text().await.map_err(unreachable)?;
    if status.is_success() { Ok(text) } else { Err(CliError::Refused(refusal(status.as_u16(), &text))) }
}

/// What a person needs of a problem: its detail, or as much as there is.
pub(super) fn refusal(status: u16, text: &str) -> String {
    let problem = serde_json::from_str::<ProblemDetails>(text).ok();
    let said = problem.and_then(|problem| problem.detail.or(problem.title));
    let said = said.unwrap_or_else(|| text.chars().take(200).collect());
    format!("the hub answered {status}: {}", if said.is_empty() { "nothing more" } else { &said })
}

pub(super) fn innermost(error: &dyn std::error::Error) -> String {
    error.source().map_or_else(|| error.to_string(), innermost)
}

fn parse_data(text: &str) -> Result<Data, String> {
    Data::parse(text.to_owned())
        .map_err(|error| format!("this is not JSON ({error}); text needs quotes of its own: '\"text\"'"))
}

fn parse_key(text: &str) -> Result<Key, hubbub_protocol::message::KeyError> {
    Key::parse(text)
}

//! Calls to the platform that a tenant's rooms belong to: asked before something is said, told of what a user does not see now.
//! Both are signed, have a time, and are the operator's own URLs.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use aws_lc_rs::hmac;
use hubbub_protocol::ErrorCode;
use hubbub_protocol::channel::{ChannelName, TenantId, UserId};
use hubbub_protocol::room::{Attachment, Notice};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::error::{RoomError, refusal};
use crate::auth::secret::Secret;

/// Largest answer of a hook that is read, in bytes.
const ANSWER_BYTES: usize = 64 * 1024;

/// What happens to a message when the hook does not answer.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnFailure {
    /// It is sent.
    Allow,
    /// It is refused for now.
    #[default]
    Refuse,
}

/// Who is asked before a message is sent or edited, as it stands under `[tenants.hook]`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HookSettings {
    /// Where to post to.
    pub url: String,
    /// How long an answer may take, in milliseconds. Default 300.
    #[serde(default = "hook_timeout_ms")]
    pub timeout_ms: u64,
    /// What happens without one. Default `refuse`.
    #[serde(default)]
    pub on_failure: OnFailure,
    /// Signs what is posted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret: Option<Secret>,
    /// A file that holds it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_file: Option<PathBuf>,
}

/// Who is told of notices that their user does not see, as it stands under `[tenants.webhook]`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WebhookSettings {
    /// Where to post to.
    pub url: String,
    /// How long an answer may take, in milliseconds. Default 5,000.
    #[serde(default = "webhook_timeout_ms")]
    pub timeout_ms: u64,
    /// Signs what is posted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret: Option<Secret>,
    /// A file that holds it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_file: Option<PathBuf>,
}

fn hook_timeout_ms() -> u64 {
    300
}

fn webhook_timeout_ms() -> u64 {
    5_000
}

/// What a tenant's platform wants to know.
#[derive(Clone, Debug, Default)]
pub struct Platform {
    /// Asked before.
    pub hook: Option<HookSettings>,
    /// Told afterwards.
    pub webhook: Option<WebhookSettings>,
}

/// The platforms of all tenants.
#[derive(Debug)]
pub struct Platforms {
    of: ArcSwap<HashMap<TenantId, Platform>>,
    client: reqwest::Client,
}

/// What a hook is asked about.
pub(super) struct Asked<'a> {
    pub(super) op: &'static str,
    pub(super) tenant: &'a TenantId,
    pub(super) channel: &'a ChannelName,
    pub(super) user: Option<&'a UserId>,
    pub(super) text: &'a str,
    pub(super) attachments: &'a [Attachment],
}

#[derive(Deserialize)]
struct Verdict {
    allow: bool,
    #[serde(default)]
    reason: String,
    text: Option<String>,
}

impl Platforms {
    /// Of these tenants.
    ///
    /// # Errors
    /// When TLS can not be had.
    pub fn new(of: HashMap<TenantId, Platform>) -> Result<Self, reqwest::Error> {
        // Nobody but the operator says where a call goes: neither an answer nor the environment.
        let client = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).no_proxy().build()?;
        Ok(Self { of: ArcSwap::from_pointee(of), client })
    }

    /// Of others from now on.
    pub fn reload(&self, of: HashMap<TenantId, Platform>) {
        self.of.store(Arc::new(of));
    }

    /// Whether a tenant's platform is told of notices.
    pub(super) fn is_told(&self, tenant: &TenantId) -> bool {
        self.of.load().get(tenant).is_some_and(|platform| platform.webhook.is_some())
    }

    /// Asks whether something may be said; answers other words for it, if the platform has some.
    pub(super) async fn ask(&self, asked: Asked<'_>) -> Result<Option<String>, RoomError> {
        let hook = self.of.load().get(asked.tenant).and_then(|platform| platform.hook.clone());
        let Some(hook) = hook else { return Ok(None) };
        let Asked { op, tenant, channel, user, text, attachments } = asked;
        let body = json!({
            "op": op, "tenant": tenant, "channel": channel, "user": user, "text": text, "attachments": attachments
        });
        let answer = self.post(&hook.url, hook.timeout_ms, hook.secret.as_ref(), &body.to_string(), None).await;
        let verdict = answer.and_then(|bytes| {
            serde_json::from_slice::<Verdict>(&bytes).map_err(|error| format!("the answer can not be read: {error}"))
        });
        match (verdict, hook.on_failure) {
            (Ok(Verdict { allow: true, text, .. }), _) => Ok(text),
            (Ok(Verdict { reason, .. }), _) => {
                let reason = if reason.is_empty() { "this may not be said here".to_owned() } else { reason };
                Err(refusal(ErrorCode::Forbidden, reason).into())
            }
            (Err(why), on_failure) => {
                metrics::counter!("hubbub_hook_failures_total").increment(1);
                tracing::warn!(%tenant, why, ?on_failure, "the hook did not answer");
                match on_failure {
                    OnFailure::Allow => Ok(None),
                    OnFailure::Refuse => Err(RoomError::Unavailable { retry_after_ms: 1_000 }),
                }
            }
        }
    }

    /// Tells of a notice. The error says why it did not arrive.
    pub(super) async fn tell(&self, tenant: &TenantId, user: &UserId, notice: &Notice) -> Result<(), String> {
        let webhook = self.of.load().get(tenant).and_then(|platform| platform.webhook.clone());
        // Not configured any more: nobody is to be told.
        let Some(webhook) = webhook else { return Ok(()) };
        let body = json!({ "tenant": tenant, "user": user, "notice": notice }).to_string();
        let key = notice.id.to_string();
        self.post(&webhook.url, webhook.timeout_ms, webhook.secret.as_ref(), &body, Some(&key)).await.map(|_| ())
    }

    async fn post(
        &self,
        url: &str,
        timeout_ms: u64,
        secret: Option<&Secret>,
        body: &str,
        key: Option<&str>,
    ) -> Result<Vec<u8>, String> {
        let mut request = self.client.post(url).timeout(Duration::from_millis(timeout_ms));
        request = request.header("content-type", "application/json").body(body.to_owned());
        if let Some(secret) = secret {
            request = request.header("x-hubbub-signature", signature(secret, body.as_bytes()));
        }
        if let Some(key) = key {
            request = request.header("idempotency-key", key);
        }
        let mut response = request.send().await.map_err(|error| error.without_url().to_string())?;
        if !response.status().is_success() {
            return Err(format!("it answered {}", response.status()));
        }
        let mut bytes = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|error| error.without_url().to_string())? {
            if bytes.len() + chunk.len() > ANSWER_BYTES {
                return Err(format!("it answered more than {ANSWER_BYTES} bytes"));
            }
            bytes.extend_from_slice(&chunk);
        }
        Ok(bytes)
    }
}

/// `sha256=` and the HMAC of the body in hexadecimal digits.
fn signature(secret: &Secret, body: &[u8]) -> String {
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret.expose().as_bytes()), body);
    tag.as_ref().iter().fold("sha256=".to_owned(), |text, byte| format!("{text}{byte:02x}"))
}

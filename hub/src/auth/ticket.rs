//! Tickets: what a browser's `EventSource`, which can send no header, carries in its URL instead of a token. A ticket is
//! bound to a user and a set of channels and ends with the token that it was issued for. It names the channels by a hash:
//! the URL carries them anyway, and it must stay short.

use std::sync::Arc;

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::hmac;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hubbub_protocol::channel::{ChannelName, TenantId, UserId};
use serde::{Deserialize, Serialize};

use super::error::AuthError;
use super::grants::{Capability, ChannelPattern, Grants, Operations};
use super::identity::Identity;
use crate::namespace::Operation;

/// Longest ticket, in bytes. What [`Tickets::issue`] gives is below 1 KiB.
pub const TICKET_MAX: usize = 4 * 1024;
/// The secret of tickets is at least so long, in bytes.
pub const TICKET_SECRET_MIN: usize = 32;
/// The first part of every ticket: its kind and version. It is signed with the rest.
const VERSION: &str = "t1";

/// Names a ticket. A newer stream with the same ticket ends the older one.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub struct TicketId(u128);

/// What a ticket stands for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct OpenedTicket {
    /// Which ticket.
    pub id: TicketId,
    /// Whom it was issued to, with what is granted on its channels and nowhere else.
    pub identity: Identity,
}

/// Issues and opens tickets. Every node of a fleet needs the same secret.
pub struct Tickets {
    key: hmac::Key,
}

impl std::fmt::Debug for Tickets {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tickets").finish_non_exhaustive()
    }
}

/// What is written into a ticket. Short names, since it stands in a URL.
#[derive(Serialize, Deserialize)]
struct Body<'a> {
    i: TicketId,
    t: &'a str,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    u: Option<&'a str>,
    #[serde(default, skip_serializing_if = "Option::is_none", borrow)]
    j: Option<std::borrow::Cow<'a, str>>,
    a: u64,
    e: u64,
    /// The hash of the channels.
    h: &'a str,
    /// What explicit capabilities grant on each channel, in sorted order: one character of base 32 each.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    g: Option<&'a str>,
}

impl Tickets {
    /// Signs with this secret: configured, or drawn at the start of a single node.
    pub fn new(secret: &[u8]) -> Self {
        Self { key: hmac::Key::new(hmac::HMAC_SHA256, secret) }
    }

    /// A ticket for an identity and these channels. Whether it may read them is asked when it is issued and again with
    /// each stream; `random` names the ticket.
    pub fn issue(&self, identity: &Identity, channels: &[ChannelName], random: u128) -> String {
        let channels = sorted(channels);
        let granted = match &identity.grants {
            Grants::Defaults => None,
            Grants::Explicit(_) => {
                Some(channels.iter().map(|channel| digit(&identity.grants, channel)).collect::<String>())
            }
        };
        let hash = channel_hash(&channels);
        let body = Body {
            i: TicketId(random),
            t: identity.tenant.as_str(),
            u: identity.user.as_ref().map(UserId::as_str),
            j: identity.token_id.as_deref().map(Into::into),
            a: identity.issued_at,
            e: identity.expires_at_ms,
            h: &hash,
            g: granted.as_deref(),
        };
        // Plain data: texts and numbers always become JSON.
        let json = serde_json::to_vec(&body).expect("plain data");
        let signed = format!("{VERSION}.{}", URL_SAFE_NO_PAD.encode(json));
        let tag = hmac::sign(&self.key, signed.as_bytes());
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(tag))
    }

    /// What a ticket stands for, when it was issued for exactly these channels (in any order) and has not expired. The
    /// caller asks whether its identity was revoked.
    pub fn open(&self, ticket: &str, channels: &[ChannelName], now_ms: u64) -> Result<OpenedTicket, AuthError> {
        if ticket.len() > TICKET_MAX {
            return Err(AuthError::Ticket);
        }
        let json = self.proven(ticket).ok_or(AuthError::Ticket)?;
        let body: Body<'_> = serde_json::from_slice(&json).map_err(|_| AuthError::Ticket)?;
        let channels = sorted(channels);
        if body.h != channel_hash(&channels) {
            return Err(AuthError::Ticket);
        }
        let identity = identity(&body, &channels).ok_or(AuthError::Ticket)?;
        if identity.is_expired(now_ms) {
            return Err(AuthError::Expired);
        }
        Ok(OpenedTicket { id: body.i, identity })
    }

    fn proven(&self, ticket: &str) -> Option<Vec<u8>> {
        let (signed, tag) = ticket.rsplit_once('.')?;
        let body = signed.strip_prefix(VERSION)?.strip_prefix('.')?;
        let tag = URL_SAFE_NO_PAD.decode(tag).ok()?;
        hmac::verify(&self.key, signed.as_bytes(), &tag).ok()?;
        URL_SAFE_NO_PAD.decode(body).ok()
    }
}

fn identity(body: &Body<'_>, channels: &[&ChannelName]) -> Option<Identity> {
    let grants = match body.g {
        None => Grants::Defaults,
        Some(digits) if digits.len() == channels.len() => Grants::Explicit(
            channels
                .iter()
                .zip(digits.bytes())
                .map(|(channel, digit)| capability(channel, digit))
                .collect::<Option<Arc<[_]>>>()?,
        ),
        Some(_) => return None,
    };
    Some(Identity {
        tenant: TenantId::parse(body.t).ok()?,
        user: body.u.map(UserId::parse).transpose().ok()?,
        token_id: body.j.as_deref().map(Into::into),
        issued_at: body.a,
        expires_at_ms: body.e,
        grants,
    })
}

/// What a stream may ever do: receive, and read the log while it catches up.
fn of_stream() -> Operations {
    Operations::NONE.with(Operation::Subscribe).with(Operation::History)
}

fn digit(grants: &Grants, channel: &ChannelName) -> char {
    let operations = grants.on(channel, Operations::NONE).intersection(of_stream());
    // Five bits are a digit of base 32.
    char::from_digit(operations.bits().into(), 32).unwrap_or('0')
}

fn capability(channel: &ChannelName, digit: u8) -> Option<Capability> {
    let bits = char::from(digit).to_digit(32)?;
    let operations = Operations::from_bits(u8::try_from(bits).ok()?)?.intersection(of_stream());
    Some(Capability { pattern: ChannelPattern::exact(channel), operations })
}

fn sorted(channels: &[ChannelName]) -> Vec<&ChannelName> {
    let mut sorted: Vec<_> = channels.iter().collect();
    sorted.sort_unstable();
    sorted.dedup();
    sorted
}

/// Channel names hold no line break, so that the joined text stands for one list only.
fn channel_hash(sorted: &[&ChannelName]) -> String {
    let text = sorted.iter().map(|channel| channel.as_str()).collect::<Vec<_>>().join("\n");
    URL_SAFE_NO_PAD.encode(digest(&SHA256, text.as_bytes()))
}

#[cfg(test)]
mod tests;

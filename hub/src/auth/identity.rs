//! Identities: whom a token, a ticket or nothing at all stands for. Knows neither keys nor how it was proven.

use std::sync::Arc;

use hubbub_protocol::channel::{TenantId, UserId};

use super::grants::Grants;

/// The tenant of the hub itself: canaries fly in it. No customer may have this name.
pub const OWN_TENANT: &str = "hubbub";

/// Somebody, proven. Cheap to clone.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Identity {
    /// Whose customer.
    pub tenant: TenantId,
    /// Which user; `None` for a reader of public channels without a token.
    pub user: Option<UserId>,
    /// The `jti` of the token, by which it can be revoked.
    pub token_id: Option<Arc<str>>,
    /// The `iat` of the token, in seconds since 1970; 0 when it had none, so that a revocation of its user always hits it.
    pub issued_at: u64,
    /// When the session must end, in milliseconds since 1970; `u64::MAX` for somebody without a token.
    pub expires_at_ms: u64,
    /// What the token allows.
    pub grants: Grants,
}

impl Identity {
    /// A reader without a token: sees the public channels of a tenant and nothing else, for as long as it likes.
    pub fn anonymous(tenant: TenantId) -> Self {
        Self { tenant, user: None, token_id: None, issued_at: 0, expires_at_ms: u64::MAX, grants: Grants::Defaults }
    }

    /// Whether nobody in particular is meant.
    pub fn is_anonymous(&self) -> bool {
        self.user.is_none()
    }

    /// Whether the session must end at `now_ms`.
    pub fn is_expired(&self, now_ms: u64) -> bool {
        self.expires_at_ms <= now_ms
    }
}

//! Revocations: which tokens and users are void, kept in memory beside the store so that asking is cheap. Knows no
//! session; whoever inserts one ends those that it hits.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{PoisonError, RwLock};

use hubbub_persistence::{Revocation, RevokedSubject};
use hubbub_protocol::channel::{TenantId, UserId};

use super::identity::Identity;

/// All revocations that count.
#[derive(Debug, Default)]
pub struct Revocations {
    /// How many there are. Most nodes have none, and ask with every connect and every SSE stream.
    count: AtomicUsize,
    /// Held for one look or one insert, never across an await.
    tenants: RwLock<HashMap<TenantId, OfTenant>>,
}

#[derive(Debug, Default)]
struct OfTenant {
    /// Until when each is remembered, in milliseconds.
    tokens: HashMap<String, u64>,
    users: HashMap<UserId, OfUser>,
}

#[derive(Debug, Clone, Copy)]
struct OfUser {
    before: u64,
    until: u64,
}

impl Revocations {
    /// None yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// How many are remembered.
    pub fn len(&self) -> usize {
        self.count.load(Ordering::Relaxed)
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether the token of this identity, or all older tokens of its user, were revoked.
    pub fn is_revoked(&self, identity: &Identity) -> bool {
        // Acquire pairs with the release in `insert`: who was told that a revocation is in sees it here.
        if self.count.load(Ordering::Acquire) == 0 {
            return false;
        }
        let tenants = self.tenants.read().unwrap_or_else(PoisonError::into_inner);
        let Some(tenant) = tenants.get(&identity.tenant) else { return false };
        let token = identity.token_id.as_deref().is_some_and(|id| tenant.tokens.contains_key(id));
        let user = identity.user.as_ref().and_then(|user| tenant.users.get(user));
        token || user.is_some_and(|user| identity.issued_at < user.before)
    }

    /// Takes a revocation. The same one again only moves `until` and `before` later. Answers whether anything changed.
    pub fn insert(&self, revocation: Revocation) -> bool {
        let Revocation { tenant, subject, until } = revocation;
        let mut tenants = self.tenants.write().unwrap_or_else(PoisonError::into_inner);
        let tenant = tenants.entry(tenant).or_default();
        let (changed, added) = match subject {
            RevokedSubject::Token(id) => tenant.revoke_token(id, until),
            RevokedSubject::User { user, before } => tenant.revoke_user(user, OfUser { before, until }),
        };
        self.count.fetch_add(usize::from(added), Ordering::Release);
        changed
    }

    /// Forgets what has had its time. Answers how many that were.
    pub fn prune(&self, now_ms: u64) -> usize {
        let mut tenants = self.tenants.write().unwrap_or_else(PoisonError::into_inner);
        for tenant in tenants.values_mut() {
            tenant.tokens.retain(|_, until| *until > now_ms);
            tenant.users.retain(|_, user| user.until > now_ms);
        }
        tenants.retain(|_, tenant| !tenant.tokens.is_empty() || !tenant.users.is_empty());
        let left = tenants.values().map(|tenant| tenant.tokens.len() + tenant.users.len()).sum();
        self.count.swap(left, Ordering::Release).saturating_sub(left)
    }
}

impl OfTenant {
    /// Answers whether something changed, and whether one more is remembered.
    fn revoke_token(&mut self, id: String, until: u64) -> (bool, bool) {
        match self.tokens.get_mut(&id) {
            Some(known) if *known >= until => (false, false),
            Some(known) => {
                *known = until;
                (true, false)
            }
            None => {
                self.tokens.insert(id, until);
                (true, true)
            }
        }
    }

    fn revoke_user(&mut self, user: UserId, new: OfUser) -> (bool, bool) {
        match self.users.get_mut(&user) {
            Some(known) if known.before >= new.before && known.until >= new.until => (false, false),
            Some(known) => {
                *known = OfUser { before: known.before.max(new.before), until: known.until.max(new.until) };
                (true, false)
            }
            None => {
                self.users.insert(user, new);
                (true, true)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tenant(text: &str) -> TenantId {
        TenantId::parse(text).expect("a tenant")
    }

    fn user(text: &str) -> UserId {
        UserId::parse(text).expect("a user")
    }

    fn identity(tenant_id: &str, user_id: &str, token: Option<&str>, issued_at: u64) -> Identity {
        Identity {
            user: Some(user(user_id)),
            token_id: token.map(Into::into),
            issued_at,
            ..Identity::anonymous(tenant(tenant_id))
        }
    }

    fn token(tenant_id: &str, id: &str, until: u64) -> Revocation {
        Revocation { tenant: tenant(tenant_id), subject: RevokedSubject::Token(id.into()), until }
    }

    fn of_user(tenant_id: &str, id: &str, before: u64, until: u64) -> Revocation {
        Revocation { tenant: tenant(tenant_id), subject: RevokedSubject::User { user: user(id), before }, until }
    }

    #[test]
    fn a_revocation_hits_its_tenants_token_and_older_tokens_of_its_user() {
        let revocations = Revocations::new();
        assert!(!revocations.is_revoked(&identity("a", "u1", Some("t1"), 100)));
        assert!(revocations.insert(token("a", "t1", 1_000)));
        assert!(revocations.insert(of_user("a", "u2", 100, 1_000)));
        let table = [
            (identity("a", "u1", Some("t1"), 100), true),
            (identity("b", "u1", Some("t1"), 100), false),
            (identity("a", "u1", Some("t2"), 100), false),
            (identity("a", "u1", None, 0), false),
            (identity("a", "u2", Some("t3"), 99), true),
            (identity("a", "u2", Some("t3"), 100), false),
            (identity("a", "u2", None, 0), true),
            (identity("b", "u2", None, 0), false),
            (Identity::anonymous(tenant("a")), false),
        ];
        for (who, expected) in table {
            assert_eq!(revocations.is_revoked(&who), expected, "{who:?}");
        }
    }

    #[test]
    fn the_same_again_only_moves_later() {
        let revocations = Revocations::new();
        assert!(revocations.insert(of_user("a", "u1", 100, 1_000)));
        assert!(!revocations.insert(of_user("a", "u1", 50, 900)));
        assert!(revocations.insert(of_user("a", "u1", 200, 900)));
        assert!(revocations.is_revoked(&identity("a", "u1", None, 150)));
        assert!(revocations.insert(token("a", "t1", 1_000)));
        assert!(!revocations.insert(token("a", "t1", 500)));
        assert_eq!(revocations.len(), 2);
    }

    #[test]
    fn what_has_had_its_time_is_forgotten() {
        let revocations = Revocations::new();
        revocations.insert(token("a", "t1", 1_000));
        revocations.insert(of_user("b", "u1", 5, 2_000));
        assert_eq!(revocations.prune(999), 0);
        assert_eq!(revocations.prune(1_000), 1);
        assert!(!revocations.is_revoked(&identity("a", "u1", Some("t1"), 0)));
        assert_eq!((revocations.prune(2_000), revocations.is_empty()), (1, true));
    }
}

//! What is left of an erasure: that it happened. A hash of tenant and id tells whether somebody who is found again was erased; nothing
//! here leads back to the id but trying ids.

use aws_lc_rs::digest::{SHA256, digest};
use hubbub_persistence::records::{Kind, Record, RecordKey};
use hubbub_protocol::channel::{ChannelKey, TenantId, UserId};
use serde::{Deserialize, Serialize};

use super::scrub::Counts;
use crate::rooms::rows::{key, plain};

/// A proof, as it stands in the records and is listed.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Proof {
    /// Of tenant and user, in hexadecimal digits.
    pub(super) hash: String,
    /// When the erasure was asked for, in milliseconds since 1970.
    pub(super) began: u64,
    /// When nothing was found any more.
    pub(super) ended: u64,
    /// What went.
    pub(super) counts: Counts,
    /// The version of the hub that did it.
    pub(super) hub: String,
}

impl Proof {
    /// What it is known by.
    pub fn hash(&self) -> &str {
        &self.hash
    }

    /// Its record.
    pub(super) fn record(&self, home: &ChannelKey) -> Record {
        plain(proof_key(home, &self.hash), "", self.ended, None, self)
    }
}

/// The name of a proof.
pub(super) fn proof_key(home: &ChannelKey, hash: &str) -> RecordKey {
    key(home, Kind::Proof, hash)
}

/// The hash of a user of a tenant. Neither name has a zero byte in it.
pub(super) fn hash_of(tenant: &TenantId, user: &UserId) -> String {
    let hash = digest(&SHA256, format!("hubbub/erased\0{tenant}\0{user}").as_bytes());
    hash.as_ref().iter().fold(String::new(), |text, byte| format!("{text}{byte:02x}"))
}

/// Whether a text may be such a hash.
pub(super) fn is_hash(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hash_is_of_one_user_of_one_tenant() {
        let of = |tenant, user| hash_of(&TenantId::parse(tenant).expect("valid"), &UserId::parse(user).expect("valid"));
        assert!(is_hash(&of("acme", "ada")) && of("acme", "ada") == of("acme", "ada"));
        assert!(of("acme", "ada") != of("acme", "bob") && of("acme", "ada") != of("other", "ada"));
        assert!(!is_hash("ada") && !is_hash(&"A".repeat(64)));
    }
}

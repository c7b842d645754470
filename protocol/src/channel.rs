//! Names: tenants, users, namespaces and channels. A name that exists is a valid one.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Longest tenant id, in bytes.
pub const TENANT_MAX: usize = 63;
/// Longest user id, in bytes. A user id must fit behind `user:` in a channel name.
pub const USER_MAX: usize = 128;
/// Longest namespace, in bytes.
pub const NAMESPACE_MAX: usize = 32;
/// Longest channel name, in bytes, namespace and colon included.
pub const CHANNEL_MAX: usize = 200;

/// Why a text is not a name. The text of the error says what would be one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// A tenant id breaks its rule.
    #[error("a tenant id is 1 to {TENANT_MAX} characters of a-z, 0-9, '-' and '_', starting with a letter or digit")]
    Tenant,
    /// A user id breaks its rule.
    #[error(
        "a user id is 1 to {USER_MAX} printable ASCII characters without space, quotes, backslash, '*', '?', '#', '%', '&', '{{', '}}' and ','"
    )]
    User,
    /// A channel name breaks its rule.
    #[error(
        "a channel is namespace:name; the namespace is 1 to {NAMESPACE_MAX} characters of a-z, 0-9, '-' and '_' starting with a letter, the whole at most {CHANNEL_MAX} printable ASCII characters without space, quotes, backslash, '*', '?', '#', '%', '&', '{{', '}}' and ','"
    )]
    Channel,
}

macro_rules! name_type {
    ($(#[$doc:meta])* $name:ident, $error:ident, $valid:ident) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(Arc<str>);

        impl $name {
            /// Checks the text and keeps it.
            pub fn parse(text: &str) -> Result<Self, NameError> {
                if $valid(text) { Ok(Self(text.into())) } else { Err(NameError::$error) }
            }

            /// The text of the name.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{:?}", &*self.0)
            }
        }

        impl std::str::FromStr for $name {
            type Err = NameError;
            fn from_str(text: &str) -> Result<Self, NameError> {
                Self::parse(text)
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(&self.0)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = std::borrow::Cow::<str>::deserialize(deserializer)?;
                Self::parse(&text).map_err(serde::de::Error::custom)
            }
        }
    };
}

name_type! {
    /// An isolated customer of the hub. Part of every key.
    TenantId, Tenant, valid_tenant
}
name_type! {
    /// Who a session belongs to: the `sub` of its token.
    UserId, User, valid_user
}
name_type! {
    /// `namespace:name`, e.g. `chat:lobby`.
    ChannelName, Channel, valid_channel
}

impl ChannelName {
    /// The part before the first colon.
    pub fn namespace(&self) -> &str {
        // Valid names hold a colon, see `valid_channel`.
        self.0.split_once(':').map_or("", |(namespace, _)| namespace)
    }

    /// The part after the first colon.
    pub fn name(&self) -> &str {
        self.0.split_once(':').map_or("", |(_, name)| name)
    }

    /// The channel that belongs to one user: `user:<id>`.
    pub fn of_user(user: &UserId) -> Self {
        Self(format!("user:{user}").into())
    }
}

/// A channel of a tenant: the key under which everything of a channel is kept.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct ChannelKey {
    /// Whose channel.
    pub tenant: TenantId,
    /// Which channel.
    pub channel: ChannelName,
}

impl ChannelKey {
    /// Joins the two.
    pub fn new(tenant: TenantId, channel: ChannelName) -> Self {
        Self { tenant, channel }
    }
}

impl fmt::Display for ChannelKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.tenant, self.channel)
    }
}

fn valid_tenant(text: &str) -> bool {
    let bytes = text.as_bytes();
    (1..=TENANT_MAX).contains(&bytes.len())
        && bytes[0].is_ascii_alphanumeric()
        && bytes.iter().all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_'))
}

fn valid_user(text: &str) -> bool {
    (1..=USER_MAX).contains(&text.len()) && text.bytes().all(is_name_byte)
}

fn valid_channel(text: &str) -> bool {
    let Some((namespace, name)) = text.split_once(':') else { return false };
    text.len() <= CHANNEL_MAX && !name.is_empty() && is_namespace(namespace) && name.bytes().all(is_name_byte)
}

/// Whether the text may stand before the colon of a channel name.
pub fn is_namespace(text: &str) -> bool {
    let bytes = text.as_bytes();
    (1..=NAMESPACE_MAX).contains(&bytes.len())
        && bytes[0].is_ascii_lowercase()
        && bytes.iter().all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_'))
}

/// Printable ASCII that means nothing in JSON strings, URLs, glob patterns, Redis hash tags and lists.
fn is_name_byte(byte: u8) -> bool {
    byte.is_ascii_graphic()
        && !matches!(
            byte,
            b'"' | b'\'' | b'`' | b'\\' | b'*' | b'?' | b'#' | b'%' | b'&' | b'{' | b'}' | b',' | b'<' | b'>'
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn channel_names_follow_the_rule() {
        let long = format!("chat:{}", "x".repeat(CHANNEL_MAX - 5));
        for good in ["chat:lobby", "a:b", "user:auth0|77", "live:score/7:3", "n-1_x:~@!$+=.;", &long] {
            assert!(ChannelName::parse(good).is_ok(), "{good}");
        }
        let too_long = format!("{long}x");
        for bad in [
            "", "chat", "chat:", ":x", "Chat:x", "1a:x", "a:b c", "a:b*", "a:\u{e9}", "a:{b}", "a:b,c", "a:<b>",
            &too_long,
        ] {
            assert_eq!(ChannelName::parse(bad), Err(NameError::Channel), "{bad}");
        }
    }

    #[test]
    fn parts_split_at_the_first_colon() {
        let name = ChannelName::parse("live:a:b").expect("valid");
        assert_eq!((name.namespace(), name.name()), ("live", "a:b"));
    }

    #[test]
    fn every_user_has_a_channel() {
        let user = UserId::parse(&"u".repeat(USER_MAX)).expect("valid");
        let channel = ChannelName::of_user(&user);
        assert!(ChannelName::parse(channel.as_str()).is_ok());
    }
}

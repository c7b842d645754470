//! Ids: globally unique, ordered by the time of their making, 26 characters on the wire.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use ulid::Ulid;

/// The text is not an id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an id is 26 characters of Crockford's base 32")]
pub struct IdError;

macro_rules! id_type {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(Ulid);

        impl $name {
            /// Makes an id of a time in milliseconds since 1970 and 80 random bits.
            pub fn from_parts(time_ms: u64, random: u128) -> Self {
                Self(Ulid::from_parts(time_ms, random & ((1 << 80) - 1)))
            }

            /// Reads an id from its text.
            pub fn parse(text: &str) -> Result<Self, IdError> {
                Ulid::from_string(text).map(Self).map_err(|_| IdError)
            }

            /// The id as 16 bytes that sort like the id.
            pub fn to_bytes(self) -> [u8; 16] {
                self.0.to_bytes()
            }

            /// The id of 16 bytes.
            pub fn from_bytes(bytes: [u8; 16]) -> Self {
                Self(Ulid::from_bytes(bytes))
            }

            /// The id `number` places behind this one, of the same time: for what one request makes.
            #[must_use]
            pub fn plus(self, number: u64) -> Self {
                Self::from_parts(self.time_ms(), self.0.random().wrapping_add(u128::from(number)))
            }

            /// When it was made, in milliseconds since 1970.
            pub fn time_ms(self) -> u64 {
                self.0.timestamp_ms()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                let mut text = [0; ulid::ULID_LEN];
                f.write_str(self.0.array_to_str(&mut text))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                let mut text = [0; ulid::ULID_LEN];
                serializer.serialize_str(self.0.array_to_str(&mut text))
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

id_type! {
    /// Names a message, before the first attempt to store it.
    MessageId
}
id_type! {
    /// Names one authenticated use of a connection.
    SessionId
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_sort_by_time_and_survive_their_text() {
        let early = MessageId::from_parts(1_763_600_000_000, u128::MAX);
        let late = MessageId::from_parts(1_763_600_000_001, 0);
        assert!(early < late);
        assert_eq!(MessageId::parse(&early.to_string()), Ok(early));
        assert_eq!(MessageId::from_bytes(late.to_bytes()), late);
        assert_eq!(late.time_ms(), 1_763_600_000_001);
    }

    #[test]
    fn other_texts_are_refused() {
        for bad in ["", "x", "01J8ZQ4G7Y8N2K3M4P5R6S7T8", "01J8ZQ4G7Y8N2K3M4P5R6S7T8VV", "!1J8ZQ4G7Y8N2K3M4P5R6S7T8V"] {
            assert!(MessageId::parse(bad).is_err(), "{bad}");
        }
    }
}

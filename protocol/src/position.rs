//! Positions: a place in the log of a channel, and the compact list of them that is an SSE id.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The largest offset: what a JavaScript number holds exactly.
pub const OFFSET_MAX: u64 = (1 << 53) - 1;

/// The text is not an epoch, a position or a list of positions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PositionError {
    /// Not an epoch.
    #[error("an epoch is 1 to 13 characters of 0-9 and a-z, as the hub sent it")]
    Epoch,
    /// Not an offset.
    #[error("an offset is a whole number from 0 to 2^53-1")]
    Offset,
    /// Not a composite SSE id.
    #[error("this is not an event id of this stream; reconnect without one")]
    Composite,
}

/// One life of a channel's log. Continuity with another epoch must be proven.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Epoch(u64);

impl Epoch {
    /// The epoch of a number that somebody drew at random.
    pub fn from_u64(value: u64) -> Self {
        Self(value)
    }

    /// The number, for storing.
    pub fn to_u64(self) -> u64 {
        self.0
    }

    /// Reads the text of an epoch.
    pub fn parse(text: &str) -> Result<Self, PositionError> {
        parse_base36(text).map(Self).ok_or(PositionError::Epoch)
    }
}

impl fmt::Display for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut buffer = [0; 13];
        f.write_str(format_base36(self.0, &mut buffer))
    }
}

impl fmt::Debug for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for Epoch {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut buffer = [0; 13];
        serializer.serialize_str(format_base36(self.0, &mut buffer))
    }
}

impl<'de> Deserialize<'de> for Epoch {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<str>::deserialize(deserializer)?;
        Self::parse(&text).map_err(serde::de::Error::custom)
    }
}

/// A place in the log of a channel. Offset 0 stands before the first message.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub struct Position {
    /// Which life of the log.
    pub epoch: Epoch,
    /// The last message seen; messages count 1, 2, 3 ….
    #[serde(deserialize_with = "bounded_offset")]
    pub offset: u64,
}

impl Position {
    /// Joins the two.
    pub fn new(epoch: Epoch, offset: u64) -> Self {
        Self { epoch, offset }
    }
}

/// Reads an offset, refusing what a JavaScript number could not hold.
pub(crate) fn bounded_offset<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    let offset = u64::deserialize(deserializer)?;
    if offset > OFFSET_MAX { Err(serde::de::Error::custom(PositionError::Offset)) } else { Ok(offset) }
}

/// Appends `epoch.offset,epoch.offset,…` to `out`: the id of an SSE event over several channels, in the
/// order of the URL. A channel without a position is `-`.
pub fn write_composite(positions: &[Option<Position>], out: &mut Vec<u8>) {
    let mut buffer = [0; 13];
    for (index, position) in positions.iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        match position {
            None => out.push(b'-'),
            Some(position) => {
                out.extend_from_slice(format_base36(position.epoch.0, &mut buffer).as_bytes());
                out.push(b'.');
                out.extend_from_slice(format_base36(position.offset, &mut buffer).as_bytes());
            }
        }
    }
}

/// Reads what [`write_composite`] wrote, for exactly `count` channels.
pub fn parse_composite(text: &str, count: usize) -> Result<Vec<Option<Position>>, PositionError> {
    let positions: Vec<_> = text.splitn(count + 1, ',').map(parse_one).collect::<Result<_, _>>()?;
    if positions.len() == count { Ok(positions) } else { Err(PositionError::Composite) }
}

fn parse_one(text: &str) -> Result<Option<Position>, PositionError> {
    if text == "-" {
        return Ok(None);
    }
    let (epoch, offset) = text.split_once('.').ok_or(PositionError::Composite)?;
    let epoch = parse_base36(epoch).ok_or(PositionError::Composite)?;
    let offset = parse_base36(offset).filter(|o| *o <= OFFSET_MAX).ok_or(PositionError::Composite)?;
    Ok(Some(Position::new(Epoch(epoch), offset)))
}

/// Thirteen digits of base 36 hold every u64.
fn format_base36(mut value: u64, buffer: &mut [u8; 13]) -> &str {
    let mut start = buffer.len();
    loop {
        start -= 1;
        buffer[start] = b"0123456789abcdefghijklmnopqrstuvwxyz"[(value % 36) as usize];
        value /= 36;
        if value == 0 {
            break;
        }
    }
    std::str::from_utf8(&buffer[start..]).unwrap_or_default()
}

fn parse_base36(text: &str) -> Option<u64> {
    let canonical = !text.is_empty()
        && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'z'))
        && (text.len() == 1 || !text.starts_with('0'));
    if canonical { u64::from_str_radix(text, 36).ok() } else { None }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn sixty_four_positions_fit_in_two_kib() {
        let worst = vec![Some(Position::new(Epoch(u64::MAX), OFFSET_MAX)); 64];
        let mut id = Vec::new();
        write_composite(&worst, &mut id);
        assert!(id.len() <= 2048, "{}", id.len());
    }

    proptest! {
        #[test]
        fn composites_come_back(raw in prop::collection::vec(prop::option::of((any::<u64>(), 0..=OFFSET_MAX)), 1..64)) {
            let positions: Vec<_> = raw.into_iter().map(|p| p.map(|(e, o)| Position::new(Epoch(e), o))).collect();
            let mut id = Vec::new();
            write_composite(&positions, &mut id);
            let text = String::from_utf8(id).expect("ascii");
            prop_assert_eq!(parse_composite(&text, positions.len()), Ok(positions.clone()));
            prop_assert!(parse_composite(&text, positions.len() + 1).is_err());
        }

        #[test]
        fn no_text_panics(text in ".{0,80}", count in 1usize..65) {
            let _ = parse_composite(&text, count);
            let _ = Epoch::parse(&text);
        }
    }
}

//! What a message of a run carries: when it was due and its number within its channel, in `data` of any length.
//!
//! `data` is `{"t":"<20 digits>","n":"<20 digits>","p":"xxx…"}`: of fixed width, so that it is found without parsing.

use serde::Deserialize;

use crate::frame;

/// The time and number in a message.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Stamp {
    /// When it was due, in nanoseconds after the zero of the run.
    pub due_ns: u64,
    /// 1, 2, 3 … within its channel; 0 where nobody counts.
    pub number: u64,
}

impl Stamp {
    /// The shortest `data`, in bytes.
    pub const LEAST_BYTES: usize = 62;

    /// `data` of this length, or of the least where it is longer.
    pub fn data(self, bytes: usize) -> String {
        let filling = bytes.saturating_sub(Self::LEAST_BYTES);
        format!(r#"{{"t":"{:020}","n":"{:020}","p":"{:x<filling$}"}}"#, self.due_ns, self.number, "")
    }

    /// Finds it in the JSON of a message. `hint` is where it was found last: messages of one channel are alike.
    #[inline]
    pub fn read(message: &[u8], hint: &mut usize) -> Option<Self> {
        let due_ns = frame::number(message, DATA, hint)?;
        let number = frame::digits(message.get(*hint + DATA.len() + BETWEEN..)?)?;
        Some(Self { due_ns, number })
    }

    /// The stamp of `data` as it was made, or as somebody has written it anew.
    #[inline]
    pub fn parse(data: &[u8]) -> Option<Self> {
        if let Some(rest) = data.strip_prefix(FIRST)
            && let (Some(due_ns), Some(number)) = (frame::digits(rest), rest.get(BETWEEN..).and_then(frame::digits))
            && rest.get(20..BETWEEN) == Some(SECOND)
        {
            return Some(Self { due_ns, number });
        }
        let Anew { t, n } = serde_json::from_slice(data).ok()?;
        Some(Self { due_ns: frame::digits(t.as_bytes())?, number: frame::digits(n.as_bytes())? })
    }
}

#[derive(Deserialize)]
struct Anew {
    t: String,
    n: String,
}

const FIRST: &[u8] = br#"{"t":""#;
const SECOND: &[u8] = br#"","n":""#;
const DATA: &[u8] = br#""data":{"t":""#;
/// From the first digit of the time to the first of the number.
const BETWEEN: usize = 20 + r#"","n":""#.len();

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stamp_is_found_in_messages_of_every_length() {
        let mut hint = 0;
        for (bytes, channel) in [(0, "a:b"), (62, "a:b"), (63, "a:longer"), (500, "a:b")] {
            let stamp = Stamp { due_ns: 123_456_789_012, number: bytes as u64 };
            let data = stamp.data(bytes);
            assert_eq!(data.len(), bytes.max(Stamp::LEAST_BYTES));
            assert!(serde_json::from_str::<serde_json::Value>(&data).is_ok());
            let message = format!(r#"{{"type":"message","channel":"{channel}","offset":3,"data":{data}}}"#);
            assert_eq!(Stamp::read(message.as_bytes(), &mut hint), Some(stamp));
        }
        let stamp = Stamp { due_ns: 5, number: 9 };
        let anew = r#"{ "p": "", "n": "9", "t": "0005" }"#;
        assert_eq!([Stamp::parse(stamp.data(0).as_bytes()), Stamp::parse(anew.as_bytes())], [Some(stamp); 2]);
        assert_eq!([Stamp::parse(b""), Stamp::parse(br#"{"t":"1","n":""#), Stamp::parse(b"[]")], [None; 3]);
        assert_eq!(Stamp::read(br#"{"type":"message","data":{"t":1}}"#, &mut hint), None);
    }
}

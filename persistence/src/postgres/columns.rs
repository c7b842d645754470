//! Columns of a statement: arrays in the text of a script. See `script` for why they stand there, and what may.

use std::fmt::Write;

use super::script::text;
use crate::store::StoreError;

/// Between two texts of a column, and in the place of none. Nothing that is stored has such letters: JSON and names can
/// not, and a key or a publisher with them is refused.
const BETWEEN: char = '\u{1}';
const NONE: char = '\u{2}';

/// Numbers.
pub(super) fn numbers(numbers: impl Iterator<Item = i64>) -> String {
    column("bigint", numbers, |column, number| {
        let _ = write!(column, "{number}");
    })
}

/// Small numbers.
pub(super) fn small(numbers: impl Iterator<Item = i16>) -> String {
    column("smallint", numbers, |column, number| {
        let _ = write!(column, "{number}");
    })
}

/// Names of the hub: tenants, channels and users. Their alphabets have neither quotes nor backslashes.
pub(super) fn names<'a>(names: impl Iterator<Item = Option<&'a str>>) -> String {
    column("text", names, |column, name| {
        // In quotes, or somebody called null would be nobody.
        let _ = match name {
            Some(name) => write!(column, "\"{name}\""),
            None => write!(column, "NULL"),
        };
    })
}

/// Ids and digests, in hexadecimal digits.
pub(super) fn digits(halves: impl Iterator<Item = Option<[u8; 16]>>) -> String {
    column("text", halves, |column, half| {
        let _ = match half {
            Some(half) => write!(column, "{:032x}", u128::from_be_bytes(half)),
            None => write!(column, "NULL"),
        };
    })
}

/// Any texts: as one, in hexadecimal digits.
pub(super) fn texts<'a>(texts: impl Iterator<Item = Option<&'a str>>) -> Result<String, StoreError> {
    let mut all = String::new();
    for (number, one) in texts.enumerate() {
        if number > 0 {
            all.push(BETWEEN);
        }
        match one {
            None => all.push(NONE),
            Some("") => return Err(StoreError::Refused("an empty text can not be stored".into())),
            Some(one) if one.contains(['\0', BETWEEN, NONE]) => {
                return Err(StoreError::Refused("a text with control characters can not be stored".into()));
            }
            Some(one) => all.push_str(one),
        }
    }
    Ok(format!("string_to_array({}, chr(1), chr(2))", text(&all)))
}

fn column<T>(of: &str, values: impl Iterator<Item = T>, write: impl Fn(&mut String, T)) -> String {
    let mut column = String::from("'{");
    for (number, value) in values.enumerate() {
        if number > 0 {
            column.push(',');
        }
        write(&mut column, value);
    }
    column.push_str("}'::");
    column.push_str(of);
    column.push_str("[]");
    column
}

#[cfg(test)]
mod tests {
    use hubbub_protocol::channel::{ChannelName, TenantId, UserId};

    use super::*;

    #[test]
    fn columns_are_arrays() {
        assert_eq!(numbers([1, -2].into_iter()), "'{1,-2}'::bigint[]");
        assert_eq!(numbers(std::iter::empty()), "'{}'::bigint[]");
        assert_eq!(small([3].into_iter()), "'{3}'::smallint[]");
        assert_eq!(names([Some("null"), None].into_iter()), "'{\"null\",NULL}'::text[]");
        let id = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 255];
        assert_eq!(digits([Some(id), None].into_iter()), "'{000102030405060708090a0b0c0d0eff,NULL}'::text[]");
        let said = texts([Some("a'"), None, Some("\\")].into_iter());
        let all = "string_to_array(convert_from(decode('61270102015c', 'hex'), 'UTF8'), chr(1), chr(2))";
        assert_eq!(said, Ok(all.into()));
    }

    #[test]
    fn no_name_can_end_an_array_and_no_text_a_column() {
        for letter in ["'", "\"", "\\", "{", "}", ",", "\u{1}"] {
            assert!(TenantId::parse(&format!("a{letter}")).is_err(), "{letter}");
            assert!(UserId::parse(&format!("a{letter}")).is_err(), "{letter}");
            assert!(ChannelName::parse(&format!("chat:{letter}")).is_err(), "{letter}");
        }
        for bad in ["", "a\0", "a\u{1}", "\u{2}"] {
            assert!(matches!(texts([Some(bad)].into_iter()), Err(StoreError::Refused(_))), "{bad:?}");
        }
    }
}

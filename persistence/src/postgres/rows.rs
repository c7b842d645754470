//! Numbers and ids between Rust and SQL.

use hubbub_protocol::position::OFFSET_MAX;
use hubbub_protocol::{Epoch, MessageId};

use super::error::damaged;
use crate::store::StoreError;

/// A time or a length for SQL. What does not fit stands behind everything that does.
pub(super) fn to_sql(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// An offset for SQL, where one is added to it. What no offset can be stands behind every offset.
pub(super) fn offset_to_sql(offset: u64) -> i64 {
    to_sql(offset.min(OFFSET_MAX + 1))
}

/// An offset that was read.
pub(super) fn offset(number: i64) -> Result<u64, StoreError> {
    let offset = u64::try_from(number).ok().filter(|offset| *offset <= OFFSET_MAX);
    offset.ok_or_else(|| damaged(format!("{number} is not an offset")))
}

/// A time that was read.
pub(super) fn time(number: i64) -> Result<u64, StoreError> {
    u64::try_from(number).map_err(|_| damaged(format!("{number} is not a time")))
}

/// An epoch that was read.
pub(super) fn epoch(number: i64) -> Result<Epoch, StoreError> {
    u64::try_from(number).map(Epoch::from_u64).map_err(|_| damaged(format!("{number} is not an epoch")))
}

/// A message id that was read.
pub(super) fn message_id(bytes: &[u8]) -> Result<MessageId, StoreError> {
    let bytes = bytes.try_into().map_err(|_| damaged("a message id is not 16 bytes"))?;
    Ok(MessageId::from_bytes(bytes))
}

/// A number of `WITH ORDINALITY`, which counts from 1, as an index into something of that length.
pub(super) fn index(number: i64, length: usize) -> Result<usize, StoreError> {
    let index = usize::try_from(number).ok().and_then(|number| number.checked_sub(1)).filter(|index| *index < length);
    index.ok_or_else(|| damaged("a query answered what was not asked"))
}

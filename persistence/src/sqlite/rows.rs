//! Statements over many rows at once, and numbers between Rust and SQL.

use std::fmt::Write;

use hubbub_protocol::MessageId;
use hubbub_protocol::position::OFFSET_MAX;
use sqlx::AssertSqlSafe;

use super::error::damaged;
use crate::store::StoreError;

/// Rows of one statement. Few sizes, so that few statements stay prepared; the largest keeps the way to the
/// connection's thread short per row.
const SIZES: [usize; 3] = [64, 8, 1];

/// The rows in pieces of the sizes above.
pub(super) fn chunks<T>(mut rows: &[T]) -> impl Iterator<Item = &[T]> {
    std::iter::from_fn(move || {
        let size = SIZES.into_iter().find(|size| *size <= rows.len())?;
        let (chunk, rest) = rows.split_at(size);
        rows = rest;
        Some(chunk)
    })
}

/// A statement with `VALUES (?, …), …` in place of `{}`. Everything else in it is our own text.
pub(super) fn with_values(statement: &str, columns: usize, rows: usize) -> AssertSqlSafe<String> {
    let (before, after) = statement.split_once("{}").unwrap_or((statement, ""));
    let mut sql = String::with_capacity(statement.len() + rows * (2 * columns + 2) + 8);
    let _ = write!(sql, "{before}VALUES ");
    for row in 0..rows {
        sql.push_str(if row == 0 { "(" } else { ",(" });
        for column in 0..columns {
            sql.push_str(if column == 0 { "?" } else { ",?" });
        }
        sql.push(')');
    }
    sql.push_str(after);
    AssertSqlSafe(sql)
}

/// An offset or a time for SQL. What does not fit stands behind everything that does.
pub(super) fn to_sql(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// An index of ours for SQL.
pub(super) fn index_to_sql(index: usize) -> i64 {
    i64::try_from(index).unwrap_or(i64::MAX)
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

/// A message id that was read.
pub(super) fn message_id(bytes: &[u8]) -> Result<MessageId, StoreError> {
    let bytes = bytes.try_into().map_err(|_| damaged("a message id is not 16 bytes"))?;
    Ok(MessageId::from_bytes(bytes))
}

/// An index of ours that came back, into something of that length.
pub(super) fn index(number: i64, length: usize) -> Result<usize, StoreError> {
    let index = usize::try_from(number).ok().filter(|index| *index < length);
    index.ok_or_else(|| damaged("a query answered what was not asked"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chunks_are_of_known_sizes_and_lose_nothing() {
        let rows: Vec<usize> = (0..83).collect();
        let sizes: Vec<_> = chunks(&rows).map(<[usize]>::len).collect();
        assert_eq!(sizes, [64, 8, 8, 1, 1, 1]);
        assert_eq!(chunks(&rows).flatten().copied().collect::<Vec<_>>(), rows);
        assert_eq!(chunks(&rows[..0]).count(), 0);
    }

    #[test]
    fn values_stand_where_they_should() {
        assert_eq!(with_values("INSERT INTO t {} RETURNING a", 2, 2).0, "INSERT INTO t VALUES (?,?),(?,?) RETURNING a");
    }
}

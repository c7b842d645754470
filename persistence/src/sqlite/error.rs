//! What an error of sqlx means to whoever asked the store. The cause is logged here and goes no further.

use crate::store::StoreError;

/// Judges an error. Errors of a commit are not for here: their outcome is unknown.
pub(super) fn store_error(error: sqlx::Error) -> StoreError {
    let judged = judge(&error);
    match judged {
        StoreError::Refused(_) => tracing::debug!(%error, "sqlite refused"),
        _ => tracing::error!(%error, "sqlite failed"),
    }
    judged
}

/// What was read is not what was written.
pub(super) fn damaged(what: impl Into<String>) -> StoreError {
    let what = what.into();
    tracing::error!(what, "the database is damaged");
    StoreError::Damaged(what)
}

fn judge(error: &sqlx::Error) -> StoreError {
    match error {
        sqlx::Error::Database(cause) => {
            let code = cause.code().and_then(|code| code.parse::<u32>().ok()).unwrap_or_default();
            of_code(code & 0xff, cause.message())
        }
        sqlx::Error::ColumnDecode { .. }
        | sqlx::Error::Decode(_)
        | sqlx::Error::ColumnNotFound(_)
        | sqlx::Error::ColumnIndexOutOfBounds { .. }
        | sqlx::Error::RowNotFound => StoreError::Damaged("a row is not what it should be".into()),
        sqlx::Error::Encode(_) | sqlx::Error::InvalidArgument(_) => {
            StoreError::Refused("a value can not be stored".into())
        }
        _ => StoreError::Unavailable("the database does not answer".into()),
    }
}

/// Primary result codes: <https://www.sqlite.org/rescode.html>.
fn of_code(code: u32, message: &str) -> StoreError {
    const ERROR: u32 = 1;
    const CORRUPT: u32 = 11;
    const TOO_BIG: u32 = 18;
    const CONSTRAINT: u32 = 19;
    const MISMATCH: u32 = 20;
    const RANGE: u32 = 25;
    const NOT_A_DATABASE: u32 = 26;
    match code {
        ERROR | TOO_BIG | CONSTRAINT | MISMATCH | RANGE => StoreError::Refused(message.into()),
        CORRUPT | NOT_A_DATABASE => StoreError::Damaged(message.into()),
        // Busy, locked, out of memory or disk, an I/O error: another time it may work.
        _ => StoreError::Unavailable(message.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_disk_is_not_the_fault_of_a_row() {
        let full = 13;
        assert!(matches!(of_code(full, "database or disk is full"), StoreError::Unavailable(_)));
        assert!(matches!(of_code(19, "UNIQUE constraint failed"), StoreError::Refused(_)));
        assert!(matches!(of_code(11, "malformed"), StoreError::Damaged(_)));
    }
}

//! What an error of sqlx means: to whoever asked the store, and to the connection that it came from.

use crate::store::StoreError;

/// Why a piece of work did not end well. Whatever it is, nothing was committed, except where it says `Unknown`.
#[derive(Debug)]
pub(super) enum Fault {
    /// The connection is of no use any more. Another one may do.
    Lost(String),
    /// The database is another one than when the present epoch began, or was restarted.
    Moved,
    /// Two transactions were in each other's way. The same again may work.
    Again(String),
    /// The database refused, the connection is well.
    Refused(StoreError),
    /// It failed, and the connection may not be well.
    Failed(StoreError),
}

impl From<StoreError> for Fault {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Refused(_) => Self::Refused(error),
            _ => Self::Failed(error),
        }
    }
}

/// Judges an error. Errors of a commit are not for here: their outcome is unknown.
pub(super) fn fault(error: &sqlx::Error) -> Fault {
    let judged = judge(error);
    match judged {
        Fault::Refused(_) | Fault::Again(_) | Fault::Moved => tracing::debug!(%error, "postgres refused"),
        Fault::Lost(_) => tracing::warn!(%error, "a connection to postgres was lost"),
        Fault::Failed(_) => tracing::error!(%error, "postgres failed"),
    }
    judged
}

/// An error that came with a row: it is not what was asked for.
pub(super) fn row_error(error: sqlx::Error) -> StoreError {
    damaged(format!("a row is not what it should be: {error}"))
}

/// What was read is not what was written.
pub(super) fn damaged(what: impl Into<String>) -> StoreError {
    let what = what.into();
    tracing::error!(what, "the database is damaged");
    StoreError::Damaged(what)
}

fn judge(error: &sqlx::Error) -> Fault {
    match error {
        sqlx::Error::Database(cause) => of_code(cause.code().as_deref().unwrap_or_default(), cause.message()),
        sqlx::Error::ColumnDecode { .. }
        | sqlx::Error::Decode(_)
        | sqlx::Error::ColumnNotFound(_)
        | sqlx::Error::ColumnIndexOutOfBounds { .. }
        | sqlx::Error::RowNotFound => Fault::Failed(StoreError::Damaged("a row is not what it should be".into())),
        sqlx::Error::Encode(_) | sqlx::Error::InvalidArgument(_) => {
            Fault::Refused(StoreError::Refused("a value can not be stored".into()))
        }
        sqlx::Error::Configuration(_) | sqlx::Error::Tls(_) => {
            Fault::Failed(StoreError::Unavailable(format!("the database can not be reached: {error}")))
        }
        _ => Fault::Lost("the database does not answer".into()),
    }
}

/// Codes: <https://www.postgresql.org/docs/current/errcodes-appendix.html>.
fn of_code(code: &str, message: &str) -> Fault {
    let class = code.get(..2).unwrap_or_default();
    match (class, code) {
        ("40", _) | (_, "26000") => Fault::Again(message.into()),
        // Says PgBouncer too, of whatever it can not do. A server that is read-only is a primary no more: another
        // connection may lead to the new one.
        ("08" | "57", _) if code != "57014" => Fault::Lost(message.into()),
        (_, "25006" | "25P03" | "25P04") => Fault::Lost(message.into()),
        ("3F" | "42", _) => Fault::Failed(StoreError::Unavailable(format!(
            "the tables are not there, or the role may not use them ({message}); run `hubbub migrate`"
        ))),
        ("21" | "22" | "23" | "44" | "54", _) => Fault::Refused(StoreError::Refused(message.into())),
        (_, "XX001" | "XX002") => Fault::Failed(StoreError::Damaged(message.into())),
        // Too many connections, a full disk, a lock or a statement that took too long, a wrong password: another time.
        _ => Fault::Failed(StoreError::Unavailable(message.into())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_mean_what_can_be_done_about_them() {
        assert!(matches!(of_code("23505", "duplicate key"), Fault::Refused(StoreError::Refused(_))));
        assert!(matches!(of_code("53100", "disk full"), Fault::Failed(StoreError::Unavailable(_))));
        assert!(matches!(of_code("53300", "too many clients"), Fault::Failed(StoreError::Unavailable(_))));
        assert!(matches!(of_code("57014", "statement timeout"), Fault::Failed(StoreError::Unavailable(_))));
        assert!(matches!(of_code("42P01", "no such table"), Fault::Failed(StoreError::Unavailable(_))));
        assert!(matches!(of_code("XX001", "bad page"), Fault::Failed(StoreError::Damaged(_))));
        for again in ["40P01", "40001", "26000"] {
            assert!(matches!(of_code(again, "once more"), Fault::Again(_)), "{again}");
        }
        for lost in ["57P01", "57P02", "57P03", "08006", "08P01", "25006", "25P03"] {
            assert!(matches!(of_code(lost, "lost"), Fault::Lost(_)), "{lost}");
        }
    }
}

//! Scripts: several statements that go to the database in one message and come back in one.
//!
//! A transaction with its settings, its question and its end costs one round trip this way instead of eight: a statement
//! with parameters must be parsed by the server before it can be executed, and nothing may stay prepared, since behind
//! PgBouncer the next transaction may run on another server connection.
//!
//! So values stand in the text. Only what can not break out of it gets there: names of the hub, whose alphabet has
//! neither quotes nor backslashes, numbers, and whatever is written in hexadecimal digits.

use std::fmt::Write;

use futures_util::TryStreamExt;
use hubbub_protocol::channel::{ChannelKey, ChannelName, TenantId};
use sqlx::postgres::{PgConnection, PgRow};
use sqlx::{AssertSqlSafe, Either};

use super::connections::{PATIENCE, Work};
use super::epoch::Present;
use super::error::{Fault, fault, row_error};
use super::rows::epoch;
use crate::store::StoreError;

/// Statements before those of the caller: BEGIN, the settings, the epoch.
const HEAD: usize = 3;

/// Settings of every transaction. Times, in milliseconds, are what may be waited for on the server: a node that stops in
/// the middle of a transaction gives the heads that it has locked back after the last of them. Every statement of ours
/// steps into an index; without statistics, as on a new slot, the planner would rather read whole tables, or collect all
/// of a group to sort it for a page. And it would compile what it so came to believe to be expensive, for 20 ms each time.
const SETTINGS: &str = "set_config('statement_timeout', '5000', true), set_config('lock_timeout', '4000', true), \
                        set_config('idle_in_transaction_session_timeout', '5000', true), \
                        set_config('enable_seqscan', 'off', true), set_config('enable_hashjoin', 'off', true), \
                        set_config('enable_mergejoin', 'off', true), set_config('enable_bitmapscan', 'off', true), \
                        set_config('jit', 'off', true)";

/// How a transaction begins.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Access {
    /// It reads.
    Read,
    /// It reads, and all of its statements see the same.
    Snapshot,
    /// It reads from a server that may be behind the primary.
    ReadStale,
    /// It writes, and is committed by itself; what it does may be done twice.
    Repeatable,
    /// It writes; the caller commits.
    Open,
}

/// A transaction of one tenant, or of none.
#[derive(Clone, Debug)]
pub(super) struct Script {
    access: Access,
    sql: String,
}

/// What a script answered.
#[derive(Debug)]
pub(super) struct Answer {
    /// The present epoch.
    pub(super) present: Present,
    /// The rows of each statement of the caller.
    pub(super) rows: Vec<Vec<PgRow>>,
}

impl Script {
    /// Of this tenant; without one, no row with a tenant is seen until a function sets one.
    pub(super) fn new(access: Access, tenant: Option<&TenantId>) -> Self {
        let begin = match access {
            Access::Read | Access::ReadStale => "BEGIN READ ONLY",
            Access::Snapshot => "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY",
            Access::Repeatable | Access::Open => "BEGIN READ WRITE",
        };
        // A standby was started at another time than its primary, and follows its epochs.
        let present = if access == Access::ReadStale {
            "SELECT ordinal, epoch FROM hubbub.epochs ORDER BY ordinal DESC LIMIT 1"
        } else {
            "SELECT ordinal, epoch FROM hubbub.present()"
        };
        let tenant = tenant.map_or("", TenantId::as_str);
        let sql = format!("{begin}; SELECT set_config('hubbub.tenant', '{tenant}', true), {SETTINGS}; {present}");
        Self { access, sql }
    }

    /// Adds a statement. It is our own text and literals of this file.
    pub(super) fn then(mut self, statement: std::fmt::Arguments<'_>) -> Self {
        // A String takes everything.
        let _ = write!(self.sql, "; {statement}");
        self
    }
}

impl Work for Script {
    type Answer = Answer;

    async fn run(&self, connection: &mut PgConnection) -> Result<Answer, Fault> {
        let end = match self.access {
            Access::Read | Access::Snapshot | Access::ReadStale => "; COMMIT",
            Access::Repeatable | Access::Open => "",
        };
        let mut sets = send(connection, format!("{}{end}", self.sql)).await?;
        if sets.len() < HEAD {
            return Err(Fault::Lost("a script was not answered whole".into()));
        }
        let rows = sets.split_off(HEAD);
        let present = match sets[HEAD - 1].first() {
            Some(row) => Present::of(row, 0)?,
            None => return Err(Fault::Moved),
        };
        if self.access == Access::Repeatable {
            // Its end may stay unknown: whoever asked asks again.
            let unknown = |_| Fault::Failed(StoreError::Unavailable("a commit was not answered".into()));
            send(connection, "COMMIT".into()).await.map_err(unknown)?;
        }
        Ok(Answer { present, rows })
    }
}

/// Sends statements in one message and collects the rows of each.
pub(super) async fn send(connection: &mut PgConnection, sql: String) -> Result<Vec<Vec<PgRow>>, Fault> {
    let collect = async {
        let mut answers = sqlx::raw_sql(AssertSqlSafe(sql)).fetch_many(connection);
        let mut sets = Vec::new();
        let mut rows = Vec::new();
        while let Some(answer) = answers.try_next().await.map_err(|error| fault(&error))? {
            match answer {
                Either::Left(_) => sets.push(std::mem::take(&mut rows)),
                Either::Right(row) => rows.push(row),
            }
        }
        Ok(sets)
    };
    let late = |_| Fault::Failed(StoreError::Unavailable("the database did not answer in time".into()));
    tokio::time::timeout(PATIENCE, collect).await.map_err(late)?
}

impl Present {
    /// From the columns `at` (ordinal) and the one after it (epoch).
    pub(super) fn of(row: &PgRow, at: usize) -> Result<Self, StoreError> {
        use sqlx::Row;
        let ordinal = row.try_get(at).map_err(row_error)?;
        Ok(Self { ordinal, epoch: epoch(row.try_get(at + 1).map_err(row_error)?)? })
    }
}

/// A name of the hub.
pub(super) fn tenant(name: &TenantId) -> String {
    format!("'{name}'")
}

/// A name of the hub.
pub(super) fn channel(name: &ChannelName) -> String {
    format!("'{name}'")
}

/// Any text.
pub(super) fn text(text: &str) -> String {
    format!("convert_from({}, 'UTF8')", bytes(text.as_bytes()))
}

/// Bytes.
pub(super) fn bytes(bytes: &[u8]) -> String {
    let mut literal = String::with_capacity(2 * bytes.len() + 16);
    literal.push_str("decode('");
    for byte in bytes {
        let _ = write!(literal, "{byte:02x}");
    }
    literal.push_str("', 'hex')");
    literal
}

/// The tenants of channels and their names, as two arrays of the same length.
pub(super) fn names<'a>(channels: impl Iterator<Item = &'a ChannelKey> + Clone) -> String {
    let tenants = array("text", channels.clone().map(|key| tenant(&key.tenant)));
    let names = array("text", channels.map(|key| channel(&key.channel)));
    format!("{tenants}, {names}")
}

/// An array of literals.
pub(super) fn array(of: &str, literals: impl Iterator<Item = String>) -> String {
    let mut array = String::from("ARRAY[");
    for (number, literal) in literals.enumerate() {
        if number > 0 {
            array.push(',');
        }
        array.push_str(&literal);
    }
    let _ = write!(array, "]::{of}[]");
    array
}

/// A number that may be missing.
pub(super) fn number(number: Option<i64>) -> String {
    number.map_or_else(|| "NULL".to_owned(), |number| number.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_name_of_the_hub_can_end_a_literal() {
        for letter in ["'", "\\", "\"", "\0", "\u{2019}"] {
            assert!(ChannelName::parse(&format!("chat:{letter}")).is_err(), "{letter}");
            assert!(TenantId::parse(&format!("a{letter}")).is_err(), "{letter}");
        }
    }

    #[test]
    fn any_other_text_is_written_in_digits() {
        assert_eq!(text("a'b\\"), "convert_from(decode('6127625c', 'hex'), 'UTF8')");
        assert_eq!(array("text", std::iter::empty()), "ARRAY[]::text[]");
        assert_eq!(
            array("bytea", [bytes(&[1]), bytes(&[])].into_iter()),
            "ARRAY[decode('01', 'hex'),decode('', 'hex')]::bytea[]"
        );
    }
}

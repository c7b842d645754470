//! The tables: brought up to date by their owner, over a direct connection, and checked by everybody else.
//!
//! Migrations only add, so a node works with the tables of its own version and of the next one: a fleet is migrated
//! first and restarted node by node afterwards.

use sqlx::migrate::{MigrateError, Migrator};
use sqlx::postgres::{PgConnectOptions, PgConnection, PgRow};
use sqlx::{Connection, Row};

use super::connections::{PATIENCE, connect, unfaulted};
use super::error::{Fault, fault};
use super::options;
use super::script::send;
use crate::store::StoreError;

static MIGRATIONS: Migrator = sqlx::migrate!("migrations/postgres");

const SCHEMA: &str = "hubbub";
const TABLE: &str = "hubbub.migrations";

/// What each run sets right: what the owner sees, then what a node's role may do, in the order of granting. Nothing is
/// its own.
const RIGHTS: [&str; 12] = [
    "SELECT hubbub.let_owner_see()",
    "REVOKE ALL ON ALL FUNCTIONS IN SCHEMA hubbub FROM PUBLIC",
    "GRANT USAGE ON SCHEMA hubbub TO {}",
    "GRANT SELECT ON hubbub.migrations, hubbub.identity, hubbub.epochs, hubbub.classes, hubbub.slots, hubbub.key_slots TO {}",
    "GRANT SELECT, INSERT, UPDATE ON hubbub.channels, hubbub.keys, hubbub.revocations TO {}",
    "GRANT SELECT, INSERT ON hubbub.epoch_starts TO {}",
    "GRANT SELECT, INSERT, UPDATE, DELETE ON hubbub.messages, hubbub.segments, hubbub.records TO {}",
    "GRANT EXECUTE ON FUNCTION hubbub.present, hubbub.enter, hubbub.lock_channels, hubbub.held_keys, \
     hubbub.quiet_slot, hubbub.turn, hubbub.write, hubbub.find, hubbub.page, hubbub.heads TO {}",
    "GRANT EXECUTE ON FUNCTION hubbub.expire, hubbub.cut, hubbub.erase, hubbub.tenants, hubbub.counting_revocations, \
     hubbub.past_revocations, hubbub.forget_revocations, hubbub.tidy TO {}",
    "GRANT EXECUTE ON FUNCTION hubbub.answers, hubbub.write_records, hubbub.erase_all, hubbub.forget_digests, \
     hubbub.unmake_channels TO {}",
    "GRANT EXECUTE ON FUNCTION hubbub.words_of, hubbub.records_of, hubbub.search, hubbub.due_tasks, hubbub.said, \
     hubbub.forget_channel TO {}",
    "GRANT USAGE ON ALL SEQUENCES IN SCHEMA hubbub TO {}",
];

/// Brings the tables up to date and lets the role of the nodes use them. `owner_url` leads directly to the primary, not
/// through a pooler, as the role that is to own the tables. Several at once wait for each other.
///
/// # Errors
/// `Unavailable` when the database can not be reached; `Refused` when a newer version of the hub has changed the tables,
/// or the role of the nodes does not exist or would see every tenant.
pub async fn migrate(owner_url: &str, application_role: &str) -> Result<(), StoreError> {
    let mut connection = connect(&options(owner_url)?, PATIENCE).await?;
    let migrated = bring_up_to_date(&mut connection, application_role).await;
    // The lock ends with the connection, however this ended.
    let _ = connection.close().await;
    migrated
}

async fn bring_up_to_date(connection: &mut PgConnection, role: &str) -> Result<(), StoreError> {
    check_role(connection, role).await?;
    let mut migrator = Migrator::with_migrations(MIGRATIONS.iter().cloned().collect());
    migrator.create_schema(SCHEMA);
    migrator.dangerous_set_table_name(TABLE);
    migrator.run_direct(None, &mut *connection, false).await.map_err(migration_error)?;
    let role = identifier(role);
    let rights: Vec<String> = RIGHTS.iter().map(|right| right.replace("{}", &role)).collect();
    let lock = "SELECT pg_advisory_xact_lock(hashtext('hubbub.grants'))";
    let sql = format!("BEGIN; {lock}; {}; COMMIT", rights.join("; "));
    send(connection, sql).await.map(drop).map_err(unfaulted)
}

/// The role must exist, and must not be one that walls do not hold.
async fn check_role(connection: &mut PgConnection, role: &str) -> Result<(), StoreError> {
    let found =
        sqlx::query("SELECT rolsuper OR rolbypassrls OR pg_has_role(rolname, current_user, 'MEMBER') FROM pg_roles WHERE rolname = $1")
            .persistent(false)
            .bind(role)
            .fetch_optional(connection)
            .await
            .map_err(plain)?;
    match found.map(|row| row.try_get::<bool, _>(0).map_err(plain)).transpose()? {
        Some(false) => Ok(()),
        Some(true) => Err(StoreError::Refused(format!(
            "the role {role} would see every tenant (it owns the tables or is a member of their owner, is a superuser or has BYPASSRLS); give nodes a role of their own"
        ))),
        None => Err(StoreError::Refused(format!(
            "there is no role {role} for the nodes; make it first: CREATE ROLE {} LOGIN PASSWORD '…'",
            identifier(role)
        ))),
    }
}

/// What a node checks before it uses the tables.
pub(super) async fn check(options: &PgConnectOptions) -> Result<(), StoreError> {
    let mut connection = connect(options, PATIENCE).await?;
    let sql = format!(
        "BEGIN READ ONLY; SELECT max(version), row_security_active('hubbub.messages'), \
         current_setting('fsync') = 'on' AND current_setting('synchronous_commit') <> 'off', \
         pg_has_role(current_user, (SELECT relowner FROM pg_class WHERE oid = 'hubbub.messages'::regclass), 'MEMBER'), \
         hubbub.past_revocations(0) \
         FROM {TABLE} WHERE success; COMMIT"
    );
    let answered = send(&mut connection, sql).await;
    let _ = connection.close().await;
    let newest = MIGRATIONS.iter().map(|migration| migration.version).max().unwrap_or_default();
    let answered = match answered {
        Err(Fault::Failed(StoreError::Unavailable(why))) if why.contains("hubbub migrate") => {
            return Err(StoreError::Refused(why));
        }
        answered => answered.map_err(unfaulted)?,
    };
    let Some(row) = answered.get(1).and_then(|rows| rows.first()) else {
        return Err(StoreError::Unavailable("the database did not say which tables it has".into()));
    };
    fits(row.try_get(0).map_err(plain)?, newest)?;
    suits(row)
}

/// Whether role and settings are right for a node.
fn suits(row: &PgRow) -> Result<(), StoreError> {
    if !row.try_get::<bool, _>(1).map_err(plain)? {
        return Err(StoreError::Refused(
            "the role of this node sees every tenant (it is a superuser or has BYPASSRLS); give it the one that `hubbub migrate` was told of".into(),
        ));
    }
    // Walls stand before the owner too, but it could take them down.
    if row.try_get::<bool, _>(3).map_err(plain)? {
        return Err(StoreError::Refused(
            "the role of this node owns the tables, or is a member of the role that does; give nodes a role of their own, the one that `hubbub migrate` was told of".into(),
        ));
    }
    if !row.try_get::<bool, _>(2).map_err(plain)? {
        tracing::warn!(
            "the database does not wait for its disk (fsync or synchronous_commit is off): what it acknowledges can be lost"
        );
    }
    Ok(())
}

/// Whether this version of the hub understands the tables: migrations only add, so those of the next version will do.
fn fits(version: Option<i64>, newest: i64) -> Result<(), StoreError> {
    match version {
        Some(version) if version == newest || version == newest + 1 => Ok(()),
        Some(version) if version > newest => Err(StoreError::Refused(format!(
            "the tables are of version {version}, this hub understands {newest} and {}; run a newer hub",
            newest + 1
        ))),
        _ => Err(StoreError::Refused(format!(
            "the tables are of version {}, this hub needs {newest}; run `hubbub migrate`",
            version.unwrap_or_default()
        ))),
    }
}

fn migration_error(error: MigrateError) -> StoreError {
    match error {
        MigrateError::Execute(error) | MigrateError::ExecuteMigration(error, _) => {
            tracing::error!(%error, "a migration failed");
            StoreError::Unavailable(format!("a migration failed: {error}"))
        }
        error => StoreError::Refused(format!(
            "the tables do not fit this version of the hub ({error}); run the version that made them, or a newer one"
        )),
    }
}

fn plain(error: sqlx::Error) -> StoreError {
    unfaulted(fault(&error))
}

/// The name of a role for SQL.
fn identifier(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The newest migration that nodes in the field know. They go on while a fleet is migrated, so what has come since is
    /// one migration.
    const IN_THE_FIELD: i64 = 3;

    #[test]
    fn a_node_understands_its_version_and_the_next() {
        let says = |version, what: &str| match fits(version, 3) {
            Err(StoreError::Refused(why)) => assert!(why.contains(what), "{why}"),
            other => panic!("{other:?}"),
        };
        assert_eq!(fits(Some(3), 3), Ok(()));
        assert_eq!(fits(Some(4), 3), Ok(()));
        says(Some(5), "newer hub");
        says(Some(2), "hubbub migrate");
        says(None, "hubbub migrate");
    }

    #[test]
    fn nodes_of_the_version_before_go_on_while_a_fleet_is_migrated() {
        let newest = MIGRATIONS.iter().map(|migration| migration.version).max();
        assert_eq!(fits(newest, IN_THE_FIELD), Ok(()), "fold what was not released into one migration");
    }

    #[test]
    fn the_name_of_a_role_can_not_end_itself() {
        assert_eq!(identifier("a\"; DROP"), "\"a\"\"; DROP\"");
    }
}

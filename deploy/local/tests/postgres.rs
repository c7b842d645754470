//! Postgres: started for real, killed, restored and followed.

use hubbub_local::Error;
use hubbub_local::postgres::{Options, Postgres};

#[test]
fn killed_processes_lose_nothing_that_was_committed() -> Result<(), Error> {
    let mut postgres = Postgres::start(Options::default())?;
    postgres.psql("CREATE TABLE t (n int); INSERT INTO t VALUES (7)")?;
    postgres.kill()?;
    assert!(postgres.psql("SELECT 1").is_err(), "answers although it was killed");
    postgres.start_again()?;
    assert_eq!(postgres.psql("SELECT n FROM t")?, "7");
    postgres.stop()?;
    postgres.start_again()?;
    assert_eq!(postgres.psql("SELECT n FROM t")?, "7");
    Ok(())
}

#[test]
fn the_role_of_nodes_owns_nothing() -> Result<(), Error> {
    let postgres = Postgres::start(Options::default().durable())?;
    let owner = "SELECT pg_get_userbyid(datdba) FROM pg_database WHERE datname = 'hubbub'";
    assert_eq!(postgres.psql(owner)?, "hubbub_owner");
    let roles = "SELECT rolname, rolsuper, rolcreatedb FROM pg_roles WHERE rolname LIKE 'hubbub%' ORDER BY 1";
    assert_eq!(postgres.psql(roles)?, "hubbub|f|f\nhubbub_owner|f|f");
    assert_eq!(postgres.psql("SET ROLE hubbub_owner; CREATE TABLE t (n int); SELECT 1")?, "1");
    assert!(postgres.psql("SET ROLE hubbub; CREATE TABLE u (n int)").is_err());
    assert_eq!(postgres.psql("SHOW fsync")?, "on");
    Ok(())
}

#[test]
fn a_restore_goes_back_in_time() -> Result<(), Error> {
    let mut postgres = Postgres::start(Options::default())?;
    postgres.psql("CREATE TABLE t (n int); INSERT INTO t VALUES (1)")?;
    let snapshot = postgres.snapshot()?;
    postgres.psql("INSERT INTO t VALUES (2)")?;
    postgres.restore(&snapshot)?;
    assert_eq!(postgres.psql("SELECT n FROM t")?, "1");
    Ok(())
}

#[test]
fn a_standby_follows_until_it_is_promoted() -> Result<(), Error> {
    let mut primary = Postgres::start(Options::default())?;
    primary.psql("CREATE TABLE t (n int); INSERT INTO t VALUES (1)")?;
    let standby = primary.standby()?;
    primary.psql("INSERT INTO t VALUES (2)")?;
    primary.wait_for_standby(&standby)?;
    assert_eq!(standby.psql("SELECT count(*) FROM t")?, "2");
    assert!(standby.psql("INSERT INTO t VALUES (3)").is_err(), "a standby that writes");
    primary.kill()?;
    standby.promote()?;
    standby.psql("INSERT INTO t VALUES (3)")?;
    assert_eq!(standby.psql("SELECT timeline_id FROM pg_control_checkpoint()")?, "2");
    Ok(())
}

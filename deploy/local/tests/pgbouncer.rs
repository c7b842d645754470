//! PgBouncer in transaction mode in front of a real Postgres.

use hubbub_local::Error;
use hubbub_local::pgbouncer::PgBouncer;
use hubbub_local::postgres::{Options, Postgres};

#[test]
fn queries_come_through_and_settings_do_not_stay() -> Result<(), Error> {
    let postgres = Postgres::start(Options::default())?;
    let mut bouncer = PgBouncer::start(&postgres)?;
    assert_eq!(bouncer.psql("SELECT current_user")?, "hubbub");
    bouncer.psql("BEGIN; SELECT set_config('hubbub.tenant', 'acme', true); COMMIT")?;
    assert_eq!(bouncer.psql("SELECT current_setting('hubbub.tenant', true)")?, "", "it outlived its transaction");
    bouncer.kill()?;
    assert!(bouncer.psql("SELECT 1").is_err(), "answers although it was killed");
    bouncer.start_again()?;
    assert_eq!(bouncer.psql("SELECT 1")?, "1");
    Ok(())
}

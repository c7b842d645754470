//! Redis in its three forms: started for real, killed and brought back.

use hubbub_local::Error;
use hubbub_local::redis::{Cluster, Data, Options, Sentinel, Standalone};

#[test]
fn a_server_keeps_what_its_set_up_keeps() -> Result<(), Error> {
    let mut redis = Standalone::start(Options::default().append_only("always"))?;
    redis.cli(&["SET", "a", "1"])?;
    redis.kill()?;
    assert!(redis.cli(&["PING"]).is_err(), "answers although it was killed");
    redis.start_again(Data::Kept)?;
    assert_eq!(redis.cli(&["GET", "a"])?, "1");
    redis.start_again(Data::Lost)?;
    assert_eq!(redis.cli(&["GET", "a"])?, "");
    Ok(())
}

#[test]
fn a_server_without_persistence_forgets() -> Result<(), Error> {
    let mut redis = Standalone::start(Options::default())?;
    redis.cli(&["SET", "a", "1"])?;
    redis.stop()?;
    redis.start_again(Data::Kept)?;
    assert_eq!(redis.cli(&["GET", "a"])?, "");
    Ok(())
}

#[test]
fn users_and_certificates_are_asked_for() -> Result<(), Error> {
    let redis = Standalone::start(Options::default().tls().acl_user("hub", "secret", "~hub:* &hub:* +@all"))?;
    assert!(redis.url().starts_with("rediss://127.0.0.1:"), "{}", redis.url());
    assert!(redis.ca_file().is_some_and(std::path::Path::is_file));
    assert_eq!(redis.cli(&["AUTH", "hub", "secret"])?, "OK");
    assert!(redis.cli(&["AUTH", "hub", "wrong"]).is_err());
    assert!(redis.cli(&["AUTH", "default", ""]).is_err(), "the default user is on");
    Ok(())
}

#[test]
fn a_paused_server_answers_when_it_is_resumed() -> Result<(), Error> {
    let mut redis = Standalone::start(Options::default())?;
    redis.pause()?;
    assert!(redis.cli(&["PING"]).is_err(), "answers although it is paused");
    redis.resume()?;
    assert_eq!(redis.cli(&["PING"])?, "PONG");
    Ok(())
}

#[test]
fn sentinels_fail_over_to_a_replica_even_a_stale_one() -> Result<(), Error> {
    let mut redis = Sentinel::start(2)?;
    redis.cli(&["SET", "old", "1"])?;
    redis.cli(&["WAIT", "2", "1000"])?;
    redis.stop_replication()?;
    redis.cli(&["SET", "new", "1"])?;
    let killed = redis.kill_primary()?;
    let primary = redis.wait_for_primary_other_than(killed)?;
    assert_eq!(redis.primary_port()?, primary);
    assert_eq!(redis.cli(&["GET", "old"])?, "1");
    assert_eq!(redis.cli(&["GET", "new"])?, "", "the replica was not stale");
    redis.revive()?;
    assert_eq!(redis.primary_port()?, primary, "who came back is a replica");
    Ok(())
}

#[test]
fn a_cluster_fails_over_and_moves_slots() -> Result<(), Error> {
    let mut redis = Cluster::start(3, 1)?;
    // `foo` lies in slot 12182, the last third.
    redis.cli(2, &["SET", "foo", "1"])?;
    redis.cli(2, &["WAIT", "1", "1000"])?;
    redis.move_slot(12_182, 0)?;
    assert_eq!(redis.cli(0, &["GET", "foo"])?, "1");
    assert!(redis.cli(2, &["GET", "foo"]).is_err(), "the old owner still answers");
    redis.cli(0, &["WAIT", "1", "1000"])?;
    let killed = redis.kill_primary(0)?;
    redis.wait_for_primary_other_than(0, killed)?;
    redis.revive()?;
    redis.wait_until_healthy()?;
    assert_eq!(redis.cli(0, &["GET", "foo"])?, "1");
    Ok(())
}

//! Goal: memory that went backwards shows, also to a node that runs all the time. Method: a server that is restarted,
//! restored from a copy, or replaced by a standby that had not got everything; positions from before.

use hubbub_local::pgbouncer::PgBouncer;
use hubbub_persistence::postgres::Settings;
use hubbub_persistence::{Continuity, Postgres, Store};
use hubbub_protocol::{Epoch, GapReason, Position};

use super::fixture::{channel, epoch, fill, head, open, server, settings};

async fn worth(store: &Postgres, name: &str, epoch: Epoch, offset: u64) -> Continuity {
    store.continuity(&channel(name), Position::new(epoch, offset)).await.expect("continuity")
}

fn proven(offset: u64) -> Continuity {
    Continuity::Proven { offset }
}

fn broken(since: u64) -> Continuity {
    Continuity::Broken { since, reason: GapReason::Epoch }
}

#[tokio::test]
async fn nodes_that_come_and_go_keep_the_epoch() {
    let server = server().await;
    let (first, second) = (open(&server, 1).await, open(&server, 2).await);
    let present = epoch(&first).await;
    assert_eq!(epoch(&second).await, present);
    fill(&first, "chat:a", 1..=3).await;
    first.close().await;
    let third = open(&server, 3).await;
    assert_eq!(epoch(&third).await, present);
    assert_eq!(head(&second, "chat:a").await, Position::new(present, 3));
    second.close().await;
    third.close().await;
}

#[tokio::test]
async fn a_restart_begins_one_epoch_for_all_nodes_that_costs_nobody_anything() {
    let mut server = server().await;
    let nodes = [open(&server, 1).await, open(&server, 2).await];
    let mut epochs = vec![epoch(&nodes[0]).await];
    for life in 1..=3u64 {
        fill(&nodes[life as usize % 2], "chat:a", life * 10..=life * 10 + 2).await;
        if life == 2 {
            server.kill().expect("killed")
        } else {
            server.stop().expect("stopped")
        }
        server.start_again().expect("started");
        // Both have their connections from before.
        let (left, right) = tokio::join!(epoch(&nodes[0]), epoch(&nodes[1]));
        assert_eq!(left, right, "the nodes agree");
        assert!(!epochs.contains(&left), "a new one after each restart");
        epochs.push(left);
        for (past, epoch) in epochs.iter().enumerate() {
            let seen = 3 * (past as u64 + 1).min(life);
            assert_eq!(worth(&nodes[0], "chat:a", *epoch, seen).await, proven(seen));
            assert_eq!(worth(&nodes[1], "chat:a", *epoch, seen + 1).await, broken(seen), "epoch {past} in life {life}");
        }
    }
    for node in nodes {
        node.close().await;
    }
}

#[tokio::test]
async fn a_restored_snapshot_begins_an_epoch_in_which_only_what_it_holds_is_proven() {
    let mut server = server().await;
    let node = open(&server, 1).await;
    fill(&node, "chat:a", 1..=5).await;
    let before = epoch(&node).await;
    let snapshot = server.snapshot().expect("a snapshot");
    // The snapshot stopped the server, so this is an epoch that the snapshot does not know.
    fill(&node, "chat:a", 6..=9).await;
    fill(&node, "chat:c", 1..=2).await;
    let lost = epoch(&node).await;
    server.restore(&snapshot).expect("restored");
    let new = epoch(&node).await;
    assert_ne!(new, lost);
    assert_eq!(worth(&node, "chat:a", lost, 9).await, broken(0), "nobody knows that epoch any more");
    assert_eq!(fill(&node, "chat:a", 106..=112).await, (6..=12).collect::<Vec<_>>(), "numbering goes on");
    assert_eq!(worth(&node, "chat:a", lost, 5).await, broken(0));
    assert_eq!(worth(&node, "chat:a", before, 5).await, proven(5), "what was seen before the snapshot is there");
    assert_eq!(worth(&node, "chat:a", before, 6).await, broken(5));
    assert_eq!(worth(&node, "chat:a", new, 12).await, proven(12));
    assert_eq!(worth(&node, "chat:c", lost, 0).await, proven(0));
    node.close().await;
}

#[tokio::test]
async fn a_stale_standby_begins_an_epoch_that_continues_what_it_had() {
    let mut primary = server().await;
    let writing = open(&primary, 1).await;
    fill(&writing, "chat:a", 1..=5).await;
    fill(&writing, "chat:b", 1..=1).await;
    let old = epoch(&writing).await;
    let standby = primary.standby().expect("a standby");
    primary.wait_for_standby(&standby).expect("it follows");
    standby.psql("ALTER SYSTEM SET primary_conninfo = ''").expect("cut off");
    standby.psql("SELECT pg_reload_conf()").expect("cut off");
    let receiving = "SELECT count(*) FROM pg_stat_wal_receiver";
    assert!((0..500).any(|_| standby.psql(receiving).expect("asked") == "0"), "nothing is received any more");
    fill(&writing, "chat:a", 6..=9).await;
    fill(&writing, "chat:c", 1..=2).await;
    primary.kill().expect("killed");
    standby.promote().expect("promoted");
    writing.close().await;

    let node = open(&standby, 2).await;
    let new = epoch(&node).await;
    assert_ne!(new, old);
    assert_eq!(head(&node, "chat:a").await, Position::new(new, 5));
    for appended in [false, true] {
        assert_eq!(worth(&node, "chat:a", old, 5).await, proven(5), "appended: {appended}");
        assert_eq!(worth(&node, "chat:a", old, 6).await, broken(5), "appended: {appended}");
        assert_eq!(worth(&node, "chat:a", old, 9).await, broken(5), "appended: {appended}");
        assert_eq!(worth(&node, "chat:c", old, 2).await, broken(0), "it had no such channel");
        assert_eq!(worth(&node, "chat:b", old, 1).await, proven(1));
        fill(&node, "chat:a", 106 + u64::from(appended) * 10..=112 + u64::from(appended) * 10).await;
    }
    node.close().await;
}

#[tokio::test]
async fn a_node_behind_pgbouncer_notices_a_restart_though_its_connection_stays() {
    let mut server = server().await;
    let mut bouncer = PgBouncer::start(&server).expect("a pooler");
    let node =
        Postgres::open(Settings { connections: 2, ..settings(bouncer.url(), 1) }).await.expect("the store opens");
    fill(&node, "chat:a", 1..=3).await;
    let old = epoch(&node).await;
    server.stop().expect("stopped");
    server.start_again().expect("started");
    bouncer.start_again().expect("started");
    let new = epoch(&node).await;
    assert_ne!(new, old);
    assert_eq!(worth(&node, "chat:a", old, 3).await, proven(3));
    assert_eq!(worth(&node, "chat:a", old, 4).await, broken(3));
    assert_eq!(fill(&node, "chat:a", 4..=4).await, [4]);
    node.close().await;
}

//! Goal: after an erasure nothing of a user is left anywhere but a proof that does not name them, others have lost nothing, and a
//! restore from a backup does not bring them back. Method: a scene in which she did everything there is to do, then a search through
//! every row of the database, every key of Redis, the bytes of the file, and what the hub answers.

#![expect(clippy::print_stdout, reason = "the figure of the show is printed")]

mod house;
mod retention;
mod scene;

use std::sync::atomic::{AtomicU64, Ordering};

use house::{House, Searched};
use scene::{STAYS, Scene, ULLA, WORD};
use serde_json::{Value, json};

/// Channels that are no rooms, in which others have published too.
const PLAIN: &[&str] = &["chat:lobby", "live:score"];

/// Rooms beside the scene; a show has more.
fn more() -> usize {
    std::env::var("HUBBUB_ERASURE_ROOMS").map_or(2, |text| text.parse().expect("a number"))
}

#[tokio::test(flavor = "multi_thread")]
async fn sqlite_forgets_and_forgets_again_after_a_restore() {
    let mut house = House::sqlite();
    let (scene, _) = scene::play(&house, more()).await;
    assert!(house.export(ULLA).await.contains(WORD), "there is something to export");
    let backup = house.back_up("backup.db");
    let before = house.search(&[ULLA, WORD]);
    assert!(before.hits.len() > 1, "there is nothing to find: {before:?}");
    // Windows went with the node.
    let socket = scene::plain_channels(&house).await;
    socket_is_closed_by_erasure(&house, socket).await;
    everything_is_right(&house, &scene, PLAIN).await;
    let mut searched = demand_nothing(house.search(&[ULLA, WORD]));

    let (_, proofs) = house.call("GET", "/v1/proofs", None).await;
    let kept = backup.with_file_name("proofs.json");
    std::fs::write(&kept, proofs.to_string()).expect("written");
    house.restore(&backup);
    assert!(!house.search(&[ULLA, WORD]).hits.is_empty(), "the backup has her");
    let said = house.erase(&["--again", "--proofs", kept.to_str().expect("UTF-8")]);
    assert!(said.contains("erased again: 1"), "{said}");
    std::fs::remove_file(&backup).expect("removed");
    // The window went with the node.
    everything_is_right(&house, &scene, &PLAIN[..1]).await;
    searched.rows += demand_nothing(house.search(&[ULLA, WORD])).rows;
    figure(&searched);
}

#[tokio::test(flavor = "multi_thread")]
async fn postgres_and_redis_forget() {
    let mut house = House::servers();
    let (scene, socket) = scene::play(&house, more()).await;
    assert!(house.export(ULLA).await.contains(WORD), "there is something to export");
    let before = house.search(&[ULLA, WORD]);
    assert!(
        before.hits.iter().any(|hit| hit.contains(":win:") || hit.contains(":log:")),
        "Redis has nothing: {before:?}"
    );
    socket_is_closed_by_erasure(&house, socket).await;
    everything_is_right(&house, &scene, PLAIN).await;
    let searched = demand_nothing(house.search(&[ULLA, WORD]));
    figure(&searched);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_erasure_outlives_its_node() {
    let mut house = House::sqlite();
    let (scene, _socket) = scene::play(&house, more()).await;
    let (status, begun) = house.call("POST", &format!("/v1/users/{ULLA}/erase"), None).await;
    assert_eq!(status, 200, "{begun}");
    let job = begun["job"].as_str().expect("a job").to_owned();
    house
        .until("the job is under way", async || {
            let (_, state) = house.call("GET", &format!("/v1/jobs/{job}"), None).await;
            state["progress"]["pass"].as_u64() > Some(0)
        })
        .await;
    house.kill();
    let ended = house.ended(&job).await;
    assert_eq!((&ended["state"], &ended["user"]), (&json!("done"), &Value::Null), "{ended}");
    everything_is_right(&house, &scene, &PLAIN[..1]).await;
    demand_nothing(house.search(&[ULLA, WORD]));
}

/// The figure of the show: of all tests of this process so far.
fn figure(searched: &Searched) {
    static ROWS: AtomicU64 = AtomicU64::new(0);
    let rows = ROWS.fetch_add(searched.rows, Ordering::Relaxed) + searched.rows;
    println!("figure: {rows} rows, keys and pages searched after an erasure, hits {}", searched.hits.len());
}

fn demand_nothing(searched: Searched) -> Searched {
    assert!(searched.hits.is_empty(), "{} hits:\n{}", searched.hits.len(), searched.hits.join("\n\n"));
    searched
}

/// Erases her while she is connected.
async fn socket_is_closed_by_erasure(house: &House, mut socket: hubbub_client::RawConnection) {
    let ended = house.job(&format!("/v1/users/{ULLA}/erase"), None).await;
    assert_eq!((&ended["state"], &ended["user"]), (&json!("done"), &Value::Null), "{ended}\n{}", house.log_tail());
    assert_eq!(socket.closed(house::SOON).await.expect("closed"), Some(4_503));
    println!("erased: {}", ended["counts"]);
}

/// What others see, and that the counters fit what is there; `plain` channels still hold what others published.
async fn everything_is_right(house: &House, scene: &Scene, plain: &[&str]) {
    let room = house.op(None, "room", json!({"channel": "room:hers"})).await["room"].clone();
    let members = house.op(None, "members", json!({"channel": "room:hers"})).await;
    let joined =
        members["members"].as_array().expect("a list").iter().filter(|member| member["state"] == "joined").count();
    assert_eq!((room["members"].as_u64(), joined), (Some(3), 3), "bob, carol, dora: {room} {members}");
    assert_eq!(
        (&room["pins"], &room["topic"], &room["by"]),
        (&json!([]), &json!("ask @someone"), &Value::Null),
        "{room}"
    );
    let page = house.op(Some("bob"), "messages", json!({"channel": "room:hers", "limit": 200})).await;
    let messages = page["messages"].as_array().expect("a list");
    assert_eq!(messages.last().expect("a message")["ordinal"], room["messages"], "no place is lost");
    let of = |id: &str| messages.iter().find(|message| message["id"] == id).cloned().unwrap_or_default();
    assert_eq!(of(&scene.liked)["reactions"], json!({"👍": {"count": 1}}), "carol's alone");
    assert_eq!((&of(&scene.root)["deleted"], &of(&scene.root)["from"]), (&json!("author"), &Value::Null));
    assert_eq!(of(&scene.root)["replies"], 2, "what hangs under it stays");
    let mention = of(&scene.mention);
    assert_eq!(mention["text"], format!("{STAYS} @someone, bold"), "{mention}");
    let (from, to) = (STAYS.len() + 11, STAYS.len() + 15);
    assert_eq!(mention["entities"], json!([{"kind": "bold", "from": from, "to": to}]), "{mention}");
    let thread = house.op(Some("bob"), "messages", json!({"channel": "room:hers", "thread": scene.root})).await;
    assert_eq!(thread["messages"].as_array().map(Vec::len), Some(2), "{thread}");
    let found = house.op(Some("bob"), "search", json!({"text": WORD})).await;
    assert_eq!(found["hits"], json!([]));
    assert!(
        !house.op(Some("bob"), "search", json!({"text": STAYS})).await["hits"].as_array().expect("hits").is_empty()
    );
    let last = house.op(Some("bob"), "room", json!({"channel": "room:his"})).await["room"]["last"].clone();
    assert_eq!((&last["deleted"], &last["from"]), (&json!(true), &Value::Null), "{last}");
    nobody_is_told_of_her(house, plain).await;
}

/// History, hot rings, rosters, exports of others, inboxes, proofs.
async fn nobody_is_told_of_her(house: &House, plain: &[&str]) {
    let mut told = String::new();
    for channel in ["chat:lobby", "live:score", "room:hers", "room:his", "room:strict"] {
        for path in ["history?limit=1000", "presence"] {
            let (_, answer) = house.call("GET", &format!("/v1/channels/{channel}/{path}"), None).await;
            told += &answer.to_string();
        }
        told += &rewound(house, channel).await;
    }
    for user in ["bob", "carol", "dora"] {
        told += &house.export(user).await;
        for op in ["inbox", "rooms", "threads", "scheduled"] {
            told += &house.op(Some(user), op, json!({})).await.to_string();
        }
    }
    for op in ["audit", "reports", "members", "filters", "room"] {
        told += &house.op(None, op, json!({"channel": "room:hers"})).await.to_string();
    }
    let (_, channels) = house.call("GET", "/v1/channels?limit=1000", None).await;
    let (_, proofs) = house.call("GET", "/v1/proofs", None).await;
    assert_eq!(proofs["proofs"].as_array().map(Vec::len), Some(1), "{proofs}");
    told += &(channels.to_string() + &proofs.to_string());
    for word in [ULLA, WORD] {
        let at = told.to_lowercase().find(word);
        assert!(
            at.is_none(),
            "{word} is told: {}",
            at.map_or("", |at| &told[at.saturating_sub(300)..(at + 100).min(told.len())])
        );
    }
    for channel in plain {
        let (_, answer) = house.call("GET", &format!("/v1/channels/{channel}/history?limit=1000"), None).await;
        let left = answer["messages"].as_array().map(Vec::len);
        assert!(left >= Some(2), "what others published stays in {channel}: {answer}");
    }
}

/// All that a newcomer gets who asks for the last messages.
async fn rewound(house: &House, channel: &str) -> String {
    let mut socket = house.socket("bob").await;
    let subscribe = json!({"type": "subscribe", "id": 1, "channel": channel, "rewind": 100, "presence": true});
    socket.send_text(subscribe.to_string()).await.expect("sent");
    socket.send_text(json!({"type": "ping", "id": 2}).to_string()).await.expect("sent");
    let mut told = String::new();
    // What was asked for has come when nothing follows for a moment; a message that comes later would be searched by the history.
    while let Ok(received) = socket.receive(std::time::Duration::from_millis(200)).await {
        told += &format!("{received:?}");
    }
    told
}

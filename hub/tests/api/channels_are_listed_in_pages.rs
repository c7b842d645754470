//! Goal: a service finds the channels of its tenant: those with subscribers, and those with a durable log. Method: channels
//! of both kinds, listed whole and page by page; one channel by its name, also with a slash in it.

use serde_json::{Value, json};

use super::harness::{Hub, subscribe};

fn names(list: &Value) -> Vec<String> {
    let name = |channel: &Value| channel["channel"].as_str().unwrap_or_default().to_owned();
    list["channels"].as_array().expect("channels").iter().map(name).collect()
}

#[tokio::test]
async fn channels_are_listed_in_pages() {
    let hub = Hub::start().await;
    let mut sockets = [hub.socket("u1").await, hub.socket("u2").await, hub.socket("u3").await];
    for socket in &mut sockets {
        subscribe(socket, "live:c").await;
    }
    subscribe(&mut sockets[0], "eph:x").await;
    subscribe(&mut sockets[0], "chat:quiet").await;
    // `live:nobody` has a window but no subscribers: it is not listed.
    for (channel, count) in [("chat:a", 3), ("chat:b", 1), ("live:c", 2), ("live:nobody", 1)] {
        let publishes = vec![json!({"channel": channel, "data": 1}); count];
        hub.post("/v1/batch", json!({ "publishes": publishes })).await.ok();
    }
    let all = hub.get("/v1/channels").await.ok();
    assert_eq!(names(&all), ["chat:a", "chat:b", "chat:quiet", "eph:x", "live:c"]);
    assert!(all.get("next").is_none(), "{all}");
    let expected = json!({"log": "window", "namespace": "live", "subscribers": 3, "offset": 2, "first": 1});
    let live = &all["channels"][4];
    assert!(expected.as_object().expect("an object").iter().all(|(key, value)| live[key] == *value), "{live}");
    assert_eq!((&all["channels"][0]["offset"], &all["channels"][0]["subscribers"]), (&json!(3), &json!(0)));
    assert_eq!((&all["channels"][2]["offset"], &all["channels"][2]["first"]), (&json!(0), &json!(1)));
    assert!(all["channels"][3].get("offset").is_none(), "a channel without a log has no head");

    for limit in 1..=6 {
        let (mut walked, mut after) = (Vec::new(), String::new());
        loop {
            let page = hub.get(&format!("/v1/channels?limit={limit}{after}")).await.ok();
            walked.push(names(&page));
            let Some(next) = page["next"].as_str() else { break };
            after = format!("&after={next}");
        }
        assert_eq!(walked, names(&all).chunks(limit).map(<[_]>::to_vec).collect::<Vec<_>>(), "pages of {limit}");
    }
    for wrong in ["limit=0", "limit=1001", "limit=x", "limt=1", "after=nocolon"] {
        assert_eq!(hub.get(&format!("/v1/channels?{wrong}")).await.problem(400), "bad_request", "{wrong}");
    }
}

#[tokio::test]
async fn a_channel_is_shown_by_its_name() {
    let hub = Hub::start().await;
    let mut socket = hub.socket("u1").await;
    subscribe(&mut socket, "chat:a/b:c+d").await;
    let published = hub.post("/v1/publish", json!({"channel": "chat:a/b:c+d", "data": 1})).await.ok();
    let shown = hub.get("/v1/channels/chat%3Aa%2Fb:c+d").await.ok();
    let expected = json!({
        "channel": "chat:a/b:c+d", "namespace": "chat", "log": "durable", "subscribers": 1, "present": 1,
        "epoch": published["epoch"], "offset": 1, "first": 1,
    });
    assert_eq!(shown, expected);
    let without_log = hub.get("/v1/channels/eph:a").await.ok();
    assert_eq!(without_log, json!({"channel": "eph:a", "namespace": "eph", "log": "none", "subscribers": 0}));
    assert_eq!(hub.get("/v1/channels/nowhere:a").await.problem(404), "not_found");
    assert_eq!(hub.get("/v1/channels/nocolon").await.problem(400), "bad_request");
}

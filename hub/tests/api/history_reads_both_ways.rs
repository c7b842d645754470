//! Goal: a service reads any part of a log. Method: a durable and a window channel with ten messages, walked forwards and
//! backwards in pages.

use serde_json::{Value, json};

use super::harness::Hub;

fn offsets(page: &Value) -> Vec<u64> {
    page["messages"].as_array().expect("messages").iter().filter_map(|message| message["offset"].as_u64()).collect()
}

#[tokio::test]
async fn history_reads_both_ways() {
    let hub = Hub::start().await;
    for channel in ["chat:a", "live:a"] {
        let publishes: Vec<_> = (1..=10).map(|n| json!({"channel": channel, "data": {"n": n}, "from": "u1"})).collect();
        let answer = hub.post("/v1/batch", json!({ "publishes": publishes })).await.ok();
        let page = async |query: &str| hub.get(&format!("/v1/channels/{channel}/history{query}")).await.ok();
        let newest = page("").await;
        assert_eq!(offsets(&newest), [10, 9, 8, 7, 6, 5, 4, 3, 2, 1]);
        assert_eq!((&newest["first"], &newest["last"], &newest["more"]), (&json!(1), &json!(10), &json!(false)));
        let (message, result) = (&newest["messages"][9], &answer["results"][0]);
        for field in ["channel", "id", "epoch", "offset", "time"] {
            assert_eq!(message[field], result[field], "{field}");
        }
        assert_eq!((&message["data"], &message["from"]), (&json!({"n": 1}), &json!("u1")));

        let first = page("?after=0&limit=4").await;
        assert_eq!((offsets(&first), &first["more"]), (vec![1, 2, 3, 4], &json!(true)));
        let last = page("?after=8&limit=4").await;
        assert_eq!((offsets(&last), &last["more"]), (vec![9, 10], &json!(false)));
        let before = page("?before=10&limit=4").await;
        assert_eq!((offsets(&before), &before["more"]), (vec![9, 8, 7, 6], &json!(true)));
        let rest = page("?before=3").await;
        assert_eq!((offsets(&rest), &rest["more"]), (vec![2, 1], &json!(false)));
        assert_eq!(offsets(&page("?after=10").await), [0; 0]);
    }
    let untouched = hub.get("/v1/channels/chat:empty/history").await.ok();
    assert_eq!((&untouched["first"], &untouched["last"], &untouched["messages"]), (&json!(1), &json!(0), &json!([])));
}

#[tokio::test]
async fn a_page_that_can_not_be_is_refused() {
    let hub = Hub::start().await;
    for wrong in ["after=1&before=2", "limit=0", "limit=1001", "after=-1", "after=9007199254740992", "offset=1"] {
        let answer = hub.get(&format!("/v1/channels/chat:a/history?{wrong}")).await;
        assert_eq!(answer.problem(400), "bad_request", "{wrong}");
    }
    assert_eq!(hub.get("/v1/channels/eph:a/history").await.problem(409), "not_supported");
}

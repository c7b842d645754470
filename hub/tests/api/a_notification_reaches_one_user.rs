//! Goal: what is meant for one user reaches every connection of that user, and nobody else can have it. Method: two users,
//! one of them with two connections; a notification for each; the other tries to listen.

use serde_json::json;

use super::harness::{Hub, NAMESPACES, api_key, message, subscribe, tenant_toml};

#[tokio::test]
async fn a_notification_reaches_one_user() {
    let hub = Hub::start().await;
    let (mut one, mut again, mut other) = (hub.socket("u1").await, hub.socket("u1").await, hub.socket("u2").await);
    for socket in [&mut one, &mut again] {
        subscribe(socket, "user:u1").await;
    }
    subscribe(&mut other, "user:u2").await;
    let refused = subscribe(&mut other, "user:u1").await;
    assert!(matches!(refused, hubbub_protocol::ServerFrame::Error(error) if error.code.as_str() == "forbidden"));
    let answer = hub.post("/v1/users/u1/notify", json!({"data": {"hello": "u1"}, "key": "n1"})).await.ok();
    assert_eq!((&answer["channel"], &answer["offset"]), (&json!("user:u1"), &json!(1)));
    assert_eq!(hub.post("/v1/users/u1/notify", json!({"data": {"hello": "u1"}, "key": "n1"})).await.ok(), answer);
    hub.post("/v1/users/u2/notify", json!({"data": {"hello": "u2"}})).await.ok();
    for socket in [&mut one, &mut again] {
        assert_eq!(message(socket).await.data.get(), r#"{"hello":"u1"}"#);
    }
    assert_eq!(message(&mut other).await.data.get(), r#"{"hello":"u2"}"#, "the first that u2 gets is its own");
}

#[tokio::test]
async fn a_user_id_is_percent_encoded() {
    let hub = Hub::start().await;
    let answer = hub.post("/v1/users/auth0%7C7%2F8/notify", json!({"data": 1})).await.ok();
    assert_eq!(answer["channel"], json!("user:auth0|7/8"));
    assert_eq!(hub.post("/v1/users/a%20b/notify", json!({"data": 1})).await.problem(400), "bad_request");
}

#[tokio::test]
async fn a_namespace_that_others_read_is_refused() {
    let tenant = tenant_toml("acme", &[("k", &["publish"] as &[_])].into());
    let hub = Hub::configured(&format!("{}{tenant}", NAMESPACES.replace("per_user = true", ""))).await;
    let answer = hub.call_as(&api_key("acme", "k"), "POST", "/v1/users/u1/notify", Some(json!({"data": 1}))).await;
    assert_eq!(answer.problem(409), "not_supported");
}

//! Goal: nothing that a tenant's key does or sees touches another tenant. Method: two tenants with the same channels, users
//! and token ids; everything is done as one and looked at as the other.

use hubbub::auth::mint::TokenDraft;
use hubbub_client::RawConnection;
use serde_json::{Value, json};

use super::harness::{
    Answer, Hub, NAMESPACES, SOON, api_key, draft, message, sign, subscribe, tenant_toml, token_secret,
};

const ALL: &[&str] = &["publish", "read", "users", "tokens", "admin"];

struct Tenant<'h> {
    hub: &'h Hub,
    name: &'static str,
}

impl Tenant<'_> {
    async fn call(&self, method: &str, path: &str, body: Option<Value>) -> Answer {
        self.hub.call_as(&api_key(self.name, "k"), method, path, body).await
    }

    async fn socket(&self) -> RawConnection {
        let draft = TokenDraft { jti: Some("t1".to_owned()), ..draft("u1") };
        self.hub.socket_with(&sign(draft, self.name, &token_secret(self.name))).await
    }
}

#[tokio::test]
async fn tenants_do_not_meet() {
    let keys = [("k", ALL)].into();
    let hub =
        Hub::configured(&format!("{NAMESPACES}{}{}", tenant_toml("acme", &keys), tenant_toml("birch", &keys))).await;
    let (acme, birch) = (Tenant { hub: &hub, name: "acme" }, Tenant { hub: &hub, name: "birch" });
    let (mut of_acme, mut of_birch) = (acme.socket().await, birch.socket().await);
    for channel in ["chat:a", "live:a", "user:u1"] {
        subscribe(&mut of_acme, channel).await;
        subscribe(&mut of_birch, channel).await;
    }
    let publish = |data: &str| Some(json!({"channels": ["chat:a", "live:a"], "data": data, "key": "same"}));
    acme.call("POST", "/v1/broadcast", publish("acme")).await.ok();
    acme.call("POST", "/v1/users/u1/notify", Some(json!({"data": "acme"}))).await.ok();
    let list = birch.call("GET", "/v1/channels", None).await.ok();
    let offsets: Vec<_> = list["channels"].as_array().expect("channels").iter().map(|c| c["offset"].clone()).collect();
    assert_eq!(offsets, [json!(0), json!(0), json!(0)], "birch has its own, empty channels");
    let results = birch.call("POST", "/v1/broadcast", publish("birch")).await.ok();
    assert_eq!(results["results"][0]["offset"], json!(1), "the key of the other is free");
    for channel in ["chat:a", "live:a"] {
        let page = birch.call("GET", &format!("/v1/channels/{channel}/history"), None).await.ok();
        assert_eq!(
            (page["messages"].as_array().map(Vec::len), &page["messages"][0]["data"]),
            (Some(1), &json!("birch"))
        );
    }
    assert_eq!(message(&mut of_birch).await.data.get(), "\"birch\"", "the first that birch's client gets");

    for path in ["/v1/connections", "/v1/connections?user=u1"] {
        let list = birch.call("GET", path, None).await.ok();
        assert_eq!(list["connections"].as_array().map(Vec::len), Some(1), "{path}");
    }
    let there = birch.call("GET", "/v1/channels/chat:a/presence", None).await.ok();
    assert_eq!(there["users"], json!([{"user": "u1", "connections": 1}]));
    birch.call("DELETE", "/v1/channels/chat:a/messages/1", None).await.ok();
    let kept = acme.call("GET", "/v1/channels/chat:a/history", None).await.ok();
    assert_eq!(kept["messages"][0]["data"], json!("acme"));

    assert_eq!(birch.call("POST", "/v1/tokens/revoke", Some(json!({"token_id": "t1"}))).await.ok()["closed"], json!(1));
    assert_eq!(of_birch.closed(SOON).await.expect("closed"), Some(4502));
    birch.call("POST", "/v1/tokens/revoke", Some(json!({"user": "u1"}))).await.ok();
    assert_eq!(birch.call("POST", "/v1/users/u1/disconnect", None).await.ok(), json!({"closed": 0}));
    for _ in 0..3 {
        assert_eq!(message(&mut of_acme).await.data.get(), "\"acme\"");
    }
    acme.socket().await;
}

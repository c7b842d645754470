//! Goal: an API key does what its scopes name, and nothing else. Method: for each route of the description, a key with its
//! scope alone, a key with all others, a key that does not exist, and none.

use std::collections::BTreeMap;

use serde_json::json;

use super::harness::{Answer, Hub, NAMESPACES, api_key, send, tenant_toml};
use super::the_description_is_the_router::{Route, routes};

const SCOPES: [&str; 5] = ["publish", "read", "users", "tokens", "admin"];

#[tokio::test]
async fn a_scope_opens_its_routes_alone() {
    let mut keys: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    let names = SCOPES.map(|scope| (format!("only-{scope}"), format!("all-but-{scope}")));
    for (scope, (only, others)) in SCOPES.iter().zip(&names) {
        keys.insert(only, vec![scope]);
        keys.insert(others, SCOPES.into_iter().filter(|other| other != scope).collect());
    }
    let keys: BTreeMap<&str, &[&str]> = keys.iter().map(|(name, scopes)| (*name, scopes.as_slice())).collect();
    let hub = Hub::configured(&format!("{NAMESPACES}{}", tenant_toml("acme", &keys))).await;
    let call = async |name: &str, route: &Route| -> Answer {
        hub.call_as(&api_key("acme", name), &route.method, &route.sample_path(), route.sample_body()).await
    };
    let mut guarded = BTreeMap::new();
    for route in routes(&hub).await {
        let Some(scope) = &route.scope else { continue };
        // There is no job of that name, and nobody without the scope learns it.
        let there = if route.path.starts_with("/v1/jobs/") { 404 } else { 200 };
        assert_eq!(call(&format!("only-{scope}"), &route).await.status, there, "{route:?}");
        let refused = call(&format!("all-but-{scope}"), &route).await;
        assert_eq!(refused.problem(403), "forbidden", "{route:?}");
        assert!(refused.text.contains(&format!("`{scope}`")), "the answer names the scope: {refused:?}");
        assert_eq!(call("nobody", &route).await.problem(401), "unauthorized", "{route:?}");
        let none = hub.request(&route.method, &route.sample_path()).json(&route.sample_body());
        assert_eq!(send(none).await.problem(401), "unauthorized", "{route:?}");
        *guarded.entry(scope.clone()).or_insert(0) += 1;
    }
    let expected = [("admin", 8), ("publish", 4), ("read", 5), ("tokens", 1), ("users", 2)];
    assert_eq!(guarded, expected.map(|(scope, count)| (scope.to_owned(), count)).into());
}

#[tokio::test]
async fn an_api_key_is_held_to_its_channels() {
    let all = ["publish", "read", "users", "tokens", "admin"];
    let tenant = tenant_toml("acme", &[("all", &all as &[_]), ("live", &all as &[_])].into());
    let secret = api_key("acme", "live");
    let held = tenant.replace(
        &format!("secret = \"{secret}\"\n"),
        &format!("secret = \"{secret}\"\nchannels = [\"live:*\", \"chat:m\"]\n"),
    );
    assert_ne!(tenant, held);
    let hub = Hub::configured(&format!("{NAMESPACES}{held}")).await;
    let call =
        async |key: &str, method: &str, path: &str, body| hub.call_as(&api_key("acme", key), method, path, body).await;
    let publishes: Vec<_> = ["chat:a", "chat:m", "chat:z"].map(|channel| json!({"channel": channel, "data": 1})).into();
    call("all", "POST", "/v1/batch", Some(json!({"publishes": publishes}))).await.ok();

    let batch = call("live", "POST", "/v1/batch", Some(json!({"publishes": publishes}))).await.ok();
    let codes: Vec<_> = (0..3).map(|n| batch["results"][n]["problem"]["code"].clone()).collect();
    assert_eq!(codes, [json!("forbidden"), json!(null), json!("forbidden")]);
    for (method, path) in [
        ("GET", "/v1/channels/chat:a"),
        ("GET", "/v1/channels/chat:a/history"),
        ("GET", "/v1/channels/chat:a/presence"),
        ("DELETE", "/v1/channels/chat:a/messages/1"),
    ] {
        assert_eq!(call("live", method, path, None).await.problem(403), "forbidden", "{path}");
    }
    let list = call("live", "GET", "/v1/channels?limit=1", None).await.ok();
    assert_eq!(
        (&list["channels"][0]["channel"], list.get("next")),
        (&json!("chat:m"), None),
        "others are not even named"
    );
}

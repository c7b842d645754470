//! Goal: `/openapi.json` describes the API as it is. Method: read it as a program would, resolve every reference, and ask
//! every route of it and every method that it does not name; hold the document for people against it too.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::harness::{Hub, send};

/// One route of the description.
#[derive(Clone, Debug)]
pub(crate) struct Route {
    pub(crate) method: String,
    pub(crate) path: String,
    /// The scope that it needs; `None` when it needs no API key.
    pub(crate) scope: Option<String>,
}

impl Route {
    /// The path with values for its parameters.
    pub(crate) fn sample_path(&self) -> String {
        self.path
            .replace("{channel}", "chat:a")
            .replace("{id}", "u1")
            .replace("{offset}", "1")
            .replace("{op}", "discover")
    }

    /// A body that the route takes.
    pub(crate) fn sample_body(&self) -> Option<Value> {
        match self.path.as_str() {
            "/v1/publish" => Some(json!({"channel": "chat:a", "data": 1})),
            "/v1/batch" => Some(json!({"publishes": []})),
            "/v1/broadcast" => Some(json!({"channels": [], "data": 1})),
            "/v1/users/{id}/notify" => Some(json!({"data": 1})),
            "/v1/tokens/revoke" => Some(json!({"token_id": "t1"})),
            _ => None,
        }
    }
}

/// Every route of the description of a hub.
pub(crate) async fn routes(hub: &Hub) -> Vec<Route> {
    let document = hub.get("/openapi.json").await.ok();
    let mut routes = Vec::new();
    for (path, item) in document["paths"].as_object().expect("paths") {
        for (method, operation) in item.as_object().expect("operations") {
            let scope = operation["security"][0]["api_key"][0].as_str().map(str::to_owned);
            routes.push(Route { method: method.to_uppercase(), path: path.clone(), scope });
        }
    }
    routes
}

#[tokio::test]
async fn every_route_of_the_description_is_there() {
    let hub = Hub::start().await;
    let routes = routes(&hub).await;
    let mut methods: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for route in &routes {
        let answer = send(hub.request(&route.method, &route.sample_path())).await;
        // A guarded route is one that asks for the key before anything else.
        assert_eq!(answer.status, if route.path.starts_with("/v1/") { 401 } else { 200 }, "{route:?}");
        assert_eq!(route.path.starts_with("/v1/"), route.scope.is_some(), "{route:?}");
        methods.entry(route.sample_path()).or_default().insert(route.method.clone());
    }
    for (path, known) in methods {
        for method in ["GET", "POST", "PUT", "PATCH", "DELETE"].into_iter().filter(|method| !known.contains(*method)) {
            let answer = send(hub.request(method, &path).bearer_auth("dev-key")).await;
            assert_eq!(answer.problem(405), "bad_request", "{method} {path} is not in the description");
            let allow = answer.allow.unwrap_or_default();
            assert!(known.iter().all(|known| allow.contains(known.as_str())), "{path}: allow is {allow}");
        }
    }
    let document = include_str!("../../../docs/API.md");
    for route in &routes {
        let heading = format!("`{} {}`", route.method, route.path);
        assert!(document.contains(&heading), "docs/API.md does not describe {heading}");
    }
}

#[tokio::test]
async fn the_description_is_whole() {
    let hub = Hub::start().await;
    let answer = hub.get("/openapi.json").await;
    assert_eq!(answer.kind, "application/json");
    let document = answer.ok();
    assert!(document["openapi"].as_str().is_some_and(|version| version.starts_with("3.")), "{}", document["openapi"]);
    assert_eq!(document["info"]["version"], json!(env!("CARGO_PKG_VERSION")));
    assert_eq!(document["components"]["securitySchemes"]["api_key"]["scheme"], json!("bearer"));
    let mut ids = BTreeSet::new();
    for (path, item) in document["paths"].as_object().expect("paths") {
        for (method, operation) in item.as_object().expect("operations") {
            let place = format!("{method} {path}");
            assert!(ids.insert(operation["operationId"].as_str().expect("an id").to_owned()), "{place}: id twice");
            assert!(operation["summary"].is_string() && operation["tags"][0].is_string(), "{place}");
            let named = |parameter: &Value| {
                (parameter["in"] == "path").then(|| format!("{{{}}}", parameter["name"].as_str().unwrap_or_default()))
            };
            let parameters = operation["parameters"].as_array().cloned().unwrap_or_default();
            let named: BTreeSet<_> = parameters.iter().filter_map(named).collect();
            let wanted: BTreeSet<_> = path.split('/').filter(|part| part.starts_with('{')).map(str::to_owned).collect();
            assert_eq!(named, wanted, "{place}");
            if path.starts_with("/v1/") {
                let content = &operation["responses"]["200"]["content"];
                let kind = if path.ends_with("/result") { "application/x-ndjson" } else { "application/json" };
                assert!(content[kind]["schema"].is_object(), "{place}");
                for status in ["400", "401", "403", "413", "500", "503"] {
                    let problem = &operation["responses"][status]["content"]["application/problem+json"]["schema"];
                    assert_eq!(problem["$ref"], json!("#/components/schemas/Problem"), "{place} {status}");
                }
            }
            if method == "post" {
                assert!(operation["requestBody"]["content"]["application/json"]["schema"].is_object(), "{place}");
            }
        }
    }
    let codes = &document["components"]["schemas"]["Problem"]["properties"]["code"]["enum"];
    assert_eq!(codes.as_array().map(Vec::len), Some(hubbub_protocol::ErrorCode::ALL.len()));
    check_references(&document, &document);
}

/// Every reference leads somewhere.
fn check_references(document: &Value, part: &Value) {
    match part {
        Value::Object(fields) => {
            if let Some(Value::String(reference)) = fields.get("$ref") {
                let pointer = reference.strip_prefix('#').expect("a reference within the document");
                assert!(document.pointer(pointer).is_some(), "{reference} leads nowhere");
            }
            fields.values().for_each(|field| check_references(document, field));
        }
        Value::Array(items) => items.iter().for_each(|item| check_references(document, item)),
        _ => {}
    }
}

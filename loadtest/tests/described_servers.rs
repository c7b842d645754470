//! Servers that are described by a file are driven by the same scenarios and accounts as a hub, and what they can not do is said.
//!
//! Method: the program is run as a user runs it, with few people, against small servers that speak the protocols of Centrifugo and
//! Pusher as their documentation says and check what they are told; exit status, output and JSON are read.

mod servers;

use std::process::{Command, Output};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use hubbub_loadtest::target::proof::{md5, signature};
use hubbub_local::hub;
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode};
use serde_json::{Value, json};
use servers::front::Front;
use servers::{Mischief, Protocol, Said, Server};

const PROGRAM: &str = env!("CARGO_BIN_EXE_hubbub-loadtest");
const SECRET: &str = "a secret of these tests";
const PEOPLE: u64 = 12;
const FEW: &str = "--set people.count=12 --set seconds=2 --set warm_up_s=0.3 --set drain_s=20 --set publish.rate_per_s=50 \
                   --set thresholds.p99_ms.at_most=60000 --secret";

/// Runs the program; what it printed and its report.
fn play(arguments: &[&str]) -> (Output, Value) {
    let folder = tempfile::tempdir().expect("a folder");
    let json = folder.path().join("report.json");
    let output =
        Command::new(PROGRAM).args(arguments).arg("--json").arg(&json).output().expect("the program was built");
    let report = std::fs::read_to_string(&json)
        .map_or(Value::Null, |text| serde_json::from_str(&text).expect("the report is JSON"));
    (output, report)
}

/// Plays the broadcast with few people against a server.
fn broadcast(target: &str, server: &Server, more: &str) -> (String, Value) {
    let (url, publish) = (format!("ws://{}", server.socket), format!("http://{}", server.http));
    broadcast_at(target, (&url, &publish), server, more)
}

/// The same, where its URLs are others.
fn broadcast_at(target: &str, (url, publish): (&str, &str), server: &Server, more: &str) -> (String, Value) {
    let mut arguments = vec!["run", "broadcast", "--target", target, "--url", url, "--publish", publish];
    arguments.extend(FEW.split_whitespace().chain([SECRET]).chain(more.split_whitespace()));
    let (output, report) = play(&arguments);
    let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    (format!("{said}\nthe server complained: {:?}", server.complained()), report)
}

/// Everybody got everything: published, accepted, delivered to each.
fn whole(said: &str, report: &Value) {
    let count = |name: &str| report["counts"][name].as_u64().unwrap_or_else(|| panic!("no {name}: {said}"));
    assert_eq!([count("lost"), count("duplicated"), count("reordered"), count("refused")], [0; 4], "{said}");
    assert_eq!((count("connections"), count("acknowledged")), (PEOPLE, count("published")), "{said}");
    assert!(count("published") >= 100, "{said}");
    assert_eq!(count("deliveries"), count("published") * PEOPLE, "{said}");
    assert!(report["latency"]["count"].as_u64() > Some(100), "{said}");
}

/// Centrifugo: replies by line, `{}` as ping, tokens, publishes with a key and errors with status 200.
#[derive(Default)]
struct Centrifugo {
    pongs: Arc<AtomicUsize>,
}

impl Protocol for Centrifugo {
    fn opened(&self, path: &str, _: usize) -> Result<Vec<String>, String> {
        if path == "/connection/websocket" { Ok(Vec::new()) } else { Err(format!("path {path}")) }
    }

    fn said(&self, text: &str, number: usize) -> Result<Said, String> {
        let command: Value = serde_json::from_str(text).map_err(|error| format!("{text}: {error}"))?;
        let id = &command["id"];
        if let Some(token) = command["connect"]["token"].as_str() {
            let mut rules = Validation::new(Algorithm::HS256);
            rules.set_required_spec_claims(&["exp", "sub"]);
            let claims = decode::<Value>(token, &DecodingKey::from_secret(SECRET.as_bytes()), &rules)
                .map_err(|error| format!("token: {error}"))?;
            if !claims.claims["sub"].as_str().is_some_and(|user| user.starts_with("person-")) {
                return Err(format!("user {:?}", claims.claims));
            }
            let connected = json!({"id": id, "connect": {"client": "c", "version": "6", "ping": 25, "pong": true}});
            return Ok(Said::answer(connected.to_string()));
        }
        if let Some(channel) = command["subscribe"]["channel"].as_str() {
            // Two replies in one frame, and the second is a ping.
            let subscribed = json!({"id": id, "subscribe": {"epoch": "x"}});
            return Ok(Said::answer(format!("{subscribed}\n{{}}")).and_follow(channel));
        }
        if command == json!({}) {
            self.pongs.fetch_add(1, Ordering::Relaxed);
            return Ok(Said::default());
        }
        Err(format!("{number} said {text}"))
    }

    fn published(&self, head: &str, body: &str) -> Result<(String, String, String), String> {
        if !head.starts_with("POST /api/publish HTTP/1.1\r\n") || !head.contains("X-API-Key: my-key\r\n") {
            return Err(head.to_owned());
        }
        let Value::Object(request) = serde_json::from_str(body).map_err(|error| format!("{body}: {error}"))? else {
            return Err(body.to_owned());
        };
        let channel = request["channel"].as_str().unwrap_or_default();
        let push = json!({"push": {"channel": channel, "pub": {"data": request["data"], "offset": 1}}});
        Ok((channel.to_owned(), format!("{push}\n"), r#"{"result":{}}"#.to_owned()))
    }
}

/// Pusher: speaks first, data are strings that hold JSON, requests are signed.
struct Pusher;

const APP: &str = "/apps/7/events";

impl Protocol for Pusher {
    fn opened(&self, path: &str, number: usize) -> Result<Vec<String>, String> {
        if !path.starts_with("/app/my-app?protocol=7&") {
            return Err(format!("path {path}"));
        }
        let data = json!({"socket_id": format!("{number}.1"), "activity_timeout": 120}).to_string();
        let established = json!({"event": "pusher:connection_established", "data": data});
        Ok(vec![established.to_string(), json!({"event": "pusher:ping", "data": {}}).to_string()])
    }

    fn said(&self, text: &str, number: usize) -> Result<Said, String> {
        let said: Value = serde_json::from_str(text).map_err(|error| format!("{text}: {error}"))?;
        if said["event"] == "pusher:pong" {
            return Ok(Said::default());
        }
        let channel = said["data"]["channel"].as_str().filter(|_| said["event"] == "pusher:subscribe");
        let channel = channel.ok_or_else(|| format!("{number} said {text}"))?;
        let proof = format!("my-app:{}", signature(SECRET, &format!("{number}.1:{channel}")));
        if channel.contains(':') || (channel.starts_with("private-") && said["data"]["auth"] != proof) {
            let error = json!({"event": "pusher:subscription_error", "channel": channel, "data": {"status": 401}});
            return Ok(Said::answer(error.to_string()));
        }
        let done = json!({"event": "pusher_internal:subscription_succeeded", "channel": channel, "data": "{}"});
        Ok(Said::answer(done.to_string()).and_follow(channel))
    }

    fn published(&self, head: &str, body: &str) -> Result<(String, String, String), String> {
        let line = head.lines().next().unwrap_or_default();
        let query =
            line.strip_prefix("POST ").and_then(|rest| rest.strip_prefix(APP)?.strip_prefix('?')).unwrap_or_default();
        let (signed, proof) = query.trim_end_matches(" HTTP/1.1").split_once("&auth_signature=").ok_or(head)?;
        let well = proof == signature(SECRET, &format!("POST\n{APP}\n{signed}"))
            && signed.ends_with(&format!("&body_md5={}", md5(body)))
            && signed.starts_with("auth_key=my-app&auth_timestamp=");
        let request: Value = serde_json::from_str(body).map_err(|error| format!("{body}: {error}"))?;
        let (channel, name, data) = (&request["channels"][0], &request["name"], &request["data"]);
        let channel = channel.as_str().filter(|_| well && data.is_string()).ok_or_else(|| format!("{head}{body}"))?;
        let event = json!({"event": name, "channel": channel, "data": data});
        Ok((channel.to_owned(), event.to_string(), "{}".to_owned()))
    }
}

/// Plain JSON, published over the WebSocket.
struct Raw;

impl Protocol for Raw {
    fn opened(&self, _: &str, _: usize) -> Result<Vec<String>, String> {
        Ok(vec![json!({"type": "ping"}).to_string()])
    }

    fn said(&self, text: &str, number: usize) -> Result<Said, String> {
        let said: Value = serde_json::from_str(text).map_err(|error| format!("{text}: {error}"))?;
        let channel = said["channel"].as_str().unwrap_or_default();
        match said["type"].as_str() {
            Some("pong") => Ok(Said::default()),
            Some("subscribe") => Ok(Said::answer(json!({"type": "subscribed"}).to_string()).and_follow(channel)),
            Some("publish") => {
                let message = json!({"type": "message", "channel": channel, "data": said["data"]});
                let publishes = Some((channel.to_owned(), message.to_string()));
                Ok(Said { publishes, ..Said::answer(json!({"type": "published"}).to_string()) })
            }
            _ => Err(format!("{number} said {text}")),
        }
    }

    fn published(&self, head: &str, _: &str) -> Result<(String, String, String), String> {
        Err(head.to_owned())
    }
}

#[test]
fn a_service_and_people_publish_over_web_sockets() {
    let server = Server::start(Raw, Mischief::None);
    let url = format!("ws://{}", server.socket);
    for more in [
        "run broadcast --set people.count=12",
        // With answers too.
        "run broadcast --set people.count=12 --target-set publish.socket.answer={json={\"/type\"=\"published\"}}",
        "run community --set people.count=12 --set publish.think_time_s=0.2 --set channels.0.count=4 --set channels.0.per_person=3 \
         --set reconnect.rate_per_s=0.0 --set tunnel.share=0.0",
    ] {
        let arguments = format!("{more} {FEW} x --target raw --url {url}");
        let (output, report) = play(&arguments.split_whitespace().collect::<Vec<_>>());
        let said = String::from_utf8_lossy(&output.stdout);
        let count = |name: &str| report["counts"][name].as_u64().unwrap_or_else(|| panic!("no {name}: {said}"));
        assert_eq!([count("lost"), count("duplicated"), count("reordered"), count("refused")], [0; 4], "{said}");
        assert_eq!((count("published"), count("connections")), (count("acknowledged"), PEOPLE), "{said}");
        assert!(count("published") > 50 && count("deliveries") > count("published"), "{said}");
        if more.contains("broadcast") {
            assert_eq!(count("deliveries"), count("published") * PEOPLE, "{said}");
        }
    }
    assert_eq!(server.complained(), Vec::<String>::new());
}

#[test]
fn centrifugo_is_driven_and_its_pings_are_answered() {
    let centrifugo = Centrifugo::default();
    let pongs = Arc::clone(&centrifugo.pongs);
    let server = Server::start(centrifugo, Mischief::None);
    let (said, report) = broadcast("centrifugo", &server, "--api-key my-key");
    assert_eq!(pongs.load(Ordering::Relaxed) as u64, PEOPLE, "{said}");
    whole(&said, &report);
    assert_eq!(report["target"]["kind"], "websocket", "{said}");
    assert_eq!(report["target"]["name"], "centrifugo", "{said}");
    assert_eq!(server.complained(), Vec::<String>::new());
}

#[test]
fn pusher_is_driven_over_public_and_private_channels() {
    let app = "--target-set values.app=\"7\" --target-set values.key=my-app";
    let server = Server::start(Pusher, Mischief::None);
    let (said, report) = broadcast("pusher", &server, app);
    whole(&said, &report);

    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("private.toml");
    let text = include_str!("../targets/pusher.toml")
        .replace("channel = \"{namespace}-{name}\"\n# For", "channel = \"private-{namespace}-{name}\"\n# For")
        .replace(
            r#"send = '{"event":"pusher:subscribe","data":{"channel":"{channel}"}}'"#,
            "send = '{\"event\":\"pusher:subscribe\",\"data\":{\"channel\":\"{channel}\",\"auth\":\"{key}:{signature}\"}}'\n\
             sign = \"{session}:{channel}\"",
        );
    std::fs::write(&file, text).expect("written");
    let (said, report) = broadcast(&file.display().to_string(), &server, app);
    whole(&said, &report);
    assert_eq!(server.complained(), Vec::<String>::new());
}

#[test]
fn tls_is_spoken_with_whom_is_believed() {
    let server = Server::start(Pusher, Mischief::None);
    let front = Front::start(&server);
    let (url, publish) = (format!("wss://localhost:{}", front.socket), format!("https://localhost:{}", front.http));
    let app = "--target-set values.app=\"7\" --target-set values.key=my-app";
    let ca = front.folder.path().join("certificate.pem");
    let (said, report) = broadcast_at("pusher", (&url, &publish), &server, &format!("{app} --ca {}", ca.display()));
    whole(&said, &report);
    let (said, report) = broadcast_at("pusher", (&url, &publish), &server, app);
    assert_eq!(report, Value::Null, "{said}");
    assert!(said.contains("invalid peer certificate"), "{said}");
    assert_eq!(server.complained(), Vec::<String>::new());
}

#[test]
fn what_a_server_loses_repeats_and_swaps_is_counted_exactly() {
    let server = Server::start(Centrifugo::default(), Mischief::All);
    let (said, report) = broadcast("centrifugo", &server, "--api-key my-key --set drain_s=1");
    let count = |name: &str| report["counts"][name].as_u64().unwrap_or_else(|| panic!("no {name}: {said}"));
    assert_eq!([count("lost"), count("duplicated"), count("reordered")], [PEOPLE; 3], "{said}");
    assert!(said.contains("MISSED: lost"), "{said}");
}

#[test]
fn a_publish_that_is_refused_is_counted_and_said() {
    let server = Server::start(Centrifugo::default(), Mischief::None);
    let (said, report) = broadcast("centrifugo", &server, "--api-key another-key --set drain_s=1");
    let counts = &report["counts"];
    assert_eq!(counts["refused"], counts["published"], "{said}");
    assert_eq!(counts["lost"], 0, "what was refused is not lost: {said}");
    assert!(said.contains("401 Unauthorized") && said.contains("MISSED: refused"), "{said}");
}

#[test]
fn what_can_not_be_played_is_status_3_and_names_the_key() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("mine.toml");
    std::fs::write(&file, "name = \"mine\"\n[connect]\npath = \"/\"\nsubscribes = true\n").expect("written");
    let file = file.display().to_string();
    for (arguments, why) in [
        ("run dashboards --target raw --url ws://127.0.0.1:1", "`people.sse_share`: streams are not described"),
        ("run reconnect-storm --target centrifugo --url ws://127.0.0.1:1", "`reconnect.storm_at_s`: nobody can resume"),
        ("run community --target nchan --url ws://127.0.0.1:1 --set tunnel.share=0.0", "`reconnect.rate_per_s`"),
        ("run broadcast --target raw --url ws://127.0.0.1:1/chat", "name host and port only"),
        (
            "run broadcast --target rawr --url ws://127.0.0.1:1",
            "no target `rawr`: it is neither a file nor one of centrifugo",
        ),
        ("run broadcast --target raw --url ws://127.0.0.1:1 --target-set connect.paths=x", "unknown field `paths`"),
        ("run broadcast --target FILE --url ws://127.0.0.1:1", "unknown field `subscribes`, expected one of `path`"),
    ] {
        let arguments = arguments.replace("FILE", &file);
        let (output, report) = play(&arguments.split_whitespace().collect::<Vec<_>>());
        let said = String::from_utf8_lossy(&output.stdout);
        assert_eq!((output.status.code(), report), (Some(3), Value::Null), "{arguments}: {said}");
        assert!(said.contains(why), "{arguments}: {said}");
    }
}

#[test]
fn a_peer_that_is_missing_is_named_and_fails_and_the_hub_is_measured() {
    let folder = tempfile::tempdir().expect("a folder");
    let (out, hub) = (folder.path().join("out"), hub::default_binary().expect("the hub was built"));
    let mut command = Command::new(PROGRAM);
    command.arg("against").args(["bun", "socketio", "--people", "20", "--seconds", "1", "--set", "warm_up_s=0.2"]);
    let done = command.arg("--hub").arg(hub).arg("--peers").arg(folder.path()).arg("--out").arg(&out).output();
    let done = done.expect("the program was built");
    let said = String::from_utf8_lossy(&done.stdout);
    assert!(matches!(done.status.code(), Some(1 | 2)), "{said}");
    for why in
        ["MISSING: bun could not be measured: ", "MISSING: socketio could not be measured: ", "scripts/needs.sh peers"]
    {
        assert!(said.contains(why), "{why}: {said}");
    }
    assert!(said.lines().any(|line| line.starts_with("hubbub ")), "{said}");
    assert!(out.join("hubbub.json").is_file() && out.join("comparison.html").is_file(), "{said}");
}

//! What goes with a text: marks, attachments, unfurls, emoji.

use serde_json::{Value, json};

use super::cast::{Cast, Outcome};

async fn room() -> Cast {
    let cast = Cast::start().await;
    cast.set_up("create", json!({ "channel": "room:a", "kind": "public", "name": "A" })).await;
    cast.set_up("add", json!({ "channel": "room:a", "users": ["owner"] })).await;
    cast
}

fn is(outcome: &Outcome, kept: bool, what: &Value) {
    match outcome {
        Ok(_) => assert!(kept, "{what:.300} was taken"),
        Err(error) => {
            let code = error.split(':').next().unwrap_or_default();
            assert!(
                !kept && matches!(code, "bad_request" | "limit_reached" | "too_large"),
                "{what:.300}: {error:.300}"
            );
        }
    }
}

/// URLs that nobody may be led to, and one.
const URLS: &[(&str, bool)] = &[
    ("https://example.org/ä?x=<y>", true),
    ("javascript:alert(1)", false),
    ("JavaScript:alert(1)", false),
    (" javascript:alert(1)", false),
    ("java\tscript:alert(1)", false),
    ("data:text/html,<script>alert(1)</script>", false),
    ("vbscript:x", false),
    ("file:///etc/passwd", false),
    ("//example.org", false),
    ("/relative", false),
    ("", false),
    ("https://", false),
    ("https://a b", false),
    ("https://a\nb", false),
    ("https://a\u{0}b", false),
];

#[tokio::test]
async fn marks_lie_in_the_text_and_lead_nowhere_else() {
    let cast = room().await;
    let mark = |from: i64, to: i64| json!([{ "kind": "bold", "from": from, "to": to }]);
    let mut tried = vec![
        (mark(0, 2), true),
        (mark(0, 6), true),
        (mark(0, 7), false),
        (mark(2, 2), false),
        (mark(3, 2), false),
        (mark(-1, 2), false),
        (mark(0, i64::MAX), false),
        (json!([{ "kind": "bold", "from": 3, "to": 4 }, { "kind": "bold", "from": 0, "to": 1 }]), false),
        (json!([{ "kind": "bold", "from": 0.5, "to": 1 }]), false),
        (json!([{ "kind": "bold", "from": "0", "to": "1" }]), false),
        (json!([{ "kind": "script", "from": 0, "to": 1 }]), false),
        (json!([{ "kind": "mention", "user": "owner", "from": 0, "to": 1 }]), false),
        (json!([{ "kind": "mention_all", "from": 0, "to": 1 }]), false),
        (json!([{ "kind": "link", "from": 0, "to": 1 }]), false),
        (json!(vec![json!({ "kind": "bold", "from": 0, "to": 1 }); 200]), true),
        (json!(vec![json!({ "kind": "bold", "from": 0, "to": 1 }); 201]), false),
        (json!(vec![json!({ "kind": "bold", "from": 0, "to": 1 }); 1_000]), false),
        (json!({}), false),
    ];
    tried.extend(URLS.iter().map(|(url, kept)| (json!([{ "kind": "link", "url": url, "from": 0, "to": 1 }]), *kept)));
    tried.push((json!([{ "kind": "link", "url": "mailto:a@b", "from": 0, "to": 1 }]), true));
    tried.push((
        json!([{ "kind": "link", "url": format!("https://{}", "a".repeat(2_048)), "from": 0, "to": 1 }]),
        false,
    ));
    for (entities, kept) in tried {
        // The first letter is two units.
        let sent = cast
            .as_user("owner", "send", &json!({ "channel": "room:a", "text": "😀abcd", "entities": entities }))
            .await;
        is(&sent, kept, &entities);
        let Ok(sent) = sent else { continue };
        let read = cast.as_user("owner", "message", &json!({ "channel": "room:a", "message": sent["message"] })).await;
        assert_eq!(read.expect("read")["entities"], entities);
    }
}

#[tokio::test]
async fn attachments_and_unfurls_are_references_to_https() {
    let cast = room().await;
    let said = cast.set_up("send", json!({ "channel": "room:a", "text": "hi" })).await;
    let file = |field: &str, value: Value| {
        let mut file =
            json!({ "id": "f", "name": "a.png", "type": "image/png", "size": 1, "url": "https://example.org/a" });
        file[field] = value;
        file
    };
    let mut tried = vec![
        (json!([file("name", json!("<img src=x onerror=alert(1)>.png"))]), true),
        (json!([file("name", json!("photo\u{202e}gpj.exe"))]), false),
        (json!([file("name", json!("a\0.png"))]), false),
        (json!([file("name", json!("n".repeat(256)))]), false),
        (json!([file("type", json!("t".repeat(101)))]), false),
        (json!([file("id", json!(""))]), false),
        (json!([file("size", json!(-1))]), false),
        (json!([file("size", json!(u64::MAX))]), false),
        (json!(vec![file("size", json!(1)); 11]), false),
        (json!("x"), false),
    ];
    tried.extend(URLS.iter().map(|(url, kept)| (json!([file("url", json!(url))]), *kept)));
    tried.push((json!([file("url", json!("http://example.org/"))]), false));
    for (attachments, kept) in tried {
        let sent = cast
            .as_user("owner", "send", &json!({ "channel": "room:a", "text": "hi", "attachments": attachments }))
            .await;
        is(&sent, kept, &attachments);
    }
    for (url, kept) in URLS {
        let unfurls = json!([{ "url": url, "title": "<b>", "description": "d", "image": null }]);
        let set = json!({ "channel": "room:a", "message": said["message"], "unfurls": unfurls });
        is(&cast.by_key(super::cast::TENANT, "all", "unfurl", &set).await, *kept, &unfurls);
        let unfurls = json!([{ "url": "https://example.org/", "title": "t", "description": "d", "image": url }]);
        let set = json!({ "channel": "room:a", "message": said["message"], "unfurls": unfurls });
        is(&cast.by_key(super::cast::TENANT, "all", "unfurl", &set).await, *kept, &unfurls);
    }
}

#[tokio::test]
async fn emoji_are_short_and_few() {
    let cast = room().await;
    let said = cast.set_up("send", json!({ "channel": "room:a", "text": "hi" })).await;
    let react = |emoji: &str, count: Value| json!({ "channel": "room:a", "message": said["message"], "emoji": emoji, "count": count });
    let long = "👨‍👩‍👧‍👦".repeat(3);
    for (emoji, kept) in [
        ("👍", true),
        ("👍🏿", true),
        ("🏳️‍🌈", true),
        (":party:", true),
        ("<script>", true),
        ("not an emoji", false),
        ("", false),
        ("\u{200d}", false),
        ("a\u{202e}b", false),
        ("a\0b", false),
        (&*long, false),
        ("e\u{301}\u{301}\u{301}\u{301}\u{301}\u{301}\u{301}\u{301}\u{301}", false),
    ] {
        is(&cast.as_user("owner", "react", &react(emoji, json!(1))).await, kept, &json!(emoji));
    }
    for count in [json!(2), json!(-1), json!(u64::MAX), json!("1"), json!(0.5)] {
        is(&cast.as_user("owner", "react", &react("🎉", count.clone())).await, false, &count);
    }
    let mut taken = 0;
    for number in 0..60 {
        taken += usize::from(cast.as_user("owner", "react", &react(&format!(":e{number}:"), json!(1))).await.is_ok());
    }
    let read = cast
        .as_user("owner", "message", &json!({ "channel": "room:a", "message": said["message"] }))
        .await
        .expect("read");
    assert_eq!((taken + 5, read["reactions"].as_object().map(serde_json::Map::len)), (50, Some(50)));
}

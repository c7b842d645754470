//! Texts: messages, their edits, names, topics and reasons.

use serde_json::{Value, json};

use super::cast::{Cast, Outcome, Socket};

/// What becomes of a text: it is kept, or the code of the refusal.
const KEPT: &str = "";
const REFUSED: &str = "bad_request";
const LONG: &str = "too_large";
const MANY: &str = "limit_reached";

/// Longest frame of a client, in bytes.
const FRAME: usize = 64 * 1024;

/// Texts, and what becomes of them in a message.
fn texts() -> Vec<(&'static str, String, &'static str)> {
    let names = |count: usize| (0..count).map(|number| format!("@person{number} ")).collect::<String>();
    let of = |text: &str| text.to_owned();
    vec![
        ("right to left", of("שלום עולם مرحبا"), KEPT),
        ("a right-to-left override", of("photo\u{202e}gpj.exe"), REFUSED),
        ("each direction embedding", of("a\u{202a}b\u{202b}c\u{202c}d\u{202d}"), REFUSED),
        ("isolates, which end with their line", of("\u{2067}שלום\u{2069} b"), KEPT),
        ("zero-width letters between letters", of("a\u{200b}b\u{200d}c\u{feff}d"), KEPT),
        ("zero-width letters alone", "\u{200b}\u{200d}\u{feff}\u{2060}".repeat(20), REFUSED),
        ("blanks that look like text", of("\u{3164}\u{2800}\u{115f}"), REFUSED),
        ("spaces alone", of(" \n\t\u{a0}\u{2003}"), REFUSED),
        ("64 KiB of combining marks", format!("a{}", "\u{301}".repeat(32 * 1024)), LONG),
        ("16 KiB of combining marks", format!("a{}", "\u{301}".repeat(7_000)), REFUSED),
        ("eight marks", format!("a{}", "\u{301}".repeat(8)), KEPT),
        ("nine marks", format!("a{}", "\u{301}".repeat(9)), REFUSED),
        ("a mark with nothing below it", of("\u{301}"), REFUSED),
        ("marks that invisible letters part", format!("a{}", "\u{301}\u{301}\u{200d}".repeat(500)), REFUSED),
        ("markup", of("<script>alert(1)</script><img src=x onerror=alert(1)>&amp;<!--"), KEPT),
        ("markdown and templates", of("**b** [x](javascript:alert(1)) {{7*7}} ${7*7} `rm`"), KEPT),
        ("SQL", of("'; DROP TABLE records; -- \" \\ %s $1 E'\\\\x'"), KEPT),
        ("escapes that stay text", of(r"\u0000 \ud800 \x00 \n"), KEPT),
        ("a null byte", of("a\0b"), REFUSED),
        ("a bell and an escape sequence", of("\u{7}\u{1b}[31mred"), REFUSED),
        ("a carriage return", of("a\r\nb"), REFUSED),
        ("C1 controls", of("a\u{85}b\u{9b}"), REFUSED),
        ("line and paragraph separators", of("a\u{2028}b\u{2029}c"), REFUSED),
        ("no characters", of("a\u{ffff}b\u{fdd0}"), REFUSED),
        ("annotations", of("a\u{fff9}b\u{fffb}"), REFUSED),
        ("tags without a flag", of("a\u{e0001}b"), REFUSED),
        ("a flag of tags", of("🏴󠁧󠁢󠁳󠁣󠁴󠁿"), KEPT),
        ("the character for what could not be read", of("a\u{fffd}b"), KEPT),
        ("private use and rare planes", of("\u{e000}\u{10fffd}𝕬𒀱"), KEPT),
        ("families and skins", of("👨‍👩‍👧‍👦👍🏿🏳️‍🌈"), KEPT),
        ("2,000 families", "👨‍👩‍👧‍👦".repeat(2_000), LONG),
        ("8,000 characters", "ä".repeat(8_000), KEPT),
        ("8,001 characters", "a".repeat(8_001), LONG),
        ("16 KiB and more", "€".repeat(5_462), LONG),
        ("no text", String::new(), REFUSED),
        ("forms that are equal when normalised", of("\u{e9} e\u{301} \u{212b} ﬁ"), KEPT),
        ("3,000 mentions of strangers", "@x".repeat(3_000), KEPT),
        ("a mention list", names(50), KEPT),
        ("a longer mention list", names(200), MANY),
        ("everybody 500 times", "@here @all ".repeat(500), KEPT),
        ("a mention of letters that look like others", of("@оwner @ow\u{200b}ner @ｏwner @OWNER"), KEPT),
        ("signs of a mention alone", "@".repeat(8_000), KEPT),
        ("brackets", "[".repeat(8_000), KEPT),
        ("a long word of a link", format!("https://{}", "a".repeat(7_900)), KEPT),
    ]
}

async fn told(cast: &Cast, socket: &mut Socket, op: &str, body: &Value) -> Outcome {
    let by_token = cast.by_token(Some(&cast.token("owner")), op, body).await;
    // A frame of more ends its connection.
    if body.to_string().len() > FRAME {
        return by_token;
    }
    let by_socket = socket.room(op, body).await.map(|answer| answer["result"].clone());
    match (&by_token, &by_socket) {
        (Ok(_), Ok(_)) => {}
        (Err(one), Err(other)) => assert_eq!(one.split(':').next(), other.split(':').next(), "{op}"),
        _ => panic!("{op}: {by_token:?} over REST, {by_socket:?} over a socket"),
    }
    by_token
}

fn is(outcome: &Outcome, code: &str, what: &str) {
    match outcome {
        Ok(_) => assert_eq!(code, KEPT, "{what} was taken"),
        Err(error) => assert_eq!(error.split(':').next(), Some(code), "{what}: {error:.300}"),
    }
}

#[tokio::test]
async fn texts_are_kept_as_they_came_or_refused_by_rule() {
    let cast = Cast::start().await;
    cast.set_up("create", json!({ "channel": "room:a", "kind": "public", "name": "A" })).await;
    cast.set_up("add", json!({ "channel": "room:a", "users": ["owner", "other"], "role": "owner" })).await;
    let mut socket = cast.socket(&cast.token("owner")).await;
    let (mut kept, mut refused) = (0, 0);
    let first = cast.set_up("send", json!({ "channel": "room:a", "text": "first" })).await;
    let first = cast
        .as_user("owner", "send", &json!({ "channel": "room:a", "text": "mine", "reply_to": first["message"] }))
        .await;
    let mine = first.expect("sent")["message"].clone();
    for (what, text, code) in texts() {
        let sent = told(&cast, &mut socket, "send", &json!({ "channel": "room:a", "text": text })).await;
        is(&sent, code, what);
        let edited =
            told(&cast, &mut socket, "edit", &json!({ "channel": "room:a", "message": mine, "text": text })).await;
        is(&edited, code, what);
        let Ok(sent) = sent else {
            refused += 1;
            continue;
        };
        kept += 1;
        let one = json!({ "channel": "room:a", "message": sent["message"] });
        let read = cast.as_user("other", "message", &one).await.expect("read");
        assert_eq!(read["text"].as_str(), Some(&*text), "{what}");
        let logged =
            format!("/v1/channels/room:a/history?after={}&limit=1", sent["offset"].as_u64().expect("a place") - 1);
        let key = super::harness::api_key(super::cast::TENANT, "all");
        let page = cast.hub.call_as(&key, "GET", &logged, None).await.ok();
        assert_eq!(page["messages"][0]["data"]["text"].as_str(), Some(&*text), "{what} in the log");
        let again =
            cast.as_user("other", "message", &json!({ "channel": "room:a", "message": mine })).await.expect("read");
        assert_eq!(again["text"].as_str(), Some(&*text), "{what} as an edit");
    }
    println!(
        "figure: hostile text: {} texts, {kept} kept byte for byte, {refused} refused by rule, over REST and sockets",
        kept + refused
    );
}

#[tokio::test]
async fn names_topics_and_reasons_have_the_same_rules() {
    let cast = Cast::start().await;
    cast.set_up("create", json!({ "channel": "room:a", "kind": "public", "name": "A" })).await;
    cast.set_up("add", json!({ "channel": "room:a", "users": ["owner"], "role": "owner" })).await;
    let said = cast.set_up("send", json!({ "channel": "room:a", "text": "hi" })).await;
    let mut socket = cast.socket(&cast.token("owner")).await;
    let long = "n".repeat(101);
    for (name, code) in [
        ("<b>General</b>", KEPT),
        ("שלום", KEPT),
        ("", REFUSED),
        (" ", REFUSED),
        ("\u{200b}", REFUSED),
        ("a\nb", REFUSED),
        ("a\u{202e}b", REFUSED),
        ("a\0b", REFUSED),
        (&long, LONG),
    ] {
        let renamed = told(&cast, &mut socket, "update", &json!({ "channel": "room:a", "name": name })).await;
        is(&renamed, code, name);
        let made = cast.as_user("owner", "create", &json!({ "kind": "public", "name": name })).await;
        is(&made, code, name);
    }
    let long = "t".repeat(1_001);
    for (topic, code) in [("a\nb", KEPT), ("", KEPT), ("a\u{202e}b", REFUSED), (&long, LONG)] {
        is(&told(&cast, &mut socket, "update", &json!({ "channel": "room:a", "topic": topic })).await, code, topic);
    }
    let long = "r".repeat(501);
    for (reason, code) in [("<i>rude</i>", KEPT), ("", REFUSED), ("a\0b", REFUSED), (&long, LONG)] {
        let report = json!({ "channel": "room:a", "message": said["message"], "reason": reason });
        is(&told(&cast, &mut socket, "report", &report).await, code, reason);
    }
    let long = "w".repeat(101);
    for (words, code) in [
        (json!(["<script>", "שלום"]), KEPT),
        (json!(["a\0b"]), REFUSED),
        (json!([""]), REFUSED),
        (json!([long]), LONG),
        (json!(vec!["w"; 501]), MANY),
        (json!(".*"), REFUSED),
    ] {
        is(
            &told(&cast, &mut socket, "filters", &json!({ "channel": "room:a", "words": words })).await,
            code,
            &words.to_string(),
        );
    }
}

#[tokio::test]
async fn what_looks_like_a_name_names_nobody() {
    let cast = Cast::start().await;
    cast.set_up("create", json!({ "channel": "room:a", "kind": "public", "name": "A" })).await;
    cast.set_up("add", json!({ "channel": "room:a", "users": ["owner", "bob", "guest"] })).await;
    for (text, named) in [
        ("@bob", true),
        ("hi @bob!", true),
        ("(@bob)", true),
        ("@bob's", true),
        ("@Bob", false),
        ("@bοb", false),
        ("@b\u{200b}ob", false),
        ("@bo\u{308}b", false),
        ("@ｂob", false),
        ("＠bob", false),
        ("x@bob", false),
        ("@ bob", false),
        ("@bobby", false),
        ("\u{2067}@bob\u{2069}", true),
    ] {
        let sent = cast.as_user("owner", "send", &json!({ "channel": "room:a", "text": text })).await.expect("sent");
        let read = cast
            .as_user("bob", "message", &json!({ "channel": "room:a", "message": sent["message"] }))
            .await
            .expect("read");
        let users: Vec<_> =
            read["entities"].as_array().expect("a list").iter().filter_map(|entity| entity["user"].as_str()).collect();
        let expected: &[&str] = if named { &["bob"] } else { &[] };
        assert_eq!(users, expected, "{text}");
    }
}

//! What is searched for: words of people, and what other programs take for operators.

use serde_json::json;

use super::cast::Cast;

/// Words that a search engine, a database or a shell might obey.
const QUERIES: &[&str] = &[
    "pineapple",
    "\"pineapple",
    "pineapple\"",
    "\"\"",
    "'",
    "''; DROP TABLE records; --",
    "*",
    "pine*",
    "^pineapple",
    "-pineapple",
    "+",
    "NOT pineapple",
    "pineapple AND",
    "OR",
    "NEAR(a b, 5)",
    "text:pineapple",
    "{text}:x",
    "(",
    ")",
    "((((((((",
    "a & b",
    "a | b",
    "!a",
    "a <-> b",
    "a:*",
    "%",
    "_",
    "\\",
    "\\\\",
    "\0",
    "\u{202e}",
    "\u{200b}",
    "😀",
    "שלום",
    "<b>",
    "&lt;",
    ".*",
    "[a-z]",
    "$1",
    "?",
    ":1",
    "null",
    "true",
    "--",
    "/* */",
    "pineapple pineapple pineapple pineapple pineapple pineapple pineapple pineapple",
];

#[tokio::test]
async fn a_search_is_words_and_nothing_else() {
    let cast = Cast::start().await;
    for (room, text) in [("room:mine", "a pineapple <b>bold</b>"), ("room:theirs", "their pineapple")] {
        let owner = if room == "room:mine" { "owner" } else { "mallory" };
        cast.as_user(owner, "create", &json!({ "channel": room, "kind": "private", "name": "R" }))
            .await
            .expect("created");
        cast.as_user(owner, "send", &json!({ "channel": room, "text": text })).await.expect("sent");
    }
    let long = "a ".repeat(300);
    for query in QUERIES.iter().copied().chain([&*long]) {
        let outcome = cast.as_user("owner", "search", &json!({ "text": query })).await;
        match outcome {
            Ok(answer) => {
                let hits = answer["hits"].as_array().expect("hits");
                assert!(hits.iter().all(|hit| hit["channel"] == "room:mine"), "{query}: {answer}");
            }
            Err(error) => {
                assert!(error.starts_with("bad_request") || error.starts_with("too_large"), "{query}: {error}")
            }
        }
    }
    let found = cast.as_user("owner", "search", &json!({ "text": "pineapple" })).await.expect("found");
    assert_eq!(found["hits"].as_array().map(Vec::len), Some(1), "{found}");
    for before in ["-1", "x", "99999999999999999999", "1; --"] {
        let outcome = cast.as_user("owner", "search", &json!({ "text": "pineapple", "before": before })).await;
        assert!(outcome.is_err_and(|error| error.starts_with("bad_request")), "{before}");
    }
}

//! What each operation is tried with. The same fields, whoever tries.

use serde_json::{Value, json};

use super::cast::{Needs, Room, far};

/// What a room needs for a row.
pub(crate) fn needs(label: &str) -> Needs {
    let (op, variant) = label.split_once(':').unwrap_or((label, ""));
    Needs {
        own: variant == "own" && op != "unschedule",
        task: op == "unschedule",
        report: matches!(op, "resolve" | "reports"),
    }
}

/// The fields with which somebody tries the operation of a row in a room.
pub(crate) fn fields(label: &str, room: &Room, user: &str) -> Value {
    let (op, variant) = label.split_once(':').unwrap_or((label, ""));
    let channel = &room.channel;
    let own = |all: &std::collections::HashMap<String, String>, other: &str| {
        all.get(user).map_or_else(|| other.to_owned(), Clone::clone)
    };
    let message = if variant == "own" { own(&room.own, &room.message) } else { room.message.clone() };
    let of_message = json!({ "channel": channel, "message": message });
    let upon = |more: Value| with(json!({ "channel": channel, "user": variant }), more);
    match op {
        "create" => created(variant, channel, user),
        "update" => json!({ "channel": channel, "topic": "new" }),
        "configure" => match variant {
            "slow" => json!({ "channel": channel, "slow_mode_s": 5 }),
            _ => json!({ "channel": channel, "receipts": true, "mention_all": "owner" }),
        },
        "invite" | "add" | "role" => {
            let (user, role) = variant.split_once('=').unwrap_or((variant, "member"));
            match op {
                "add" => json!({ "channel": channel, "users": [user], "role": role }),
                _ => json!({ "channel": channel, "user": user, "role": role }),
            }
        }
        "rooms" | "discover" | "threads" | "inbox" => json!({}),
        "send" => sent(variant, channel, &message),
        "edit" => with(of_message, json!({ "text": "other" })),
        "delete" => with(of_message, json!({ "hard": variant == "hard" })),
        "bulk_delete" => json!({ "channel": channel, "messages": [message] }),
        "unfurl" => with(of_message, json!({ "unfurls": [] })),
        "react" => with(of_message, json!({ "emoji": "👍" })),
        "search" => match variant {
            "all" => json!({ "text": "said" }),
            _ => json!({ "text": "said", "channel": channel }),
        },
        "scheduled" => match variant {
            "all" => json!({}),
            _ => json!({ "channel": channel }),
        },
        "unschedule" => {
            let other = room.tasks.get("author").cloned().unwrap_or_default();
            let task = if variant == "own" { own(&room.tasks, &other) } else { other };
            json!({ "channel": channel, "task": task })
        }
        "follow" => json!({ "channel": channel, "thread": message, "following": true }),
        "read" => json!({ "channel": channel, "ordinal": 1 }),
        "notify" => json!({ "channel": channel, "level": "mentions" }),
        "dnd" => json!({ "until": far() }),
        "mute" | "kick" | "ban" | "unban" | "shadow_ban" => upon(json!({})),
        "filters" => match variant {
            "set" => json!({ "channel": channel, "words": ["rude"] }),
            _ => json!({ "channel": channel }),
        },
        "report" => with(of_message, json!({ "reason": "rude" })),
        "resolve" => json!({ "channel": channel, "report": room.report, "action": "dismissed" }),
        "audit" => match variant {
            "all" => json!({}),
            _ => json!({ "channel": channel }),
        },
        "inbox_read" => json!({ "offset": 1 }),
        "archive" | "join" | "leave" | "room" | "members" | "typing" | "messages" | "reports" => {
            json!({ "channel": channel })
        }
        "pin" | "message" | "versions" | "receipts" => of_message,
        other => panic!("nobody tries {other}"),
    }
}

fn created(variant: &str, channel: &str, user: &str) -> Value {
    match variant {
        "direct" => json!({ "kind": "direct", "members": [format!("new-{user}"), "victim"] }),
        "taken" => json!({ "kind": "public", "channel": channel, "name": "Taken" }),
        "members" => json!({ "kind": "public", "name": "New", "members": ["victim"] }),
        kind => json!({ "kind": kind, "name": "New" }),
    }
}

fn sent(variant: &str, channel: &str, message: &str) -> Value {
    match variant {
        "thread" => json!({ "channel": channel, "text": "hi", "thread": message }),
        "reply" => json!({ "channel": channel, "text": "hi", "reply_to": message }),
        "later" => json!({ "channel": channel, "text": "hi", "at": far() }),
        _ => json!({ "channel": channel, "text": "hi" }),
    }
}

fn with(mut fields: Value, more: Value) -> Value {
    if let (Value::Object(fields), Value::Object(more)) = (&mut fields, more) {
        fields.extend(more);
    }
    fields
}

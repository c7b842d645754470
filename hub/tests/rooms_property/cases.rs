//! Cases for models in other languages: answers, what was told behind them, and later answers, one case a line.

use hubbub_protocol::channel::ChannelName;
use hubbub_protocol::room::answer::RoomEntry;
use hubbub_protocol::{ServerFrame, json};
use serde_json::{Value, json};

use crate::answers::Answers;
use crate::compare::is_told;
use crate::viewer::Viewer;

/// The case of a viewer; none where what is compared does not follow from what was told alone.
pub(crate) fn line(viewer: &Viewer, after: &Answers, now: u64) -> Option<String> {
    let held = viewer.before.inbox.notices.iter().chain(&after.inbox.notices);
    let expire = held.filter_map(|notice| notice.expires).any(|expires| expires <= now);
    let expired = viewer.heard.iter().any(|message| message.data.get().contains("\"expires\""));
    if !viewer.began_alone || expire || expired {
        return None;
    }
    let events: Vec<Value> = viewer.heard.iter().map(|message| frame(message.clone())).collect();
    let case = json!({
        "viewer": viewer.user,
        "before": told(&viewer.before, &viewer.missed),
        "events": events,
        "after": told(after, &viewer.missed),
    });
    Some(case.to_string())
}

/// Without invitations to rooms that are told to their members alone, and without pages of which something was not told.
fn told(answers: &Answers, missed: &[ChannelName]) -> Answers {
    let mut told = answers.clone();
    told.rooms.rooms.retain(|entry: &RoomEntry| is_told(entry));
    told.messages.retain(|channel, _| !missed.contains(channel));
    told.threads.retain(|(channel, _), _| !missed.contains(channel));
    told
}

fn frame(message: hubbub_protocol::Message) -> Value {
    serde_json::from_slice(&json::encode(&ServerFrame::Message(message))).expect("a frame is JSON")
}

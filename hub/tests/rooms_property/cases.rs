//! Cases for models in other languages: answers, what was told behind them, and later answers, one case a line.

use std::fs::File;
use std::io::Write;
use std::sync::Mutex;

use hubbub_protocol::channel::ChannelName;
use hubbub_protocol::room::answer::RoomEntry;
use hubbub_protocol::{ServerFrame, json};
use serde_json::{Value, json};

use crate::answers::Answers;
use crate::compare::is_told;
use crate::viewer::Viewer;

/// Most cases that are kept: a file that other models read at once.
const CASES: usize = 4_000;

/// Where cases are kept, if anywhere.
pub(crate) struct Cases(Option<Mutex<(File, usize)>>);

impl Cases {
    /// In the file that `HUBBUB_ROOM_CASES` names.
    pub(crate) fn of_environment() -> Self {
        let path = std::env::var_os("HUBBUB_ROOM_CASES");
        Self(path.map(|path| Mutex::new((File::create(path).expect("a file for the cases"), 0))))
    }

    pub(crate) fn keep(&self, lines: &[String]) {
        let Some(kept) = &self.0 else { return };
        // A panic while a line was written has ended the test.
        let (file, count) = &mut *kept.lock().expect("no panic");
        for line in lines {
            *count += 1;
            if *count <= CASES {
                writeln!(file, "{line}").expect("room for the cases");
            }
        }
    }
}

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

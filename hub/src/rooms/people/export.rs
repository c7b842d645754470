//! Everything about a user, as lines of JSON. Nothing is written down for it: the lines are read when somebody asks for them, page by
//! page, so that no second copy of anybody's data lies about. The job reads them all once and says how many there are.

use std::sync::Arc;
use std::sync::mpsc::channel;

use hubbub_persistence::Entry;
use hubbub_persistence::records::Record;
use hubbub_protocol::Message;
use hubbub_protocol::channel::{ChannelKey, ChannelName, TenantId};
use serde_json::{Value, json};

use super::erase::owns;
use super::job::{JobRow, Place};
use super::name::Name;
use super::run::Step;
use super::scrub::plural;
use super::walk::Came;
use crate::rooms::error::RoomError;
use crate::rooms::service::Rooms;

/// A line, and what it tells of.
struct Line {
    what: &'static str,
    text: String,
}

/// How far somebody has read an export.
pub struct Export {
    tenant: TenantId,
    name: Name,
    place: Place,
    began: bool,
}

impl Export {
    pub(super) fn new(tenant: TenantId, name: Name) -> Self {
        let place = Place::start(&tenant);
        Self { tenant, name, place, began: false }
    }
}

impl Rooms {
    /// The next lines of an export, each with a line feed; `None` after the last.
    pub async fn export_page(&self, export: &mut Export) -> Result<Option<String>, RoomError> {
        if !std::mem::replace(&mut export.began, true) {
            let lines = self.window_lines(&export.tenant, &export.name).await?;
            return Ok(Some(joined(lines)));
        }
        let lines = self.lines(&export.tenant, &export.name, &mut export.place).await?;
        Ok(lines.map(|(lines, _)| joined(lines)))
    }

    /// One step of an export: reads what a reader would, and counts.
    pub(super) async fn export_step(&self, home: &ChannelKey, row: &mut JobRow) -> Result<Step, RoomError> {
        let name = Name::new(row.user.clone().ok_or(RoomError::Internal)?);
        let (lines, done) = if row.pass == 0 {
            (row.pass, row.known, row.place) =
                (1, self.count_channels(&home.tenant).await?, Place::start(&home.tenant));
            (self.window_lines(&home.tenant, &name).await?, false)
        } else {
            match self.lines(&home.tenant, &name, &mut row.place).await? {
                Some(came) => came,
                None => return Ok(Step::Done(None)),
            }
        };
        row.done += u64::from(done);
        for line in lines {
            row.found += 1;
            *row.counts.entry(line.what.to_owned()).or_default() += 1;
        }
        Ok(Step::More)
    }

    /// Lines of one step, and whether a channel is done with it.
    async fn lines(
        &self,
        tenant: &TenantId,
        name: &Name,
        place: &mut Place,
    ) -> Result<Option<(Vec<Line>, bool)>, RoomError> {
        match self.walk(tenant, place).await? {
            Came::End => Ok(None),
            Came::Records(_, records) => {
                let about = records.iter().filter(|record| name.is(record.who.as_ref()));
                Ok(Some((about.map(of_record).collect(), false)))
            }
            Came::Log(channel, after) => {
                let own = owns(name, &self.policy, &channel.channel);
                let room = self.policy.namespaces().of(&channel.channel).is_some_and(|rules| rules.rooms);
                // What was said in rooms stands in their records, as it is now.
                let (entries, next) = if room { (Vec::new(), None) } else { self.entries(&channel, after).await? };
                place.log_read(next);
                let lines = entries.iter().filter_map(|entry| match entry {
                    Entry::Message(message) if own || name.is(message.from.as_ref()) => {
                        Some(of_message("log_messages", message))
                    }
                    Entry::Message(_) | Entry::Tombstone { .. } => None,
                });
                Ok(Some((lines.collect(), next.is_none())))
            }
        }
    }

    /// What windows hold by the user.
    async fn window_lines(&self, tenant: &TenantId, name: &Name) -> Result<Vec<Line>, RoomError> {
        let (sender, lines) = channel();
        let (of, policy) = (name.clone(), self.policy.clone());
        let look = move |channel: &ChannelName, message: Option<&Message>| {
            if let Some(message) = message
                && (of.is(message.from.as_ref()) || owns(&of, &policy, channel))
            {
                // Whoever collects them waits for all.
                let _ = sender.send(of_message("window_messages", message));
            }
            false
        };
        self.sift(tenant, Arc::new(look)).await?;
        Ok(lines.try_iter().collect())
    }
}

fn joined(lines: Vec<Line>) -> String {
    lines.into_iter().fold(String::new(), |text, line| text + &line.text + "\n")
}

fn of_record(record: &Record) -> Line {
    let what = plural(record.key.kind);
    let body: Value = serde_json::from_str(&record.body).unwrap_or_default();
    let line = json!({ "what": what, "channel": record.key.home.channel, "key": record.key.key, "record": body });
    Line { what, text: line.to_string() }
}

fn of_message(what: &'static str, message: &Message) -> Line {
    let data: Value = serde_json::from_str(message.data.get()).unwrap_or_default();
    let offset = message.position.map(|position| position.offset);
    let line = json!({
        "what": what, "channel": message.channel, "id": message.id, "offset": offset, "time": message.time,
        "from": message.from, "key": message.key, "data": data,
    });
    Line { what, text: line.to_string() }
}

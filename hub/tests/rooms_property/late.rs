//! Somebody who comes back later: reads the logs from where the first answers stood. Erased events are gaps there, behind which a
//! model is torn; everything else must lead to what the hub answers now.

use std::collections::{BTreeMap, BTreeSet};

use hubbub_persistence::{Entry, ReadFrom};
use hubbub_protocol::Message;
use hubbub_protocol::channel::ChannelName;
use hubbub_protocol::room::Event;

use crate::answers::Answers;
use crate::compare::compare;
use crate::draw::Dice;
use crate::models::Models;
use crate::world::World;

/// Entries of one page of a log.
const PAGE: u32 = 1_000;

/// Every event as it was told live, by channel and offset.
pub(crate) type Told = BTreeMap<ChannelName, BTreeMap<u64, Message>>;

/// The log of a channel.
pub(crate) async fn log(world: &World, channel: &ChannelName) -> Vec<Entry> {
    let (mut entries, mut after) = (Vec::new(), 0);
    loop {
        let page = world.store.read(&world.key(channel), ReadFrom::After(after), PAGE, 1 << 24).await.expect("a log");
        after = page.entries.last().map_or(after, Entry::offset);
        entries.extend(page.entries);
        if !page.more {
            return entries;
        }
    }
}

/// Fails unless the log says what was told live, except for what was erased with its message.
pub(crate) fn logs_say_what_was_told(entries: &[Entry], told: &BTreeMap<u64, Message>) -> Result<(), String> {
    let deletion = |message: &Message| match event(message)? {
        Event::MessageDeleted { message, .. } => Some(message),
        _ => None,
    };
    let deleted: BTreeSet<_> = told.values().filter_map(deletion).collect();
    if entries.len() != told.len() {
        return Err(format!("the log has {} entries, {} were told", entries.len(), told.len()));
    }
    for (entry, (offset, live)) in entries.iter().zip(told) {
        // What a deleted message said, in whatever event, is in no log any more; everything else is.
        let says = match event(live) {
            Some(Event::MessageCreated(_)) => Some(live.id),
            Some(Event::MessageEdited { message, .. } | Event::MessageUnfurled { message, .. }) => Some(message),
            _ => None,
        };
        let is_gone = says.is_some_and(|message| deleted.contains(&message));
        let is_right = match entry {
            Entry::Message(message) => message == live && !is_gone,
            Entry::Tombstone { offset: erased } => erased == offset && is_gone,
        };
        if !is_right {
            return Err(format!("the log says {entry:?}, told was {live:?}"));
        }
    }
    Ok(())
}

fn event(message: &Message) -> Option<Event> {
    serde_json::from_str(message.data.get()).ok()
}

/// Reads the logs of these channels into models of the beginning, in any order between them, and compares what is not torn.
/// Answers how much was torn.
pub(crate) async fn read_later(
    world: &World,
    mut models: Models,
    logs: &BTreeMap<ChannelName, Vec<Entry>>,
    after: &Answers,
    dice: &mut Dice,
) -> Result<u64, String> {
    let mut at: BTreeMap<&ChannelName, usize> = logs.keys().map(|channel| (channel, 0)).collect();
    while !at.is_empty() {
        let channels: Vec<&ChannelName> = at.keys().copied().collect();
        let Some(channel) = dice.pick(&channels).copied() else { break };
        match at.get(channel).and_then(|next| logs[channel].get(*next)) {
            Some(Entry::Message(message)) => models.apply(message),
            Some(Entry::Tombstone { offset }) => models.gap(channel, *offset),
            None => drop(at.remove(channel)),
        }
        if let Some(next) = at.get_mut(channel) {
            *next += 1;
        }
    }
    compare(&models, after, world.now()).map_err(|why| format!("read from the logs: {why}"))?;
    let before = models.healed;
    for _ in 0..4 {
        let answers = models.ask(world, false).await;
        models.take(answers);
    }
    if models.is_torn() {
        return Err("a model that was read from the logs stays torn".to_owned());
    }
    compare(&models, after, world.now()).map_err(|why| format!("read from the logs and asked again: {why}"))?;
    Ok(models.healed - before)
}

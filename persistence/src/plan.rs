//! Decides where the appends of a batch go: offsets, duplicates, conflicts.
//!
//! Pure: it is told what the database holds and says what to write. The same for every SQL backend.

use std::collections::HashMap;

use hubbub_protocol::position::OFFSET_MAX;
use hubbub_protocol::{Epoch, Key, MessageId, Position};
use sha2::{Digest, Sha256};

use crate::log::{Append, Appended};
use crate::store::{KEY_TTL_MS, StoreError};

/// What a log remembers of a key, for longer than of its message.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct HeldKey {
    /// Where the message went.
    pub(crate) offset: u64,
    /// Its id.
    pub(crate) id: MessageId,
    /// Its time.
    pub(crate) time: u64,
    /// The [`digest`] of what it said; `None` once it is erased.
    pub(crate) digest: Option<Half>,
}

/// A key with all that it is scoped to: index of the channel in [`Known::heads`], [`scope`].
pub(crate) type ScopedKey = (usize, Half);

/// Half of a SHA-256: publishers choose what goes in, and must not be able to make two alike.
pub(crate) type Half = [u8; 16];

/// What the database holds of a batch's channels and keys.
#[derive(Debug)]
pub(crate) struct Known {
    /// For each append of the batch, which channel.
    pub(crate) channel_of: Vec<usize>,
    /// For each channel its newest offset.
    pub(crate) heads: Vec<u64>,
    /// The keys of the batch that were used before.
    pub(crate) keys: HashMap<ScopedKey, HeldKey>,
}

/// What is to be written, and what is to be answered once it is.
#[derive(Debug)]
pub(crate) struct Plan {
    /// New messages: index of the append, offset.
    pub(crate) messages: Vec<(usize, u64)>,
    /// New keys.
    pub(crate) keys: Vec<(ScopedKey, HeldKey)>,
    /// For each channel its newest offset after the batch.
    pub(crate) heads: Vec<u64>,
    /// For each append its answer.
    pub(crate) answers: Vec<Appended>,
}

/// Places the appends one after the other, as if each came in a batch of its own.
pub(crate) fn plan(batch: &[Append], known: Known, epoch: Epoch) -> Result<Plan, StoreError> {
    let Known { channel_of, mut heads, keys: mut held } = known;
    let mut fresh = HashMap::new();
    let mut messages = Vec::with_capacity(batch.len());
    let mut answers = Vec::with_capacity(batch.len());
    for (index, append) in batch.iter().enumerate() {
        let channel = channel_of[index];
        let key = scope(append).map(|scope| (channel, scope));
        if let Some(answer) = key.and_then(|key| held.get(&key)).and_then(|held| judge(append, held, epoch)) {
            answers.push(answer);
            continue;
        }
        let offset = heads[channel] + 1;
        storable(append, offset)?;
        heads[channel] = offset;
        messages.push((index, offset));
        if let Some(key) = key {
            let held_from_now = HeldKey { offset, id: append.id, time: append.time, digest: Some(digest(append)) };
            held.insert(key, held_from_now);
            fresh.insert(key, held_from_now);
        }
        let position = Position::new(epoch, offset);
        answers.push(Appended::At { id: append.id, position, time: append.time, duplicate: false });
    }
    let mut keys: Vec<_> = fresh.into_iter().collect();
    keys.sort_unstable_by_key(|(_, key)| (key.time, key.offset));
    Ok(Plan { messages, keys, heads, answers })
}

/// The answer to an append whose key was used before; `None` when that is so long ago that the key counts as new.
pub(crate) fn judge(append: &Append, held: &HeldKey, epoch: Epoch) -> Option<Appended> {
    if append.time.saturating_sub(held.time) > KEY_TTL_MS {
        return None;
    }
    let HeldKey { offset, id, time, digest: first } = *held;
    // What an erased message said is not known any more. The retry must not bring it back.
    if first.is_none_or(|first| first == digest(append)) {
        Some(Appended::At { id, position: Position::new(epoch, offset), time, duplicate: true })
    } else {
        Some(Appended::KeyConflict)
    }
}

/// The publisher and the key of an append, as one short name that tells neither; `None` without a key.
pub(crate) fn scope(append: &Append) -> Option<Half> {
    append.key.as_ref().map(|key| scope_of(&append.publisher, key.as_str()))
}

/// The same of a message that is in the log.
pub(crate) fn scope_of(publisher: &str, key: &str) -> Half {
    half(&[&(publisher.len() as u64).to_be_bytes(), publisher.as_bytes(), key.as_bytes()])
}

/// What an append says: conflate key and data.
pub(crate) fn digest(append: &Append) -> Half {
    let conflate_key = append.conflate_key.as_ref().map_or("", Key::as_str);
    half(&[&(conflate_key.len() as u64).to_be_bytes(), conflate_key.as_bytes(), append.data.get().as_bytes()])
}

fn half(parts: &[&[u8]]) -> Half {
    let mut hash = Sha256::new();
    parts.iter().for_each(|part| hash.update(part));
    let mut half = [0; 16];
    half.copy_from_slice(&hash.finalize()[..16]);
    half
}

/// SQL integers are signed.
fn storable(append: &Append, offset: u64) -> Result<(), StoreError> {
    if offset > OFFSET_MAX {
        return Err(StoreError::Refused(format!("{} is full", append.channel)));
    }
    if i64::try_from(append.time).is_err() {
        return Err(StoreError::Refused(format!("{} is not a time", append.time)));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use hubbub_protocol::Data;
    use hubbub_protocol::channel::{ChannelKey, ChannelName, TenantId};

    use super::*;

    fn append(n: u128, time: u64, key: Option<&str>, data: &str) -> Append {
        Append {
            channel: ChannelKey::new(
                TenantId::parse("t").expect("a tenant"),
                ChannelName::parse("chat:a").expect("a channel"),
            ),
            id: MessageId::from_parts(time, n),
            time,
            publisher: "user/u".into(),
            key: key.map(|key| Key::parse(key).expect("a key")),
            conflate_key: None,
            from: None,
            data: Data::parse(data.into()).expect("json"),
        }
    }

    fn offsets(plan: &Plan) -> Vec<Option<(u64, bool)>> {
        let offset = |answer: &Appended| match answer {
            Appended::At { position, duplicate, .. } => Some((position.offset, *duplicate)),
            Appended::KeyConflict => None,
        };
        plan.answers.iter().map(offset).collect()
    }

    fn planned(batch: &[Append], head: u64) -> Result<Plan, StoreError> {
        let known = Known { channel_of: vec![0; batch.len()], heads: vec![head], keys: HashMap::new() };
        plan(batch, known, Epoch::from_u64(7))
    }

    #[test]
    fn one_batch_answers_like_many() {
        let late = KEY_TTL_MS + 2;
        let batch = [
            append(1, 1, Some("k"), "1"),
            append(2, 1, Some("k"), "1"),
            append(3, 1, Some("k"), "2"),
            append(4, 1, None, "1"),
            append(5, late, Some("k"), "2"),
            append(6, late, Some("k"), "1"),
        ];
        let plan = planned(&batch, 10).expect("a plan");
        let first = Some((11, false));
        let expected = [first, Some((11, true)), None, Some((12, false)), Some((13, false)), None];
        assert_eq!(offsets(&plan), expected);
        assert_eq!(plan.heads, [13]);
        assert_eq!(plan.keys.len(), 1, "the later use of the key replaces the earlier one");
        assert_eq!(plan.keys[0].1.offset, 13);
    }

    #[test]
    fn publisher_and_key_do_not_run_into_each_other() {
        assert_ne!(scope_of("user/a", "bc"), scope_of("user/ab", "c"));
    }

    #[test]
    fn the_conflate_key_is_part_of_what_is_compared() {
        let plain = append(1, 1, Some("k"), "1");
        let conflated = Append { conflate_key: Some(Key::parse("1").expect("a key")), ..plain.clone() };
        assert_ne!(digest(&plain), digest(&conflated));
    }

    #[test]
    fn what_no_column_holds_is_refused() {
        assert!(matches!(planned(&[append(1, u64::MAX, None, "1")], 0), Err(StoreError::Refused(_))));
        assert!(matches!(planned(&[append(1, 1, None, "1")], OFFSET_MAX), Err(StoreError::Refused(_))));
    }
}

//! Idempotency keys: what is remembered of one, and what using it again means.

use hubbub_protocol::{Epoch, Key, MessageId, Position};
use sha2::{Digest, Sha256};

use crate::batch::{Item, Outcome};
use crate::log::{Append, Appended};
use crate::records::Acted;
use crate::store::KEY_TTL_MS;

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

/// A key with all that it is scoped to: index of the channel in [`super::Known::heads`], [`scope`].
pub(crate) type ScopedKey = (usize, Half);

/// Half of a SHA-256: publishers choose what goes in, and must not be able to make two alike.
pub(crate) type Half = [u8; 16];

/// The answer to an item whose key was used before; `None` when that is so long ago that the key counts as new.
pub(crate) fn judge(item: &Item, held: &HeldKey, epoch: Epoch) -> Option<Outcome> {
    if item.time().saturating_sub(held.time) > KEY_TTL_MS {
        return None;
    }
    let HeldKey { offset, id, time, digest: first } = *held;
    let position = Position::new(epoch, offset);
    // What an erased message said is not known any more. The retry must not bring it back.
    let same = first.is_none_or(|first| first == digest(item));
    Some(match (item, same) {
        (Item::Append(_), true) => Outcome::Appended(Appended::At { id, position, time, duplicate: true }),
        (Item::Append(_), false) => Outcome::Appended(Appended::KeyConflict),
        (Item::Act(_), true) => Outcome::Acted(Acted::Before { id, position, time }),
        (Item::Act(_), false) => Outcome::Acted(Acted::KeyConflict),
    })
}

/// The publisher and the key of an item, as one short name that tells neither; `None` without a key.
pub(crate) fn scope(item: &Item) -> Option<Half> {
    item.key().map(|key| scope_of(item.publisher(), key.as_str()))
}

/// The same of a message that is in the log.
pub(crate) fn scope_of(publisher: &str, key: &str) -> Half {
    half(&[&(publisher.len() as u64).to_be_bytes(), publisher.as_bytes(), key.as_bytes()])
}

/// What an item says.
pub(super) fn digest(item: &Item) -> Half {
    match item {
        Item::Append(append) => digest_of_append(append),
        Item::Act(act) => half(&[act.digest()]),
    }
}

/// Conflate key and data.
fn digest_of_append(append: &Append) -> Half {
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

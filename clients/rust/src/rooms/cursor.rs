//! Where a model stands in a log, and whether what comes is the next thing in it; and how two logs that move the same read
//! mark are told apart.

use hubbub_protocol::Position;
use hubbub_protocol::room::answer::Place;

/// What a message is to whoever stands at a place.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Step {
    /// It was in the snapshot, came before, or is about something else.
    Known,
    /// It is the next one, and the model holds it now.
    Next,
    /// Something between is missing: the model is torn and needs another snapshot.
    Hole,
}

/// A place in a log that moves on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Cursor {
    pub(super) place: Place,
    pub(super) torn: bool,
}

impl Cursor {
    pub(super) fn at(place: Place) -> Self {
        Self { place, torn: false }
    }

    /// Moves on by a message. What has no position is in no snapshot and changes none.
    pub(super) fn step(&mut self, position: Option<Position>) -> Step {
        let Some(Position { epoch, offset }) = position else { return Step::Known };
        if self.torn || (epoch == self.place.epoch && offset <= self.place.offset) {
            return Step::Known;
        }
        // A new epoch that goes on with the next offset continues: a gap comes where it does not.
        if offset != self.place.offset + 1 {
            self.torn = true;
            return Step::Hole;
        }
        self.place = Place { epoch, offset };
        Step::Next
    }
}

/// Whether a snapshot of a log holds what stands at a position of it.
pub(super) fn holds(snapshot: Option<Place>, position: Option<Position>) -> bool {
    match (snapshot, position) {
        (Some(place), Some(position)) => place.epoch == position.epoch && position.offset <= place.offset,
        _ => false,
    }
}

/// A read mark that two logs move, the room's and the reader's own: up to which offset of the room's it is told.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Mark(u64);

impl Mark {
    /// As a snapshot of the room at an offset has it.
    pub(super) fn at(offset: u64) -> Self {
        Self(offset)
    }

    /// The room's log moves it; whether that is not older than where it stands.
    pub(super) fn by_room(&mut self, offset: u64) -> bool {
        let later = offset > self.0;
        self.0 = self.0.max(offset);
        later
    }

    /// The reader's own log moves it, behind an offset of the room's.
    pub(super) fn by_own(&mut self, behind: Option<u64>) -> bool {
        let Some(behind) = behind else { return true };
        let later = behind >= self.0;
        self.0 = self.0.max(behind);
        later
    }
}

#[cfg(test)]
mod tests {
    use hubbub_protocol::Epoch;

    use super::*;

    fn at(epoch: u64, offset: u64) -> Place {
        Position::new(Epoch::from_u64(epoch), offset).into()
    }

    #[test]
    fn only_the_next_message_moves_on() {
        let table = [
            (1, 4, Step::Known),
            (1, 5, Step::Known),
            (1, 6, Step::Next),
            (1, 7, Step::Hole),
            (2, 6, Step::Next),
            (2, 5, Step::Hole),
        ];
        for (epoch, offset, step) in table {
            let mut cursor = Cursor::at(at(1, 5));
            assert_eq!(cursor.step(Some(Position::new(Epoch::from_u64(epoch), offset))), step, "{epoch} {offset}");
            assert_eq!(cursor.torn, step == Step::Hole);
        }
        assert_eq!(Cursor::at(at(1, 5)).step(None), Step::Known);
    }

    #[test]
    fn the_later_of_two_logs_has_the_mark() {
        let mut mark = Mark::at(5);
        assert!(mark.by_own(Some(5)), "behind the snapshot");
        assert!(mark.by_own(Some(8)), "what stands at 8 did not come yet");
        assert!(!mark.by_room(8) && mark.by_room(9));
        assert!(!mark.by_own(Some(8)) && mark.by_own(Some(9)));
        assert!(mark.by_own(None), "an older hub does not say");
    }
}

//! One subscription: where it stands in the log, and whether what comes next may come next. Pure.

use hubbub_protocol::frame::RequestId;
use hubbub_protocol::frame::{Resume, Subscribe};
use hubbub_protocol::outcome::Attached;
use hubbub_protocol::{ChannelName, Epoch, Position};

/// How far a subscription has come.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Stage {
    /// Its first `subscribe` has no answer yet.
    New,
    /// Messages come, or will come after a resume in the connect frame.
    Attached,
    /// It was attached once and is being taken up again by this `subscribe`.
    Again(RequestId),
}

/// What the hub may not send: a message that does not follow the one before it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct OutOfOrder;

/// A subscription of this client.
#[derive(Clone, Debug)]
pub(super) struct Follow {
    /// The request that made it; tells it from an earlier one of the same channel.
    pub(super) id: RequestId,
    pub(super) stage: Stage,
    /// The last position seen; `None` on a channel without a log.
    position: Option<Position>,
    presence: bool,
    conflate: bool,
}

impl Follow {
    pub(super) fn new(id: RequestId, wish: &Subscribe) -> Self {
        let Subscribe { presence, conflate, .. } = *wish;
        Self { id, stage: Stage::New, position: None, presence, conflate }
    }

    /// The entry of a connect frame that takes it up again.
    pub(super) fn resume(&self, channel: &ChannelName) -> Resume {
        let Self { position: since, presence, conflate, .. } = *self;
        Resume { channel: channel.clone(), since, presence, conflate }
    }

    /// The request that takes it up again when the connect frame did not.
    pub(super) fn subscribe(&self, channel: &ChannelName) -> Subscribe {
        let Self { position: since, presence, conflate, .. } = *self;
        Subscribe { channel: channel.clone(), since, rewind: None, presence, conflate }
    }

    /// An outcome: the stream goes on behind its start.
    pub(super) fn attached(&mut self, attached: &Attached) {
        self.stage = Stage::Attached;
        self.position = attached.epoch().map(|epoch| Position::new(epoch, attached.start()));
    }

    /// A message: the next offset, or with conflation any later one. Frames without a position bypass this.
    pub(super) fn message(&mut self, position: Option<Position>) -> Result<(), OutOfOrder> {
        let (Some(new), Some(last)) = (position, self.position) else {
            return if position.is_none() == self.position.is_none() { Ok(()) } else { Err(OutOfOrder) };
        };
        let follows = if self.conflate { new.offset > last.offset } else { new.offset == last.offset + 1 };
        // A new epoch whose first message is the next one continues: the hub has proven it. Otherwise a gap comes first.
        if !follows {
            return Err(OutOfOrder);
        }
        self.position = Some(new);
        Ok(())
    }

    /// Offsets up to `to` will never come.
    pub(super) fn gap(&mut self, epoch: Epoch, to: u64) {
        self.position = Some(Position::new(epoch, to));
    }
}

#[cfg(test)]
mod tests {
    use hubbub_protocol::{Outcome, Range};

    use super::*;

    fn at(epoch: u64, offset: u64) -> Option<Position> {
        Some(Position::new(Epoch::from_u64(epoch), offset))
    }

    fn follow(conflate: bool, position: Option<Position>) -> Follow {
        Follow { id: 1, stage: Stage::Attached, position, presence: false, conflate }
    }

    #[test]
    fn only_the_next_message_may_come() {
        let table = [
            (false, at(1, 4), at(1, 5), true),
            (false, at(1, 4), at(1, 4), false),
            (false, at(1, 4), at(1, 6), false),
            (false, at(1, 4), at(2, 5), true),
            (false, at(1, 4), at(2, 4), false),
            (false, at(1, 4), at(2, 6), false),
            (true, at(1, 4), at(1, 9), true),
            (true, at(1, 4), at(1, 4), false),
            (false, None, None, true),
            (false, at(1, 4), None, false),
            (false, None, at(1, 1), false),
        ];
        for (conflate, last, new, allowed) in table {
            let mut follow = follow(conflate, last);
            assert_eq!(follow.message(new).is_ok(), allowed, "{last:?} then {new:?}");
            assert_eq!(follow.position, if allowed { new } else { last });
        }
    }

    #[test]
    fn every_outcome_says_where_the_stream_begins() {
        let lost = Range { from: 5, to: 8 };
        let table = [
            (Outcome::Fresh { replay: None }, 9),
            (Outcome::Fresh { replay: Some(Range { from: 7, to: 9 }) }, 6),
            (Outcome::Continued { replay: Range { from: 5, to: 9 } }, 4),
            (Outcome::Continued { replay: Range { from: 10, to: 9 } }, 9),
            (Outcome::Gap { lost, reason: hubbub_protocol::GapReason::Epoch }, 8),
        ];
        for (outcome, start) in table {
            let mut follow = follow(false, at(1, 4));
            follow.attached(&Attached { outcome, head: at(2, 9) });
            assert_eq!(follow.position, at(2, start), "{outcome:?}");
            assert_eq!(follow.message(at(2, start + 1)), Ok(()));
        }
        let mut without_log = follow(false, None);
        without_log.attached(&Attached::fresh(None));
        assert_eq!(without_log.message(None), Ok(()));
    }

    #[test]
    fn the_stream_goes_on_behind_a_gap_in_its_epoch() {
        let mut follow = follow(false, at(1, 4));
        follow.gap(Epoch::from_u64(2), 7);
        assert_eq!(follow.message(at(2, 8)), Ok(()));
        assert_eq!(follow.message(at(1, 8)), Err(OutOfOrder));
    }
}

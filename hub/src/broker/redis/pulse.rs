//! The pulse of a bucket: its numbered heartbeats, and what their silence means. Pure; times are milliseconds of a clock that
//! does not jump.
//!
//! Whoever has not heard a bucket for a while beats it. So it is heard about once per [`BEAT_MS`], whatever the number of nodes,
//! and a node that hears nothing although its own beats succeed knows that its subscription is dead. Heartbeats and envelopes of
//! a bucket travel on one connection in one order: a heartbeat that is missing says that envelopes may be missing too.

/// Silence after which a node beats, in milliseconds; a node's own share of up to [`JITTER_MS`] comes on top.
const BEAT_MS: u64 = 1_200;
/// Spreads nodes, so that one of them beats and the others hear it, in milliseconds.
pub(super) const JITTER_MS: u64 = 400;
/// Pause between two beats of one node in one bucket, in milliseconds.
const AGAIN_MS: u64 = 500;
/// Silence after which a subscription counts as dead, in milliseconds, if [`UNHEARD`] own beats succeeded in it. Leaves 2 s for
/// the repair within the promised 5 s.
const SILENT_MS: u64 = 2_800;
const UNHEARD: u32 = 2;

/// What to do about a bucket.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Finding {
    /// Nothing.
    Well,
    /// Beat it, if this is still its number; `None` is not known.
    Beat(Option<u64>),
    /// Its subscription is dead.
    Deaf,
}

/// The pulse of one bucket.
#[derive(Clone, Debug)]
pub(super) struct Pulse {
    /// The number that was heard last.
    number: Option<u64>,
    /// The number that the counter had when nothing was heard yet.
    learned: Option<u64>,
    heard_at: u64,
    beaten_at: Option<u64>,
    unheard: u32,
}

impl Pulse {
    /// A bucket that is subscribed from now on.
    pub(super) fn new(now: u64) -> Self {
        Self { number: None, learned: None, heard_at: now, beaten_at: None, unheard: 0 }
    }

    /// A heartbeat came. Answers whether one before it did not.
    pub(super) fn heard(&mut self, number: u64, now: u64) -> bool {
        let missed = self.number.is_some_and(|before| number != before.wrapping_add(1));
        *self = Self { number: Some(number), learned: None, heard_at: now, beaten_at: None, unheard: 0 };
        missed
    }

    /// An own beat was answered with the number of now. Either it succeeded or another node's was there before it: in both cases
    /// one is on its way to us. Where the number was not known before, it was only learned.
    pub(super) fn beaten(&mut self, number: u64) {
        if self.number.is_none() && self.learned.replace(number).is_none() {
            return;
        }
        if self.beaten_at.is_some() {
            self.unheard = self.unheard.saturating_add(1);
        }
    }

    /// Looks at the clock.
    pub(super) fn look(&mut self, now: u64, jitter: u64) -> Finding {
        let silence = now.saturating_sub(self.heard_at);
        if silence >= SILENT_MS && self.unheard >= UNHEARD {
            return Finding::Deaf;
        }
        let rested = self.beaten_at.is_none_or(|at| now.saturating_sub(at) >= AGAIN_MS);
        if silence < BEAT_MS + jitter || !rested {
            return Finding::Well;
        }
        self.beaten_at = Some(now);
        Finding::Beat(self.number.or(self.learned))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_hears_nothing_beats() {
        let mut pulse = Pulse::new(0);
        assert_eq!(pulse.look(1_200, 100), Finding::Well);
        assert_eq!(pulse.look(1_300, 100), Finding::Beat(None));
        assert_eq!(pulse.look(1_400, 100), Finding::Well, "not twice at once");
        pulse.beaten(6);
        assert_eq!(pulse.look(1_800, 100), Finding::Beat(Some(6)), "what was learned, if nobody was faster");
        assert!(!pulse.heard(7, 1_810));
        assert_eq!(pulse.look(3_000, 100), Finding::Well, "another node is first");
        assert!(!pulse.heard(8, 3_020));
        assert_eq!(pulse.look(4_320, 100), Finding::Beat(Some(8)));
    }

    #[test]
    fn a_jump_is_seen_in_both_directions() {
        for (number, missed) in [(8, false), (9, true), (7, true), (1, true)] {
            let mut pulse = Pulse::new(0);
            assert!(!pulse.heard(7, 10), "the first says nothing");
            assert_eq!(pulse.heard(number, 20), missed, "{number}");
        }
    }

    #[test]
    fn silence_is_deafness_only_when_beats_succeed() {
        let mut cut = Pulse::new(0);
        let mut alone = Pulse::new(0);
        let mut found = None;
        for now in (0..5_000).step_by(200) {
            match cut.look(now, 0) {
                Finding::Beat(_) => cut.beaten(now),
                Finding::Deaf => found = found.or(Some(now)),
                Finding::Well => {}
            }
            assert_ne!(alone.look(now, 0), Finding::Deaf, "Redis is away, nobody is deaf");
        }
        assert_eq!(found, Some(2_800));
        cut.heard(3, 5_000);
        assert_eq!(cut.look(5_100, 0), Finding::Well);
    }
}

//! Requests that wait for an answer: each is repeated over reconnects and temporary refusals until it is
//! answered or its time is up. Pure.

use std::collections::BTreeMap;

use hubbub_protocol::ClientFrame;
use hubbub_protocol::frame::RequestId;

#[derive(Debug)]
struct Pending {
    frame: ClientFrame,
    /// When to give up, in milliseconds.
    until: u64,
    /// When to send it (again); `None` while it is under way.
    due: Option<u64>,
    /// How often it was refused for now.
    refusals: u32,
}

/// The requests of a client, by id and so in the order in which they were made.
#[derive(Debug, Default)]
pub(super) struct Requests(BTreeMap<RequestId, Pending>);

impl Requests {
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) fn add(&mut self, id: RequestId, frame: ClientFrame, until: u64) {
        self.0.insert(id, Pending { frame, until, due: Some(0), refusals: 0 });
    }

    /// Forgets a request; whether it was known.
    pub(super) fn remove(&mut self, id: RequestId) -> Option<ClientFrame> {
        self.0.remove(&id).map(|pending| pending.frame)
    }

    /// The hub may answer better later: `wait` gives the time from the number of refusals so far.
    pub(super) fn postpone(&mut self, id: RequestId, now: u64, wait: impl FnOnce(u32) -> u64) {
        if let Some(pending) = self.0.get_mut(&id) {
            pending.due = Some(now.saturating_add(wait(pending.refusals)));
            pending.refusals += 1;
        }
    }

    /// The connection is gone: whatever was under way must be sent again, and what concerned this connection
    /// alone is removed.
    pub(super) fn rewind(&mut self) -> Vec<(RequestId, ClientFrame)> {
        let (over, again) = std::mem::take(&mut self.0).into_iter().partition::<BTreeMap<_, _>, _>(|(_, pending)| {
            matches!(pending.frame, ClientFrame::Unsubscribe(..) | ClientFrame::Refresh(..))
        });
        self.0 = again;
        for pending in self.0.values_mut() {
            pending.due.get_or_insert(0);
        }
        over.into_iter().map(|(id, pending)| (id, pending.frame)).collect()
    }

    /// What is to be sent now. It counts as under way from then on.
    pub(super) fn take_due(&mut self, now: u64) -> Vec<ClientFrame> {
        let due = self.0.values_mut().filter(|pending| pending.due.is_some_and(|at| at <= now));
        due.map(|pending| {
            pending.due = None;
            pending.frame.clone()
        })
        .collect()
    }

    /// Those whose time is up, removed.
    pub(super) fn take_late(&mut self, now: u64) -> Vec<(RequestId, ClientFrame)> {
        let late: Vec<_> = self.0.iter().filter(|(_, pending)| pending.until <= now).map(|(id, _)| *id).collect();
        late.into_iter().filter_map(|id| self.remove(id).map(|frame| (id, frame))).collect()
    }

    /// All of them, removed.
    pub(super) fn take_all(&mut self) -> Vec<RequestId> {
        std::mem::take(&mut self.0).into_keys().collect()
    }

    /// When to look again: the next one to give up and, on an open connection, to send.
    pub(super) fn deadline(&self, open: bool) -> Option<u64> {
        self.0.values().map(|p| if open { p.due.unwrap_or(u64::MAX).min(p.until) } else { p.until }).min()
    }
}

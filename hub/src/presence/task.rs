//! The presence task of a node: keeps the book, tells the roster in batches what is new, renews the leases, takes away what
//! dead nodes left behind. Never waits for the roster: what is under way is polled beside everything else.

use std::collections::{BTreeSet, HashSet, VecDeque};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::{self, FuturesUnordered};
use hubbub_protocol::channel::{ChannelKey, UserId};
use hubbub_protocol::frame::PresenceSnapshot;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, sleep_until};

use super::Settings;
use super::book::{Book, Ticket};
use super::roster::{Counted, Entered, Entry, Lease, Page, Part, Roster};
use crate::broker::{Broker, Content, Envelope};
use crate::clock::Clock;

/// Entries that go to the roster at once.
const ENTRIES_AT_ONCE: usize = 1_024;
/// Requests that are taken in at once.
const REQUESTS_AT_ONCE: usize = 256;
/// Counts that are told in one turn.
const COUNTS_AT_ONCE: usize = 2_048;
/// Of these so many are under way at the same time.
const COUNTS_UNDER_WAY: usize = 32;
/// Pause before a roster that was away is tried again, and between two turns of counts.
const PAUSE: Duration = Duration::from_secs(1);

/// What the task is asked.
pub(super) enum Request {
    Join(ChannelKey, UserId),
    Leave(ChannelKey, UserId),
    /// Answered when the roster knows what came before, or is away.
    Settled(ChannelKey, oneshot::Sender<()>),
    /// Which of these channels hold anybody of this node.
    Among(Vec<ChannelKey>, oneshot::Sender<Vec<ChannelKey>>),
    /// Who is there on this node alone.
    Here(ChannelKey, Page, oneshot::Sender<PresenceSnapshot>),
}

/// Something that was under way.
enum Done {
    Entered(Vec<Entry>, Vec<Entered>),
    Renewed(Vec<Part>, Vec<Lease>),
    Reaped,
    Counted(Vec<(ChannelKey, Counted)>),
    Told,
}

type UnderWay = FuturesUnordered<Pin<Box<dyn Future<Output = Done> + Send>>>;

pub(super) struct Task {
    book: Book,
    roster: Arc<dyn Roster>,
    broker: Arc<dyn Broker>,
    clock: Arc<Clock>,
    settings: Settings,
    under_way: UnderWay,
    /// The grace is the same for all, so the oldest leave is always the first.
    leaving: VecDeque<(Instant, ChannelKey, UserId, Ticket)>,
    /// Whoever waits until the roster knows what was said before, and with which batch that will be the case at the latest.
    waiting: Vec<(u64, ChannelKey, oneshot::Sender<()>)>,
    batches: u64,
    owed: HashSet<ChannelKey>,
    /// Parts whose lease has to be looked after before anything is entered.
    lost: BTreeSet<Part>,
    entering: bool,
    renewing: bool,
    reaping: bool,
    counting: bool,
    /// The roster is away; when it is tried again.
    away_until: Option<Instant>,
    /// It was, and what others said meanwhile did not come here.
    was_away: bool,
    renew_at: Instant,
    reap_at: Instant,
    count_at: Instant,
}

impl Task {
    pub(super) fn new(roster: Arc<dyn Roster>, broker: Arc<dyn Broker>, clock: Arc<Clock>, settings: Settings) -> Self {
        let now = Instant::now();
        Self {
            book: Book::default(),
            roster,
            broker,
            clock,
            settings,
            under_way: FuturesUnordered::new(),
            leaving: VecDeque::new(),
            waiting: Vec::new(),
            batches: 0,
            owed: HashSet::new(),
            lost: BTreeSet::new(),
            entering: false,
            renewing: false,
            reaping: false,
            counting: false,
            away_until: None,
            was_away: false,
            renew_at: now + settings.renew_every(),
            // What an earlier life of the fleet left behind is given the time of a lease to be entered again.
            reap_at: now + settings.lease,
            count_at: now + PAUSE,
        }
    }

    /// Ends when nobody can ask any more.
    pub(super) async fn run(mut self, mut requests: mpsc::Receiver<Request>) {
        let mut came = Vec::with_capacity(REQUESTS_AT_ONCE);
        loop {
            self.look_at_the_clock();
            self.start_what_is_due();
            let next = self.next_look();
            tokio::select! {
                biased;
                Some(done) = self.under_way.next(), if !self.under_way.is_empty() => self.finish(done),
                count = requests.recv_many(&mut came, REQUESTS_AT_ONCE) => {
                    if count == 0 {
                        return;
                    }
                    came.drain(..).for_each(|request| self.take(request));
                }
                () = sleep_until(next) => {}
            }
        }
    }

    fn take(&mut self, request: Request) {
        match request {
            Request::Join(channel, user) => self.book.join(&channel, &user, |channel| self.roster.part(channel)),
            Request::Leave(channel, user) => {
                if let Some(ticket) = self.book.leave(&channel, &user) {
                    self.leaving.push_back((Instant::now() + self.settings.grace, channel, user, ticket));
                }
            }
            Request::Settled(channel, reply) => {
                // A batch may be under way: what was said before this is in it or in the next one.
                self.waiting.push((self.batches + 2, channel, reply));
                self.answer_waiting();
            }
            Request::Among(channels, reply) => {
                let present = channels.into_iter().filter(|channel| self.book.holds(channel));
                let _ = reply.send(present.collect());
            }
            Request::Here(channel, page, reply) => {
                // Whoever asked may be gone.
                let _ = reply.send(self.book.page(&channel, &page));
            }
        }
    }

    fn look_at_the_clock(&mut self) {
        let now = Instant::now();
        while let Some((_, channel, user, ticket)) = self.leaving.pop_front_if(|(at, ..)| *at <= now) {
            self.book.leave_over(&channel, &user, ticket);
        }
        if self.away_until.is_some_and(|until| until <= now) {
            self.away_until = None;
        }
        if self.renew_at <= now && !self.renewing {
            self.renew_at = now + self.settings.renew_every();
            self.lost.extend(self.book.parts());
        }
    }

    fn next_look(&self) -> Instant {
        let mut next = self.renew_at.min(self.reap_at).min(self.count_at);
        next = self.leaving.front().map_or(next, |(at, ..)| next.min(*at));
        self.away_until.map_or(next, |until| next.min(until))
    }

    fn start_what_is_due(&mut self) {
        let now = Instant::now();
        if self.away_until.is_none() {
            // Never beside an enter: what was entered under the lease before would count as standing under the new one.
            if !self.lost.is_empty() && !self.renewing && !self.entering {
                self.renew();
            }
            if !self.renewing && !self.entering && self.book.has_news() {
                self.enter();
            }
        }
        if self.reap_at <= now {
            self.reap_at = now + self.settings.reap_every();
            if !self.reaping && self.away_until.is_none() {
                self.reaping = true;
                let roster = self.roster.clone();
                self.start(async move {
                    // Away: the next turn comes.
                    let reaped = roster.reap().await.unwrap_or(0);
                    metrics::counter!("hubbub_presence_reaped_total").increment(reaped);
                    Done::Reaped
                });
            }
        }
        if self.count_at <= now {
            self.count_at = now + PAUSE;
            if !self.counting && !self.owed.is_empty() && self.away_until.is_none() {
                self.count();
            }
        }
    }

    fn start(&mut self, work: impl Future<Output = Done> + Send + 'static) {
        self.under_way.push(Box::pin(work));
    }

    fn enter(&mut self) {
        let lost = &self.lost;
        let entries = self.book.take(ENTRIES_AT_ONCE, |part| !lost.contains(&part));
        if entries.is_empty() {
            return self.answer_waiting();
        }
        (self.entering, self.batches) = (true, self.batches + 1);
        let roster = self.roster.clone();
        self.start(async move {
            let entered = roster.enter(entries.clone()).await;
            Done::Entered(entries, entered)
        });
    }

    fn renew(&mut self) {
        self.renewing = true;
        let parts: Vec<Part> = std::mem::take(&mut self.lost).into_iter().collect();
        let roster = self.roster.clone();
        self.start(async move {
            let leases = roster.renew(parts.clone()).await;
            Done::Renewed(parts, leases)
        });
    }

    fn count(&mut self) {
        self.counting = true;
        let channels: Vec<ChannelKey> = self.owed.iter().take(COUNTS_AT_ONCE).cloned().collect();
        for channel in &channels {
            self.owed.remove(channel);
        }
        let roster = self.roster.clone();
        self.start(async move {
            let tell = |channel: ChannelKey| {
                let roster = roster.clone();
                async move {
                    let result = roster.tell_count(&channel).await;
                    (channel, result)
                }
            };
            Done::Counted(stream::iter(channels).map(tell).buffer_unordered(COUNTS_UNDER_WAY).collect().await)
        });
    }

    fn finish(&mut self, done: Done) {
        match done {
            Done::Entered(entries, entered) => self.entered(&entries, &entered),
            Done::Renewed(parts, leases) => self.renewed(&parts, &leases),
            Done::Reaped => self.reaping = false,
            Done::Counted(counted) => {
                self.counting = false;
                let later = counted.into_iter().filter(|(_, result)| *result == Counted::Later);
                self.owed.extend(later.map(|(channel, _)| channel));
            }
            Done::Told => {}
        }
    }

    fn entered(&mut self, entries: &[Entry], entered: &[Entered]) {
        self.entering = false;
        let mut away = false;
        for (at, entry) in entries.iter().enumerate() {
            // A roster that answers too little has not said what became of the rest.
            let result = entered.get(at).copied().unwrap_or(Entered::Away);
            if self.book.settle(entry, result) {
                self.owed.insert(entry.channel.clone());
            }
            match result {
                Entered::Done { .. } => {}
                Entered::LeaseGone => {
                    self.lost.insert(self.roster.part(&entry.channel));
                }
                Entered::Away => away = true,
            }
        }
        if away {
            self.is_away()
        } else {
            self.is_back()
        }
        self.answer_waiting();
    }

    fn renewed(&mut self, parts: &[Part], leases: &[Lease]) {
        self.renewing = false;
        let mut away = false;
        for (at, part) in parts.iter().enumerate() {
            match leases.get(at).copied().unwrap_or(Lease::Away) {
                Lease::Held => {}
                Lease::Begun if self.book.begin_again(*part) => {
                    metrics::counter!("hubbub_presence_lost_leases_total").increment(1);
                    // Other nodes may have lost theirs by the same cause: they get the time of a lease to enter again what
                    // would otherwise be told as gone.
                    self.reap_at = Instant::now() + self.settings.lease;
                }
                Lease::Begun => {}
                Lease::Away => {
                    self.lost.insert(*part);
                    away = true;
                }
            }
        }
        if away { self.is_away() } else { self.is_back() }
    }

    /// The roster answers. Joins and leaves that were told while it was away did not come here, so lists may be out of date: a
    /// count tells that.
    fn is_back(&mut self) {
        if std::mem::take(&mut self.was_away) {
            self.owed.extend(self.book.channels().cloned());
        }
    }

    /// The roster is away: this node goes on by itself.
    fn is_away(&mut self) {
        self.away_until = Some(Instant::now() + PAUSE);
        self.was_away = true;
        self.reap_at = Instant::now() + self.settings.lease;
        self.answer_waiting();
        let changes = self.book.tell_here(self.clock.now_ms() * 1_000);
        if !changes.is_empty() {
            let broker = self.broker.clone();
            self.start(async move {
                for (channel, change) in changes {
                    // Nobody but this node hears of it anyway.
                    let _ = broker.publish(Envelope { channel, content: Content::Presence(change) }).await;
                }
                Done::Told
            });
        }
    }

    fn answer_waiting(&mut self) {
        let (book, batches, away) = (&self.book, self.batches, self.away_until.is_some());
        let done = |due: u64, channel: &ChannelKey| away || book.is_settled(channel) || due < batches;
        for (_, _, reply) in self.waiting.extract_if(.., |(due, channel, _)| done(*due, channel)) {
            // Whoever asked may be gone.
            let _ = reply.send(());
        }
    }
}

//! The book of a node: who is in which channel here, what of it the roster has to be told, and how far that is. Pure: it knows
//! neither the roster nor the time.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::ops::Bound;

use hubbub_protocol::channel::{ChannelKey, UserId};
use hubbub_protocol::frame::{PresenceChange, PresenceKind, PresenceSnapshot, PresentUser, Scope};

use super::roster::{Entered, Entry, Page, Part};

/// Names a leave that is in its grace.
pub(super) type Ticket = u64;

/// Who is where on this node.
#[derive(Debug, Default)]
pub(super) struct Book {
    rooms: HashMap<ChannelKey, Room>,
    /// What the roster has to be told, oldest first. Each user of a channel stands here once.
    news: VecDeque<(ChannelKey, UserId)>,
    tickets: Ticket,
}

#[derive(Debug)]
struct Room {
    part: Part,
    /// The highest version that is known here.
    version: u64,
    large: bool,
    /// Users that are among the news or on their way to the roster.
    unsettled: u32,
    users: BTreeMap<UserId, Present>,
}

#[derive(Debug, Default)]
struct Present {
    connections: u32,
    /// The leave that is in its grace while there is no connection.
    leaving: Option<Ticket>,
    /// The grace is over: the user stands here until the roster has been told.
    gone: bool,
    /// The roster may have it.
    entered: bool,
    /// The roster had it for sure.
    stood: bool,
    /// The roster had it, under a lease that was lost.
    again: bool,
    /// It stands among the news.
    is_news: bool,
    /// Subscribers here have been told that it is there.
    told: bool,
}

impl Book {
    /// A connection of the user came.
    pub(super) fn join(&mut self, channel: &ChannelKey, user: &UserId, part: impl Fn(&ChannelKey) -> Part) {
        let room = self.rooms.entry(channel.clone()).or_insert_with(|| Room::new(part(channel)));
        let present = room.users.entry(user.clone()).or_default();
        present.connections += 1;
        (present.leaving, present.gone) = (None, false);
        self.note(channel, user);
    }

    /// A connection of the user went. Answers with the ticket of the leave when it was the last one.
    pub(super) fn leave(&mut self, channel: &ChannelKey, user: &UserId) -> Option<Ticket> {
        let present = self.rooms.get_mut(channel)?.users.get_mut(user).filter(|present| present.connections > 0)?;
        present.connections -= 1;
        if present.connections == 0 {
            self.tickets += 1;
            present.leaving = Some(self.tickets);
        }
        let ticket = present.leaving;
        self.note(channel, user);
        ticket
    }

    /// The grace of a leave is over: it counts unless somebody came back.
    pub(super) fn leave_over(&mut self, channel: &ChannelKey, user: &UserId, ticket: Ticket) {
        let present = self.rooms.get_mut(channel).and_then(|room| room.users.get_mut(user));
        if let Some(present) = present.filter(|present| present.leaving == Some(ticket)) {
            (present.leaving, present.gone) = (None, true);
            self.note(channel, user);
        }
    }

    /// Whether there is anything to tell the roster.
    pub(super) fn has_news(&self) -> bool {
        !self.news.is_empty()
    }

    /// The oldest news of parts that may be entered, at most `most`. Each comes back by [`Book::settle`].
    pub(super) fn take(&mut self, most: usize, may_enter: impl Fn(Part) -> bool) -> Vec<Entry> {
        let mut entries = Vec::new();
        for _ in 0..self.news.len() {
            if entries.len() == most {
                break;
            }
            let Some((channel, user)) = self.news.pop_front() else { break };
            let Some(room) = self.rooms.get_mut(&channel) else { continue };
            if !may_enter(room.part) {
                self.news.push_back((channel, user));
                continue;
            }
            let Some(present) = room.users.get_mut(&user) else { continue };
            present.is_news = false;
            if present.gone && !present.entered {
                // Came and went between two calls: nobody was told.
                room.unsettled -= 1;
                room.users.remove(&user);
                self.forget_empty(&channel);
                continue;
            }
            present.entered = true;
            let connections = (!present.gone).then_some(present.connections);
            entries.push(Entry { channel, user, connections, again: present.again, above: room.version });
        }
        entries
    }

    /// What became of an entry. Answers whether a count of its channel is owed.
    pub(super) fn settle(&mut self, entry: &Entry, entered: Entered) -> bool {
        let Some(room) = self.rooms.get_mut(&entry.channel) else { return false };
        room.unsettled = room.unsettled.saturating_sub(1);
        let Some(present) = room.users.get_mut(&entry.user) else { return false };
        let Entered::Done { version, large } = entered else {
            if entered == Entered::LeaseGone {
                present.entered = present.stood;
            }
            self.note(&entry.channel, &entry.user);
            return false;
        };
        (room.version, room.large) = (room.version.max(version), large);
        present.again &= present.is_news;
        present.stood = entry.connections.is_some();
        present.told = present.stood;
        let over = present.gone && entry.connections.is_none() && !present.is_news;
        // Back while it was being taken off: it is among the news and will be entered anew.
        present.entered = entry.connections.is_some() || present.is_news;
        if over {
            room.users.remove(&entry.user);
            self.forget_empty(&entry.channel);
        }
        large || entry.again
    }

    /// The lease of a part is a new one: what stood under the old one has to be entered again. Answers whether anything did.
    pub(super) fn begin_again(&mut self, part: Part) -> bool {
        let rooms = self.rooms.iter().filter(|(_, room)| room.part == part);
        let stood = |(user, present): (&UserId, &Present)| present.stood.then(|| user.clone());
        let all: Vec<(ChannelKey, UserId)> = rooms
            .flat_map(|(channel, room)| room.users.iter().filter_map(stood).map(|user| (channel.clone(), user)))
            .collect();
        for (channel, user) in &all {
            if let Some(present) = self.rooms.get_mut(channel).and_then(|room| room.users.get_mut(user)) {
                present.again = !present.gone;
            }
            self.note(channel, user);
        }
        !all.is_empty()
    }

    /// The parts that hold anything.
    pub(super) fn parts(&self) -> BTreeSet<Part> {
        self.rooms.values().map(|room| room.part).collect()
    }

    /// Whether anybody is in a channel.
    pub(super) fn holds(&self, channel: &ChannelKey) -> bool {
        self.rooms.contains_key(channel)
    }

    /// Every channel with anybody in it.
    pub(super) fn channels(&self) -> impl Iterator<Item = &ChannelKey> {
        self.rooms.keys()
    }

    /// Whether the roster knows all that is known here of a channel.
    pub(super) fn is_settled(&self, channel: &ChannelKey) -> bool {
        self.rooms.get(channel).is_none_or(|room| room.unsettled == 0)
    }

    /// While the roster is away: the joins and leaves among the news that subscribers here have not been told of. Those of large
    /// channels are left out. Other nodes may have brought the channel further than is known here, but not beyond the time in
    /// microseconds, `floor`: there the roster begins, and no channel changes as often as that.
    pub(super) fn tell_here(&mut self, floor: u64) -> Vec<(ChannelKey, PresenceChange)> {
        let mut changes = Vec::new();
        for (channel, user) in &self.news {
            let Some(room) = self.rooms.get_mut(channel).filter(|room| !room.large) else { continue };
            let Some(present) = room.users.get_mut(user).filter(|present| present.told == present.gone) else {
                continue;
            };
            present.told = !present.gone;
            room.version = room.version.max(floor) + 1;
            let event = if present.gone { PresenceKind::Leave } else { PresenceKind::Join };
            let (version, name) = (room.version, channel.channel.clone());
            changes.push((channel.clone(), PresenceChange { channel: name, version, event, user: user.clone() }));
        }
        changes
    }

    /// Who is there on this node.
    pub(super) fn page(&self, channel: &ChannelKey, page: &Page) -> PresenceSnapshot {
        let scope = Scope::Node;
        let Some(room) = self.rooms.get(channel) else { return PresenceSnapshot { scope, ..Default::default() } };
        let here = |(user, present): (&UserId, &Present)| {
            (!present.gone).then(|| PresentUser { user: user.clone(), connections: present.connections })
        };
        let begin = page.after.clone().map_or(Bound::Unbounded, Bound::Excluded);
        let mut behind = room.users.range((begin, Bound::Unbounded)).filter_map(here);
        let users: Vec<PresentUser> = behind.by_ref().take(page.limit as usize).collect();
        let next = behind.next().and_then(|_| users.last().map(|last| last.user.clone()));
        let count = room.users.values().filter(|present| !present.gone).count() as u64;
        PresenceSnapshot { version: room.version, count, users, next, large: false, scope }
    }

    /// Puts a user among the news.
    fn note(&mut self, channel: &ChannelKey, user: &UserId) {
        let Some(room) = self.rooms.get_mut(channel) else { return };
        if let Some(present) = room.users.get_mut(user).filter(|present| !present.is_news) {
            present.is_news = true;
            room.unsettled += 1;
            self.news.push_back((channel.clone(), user.clone()));
        }
    }

    fn forget_empty(&mut self, channel: &ChannelKey) {
        if self.rooms.get(channel).is_some_and(|room| room.users.is_empty()) {
            self.rooms.remove(channel);
        }
    }
}

impl Room {
    fn new(part: Part) -> Self {
        Self { part, version: 0, large: false, unsettled: 0, users: BTreeMap::new() }
    }
}

#[cfg(test)]
mod tests {
    use hubbub_protocol::{ChannelName, TenantId};

    use super::*;

    struct Desk {
        book: Book,
        channel: ChannelKey,
        user: UserId,
    }

    fn desk() -> Desk {
        let tenant = TenantId::parse("t").expect("valid");
        let channel = ChannelKey::new(tenant, ChannelName::parse("chat:x").expect("valid"));
        Desk { book: Book::default(), channel, user: UserId::parse("u").expect("valid") }
    }

    impl Desk {
        fn join(&mut self) {
            self.book.join(&self.channel, &self.user, |_| 0);
        }

        fn leave(&mut self) -> Option<Ticket> {
            self.book.leave(&self.channel, &self.user)
        }

        fn leave_over(&mut self, ticket: Ticket) {
            self.book.leave_over(&self.channel, &self.user, ticket);
        }

        fn take(&mut self) -> Vec<Entry> {
            self.book.take(10, |_| true)
        }

        /// Tells the roster everything; answers what it was told.
        fn tell(&mut self) -> Vec<(Option<u32>, bool)> {
            let entries = self.take();
            for entry in &entries {
                self.book.settle(entry, Entered::Done { version: entry.above + 1, large: false });
            }
            assert!(self.book.is_settled(&self.channel));
            entries.into_iter().map(|entry| (entry.connections, entry.again)).collect()
        }
    }

    #[test]
    fn the_roster_is_told_states_not_steps() {
        let mut desk = desk();
        desk.join();
        desk.join();
        assert_eq!(desk.tell(), [(Some(2), false)]);
        assert_eq!(desk.leave(), None);
        let ticket = desk.leave().expect("the last one");
        assert_eq!(desk.tell(), [(Some(0), false)], "present during the grace");
        desk.leave_over(ticket);
        assert_eq!(desk.tell(), [(None, false)]);
        assert!(desk.book.rooms.is_empty(), "nothing stays behind");
    }

    #[test]
    fn a_reconnect_within_the_grace_is_no_leave() {
        let mut desk = desk();
        desk.join();
        let first = desk.leave().expect("the last one");
        desk.join();
        let second = desk.leave().expect("the last one");
        desk.leave_over(first);
        assert_eq!(desk.tell(), [(Some(0), false)], "an old leave does not count");
        desk.leave_over(second);
        desk.join();
        assert_eq!(desk.tell(), [(Some(1), false)], "back before the roster was told");
    }

    #[test]
    fn who_came_and_went_unseen_is_never_told() {
        let mut desk = desk();
        desk.join();
        let ticket = desk.leave().expect("the last one");
        desk.leave_over(ticket);
        assert_eq!(desk.tell(), []);
        assert!(desk.book.rooms.is_empty() && !desk.book.has_news());
    }

    #[test]
    fn who_comes_back_while_being_taken_off_is_entered_anew() {
        let mut desk = desk();
        desk.join();
        desk.tell();
        let ticket = desk.leave().expect("the last one");
        desk.leave_over(ticket);
        let under_way = desk.take();
        desk.join();
        desk.book.settle(&under_way[0], Entered::Done { version: 9, large: false });
        assert!(!desk.book.is_settled(&desk.channel));
        assert_eq!(desk.tell(), [(Some(1), false)]);
        assert_eq!(desk.book.page(&desk.channel, &Page { after: None, limit: 9 }).count, 1);
    }

    #[test]
    fn what_was_not_heard_is_said_again_and_a_lost_lease_repeats_all() {
        let mut desk = desk();
        desk.join();
        let entry = desk.take().remove(0);
        desk.book.settle(&entry, Entered::Away);
        assert_eq!(desk.tell(), [(Some(1), false)]);
        assert!(!desk.book.begin_again(1), "another part");
        assert!(!desk.book.has_news());
        assert!(desk.book.begin_again(0));
        assert_eq!(desk.book.take(10, |part| part != 0), [], "its lease is not renewed yet");
        assert_eq!(desk.tell(), [(Some(1), true)]);
        assert!(!desk.book.has_news());
    }

    #[test]
    fn who_comes_into_a_part_whose_lease_ran_out_unused_is_news() {
        let mut desk = desk();
        desk.join();
        let entry = desk.take().remove(0);
        desk.book.settle(&entry, Entered::LeaseGone);
        assert!(!desk.book.begin_again(0), "nothing stood under the old lease");
        assert_eq!(desk.tell(), [(Some(1), false)]);
    }

    #[test]
    fn while_the_roster_is_away_each_change_is_told_here_once() {
        let mut desk = desk();
        desk.join();
        let entry = desk.take().remove(0);
        assert_eq!(desk.book.tell_here(0), [], "under way: not known to be lost");
        desk.book.settle(&entry, Entered::Away);
        let joins = desk.book.tell_here(0);
        assert_eq!(joins.iter().map(|(_, change)| change.event).collect::<Vec<_>>(), [PresenceKind::Join]);
        assert_eq!(desk.book.tell_here(0), []);
        let ticket = desk.leave().expect("the last one");
        desk.leave_over(ticket);
        let leaves = desk.book.tell_here(0);
        assert_eq!((leaves[0].1.event, leaves[0].1.version), (PresenceKind::Leave, joins[0].1.version + 1));
        let entries = desk.take();
        assert_eq!((entries[0].connections, entries[0].above), (None, leaves[0].1.version), "the roster goes on above");
    }

    #[test]
    fn a_page_of_this_node_says_so() {
        let mut desk = desk();
        for name in ["c", "a", "d", "b"] {
            desk.book.join(&desk.channel, &UserId::parse(name).expect("valid"), |_| 0);
        }
        let page = desk.book.page(&desk.channel, &Page { after: UserId::parse("a").ok(), limit: 2 });
        let users: Vec<_> = page.users.iter().map(|present| present.user.as_str()).collect();
        assert_eq!((page.count, users, page.scope), (4, vec!["b", "c"], Scope::Node));
        assert_eq!(page.next.as_ref().map(UserId::as_str), Some("c"));
        let last = desk.book.page(&desk.channel, &Page { after: page.next, limit: 2 });
        assert_eq!((last.users.len(), last.next), (1, None));
    }
}

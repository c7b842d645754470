//! Interest: which channels the node wants, which it only still has, and which are confirmed in the session that runs. Pure.

use std::collections::HashMap;
use std::sync::Arc;

use hubbub_protocol::channel::ChannelKey;

/// A session of the subscriber; 0 is none.
pub(super) type SessionNumber = u64;

/// One channel that is subscribed, or will be.
#[derive(Clone, Debug)]
pub(super) struct Wish {
    /// Its pub/sub channel.
    pub(super) name: Arc<str>,
    /// Its bucket.
    pub(super) bucket: u16,
    /// Since when nobody wants it, in milliseconds; `None` while somebody does.
    idle_since: Option<u64>,
    confirmed: SessionNumber,
}

/// Everything that is wanted or lingers.
#[derive(Debug, Default)]
pub(super) struct Interest {
    wishes: HashMap<ChannelKey, Wish>,
    names: HashMap<Arc<str>, ChannelKey>,
}

impl Interest {
    /// Wants a channel. Answers whether it still has to be confirmed in this session.
    pub(super) fn want(
        &mut self,
        channel: &ChannelKey,
        session: SessionNumber,
        place: impl FnOnce() -> (String, u16),
    ) -> bool {
        let names = &mut self.names;
        let wish = self.wishes.entry(channel.clone()).or_insert_with(|| {
            let (name, bucket) = place();
            let name: Arc<str> = name.into();
            names.insert(name.clone(), channel.clone());
            Wish { name, bucket, idle_since: None, confirmed: 0 }
        });
        wish.idle_since = None;
        session == 0 || wish.confirmed != session
    }

    /// Wants it no longer; it lingers.
    pub(super) fn leave(&mut self, channel: &ChannelKey, now: u64) {
        if let Some(wish) = self.wishes.get_mut(channel) {
            wish.idle_since.get_or_insert(now);
        }
    }

    /// Forgets what has lingered since before `before`.
    pub(super) fn forget(&mut self, before: u64) -> Vec<Wish> {
        let old = |wish: &Wish| wish.idle_since.is_some_and(|since| since <= before);
        let gone: Vec<_> = self.wishes.extract_if(|_, wish| old(wish)).map(|(_, wish)| wish).collect();
        for wish in &gone {
            self.names.remove(&wish.name);
        }
        gone
    }

    /// The subscription of these was confirmed.
    pub(super) fn confirm<'a>(&mut self, names: impl IntoIterator<Item = &'a Arc<str>>, session: SessionNumber) {
        for name in names {
            if let Some(wish) = self.names.get(name).and_then(|channel| self.wishes.get_mut(channel)) {
                wish.confirmed = session;
            }
        }
    }

    /// Whether somebody wants it.
    pub(super) fn wants(&self, channel: &ChannelKey) -> bool {
        self.wishes.get(channel).is_some_and(|wish| wish.idle_since.is_none())
    }

    /// Whose envelopes come on a pub/sub channel; `None` when nobody wants them.
    pub(super) fn receiver(&self, name: &str) -> Option<ChannelKey> {
        self.names.get(name).filter(|channel| self.wants(channel)).cloned()
    }

    /// The wishes for these channels.
    pub(super) fn of(&self, channels: &[ChannelKey]) -> Vec<Wish> {
        channels.iter().filter_map(|channel| self.wishes.get(channel)).cloned().collect()
    }

    /// Every wish of these buckets, of all for `None`; those that linger too.
    pub(super) fn in_bucket(&self, bucket: Option<u16>) -> Vec<Wish> {
        self.wishes.values().filter(|wish| bucket.is_none_or(|bucket| wish.bucket == bucket)).cloned().collect()
    }

    /// Every wanted channel of a bucket, of all for `None`.
    pub(super) fn wanted(&self, bucket: Option<u16>) -> Vec<ChannelKey> {
        let of = |wish: &Wish| wish.idle_since.is_none() && bucket.is_none_or(|bucket| wish.bucket == bucket);
        self.wishes.iter().filter(|(_, wish)| of(wish)).map(|(channel, _)| channel.clone()).collect()
    }

    /// Whether anything of a bucket is subscribed.
    pub(super) fn uses(&self, bucket: u16) -> bool {
        self.wishes.values().any(|wish| wish.bucket == bucket)
    }
}

#[cfg(test)]
mod tests {
    use hubbub_protocol::{ChannelName, TenantId};

    use super::*;

    fn key(name: &str) -> ChannelKey {
        ChannelKey::new(TenantId::parse("t").expect("valid"), ChannelName::parse(name).expect("valid"))
    }

    fn want(interest: &mut Interest, name: &str, session: SessionNumber) -> bool {
        interest.want(&key(name), session, || (format!("ps:{name}"), 3))
    }

    #[test]
    fn confirmation_belongs_to_a_session() {
        let mut interest = Interest::default();
        assert!(want(&mut interest, "a:1", 1));
        interest.confirm([&"ps:a:1".into(), &"ps:unknown".into()], 1);
        assert!(!want(&mut interest, "a:1", 1), "known already");
        assert!(want(&mut interest, "a:1", 2), "another connection");
        assert!(want(&mut interest, "a:1", 0), "no connection");
    }

    #[test]
    fn what_nobody_wants_lingers_unheard() {
        let mut interest = Interest::default();
        want(&mut interest, "a:1", 1);
        want(&mut interest, "a:2", 1);
        assert_eq!(interest.receiver("ps:a:1"), Some(key("a:1")));
        interest.leave(&key("a:1"), 100);
        interest.leave(&key("a:1"), 150);
        assert_eq!((interest.receiver("ps:a:1"), interest.wants(&key("a:1"))), (None, false));
        assert!(interest.forget(99).is_empty() && interest.in_bucket(Some(3)).len() == 2);
        want(&mut interest, "a:1", 1);
        assert!(interest.forget(1_000).is_empty(), "wanted again in time");
        interest.leave(&key("a:1"), 200);
        assert_eq!(interest.forget(200).len(), 1, "it lingered from the last time on");
        assert_eq!((interest.wanted(None), interest.uses(3), interest.uses(4)), (vec![key("a:2")], true, false));
    }
}

//! What this node may have missed: where joins and leaves of others may not have come, those who watch the channel here are told
//! how many there are now, which says that a list is out of date. No other node is bothered.

use futures_util::{StreamExt, stream};
use hubbub_protocol::channel::ChannelKey;
use hubbub_protocol::frame::{PresenceCount, Scope};
use tokio::sync::mpsc;

use super::{Page, Presence};
use crate::broker::{Content, Envelope, Inbox};

/// Batches of channels that may wait. Overflow policy: the newest go, and the next version that comes shows that some are missing.
pub const MISSED: usize = 64;
/// Channels that are looked at at the same time.
const UNDER_WAY: usize = 32;

/// Tells the subscribers of this node, by its own lanes, as long as a broker may miss anything.
pub async fn follow(presence: Presence, lanes: Inbox, mut missed: mpsc::Receiver<Vec<ChannelKey>>) {
    while let Some(channels) = missed.recv().await {
        let present = presence.present_among(channels).await;
        stream::iter(present).for_each_concurrent(UNDER_WAY, |channel| tell(&presence, &lanes, channel)).await;
    }
}

async fn tell(presence: &Presence, lanes: &Inbox, channel: ChannelKey) {
    let page = presence.page(channel.clone(), Page { after: None, limit: 1 }).await;
    // Alone again: what is missed now is told when the others are back.
    if page.scope == Scope::Fleet {
        let (name, version, count) = (channel.channel.clone(), page.version, page.count);
        let content = Content::PresenceCount(PresenceCount { channel: name, version, count });
        lanes.deliver(Envelope { channel, content }).await;
    }
}

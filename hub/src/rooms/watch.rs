//! Ends what people hear of rooms that they may not look into any more, where nobody could tell this node so: after orders of
//! other nodes may have been missed, and again and again while the way to them is not well.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use hubbub_protocol::channel::{ChannelKey, UserId};
use tokio::time::{MissedTickBehavior, interval};

use super::error::RoomError;
use super::seen::who_sees;
use super::service::Rooms;
use crate::broker::Link;

/// How often is looked while the link is not well.
const SUSPECT: Duration = Duration::from_secs(2);
/// Readers of one look.
const AT_ONCE: usize = 200;

/// Watches for as long as the node lives.
pub async fn follow(rooms: Rooms) {
    let mut ticks = interval(SUSPECT);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = rooms.control.missed_orders() => {}
            _ = ticks.tick() => if rooms.broker.link() == Link::Well { continue },
        }
        if let Err(error) = rooms.look_around().await {
            tracing::debug!(%error, "could not look who may still read, trying again");
        }
    }
}

impl Rooms {
    /// Looks at everybody who reads a room on this node.
    async fn look_around(&self) -> Result<(), RoomError> {
        let namespaces = self.policy.namespaces();
        let with_rooms = namespaces.iter().filter(|(_, rules)| rules.rooms).map(|(name, _)| name.to_owned());
        let with_rooms: Arc<HashSet<String>> = Arc::new(with_rooms.collect());
        if with_rooms.is_empty() {
            return Ok(());
        }
        for few in self.control.readers(with_rooms).await.chunks(AT_ONCE) {
            // One look is of one tenant.
            for tenant in few.chunk_by(|(one, _), (other, _)| one.tenant == other.tenant) {
                self.look_at(tenant).await?;
            }
        }
        Ok(())
    }

    async fn look_at(&self, readers: &[(ChannelKey, UserId)]) -> Result<(), RoomError> {
        let seen = who_sees(&*self.records, readers, self.clock.now_ms()).await?;
        for ((home, user), seen) in readers.iter().zip(seen) {
            match seen {
                Ok(Some(false)) => self.control.end(home.clone(), user.clone()).await,
                Ok(_) => {}
                Err(error) => tracing::warn!(channel = %home, %error, "could not look who may still read"),
            }
        }
        Ok(())
    }
}

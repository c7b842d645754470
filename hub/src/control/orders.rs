//! Orders between nodes: takes what other nodes tell, and looks at the store for what they could not tell. Knows no broker
//! but by its trait.
//!
//! An order travels by the broker and is done in milliseconds. Revocations are in the store as well: a node looks there
//! when it may have missed one, each second while its link is not well, and now and then in any case. An order that this node
//! could not tell is told when its link is well again.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::{MissedTickBehavior, interval};

use super::Control;
use crate::broker::{Broker, ControlNotice, Link, Order, control_channel};
use crate::clock::Clock;

/// Notices that may wait. Overflow policy: the broker waits.
pub const NOTICES: usize = 1_024;
/// Orders that may wait until they can be told. Overflow policy: the newest are not told.
pub const UNTOLD: usize = 4_096;
/// How often the store is looked at while the link is not well.
const SUSPECT: Duration = Duration::from_secs(1);
/// For so many such times the link must have been well before orders that wait are told: the links of other nodes come back
/// within 2 s of each other.
const OTHERS: u32 = 3;
/// Every so many such times in any case: what was lost without anybody's notice is found then.
const CALM: u32 = 30;

/// Wants the orders of other nodes. Call it before revocations are loaded, so that none slips in between.
pub async fn listen(broker: &dyn Broker) {
    if let Err(error) = broker.subscribe(&[control_channel()]).await {
        // The broker registers it by itself as soon as it can, and the store is looked at until then.
        tracing::warn!(%error, "orders of other nodes come late, by the store");
    }
}

/// Follows the orders of other nodes for as long as this one lives.
pub async fn follow(
    control: Control,
    broker: Arc<dyn Broker>,
    clock: Arc<Clock>,
    mut notices: mpsc::Receiver<ControlNotice>,
    mut untold: mpsc::Receiver<Order>,
) {
    let mut ticks = interval(SUSPECT);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let (mut since_look, mut well_for) = (0, 0_u32);
    loop {
        tokio::select! {
            biased;
            notice = notices.recv() => match notice {
                Some(ControlNotice::Order(order)) => control.obey(order).await,
                Some(ControlNotice::Missed) => control.missed(clock.now_ms()).await,
                None => return,
            },
            _ = ticks.tick() => {
                since_look += 1;
                well_for = if broker.link() == Link::Well { well_for.saturating_add(1) } else { 0 };
                if since_look >= CALM || well_for == 0 {
                    since_look = 0;
                    control.look(clock.now_ms()).await;
                }
                // Only what waits now: what can not be told waits again.
                let due = if well_for > OTHERS { untold.len() } else { 0 };
                for _ in 0..due {
                    let Ok(order) = untold.try_recv() else { break };
                    control.tell(order).await;
                }
            }
        }
    }
}

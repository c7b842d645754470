//! Orders between nodes: takes what other nodes tell, and looks at the store for what they could not tell. Knows no broker
//! but by its trait.
//!
//! An order travels by the broker and is done in milliseconds. Revocations are in the store as well: a node looks there
//! when it may have missed one, each second while its link is not well, and now and then in any case.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::{MissedTickBehavior, interval};

use super::Control;
use crate::broker::{Broker, ControlNotice, Link, control_channel};
use crate::clock::Clock;

/// Notices that may wait. Overflow policy: the broker waits.
pub const NOTICES: usize = 1_024;
/// How often the store is looked at while the link is not well.
const SUSPECT: Duration = Duration::from_secs(1);
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
) {
    let mut ticks = interval(SUSPECT);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut since_look = 0;
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
                if since_look >= CALM || broker.link() != Link::Well {
                    since_look = 0;
                    control.look(clock.now_ms()).await;
                }
            }
        }
    }
}

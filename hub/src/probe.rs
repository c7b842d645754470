//! The canary of a node: a message that walks the whole way through broker and lanes, and must come back.

use std::sync::Arc;
use std::time::Duration;

use hubbub_protocol::UserId;
use hubbub_protocol::channel::{ChannelKey, ChannelName, TenantId};
use hubbub_protocol::frame::{PresenceChange, PresenceKind, ServerFrame};
use tokio::sync::Mutex;
use tokio::time::timeout;

use crate::auth::identity::OWN_TENANT;
use crate::broker::{Broker, Content, Envelope};
use crate::deliver::Interest;
use crate::namespace::LogKind;
use crate::shard::mail::{Delivery, Mail, MailboxReader};

/// How long a canary may take.
const PATIENCE: Duration = Duration::from_secs(1);

/// Sends canaries. Its mailbox stands beside those of the shards, so that a lane treats it as one.
pub struct Probe {
    broker: Arc<dyn Broker>,
    channel: ChannelKey,
    // Held across an await on purpose: one canary flies at a time.
    flight: Mutex<Flight>,
}

struct Flight {
    mailbox: MailboxReader,
    number: u64,
}

impl Probe {
    /// Registers the interest in the canary's channel under the number of its mailbox.
    pub async fn start(broker: Arc<dyn Broker>, interest: &Interest, mailbox: MailboxReader, index: usize) -> Self {
        // Both follow the rules of names, and no configuration may declare this tenant.
        let tenant = TenantId::parse(OWN_TENANT).expect("a valid name");
        let channel = ChannelKey::new(tenant, ChannelName::parse("canary:node").expect("a valid name"));
        interest.attach(channel.clone(), LogKind::None, index).await;
        Self { broker, channel, flight: Mutex::new(Flight { mailbox, number: 0 }) }
    }

    /// Sends one and waits for it.
    pub async fn fly(&self) -> Result<(), String> {
        let mut flight = self.flight.lock().await;
        flight.number += 1;
        let number = flight.number;
        let user = UserId::parse("canary").map_err(|error| error.to_string())?;
        let change =
            PresenceChange { channel: self.channel.channel.clone(), version: number, event: PresenceKind::Join, user };
        let envelope = Envelope { channel: self.channel.clone(), content: Content::Presence(change) };
        let flown = timeout(PATIENCE, async {
            // Its own node has it first, also while the way to the others takes its time.
            let mut sent = std::pin::pin!(self.broker.publish(envelope));
            let mut back = std::pin::pin!(flight.mailbox.wait_for(number));
            tokio::select! {
                came = &mut back => came,
                sent = &mut sent => match sent {
                    Ok(_) => back.await,
                    Err(error) => Err(error.to_string()),
                },
            }
        });
        flown.await.unwrap_or_else(|_| Err(format!("the canary did not come back within {} ms", PATIENCE.as_millis())))
    }
}

impl MailboxReader {
    async fn wait_for(&mut self, number: u64) -> Result<(), String> {
        let mut mail = Vec::new();
        while self.take(&mut mail, 64).await > 0 {
            let came = mail.drain(..).any(|piece| match piece {
                Mail::Delivery(Delivery { encoded, .. }) => {
                    matches!(encoded.frame(), ServerFrame::Presence(change) if change.version == number)
                }
                _ => false,
            });
            if came {
                return Ok(());
            }
        }
        Err("the node is closing".to_owned())
    }
}

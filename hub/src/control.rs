//! Control: what a service or an operator does to live sessions of this node.

use std::collections::BTreeMap;
use std::sync::Arc;

use hubbub_persistence::{Revocation, RevokedSubject, Store, StoreError};
use hubbub_protocol::CloseCode;
use hubbub_protocol::channel::{ChannelKey, ChannelName, TenantId, UserId};
use tokio::sync::oneshot;

use crate::auth::revocation::Revocations;
use crate::shard::mail::{CloseOrder, ConnectionReport, Mail, Mailbox, ShardReport};

/// Acts on all shards of a node.
#[derive(Clone)]
pub struct Control {
    shards: Arc<[Mailbox]>,
    store: Arc<dyn Store>,
    revocations: Arc<Revocations>,
}

impl Control {
    /// Over these shards; revocations are remembered in the store.
    pub fn new(shards: Arc<[Mailbox]>, store: Arc<dyn Store>, revocations: Arc<Revocations>) -> Self {
        Self { shards, store, revocations }
    }

    /// Closes the connections of a user; answers how many there were.
    pub async fn disconnect(&self, tenant: TenantId, user: UserId, reconnect: bool) -> usize {
        let code = if reconnect { CloseCode::Reconnect } else { CloseCode::Disconnected };
        self.close(CloseOrder { tenant, user: Some(user), token_id: None, issued_before: None, code }).await
    }

    /// Remembers the revocation first, so that nobody slips in behind the closing of sockets, then closes them; answers
    /// how many there were.
    pub async fn revoke(&self, revocation: Revocation) -> Result<usize, StoreError> {
        self.store.revoke(revocation.clone()).await?;
        let (tenant, code) = (revocation.tenant.clone(), CloseCode::Revoked);
        let order = match revocation.subject.clone() {
            RevokedSubject::Token(token) => {
                CloseOrder { tenant, user: None, token_id: Some(token), issued_before: None, code }
            }
            RevokedSubject::User { user, before } => {
                CloseOrder { tenant, user: Some(user), token_id: None, issued_before: Some(before), code }
            }
        };
        self.revocations.insert(revocation);
        Ok(self.close(order).await)
    }

    async fn close(&self, order: CloseOrder) -> usize {
        self.ask(|reply| Mail::Close(order.clone(), reply)).await.into_iter().sum()
    }

    /// What each shard tells about itself; a shard that does not answer is left out.
    pub async fn reports(&self) -> Vec<ShardReport> {
        self.ask(Mail::Inspect).await
    }

    /// Connections of a tenant, at most `limit`.
    pub async fn connections(&self, tenant: &TenantId, user: Option<&UserId>, limit: usize) -> Vec<ConnectionReport> {
        let ask = |reply| Mail::Connections { tenant: tenant.clone(), user: user.cloned(), limit, reply };
        let mut all: Vec<ConnectionReport> = self.ask(ask).await.into_iter().flatten().collect();
        all.truncate(limit);
        all
    }

    /// Channels of a tenant with subscribers, and how many there are: the first `limit` by name behind `after`.
    pub async fn channels(
        &self,
        tenant: &TenantId,
        after: Option<&ChannelName>,
        limit: usize,
    ) -> BTreeMap<ChannelName, usize> {
        let ask = |reply| Mail::Channels { tenant: tenant.clone(), after: after.cloned(), limit, reply };
        let mut counts = BTreeMap::new();
        for (channel, count) in self.ask(ask).await.into_iter().flatten() {
            *counts.entry(channel).or_default() += count;
        }
        // Each shard told its own first ones, so the first of all are complete.
        while counts.len() > limit {
            counts.pop_last();
        }
        counts
    }

    /// How many subscribers a channel has on this node.
    pub async fn subscribers(&self, channel: &ChannelKey) -> usize {
        self.ask(|reply| Mail::Subscribers(channel.clone(), reply)).await.into_iter().sum()
    }

    /// Asks all shards at once; one that is gone is left out.
    async fn ask<T>(&self, mail: impl Fn(oneshot::Sender<T>) -> Mail) -> Vec<T> {
        let mut waiting = Vec::with_capacity(self.shards.len());
        for shard in self.shards.iter() {
            let (reply, answer) = oneshot::channel();
            shard.send(mail(reply)).await;
            waiting.push(answer);
        }
        let mut answers = Vec::with_capacity(waiting.len());
        for answer in waiting {
            answers.extend(answer.await);
        }
        answers
    }
}

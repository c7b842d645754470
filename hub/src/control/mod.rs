//! Control: what a service or an operator does to live sessions, on this node at once and on the others by orders.

pub mod orders;

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::Arc;

use hubbub_persistence::{Revocation, RevokedSubject, Store, StoreError};
use hubbub_protocol::CloseCode;
use hubbub_protocol::channel::{ChannelKey, ChannelName, TenantId, UserId};
use tokio::sync::{Notify, mpsc, oneshot};

use crate::auth::revocation::Revocations;
use crate::broker::{Broker, Content, Envelope, Order, Scope, control_channel};
use crate::deliver::hot::Hot;
use crate::shard::mail::{CloseOrder, ConnectionReport, Mail, Mailbox, ShardReport};

/// Acts on all shards of a node, and tells the other nodes.
#[derive(Clone)]
pub struct Control {
    shards: Arc<[Mailbox]>,
    store: Arc<dyn Store>,
    broker: Arc<dyn Broker>,
    revocations: Arc<Revocations>,
    hot: Hot,
    untold: mpsc::Sender<Order>,
    /// Woken when orders may have been missed.
    missed: Arc<Notify>,
}

impl Control {
    /// Over these shards; revocations are remembered in the store, orders travel by the broker. What could not be told goes to
    /// `untold`, to be told later.
    pub fn new(
        shards: Arc<[Mailbox]>,
        store: Arc<dyn Store>,
        broker: Arc<dyn Broker>,
        revocations: Arc<Revocations>,
        hot: Hot,
        untold: mpsc::Sender<Order>,
    ) -> Self {
        Self { shards, store, broker, revocations, hot, untold, missed: Arc::default() }
    }

    /// Closes the connections of a user on every node; answers how many there were on this one.
    pub async fn disconnect(&self, tenant: TenantId, user: UserId, reconnect: bool) -> usize {
        let closed = self.close(disconnection(tenant.clone(), user.clone(), reconnect)).await;
        self.tell(Order::Disconnect { tenant, user, reconnect }).await;
        closed
    }

    /// Remembers the revocation first, so that nobody slips in behind the closing of sockets, then closes them on every
    /// node; answers how many there were on this one.
    pub async fn revoke(&self, revocation: Revocation) -> Result<usize, StoreError> {
        self.store.revoke(revocation.clone()).await?;
        let closed = self.enforce(revocation.clone()).await;
        self.tell(order_of(revocation)).await;
        Ok(closed)
    }

    /// A message of the channel was erased: no node shows it from memory any more.
    pub async fn erased(&self, channel: ChannelKey) {
        self.hot.forget(&channel);
        self.tell(Order::Erased { channel }).await;
    }

    /// A user may not look into a room any more: their subscriptions to it end, on every node.
    pub async fn shut_out(&self, channel: ChannelKey, user: UserId) {
        self.end(channel.clone(), user.clone()).await;
        self.tell(Order::ShutOut { channel, user }).await;
    }

    /// The subscriptions of a user to a channel end, on this node.
    pub async fn end(&self, channel: ChannelKey, user: UserId) {
        for shard in self.shards.iter() {
            shard.send(Mail::ShutOut { channel: channel.clone(), user: user.clone() }).await;
        }
    }

    /// Ends when orders may have been missed since it was called last. For one caller.
    pub async fn missed_orders(&self) {
        self.missed.notified().await;
    }

    /// Who reads which channel of these namespaces on this node, each once, by tenant.
    pub async fn readers(&self, namespaces: Arc<HashSet<String>>) -> Vec<(ChannelKey, UserId)> {
        let ask = |reply| Mail::Readers { namespaces: namespaces.clone(), reply };
        let all: BTreeSet<(ChannelKey, UserId)> = self.ask(ask).await.into_iter().flatten().collect();
        all.into_iter().collect()
    }

    /// Does what another node asks for.
    async fn obey(&self, order: Order) {
        match order {
            Order::Disconnect { tenant, user, reconnect } => {
                self.close(disconnection(tenant, user, reconnect)).await;
            }
            Order::RevokeToken { tenant, token, until } => {
                self.enforce(Revocation { tenant, subject: RevokedSubject::Token(token), until }).await;
            }
            Order::RevokeUser { tenant, user, before, until } => {
                self.enforce(Revocation { tenant, subject: RevokedSubject::User { user, before }, until }).await;
            }
            Order::Erased { channel } => self.hot.forget(&channel),
            Order::ShutOut { channel, user } => self.end(channel, user).await,
        }
    }

    /// Orders were missed: revocations are in the store; whatever was erased goes with all that is kept in memory.
    async fn missed(&self, now_ms: u64) {
        self.hot.forget_all();
        self.missed.notify_one();
        self.look(now_ms).await;
    }

    /// Looks in the store for revocations that this node was not told of.
    async fn look(&self, now_ms: u64) {
        match self.store.revocations(now_ms).await {
            Ok(revocations) => {
                for revocation in revocations {
                    self.enforce(revocation).await;
                }
            }
            Err(error) => tracing::warn!(%error, "could not look for revocations, trying again"),
        }
    }

    /// Closes the sessions that a revocation hits, unless it was known already.
    async fn enforce(&self, revocation: Revocation) -> usize {
        let (tenant, code) = (revocation.tenant.clone(), CloseCode::Revoked);
        let order = match revocation.subject.clone() {
            RevokedSubject::Token(token) => {
                CloseOrder { tenant, user: None, token_id: Some(token), issued_before: None, code }
            }
            RevokedSubject::User { user, before } => {
                CloseOrder { tenant, user: Some(user), token_id: None, issued_before: Some(before), code }
            }
        };
        if self.revocations.insert(revocation) { self.close(order).await } else { 0 }
    }

    /// Now, or as soon as the link is well. Until then others find revocations in the store.
    async fn tell(&self, order: Order) {
        if !self.told(order.clone()).await && self.untold.try_send(order).is_err() {
            tracing::warn!("an order could not be told to other nodes, and too many wait for that");
        }
    }

    /// Tells an order. Answers whether other nodes hear it.
    async fn told(&self, order: Order) -> bool {
        let envelope = Envelope { channel: control_channel(), content: Content::Order(order) };
        match self.broker.publish(envelope).await {
            Ok(scope) => scope == Scope::Fleet,
            Err(error) => {
                tracing::warn!(%error, "an order could not be told to other nodes");
                false
            }
        }
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

fn disconnection(tenant: TenantId, user: UserId, reconnect: bool) -> CloseOrder {
    let code = if reconnect { CloseCode::Reconnect } else { CloseCode::Disconnected };
    CloseOrder { tenant, user: Some(user), token_id: None, issued_before: None, code }
}

fn order_of(revocation: Revocation) -> Order {
    let Revocation { tenant, subject, until } = revocation;
    match subject {
        RevokedSubject::Token(token) => Order::RevokeToken { tenant, token, until },
        RevokedSubject::User { user, before } => Order::RevokeUser { tenant, user, before, until },
    }
}

//! The policy: decides what an identity or a service may do with a channel, and gives the permit. Pure decisions over the
//! declared namespaces; it does not know how anybody was proven, and it executes nothing.

use std::sync::Arc;

use arc_swap::ArcSwap;
use hubbub_protocol::ErrorCode;
use hubbub_protocol::channel::{ChannelKey, ChannelName, TenantId, UserId};
use hubbub_protocol::room::op::Access;

use super::grants::Operations;
use super::identity::Identity;
use super::permit::{History, Moderate, Permit, Presence, Publish, Publisher, Room, Subscribe};
use super::service::{Scope, Service};
use crate::namespace::{LogKind, Namespace, Namespaces, Operation};

/// Why something is not allowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Denied {
    /// Nobody declared this namespace.
    #[error("the namespace of this channel is not declared in the configuration of the hub")]
    Namespace,
    /// There is no log to read.
    #[error("this namespace keeps no log, it has no history")]
    NoHistory,
    /// Nobody counts who is there.
    #[error("this namespace does not keep account of who is present")]
    NoPresence,
    /// Only public channels can be read without a token.
    #[error("this channel needs a token, only public channels can be read without one")]
    TokenNeeded,
    /// Nobody publishes into a room.
    #[error("this channel is a room: use the operations of rooms, e.g. `send`")]
    Rooms,
    /// The channel is no room.
    #[error("this channel is no room: its namespace does not have rooms = true")]
    NotRooms,
    /// The channel belongs to one user.
    #[error("this channel belongs to one user, who alone may read it; only services may write to it")]
    NotOwner,
    /// Neither the token nor the namespace allows it.
    #[error("neither the token nor the namespace allows this operation here")]
    Capability,
    /// The API key does not have the scope.
    #[error("the API key needs the scope `{}`", .0.as_str())]
    Scope(Scope),
    /// The API key is for other channels.
    #[error("the API key is not for this channel")]
    Reach,
}

impl Denied {
    /// The code that clients see.
    pub fn code(self) -> ErrorCode {
        match self {
            Self::Namespace => ErrorCode::NotFound,
            Self::NoHistory | Self::NoPresence | Self::Rooms | Self::NotRooms => ErrorCode::NotSupported,
            Self::TokenNeeded => ErrorCode::Unauthorized,
            Self::NotOwner | Self::Capability | Self::Scope(_) | Self::Reach => ErrorCode::Forbidden,
        }
    }
}

/// The rules by which permits are given.
#[derive(Debug)]
pub struct Policy {
    namespaces: ArcSwap<Namespaces>,
}

impl Policy {
    /// Decides by these namespaces.
    pub fn new(namespaces: Namespaces) -> Self {
        Self { namespaces: ArcSwap::from_pointee(namespaces) }
    }

    /// Decides by others from now on. Permits that were given keep their rules.
    pub fn reload(&self, namespaces: Namespaces) {
        self.namespaces.store(Arc::new(namespaces));
    }

    /// The namespaces as they are now.
    pub fn namespaces(&self) -> Arc<Namespaces> {
        self.namespaces.load_full()
    }

    /// May this identity send messages there?
    pub fn publish(&self, identity: &Identity, channel: &ChannelName) -> Result<Permit<Publish>, Denied> {
        let namespace = self.of_user(identity, channel, Operation::Publish)?;
        // The decision above never allows publishing without a user.
        let user = identity.user.clone().ok_or(Denied::TokenNeeded)?;
        Ok(permit(&identity.tenant, channel, namespace, Publish::by(Publisher::User(user))))
    }

    /// May this identity receive messages from there?
    pub fn subscribe(&self, identity: &Identity, channel: &ChannelName) -> Result<Permit<Subscribe>, Denied> {
        let namespace = self.of_user(identity, channel, Operation::Subscribe)?;
        Ok(permit(&identity.tenant, channel, namespace, Subscribe::leave()))
    }

    /// May this identity read the log?
    pub fn history(&self, identity: &Identity, channel: &ChannelName) -> Result<Permit<History>, Denied> {
        let namespace = self.of_user(identity, channel, Operation::History)?;
        Ok(permit(&identity.tenant, channel, namespace, History::leave()))
    }

    /// May this identity see who is there?
    pub fn presence(&self, identity: &Identity, channel: &ChannelName) -> Result<Permit<Presence>, Denied> {
        let namespace = self.of_user(identity, channel, Operation::Presence)?;
        Ok(permit(&identity.tenant, channel, namespace, Presence::leave()))
    }

    /// May this identity erase messages?
    pub fn moderate(&self, identity: &Identity, channel: &ChannelName) -> Result<Permit<Moderate>, Denied> {
        let namespace = self.of_user(identity, channel, Operation::Moderate)?;
        Ok(permit(&identity.tenant, channel, namespace, Moderate::leave()))
    }

    /// May this identity come to a room for that? Without capabilities everybody may; what they may do there the room decides.
    pub fn room(&self, who: &Identity, channel: &ChannelName, access: Access) -> Result<Permit<Room>, Denied> {
        let namespaces = self.namespaces.load();
        let namespace = namespaces.of(channel).ok_or(Denied::Namespace)?;
        if !namespace.rooms {
            return Err(Denied::NotRooms);
        }
        let needed = needed(access);
        if !who.grants.on(channel, Operations::ALL).contains(needed) {
            return Err(Denied::Capability);
        }
        Ok(permit(&who.tenant, channel, namespace.clone(), Room::leave()))
    }

    /// May this identity ask or change what stands in its own channel? Without capabilities it may.
    pub fn own(&self, who: &Identity, access: Access) -> Result<(), Denied> {
        let channel = ChannelName::of_user(who.user.as_ref().ok_or(Denied::TokenNeeded)?);
        let may = who.grants.on(&channel, Operations::ALL).contains(needed(access));
        if may { Ok(()) } else { Err(Denied::Capability) }
    }

    /// What of all this the identity may do on a channel; nothing where the namespace is not declared.
    pub fn operations(&self, identity: &Identity, channel: &ChannelName) -> Operations {
        let namespaces = self.namespaces.load();
        let all =
            [Operation::Subscribe, Operation::Publish, Operation::History, Operation::Presence, Operation::Moderate];
        let Some(namespace) = namespaces.of(channel) else { return Operations::NONE };
        all.into_iter().filter(|operation| decide(identity, channel, namespace, *operation).is_ok()).collect()
    }

    /// May this service publish there?
    pub fn service_publish(&self, service: &Service, channel: &ChannelName) -> Result<Permit<Publish>, Denied> {
        let namespace = self.of_service(service, channel, Scope::Publish, Operation::Publish)?;
        let publisher = Publisher::Service(service.id().clone());
        Ok(permit(service.tenant(), channel, namespace, Publish::by(publisher)))
    }

    /// May this service look at the channel, whatever it remembers?
    pub fn service_subscribe(&self, service: &Service, channel: &ChannelName) -> Result<Permit<Subscribe>, Denied> {
        let namespace = self.of_service(service, channel, Scope::Read, Operation::Subscribe)?;
        Ok(permit(service.tenant(), channel, namespace, Subscribe::leave()))
    }

    /// May this service read the log?
    pub fn service_history(&self, service: &Service, channel: &ChannelName) -> Result<Permit<History>, Denied> {
        let namespace = self.of_service(service, channel, Scope::Read, Operation::History)?;
        Ok(permit(service.tenant(), channel, namespace, History::leave()))
    }

    /// May this service see who is there?
    pub fn service_presence(&self, service: &Service, channel: &ChannelName) -> Result<Permit<Presence>, Denied> {
        let namespace = self.of_service(service, channel, Scope::Read, Operation::Presence)?;
        Ok(permit(service.tenant(), channel, namespace, Presence::leave()))
    }

    /// May this service erase messages?
    pub fn service_moderate(&self, service: &Service, channel: &ChannelName) -> Result<Permit<Moderate>, Denied> {
        let namespace = self.of_service(service, channel, Scope::Admin, Operation::Moderate)?;
        Ok(permit(service.tenant(), channel, namespace, Moderate::leave()))
    }

    /// May this service come to a room for that, or ask what is about a user?
    pub fn service_room(&self, service: &Service, channel: Option<&ChannelName>, access: Access) -> Result<(), Denied> {
        self.service(
            service,
            match access {
                Access::Read => Scope::Read,
                Access::Write => Scope::Publish,
                Access::Order => Scope::Admin,
            },
        )?;
        let Some(channel) = channel else { return Ok(()) };
        let namespaces = self.namespaces.load();
        let namespace = namespaces.of(channel).ok_or(Denied::Namespace)?;
        match (namespace.rooms, service.reaches(channel)) {
            (false, _) => Err(Denied::NotRooms),
            (true, false) => Err(Denied::Reach),
            (true, true) => Ok(()),
        }
    }

    /// May this service touch the own channel of a user?
    pub fn service_own(&self, service: &Service, user: &UserId) -> Result<(), Denied> {
        if service.reaches(&ChannelName::of_user(user)) { Ok(()) } else { Err(Denied::Reach) }
    }

    /// May this service do what is not about one channel?
    pub fn service(&self, service: &Service, scope: Scope) -> Result<(), Denied> {
        if service.has(scope) { Ok(()) } else { Err(Denied::Scope(scope)) }
    }

    fn of_user(&self, who: &Identity, channel: &ChannelName, what: Operation) -> Result<Arc<Namespace>, Denied> {
        let namespaces = self.namespaces.load();
        let namespace = namespaces.of(channel).ok_or(Denied::Namespace)?;
        decide(who, channel, namespace, what)?;
        Ok(namespace.clone())
    }

    fn of_service(
        &self,
        service: &Service,
        channel: &ChannelName,
        scope: Scope,
        what: Operation,
    ) -> Result<Arc<Namespace>, Denied> {
        self.service(service, scope)?;
        let namespaces = self.namespaces.load();
        let namespace = namespaces.of(channel).ok_or(Denied::Namespace)?;
        offers(namespace, what)?;
        if service.reaches(channel) { Ok(namespace.clone()) } else { Err(Denied::Reach) }
    }
}

/// The decision about a user, in this order: does the namespace offer it, whose channel is it, is it public, what do the
/// grants say. See `docs/decisions/0002-identity-and-capabilities.md`.
fn decide(who: &Identity, channel: &ChannelName, namespace: &Namespace, what: Operation) -> Result<(), Denied> {
    offers(namespace, what)?;
    let reads = matches!(what, Operation::Subscribe | Operation::History);
    if namespace.public && reads {
        return Ok(());
    }
    let Some(user) = &who.user else { return Err(Denied::TokenNeeded) };
    let mut defaults: Operations = namespace.allow.iter().copied().collect();
    if namespace.rooms {
        // Who may look into a room the room decides, behind this.
        defaults = Operations::ALL;
    }
    if namespace.per_user {
        let owner = channel.name() == user.as_str();
        if !owner || matches!(what, Operation::Publish | Operation::Moderate) {
            return Err(Denied::NotOwner);
        }
        // Owning the channel is the default right to read it; capabilities can still narrow that.
        defaults = Operations::ALL;
    }
    if who.grants.on(channel, defaults).contains(what) { Ok(()) } else { Err(Denied::Capability) }
}

fn offers(namespace: &Namespace, what: Operation) -> Result<(), Denied> {
    match what {
        Operation::History if namespace.log == LogKind::None => Err(Denied::NoHistory),
        Operation::Presence if !namespace.presence => Err(Denied::NoPresence),
        Operation::Publish if namespace.rooms => Err(Denied::Rooms),
        Operation::Subscribe | Operation::Publish | Operation::History | Operation::Presence | Operation::Moderate => {
            Ok(())
        }
    }
}

/// What a capability has to say for an operation of rooms.
fn needed(access: Access) -> Operation {
    match access {
        Access::Read => Operation::History,
        Access::Write => Operation::Publish,
        Access::Order => Operation::Moderate,
    }
}

fn permit<Op>(tenant: &TenantId, channel: &ChannelName, namespace: Arc<Namespace>, operation: Op) -> Permit<Op> {
    Permit::new(ChannelKey::new(tenant.clone(), channel.clone()), namespace, operation)
}

#[cfg(test)]
mod tests;

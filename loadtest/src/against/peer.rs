//! The peers, each started for its turn on free ports of this machine.

use std::path::Path;

use clap::ValueEnum;
use hubbub_local::peer;

use crate::LoadError;
use crate::hub::Hub;
use crate::run::Driven;

/// A server that the hub is compared with.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub(super) enum Peer {
    /// Bun's own pub/sub, behind the hub's frames: what a bare server on Bun costs.
    Bun,
    /// NATS over its WebSocket listener.
    Nats,
    /// nginx with Nchan.
    Nchan,
    /// Socket.IO, one process.
    Socketio,
}

/// A running peer. Ended when dropped.
#[derive(Debug)]
pub(super) struct Running {
    /// How it is driven.
    pub(super) driven: Driven,
    _server: Server,
}

/// Held only to be dropped.
#[derive(Debug)]
enum Server {
    Script { _hub: Hub },
    Program { _peer: peer::Peer },
}

impl Peer {
    /// All of them, in the order of their turns.
    pub(super) const ALL: [Self; 4] = [Self::Bun, Self::Nats, Self::Nchan, Self::Socketio];

    /// What it is called.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Bun => "bun",
            Self::Nats => "nats",
            Self::Nchan => "nchan",
            Self::Socketio => "socketio",
        }
    }

    /// Starts it; `folder` holds the peers of npm.
    pub(super) fn start(self, folder: &Path) -> Result<Running, LoadError> {
        match self {
            Self::Bun => {
                let hub = Hub::bun(folder)?;
                let driven = Driven::at_hub(self.name(), hub.place.public, hub.place.internal, hub.place.pid);
                Ok(Running { driven, _server: Server::Script { _hub: hub } })
            }
            Self::Socketio => {
                let hub = Hub::socketio(folder)?;
                let driven = Driven::at_target(self.name(), hub.place.public, Some(hub.place.internal), hub.place.pid);
                Ok(Running { driven, _server: Server::Script { _hub: hub } })
            }
            Self::Nats => self.program(peer::Peer::nats()?),
            Self::Nchan => self.program(peer::Peer::nchan()?),
        }
    }

    fn program(self, peer: peer::Peer) -> Result<Running, LoadError> {
        let driven = Driven::at_target(self.name(), peer.address(), None, peer.pid());
        Ok(Running { driven, _server: Server::Program { _peer: peer } })
    }
}

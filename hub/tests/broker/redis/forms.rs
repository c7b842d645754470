//! The conformance suite in the three forms of Redis.

use std::sync::Arc;

use async_trait::async_trait;
use hubbub::broker::{Broker, Inbox};
use hubbub::redis::Settings;
use hubbub_local::redis::{Cluster as Shards, Options, Sentinel, Standalone};

use super::Nodes;
use crate::suite::Cluster;

/// One server for each test.
struct Alone {
    nodes: Nodes,
    _server: Standalone,
}

#[async_trait]
impl Cluster for Alone {
    fn new() -> Self {
        let server = Standalone::start(Options::default()).expect("a server");
        Self { nodes: Nodes::new(Settings::of(server.url())), _server: server }
    }

    async fn join(&self, inbox: Inbox) -> Arc<dyn Broker> {
        self.nodes.join(inbox).await
    }

    async fn pass(&self, milliseconds: u64) {
        self.nodes.pass(milliseconds);
    }
}

crate::broker_conformance!(standalone, super::Alone);

/// These take seconds to start: one set of servers for the whole suite, a prefix for each test of it.
#[tokio::test]
async fn sentinel_passes_the_suite() {
    let servers = Sentinel::start(1).expect("servers");
    crate::broker_conformance!(@each |test| nodes(servers.url(), test));
}

#[tokio::test]
async fn cluster_passes_the_suite() {
    let servers = Shards::start(3, 1).expect("servers");
    crate::broker_conformance!(@each |test| nodes(servers.url(), test));
}

fn nodes(url: String, prefix: &str) -> Nodes {
    Nodes::new(Settings { prefix: prefix.into(), ..Settings::of(url) })
}

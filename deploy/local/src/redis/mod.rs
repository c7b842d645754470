//! Redis in its three forms: standalone, under Sentinels, as a Cluster.

mod options;
mod server;
mod tls;

mod cluster;
mod sentinel;
mod standalone;

pub use cluster::Cluster;
pub use options::Options;
pub use sentinel::Sentinel;
pub use standalone::{Data, Standalone};

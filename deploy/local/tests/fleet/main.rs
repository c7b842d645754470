//! Fleets as they are deployed: real hubs behind the real nginx with the configuration that we ship, and `hubbub-local
//! cluster` as a person runs it.

mod client;

mod balancing;
mod cluster;

//! Rates: how often somebody may do something. The bucket of one connection or address is a plain value (`bucket`); what users
//! and tenants may publish is counted over all nodes (`shared`), in memory or in Redis.

mod bucket;
pub mod memory;
pub mod redis;
pub mod shared;

pub use self::bucket::Bucket;
pub use self::shared::{Limited, Rate, Rates, TenantRates};

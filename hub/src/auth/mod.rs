//! Who somebody is and what they may do. Read in the order of a request: a token becomes an identity ([`verifier`], by the
//! keys of a [`ring`]), an API key a service ([`service`]); either and a channel become a permit ([`policy`]), which the next
//! stage demands.
//!
//! Nothing here knows a socket, HTTP routes or the configuration file: settings, time and randomness are handed in.

pub mod identity;

pub mod grants;

pub mod error;

pub mod secret;

pub mod keys;

mod claims;

pub mod ring;

pub mod verifier;

pub mod jwks;

pub mod mint;

pub mod service;

pub mod policy;

pub mod permit;

pub mod revocation;

pub mod origin;

pub mod ticket;

pub use error::AuthError;
pub use identity::Identity;
pub use permit::{History, Moderate, Permit, Presence, Publish, Publisher, Subscribe};
pub use policy::{Denied, Policy};
pub use revocation::Revocations;
pub use ring::KeyRing;
pub use service::{ApiKeys, Scope, Service};
pub use ticket::{OpenedTicket, TicketId, Tickets};
pub use verifier::Verifier;

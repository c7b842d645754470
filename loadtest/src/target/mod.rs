//! Servers other than the hub, each described by a file: how it is connected to, subscribed at and published through, and how
//! what it sends is recognised. The same scenarios and accounts as for the hub; no socket is known here but that of `publish`.
//!
//! Read in this order: the file ([`description`], or one of the [`library`]), its texts ([`template`]) and what it recognises
//! ([`recognise`], with the places of [`pick`]); both together, checked ([`spoken`]); one connection ([`dialogue`], over the
//! items of [`framing`]); and who publishes ([`outlet`], proving with [`proof`] who it is).

pub mod description;
pub mod library;

pub mod pick;
pub mod recognise;
pub mod template;

pub mod spoken;

pub mod dialogue;
pub mod framing;

pub mod outlet;
pub mod proof;

pub use spoken::Spoken;

/// Why a target can not be spoken to. The first text is the file, where that is known.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum TargetError {
    /// The file is not TOML, or not a description.
    #[error("target {0}: {1}")]
    Toml(String, String),
    /// A value can not be used: file, key, and what is allowed.
    #[error("target {0}: `{1}`: {2}")]
    Value(String, String, String),
    /// A change from the command line makes no sense.
    #[error("--target-set {0}")]
    Setting(String),
    /// The scenario wants what the target can not do: file, key of the scenario, why.
    #[error("target {0} can not play this scenario: `{1}`: {2}")]
    Scenario(String, String, String),
    /// There is neither such a file nor such a target.
    #[error("no target `{0}`: it is neither a file nor one of {1}")]
    Unknown(String, String),
}

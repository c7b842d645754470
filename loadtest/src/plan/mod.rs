//! What a run will do, made of a scenario file and a seed: the same of the same. Pure: no socket, no clock.
//!
//! Read in this order: the file ([`scenario`], checked, changed by [`settings`], or [`library`]); how it chooses ([`dice`], [`zipf`]);
//! who follows what ([`cast`], with the names of [`template`]); what is published when ([`posts`], stamped by [`stamp`]).

mod check;
pub mod library;
pub mod scenario;
pub mod settings;

pub mod dice;
pub mod zipf;

pub mod cast;
pub mod template;

pub mod posts;
pub mod stamp;

pub use scenario::Scenario;

/// Why there is no plan.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum PlanError {
    /// The file is not TOML, or not a scenario.
    #[error("scenario: {0}")]
    Toml(String),
    /// A value can not be used.
    #[error("scenario: `{0}`: {1}")]
    Value(String, String),
    /// A name of channels can not be used.
    #[error("scenario: template `{0}`: {1}")]
    Template(String, String),
    /// A change from the command line makes no sense.
    #[error("--set {0}: {1}")]
    Setting(String, String),
    /// There is neither such a file nor such a scenario.
    #[error("no scenario `{0}`: it is neither a file nor one of {1}")]
    Unknown(String, String),
}

//! What breaks a rule, and why. Keep it short: an entry goes as soon as its reason does.

use super::judge::{Exception, Rule};

/// Every exception.
pub(crate) const EXCEPTIONS: &[Exception] = &[];

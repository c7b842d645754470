//! The scenarios that come with the program, and those in files.

use std::path::Path;

use super::PlanError;

/// A ready-made scenario: its name and its file.
pub type ReadyMade = (&'static str, &'static str);

/// All of them.
pub const READY_MADE: &[ReadyMade] = &[
    ("broadcast", include_str!("../../scenarios/broadcast.toml")),
    ("community", include_str!("../../scenarios/community.toml")),
    ("dashboards", include_str!("../../scenarios/dashboards.toml")),
    ("notifications", include_str!("../../scenarios/notifications.toml")),
    ("reconnect-storm", include_str!("../../scenarios/reconnect-storm.toml")),
    ("slow-readers", include_str!("../../scenarios/slow-readers.toml")),
    ("soak", include_str!("../../scenarios/soak.toml")),
];

/// The text of a scenario by its name, or of a file.
pub fn find(name: &str) -> Result<String, PlanError> {
    if let Some((_, text)) = READY_MADE.iter().find(|(ready, _)| *ready == name) {
        return Ok((*text).to_owned());
    }
    if Path::new(name).extension().is_some_and(|end| end == "toml") {
        return std::fs::read_to_string(name)
            .map_err(|error| PlanError::Toml(format!("{name} can not be read: {error}")));
    }
    let names: Vec<_> = READY_MADE.iter().map(|(name, _)| *name).collect();
    Err(PlanError::Unknown(name.to_owned(), names.join(", ")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::Scenario;

    #[test]
    fn what_is_ready_made_is_right() {
        for (name, text) in READY_MADE {
            let scenario = Scenario::parse(text, &[]).unwrap_or_else(|error| panic!("{name}: {error}"));
            assert_eq!(scenario.name, *name);
            assert!(!scenario.about.is_empty() && !scenario.thresholds.is_empty(), "{name}");
        }
    }

    #[test]
    fn what_is_not_there_is_said_with_what_is() {
        let error = find("broadcasts").expect_err("not there").to_string();
        assert!(error.contains("`broadcasts`") && error.contains("reconnect-storm"), "{error}");
        assert!(matches!(find("/nonexistent/x.toml"), Err(PlanError::Toml(_))));
    }
}

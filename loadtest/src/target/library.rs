//! The targets that come with the program, and those in files.

use std::path::Path;

use super::TargetError;

/// A target that comes with the program: its name and its file.
pub type ReadyMade = (&'static str, &'static str);

/// All of them.
pub const READY_MADE: &[ReadyMade] = &[
    ("centrifugo", include_str!("../../targets/centrifugo.toml")),
    ("nats", include_str!("../../targets/nats.toml")),
    ("nchan", include_str!("../../targets/nchan.toml")),
    ("pusher", include_str!("../../targets/pusher.toml")),
    ("raw", include_str!("../../targets/raw.toml")),
    ("socketio", include_str!("../../targets/socketio.toml")),
];

/// The text of a target by its name, or of a file.
pub fn find(name: &str) -> Result<String, TargetError> {
    if let Some((_, text)) = READY_MADE.iter().find(|(ready, _)| *ready == name) {
        return Ok((*text).to_owned());
    }
    if Path::new(name).extension().is_some_and(|end| end == "toml") {
        return std::fs::read_to_string(name)
            .map_err(|error| TargetError::Toml(name.to_owned(), format!("can not be read: {error}")));
    }
    let names: Vec<_> = READY_MADE.iter().map(|(name, _)| *name).collect();
    Err(TargetError::Unknown(name.to_owned(), names.join(", ")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::target::Spoken;
    use crate::target::description::Description;

    #[test]
    fn what_is_ready_made_is_right() {
        for (name, text) in READY_MADE {
            let description = Description::parse(name, text, &[]).unwrap_or_else(|error| panic!("{error}"));
            assert_eq!(description.name, *name);
            assert!(!description.about.is_empty(), "{name}");
            Spoken::of(name, &description).unwrap_or_else(|error| panic!("{error}"));
        }
    }

    #[test]
    fn what_is_not_there_is_said_with_what_is() {
        let error = find("pushers").expect_err("not there").to_string();
        assert!(error.contains("`pushers`") && error.contains("centrifugo"), "{error}");
        assert!(matches!(find("/nonexistent/x.toml"), Err(TargetError::Toml(..))));
    }
}

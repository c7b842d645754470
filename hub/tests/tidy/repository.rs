//! The files of the repository, read once.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use super::lexer;

/// Folders that hold what was built or fetched.
const NOT_OURS: &[&str] = &["target", "node_modules", "dist", "data", "corpus", "artifacts", "coverage"];
/// Hidden folders that are part of the project.
const HIDDEN_OURS: &[&str] = &[".github", ".ci"];

/// A text file.
#[derive(Debug)]
pub(crate) struct File {
    /// Where it is, from the root, with `/`.
    pub(crate) path: String,
    /// What stands in it.
    pub(crate) text: String,
}

impl File {
    /// The part of the name behind the last dot.
    pub(crate) fn extension(&self) -> &str {
        Path::new(&self.path).extension().and_then(|extension| extension.to_str()).unwrap_or("")
    }

    /// Whether all of it is there for tests.
    pub(crate) fn is_test(&self) -> bool {
        let parts: Vec<&str> = self.path.split('/').collect();
        parts.contains(&"tests") || parts.last().is_some_and(|name| *name == "tests.rs")
    }

    /// The Rust in it without comments, literals and tests.
    pub(crate) fn production(&self) -> String {
        if self.is_test() { String::new() } else { lexer::without_tests(&lexer::code_of(&self.text)) }
    }

    /// The Rust in it that is tests, without comments and literals.
    pub(crate) fn tests(&self) -> String {
        let code = lexer::code_of(&self.text);
        if self.is_test() { code } else { lexer::only_tests(&code) }
    }
}

/// The root of the repository.
pub(crate) fn root() -> PathBuf {
    // The package lies one folder below it.
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("hub/ has a parent").to_owned()
}

/// Every text file of the project.
pub(crate) fn files() -> &'static [File] {
    static FILES: OnceLock<Vec<File>> = OnceLock::new();
    FILES.get_or_init(|| {
        let mut files = Vec::new();
        read_folder(&root(), "", &mut files);
        files.sort_by(|a, b| a.path.cmp(&b.path));
        assert!(files.len() > 100, "only {} files found: is this the repository?", files.len());
        files
    })
}

/// Every Rust file of the project.
pub(crate) fn rust() -> impl Iterator<Item = &'static File> {
    files().iter().filter(|file| file.extension() == "rs")
}

/// One file that must be there.
pub(crate) fn file(path: &str) -> &'static File {
    files().iter().find(|file| file.path == path).unwrap_or_else(|| panic!("{path} is missing"))
}

fn read_folder(folder: &Path, prefix: &str, files: &mut Vec<File>) {
    let entries = std::fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    for entry in entries {
        let entry = entry.unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
        let Ok(name) = entry.file_name().into_string() else { continue };
        let kind = entry.file_type().unwrap_or_else(|error| panic!("{name}: {error}"));
        let path = format!("{prefix}{name}");
        if kind.is_dir() {
            let hidden = name.starts_with('.') && !HIDDEN_OURS.contains(&name.as_str());
            if !hidden && !NOT_OURS.contains(&name.as_str()) {
                read_folder(&entry.path(), &format!("{path}/"), files);
            }
        } else if kind.is_file()
            && name != ".git"
            && let Ok(text) = std::fs::read_to_string(entry.path())
        {
            files.push(File { path, text });
        }
    }
}

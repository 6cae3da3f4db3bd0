//! Finds and reads files of this repository. Deliberately reads nothing that a build or a run leaves behind.

use std::fs;
use std::path::{Path, PathBuf};

/// Folders that hold no sources of ours.
const NOT_SOURCES: [&str; 6] = [".git", ".aws-sam", ".relay", ".venv", "node_modules", "target"];

/// The repository's folder.
#[must_use]
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the package has a parent").to_path_buf()
}

/// The text of the file at `path`, from the repository's folder.
#[must_use]
pub fn read(path: impl AsRef<Path>) -> String {
    let path = root().join(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// `path` as seen from the repository's folder, for messages.
#[must_use]
pub fn relative(path: &Path) -> String {
    path.strip_prefix(root()).unwrap_or(path).display().to_string()
}

/// Every file of the repository whose name ends in `.extension`, sorted.
#[must_use]
pub fn walk(extension: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut pending = vec![root()];
    while let Some(folder) = pending.pop() {
        for entry in fs::read_dir(&folder).expect("a folder of the repository is readable") {
            let entry = entry.expect("an entry of the repository is readable");
            let path = entry.path();
            let name = entry.file_name();
            let is_folder = entry.file_type().expect("a file has a type").is_dir();
            if is_folder && !NOT_SOURCES.iter().any(|skipped| name == *skipped) {
                pending.push(path);
            } else if !is_folder && path.extension().is_some_and(|found| found == extension) {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

//! Files that only the person who runs the relay may read: secrets, and the file to source, which holds one.

use std::fs::{OpenOptions, Permissions};
use std::io::{self, Write as _};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;

/// Read and written by their owner alone.
const OWNER_ONLY: u32 = 0o600;

/// Writes the file whole or not at all: somebody may read it at any moment, and the process may end at any moment.
pub(crate) fn write(path: &Path, text: &str) -> io::Result<()> {
    let unfinished = path.with_extension("unfinished");
    let mut options = OpenOptions::new();
    let mut file =
        options.write(true).create(true).truncate(true).mode(OWNER_ONLY).open(&unfinished)?;
    // The mode above counts for new files only; one that a crash left behind may have another.
    file.set_permissions(Permissions::from_mode(OWNER_ONLY))?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    std::fs::rename(&unfinished, path)
}

/// The text of the file; none if there is no file.
pub(crate) fn read(path: &Path) -> io::Result<Option<String>> {
    match std::fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    #[test]
    fn nobody_else_reads_what_is_written() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("secret");
        assert_eq!(read(&path).unwrap(), None);
        // What a crash left there is no reason to show the next secret to everybody.
        std::fs::write(path.with_extension("unfinished"), "left over, and longer").unwrap();
        write(&path, "hidden").unwrap();
        assert_eq!(read(&path).unwrap().as_deref(), Some("hidden"));
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, OWNER_ONLY);
        assert!(!path.with_extension("unfinished").exists());
    }
}

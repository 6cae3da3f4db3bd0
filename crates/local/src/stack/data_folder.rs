//! The folder everything durable is kept in, and the lock that keeps a second stack out of it.

use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};

use super::StackError;

/// A data folder in use by this process. The lock goes when it is dropped, or when the process ends in
/// whatever way.
#[derive(Debug)]
pub struct DataFolder {
    path: PathBuf,
    _lock: File,
    /// Removes the folder at the end, if it is a temporary one.
    _temporary: Option<tempfile::TempDir>,
}

impl DataFolder {
    /// Opens a folder that stays, making it if need be.
    ///
    /// # Errors
    /// When another stack uses it, or it cannot be made.
    pub fn durable(path: &Path) -> Result<Self, StackError> {
        let failed = |source| StackError::DataFolder { folder: path.to_owned(), source };
        std::fs::create_dir_all(path).map_err(failed)?;
        // Absolute, because it is shown to people who are elsewhere.
        let path = std::path::absolute(path).map_err(failed)?;
        let lock = lock(&path)?;
        Ok(Self { path, _lock: lock, _temporary: None })
    }

    /// Makes a folder that is removed at the end.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn temporary() -> Result<Self, StackError> {
        let folder = tempfile::Builder::new().prefix("relay-").tempdir();
        let folder = folder
            .map_err(|source| StackError::DataFolder { folder: std::env::temp_dir(), source })?;
        let path = folder.path().to_owned();
        let lock = lock(&path)?;
        Ok(Self { path, _lock: lock, _temporary: Some(folder) })
    }

    /// A file or folder inside.
    #[must_use]
    pub fn join(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }
}

fn lock(folder: &Path) -> Result<File, StackError> {
    let failed = |source| StackError::DataFolder { folder: folder.to_owned(), source };
    let file = File::create(folder.join("lock")).map_err(failed)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(StackError::InUse { folder: folder.to_owned() }),
        Err(TryLockError::Error(source)) => Err(failed(source)),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    #[test]
    fn a_folder_is_used_by_one_stack_at_a_time() {
        let parent = tempfile::tempdir().unwrap();
        let path = parent.path().join("data");
        let first = DataFolder::durable(&path).unwrap();
        assert!(matches!(DataFolder::durable(&path), Err(StackError::InUse { .. })));
        drop(first);
        assert!(DataFolder::durable(&path).is_ok());
        assert!(path.exists());
    }

    #[test]
    fn a_temporary_folder_is_removed() {
        let folder = DataFolder::temporary().unwrap();
        let path = folder.path.clone();
        std::fs::write(folder.join("x"), "y").unwrap();
        drop(folder);
        assert!(!path.exists());
    }
}

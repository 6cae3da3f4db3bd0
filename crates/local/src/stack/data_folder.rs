//! The folder everything durable is kept in, and the lock that keeps a second stack out of it.

use std::fs::{File, TryLockError};
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use super::StackError;

/// Entered and listed by its owner alone.
const OWNER_ONLY: u32 = 0o700;
/// What group and others may do.
const OF_OTHERS: u32 = 0o077;

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
    /// Opens a folder that stays, making it if need be. Nobody but its owner gets in.
    ///
    /// # Errors
    /// When another stack uses it, or it cannot be made.
    pub fn durable(path: &Path) -> Result<Self, StackError> {
        let failed = |source| StackError::DataFolder { folder: path.to_owned(), source };
        std::fs::create_dir_all(path).map_err(failed)?;
        keep_others_out(path).map_err(failed)?;
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
        keep_others_out(&path)
            .map_err(|source| StackError::DataFolder { folder: path.clone(), source })?;
        let lock = lock(&path)?;
        Ok(Self { path, _lock: lock, _temporary: Some(folder) })
    }

    /// A file or folder inside.
    #[must_use]
    pub fn join(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }
}

/// Messages are in there, and a key and the secrets. The folder may be one that was made wider before.
fn keep_others_out(folder: &Path) -> io::Result<()> {
    let mut permissions = std::fs::metadata(folder)?.permissions();
    if permissions.mode() & OF_OTHERS == 0 {
        return Ok(());
    }
    permissions.set_mode(OWNER_ONLY);
    std::fs::set_permissions(folder, permissions)
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
    fn nobody_else_gets_into_a_folder_even_if_it_was_wider_before() {
        let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
        let parent = tempfile::tempdir().unwrap();
        let path = parent.path().join("data");
        for _ in 0..2 {
            drop(DataFolder::durable(&path).unwrap());
            assert_eq!(mode(&path), 0o700);
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
        }
        assert_eq!(mode(&DataFolder::temporary().unwrap().path), 0o700);
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

//! The log lines of all functions, kept in a file: JSON, one object a line, in the order in which they came.
//!
//! The file is bounded: one that is full becomes the older one, in place of the one before it. Nothing reads it here;
//! `relay logs` does.

use std::fs::{DirBuilder, File, OpenOptions, Permissions};
use std::io::{self, ErrorKind, Write as _};
use std::os::unix::fs::{
    DirBuilderExt as _, FileExt as _, OpenOptionsExt as _, PermissionsExt as _,
};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// The file inside the folder of logs.
const NAME: &str = "functions.jsonl";
/// The older file beside it.
const OLDER_NAME: &str = "functions.1.jsonl";
/// Largest file, in bytes: the lines of some ten thousand messages, found through in a second.
const FILE_BYTES_MAX: u64 = 16 << 20;
/// Read and written by its owner alone: addresses and ids are in there.
const OWNER_ONLY: u32 = 0o600;
const FOLDER_OWNER_ONLY: u32 = 0o700;

/// A file that lines are added to.
#[derive(Debug)]
pub struct LogFile {
    folder: PathBuf,
    bytes_max: u64,
    open: Mutex<Open>,
}

#[derive(Debug)]
struct Open {
    file: File,
    bytes: u64,
    /// Whether the file ends within a line, of which there is no more to come.
    is_cut: bool,
    /// Whether it was said that a line could not be written, since one was last.
    told: bool,
}

impl Open {
    /// Looks how much there is.
    fn measure(&mut self) -> io::Result<()> {
        self.bytes = self.file.metadata()?.len();
        let mut last = *b"\n";
        if let Some(at) = self.bytes.checked_sub(1) {
            self.file.read_exact_at(&mut last, at)?;
        }
        self.is_cut = last != *b"\n";
        Ok(())
    }
}

impl LogFile {
    /// Goes on with the file in this folder, which is made if need be.
    ///
    /// # Errors
    /// When folder or file cannot be made.
    pub fn open(folder: &Path) -> io::Result<Self> {
        Self::bounded(folder, FILE_BYTES_MAX)
    }

    fn bounded(folder: &Path, bytes_max: u64) -> io::Result<Self> {
        DirBuilder::new().recursive(true).mode(FOLDER_OWNER_ONLY).create(folder)?;
        let open = Mutex::new(open(&folder.join(NAME))?);
        Ok(Self { folder: folder.to_owned(), bytes_max, open })
    }

    /// Adds a line. A disk that takes none is no reason to stop a function; it is said once, until it takes one again.
    pub(super) fn add(&self, line: &str) {
        let mut open = self.lock();
        match self.write(&mut open, line) {
            Ok(()) => open.told = false,
            Err(error) => {
                // A part of the line may be there. Who cannot look takes it that one is.
                if open.measure().is_err() {
                    open.is_cut = true;
                }
                if !std::mem::replace(&mut open.told, true) {
                    tracing::warn!(%error, folder = %self.folder.display(), "log lines are not kept");
                }
            }
        }
    }

    fn write(&self, open: &mut Open, line: &str) -> io::Result<()> {
        let bytes = line.len() as u64 + 1;
        if open.bytes > 0 && open.bytes + bytes > self.bytes_max {
            let full = self.folder.join(NAME);
            match std::fs::rename(&full, self.folder.join(OLDER_NAME)) {
                // It got its other name before, and the new one could not be made then.
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                renamed => renamed?,
            }
            let told = open.told;
            *open = Open { told, ..self::open(&full)? };
        }
        let end = if open.is_cut { "\n" } else { "" };
        // In one piece, so that whoever reads meanwhile meets whole lines.
        open.file.write_all(format!("{end}{line}\n").as_bytes())?;
        open.bytes += bytes + end.len() as u64;
        open.is_cut = false;
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn open(path: &Path) -> io::Result<Open> {
    let mut options = OpenOptions::new();
    let file = options.read(true).append(true).create(true).mode(OWNER_ONLY).open(path)?;
    // The mode above counts for new files only.
    file.set_permissions(Permissions::from_mode(OWNER_ONLY))?;
    let mut open = Open { file, bytes: 0, is_cut: false, told: false };
    open.measure()?;
    Ok(open)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    #[test]
    fn a_full_file_becomes_the_older_one_and_no_line_is_cut() {
        let parent = tempfile::tempdir().unwrap();
        let folder = parent.path().join("logs");
        let text = |name: &str| std::fs::read_to_string(folder.join(name)).unwrap_or_default();
        let log = LogFile::bounded(&folder, 10).unwrap();
        for line in ["1111", "2222", "3333"] {
            log.add(line);
        }
        assert_eq!((text(OLDER_NAME).as_str(), text(NAME).as_str()), ("1111\n2222\n", "3333\n"));
        // What was there before counts, and a line longer than a file has one of its own.
        drop(log);
        let log = LogFile::bounded(&folder, 10).unwrap();
        log.add("4444");
        log.add("longer than all of it");
        assert_eq!(text(OLDER_NAME), "3333\n4444\n");
        assert_eq!(text(NAME), "longer than all of it\n");
    }

    #[test]
    fn a_rotation_that_ended_half_way_is_gone_on_with() {
        let folder = tempfile::tempdir().unwrap();
        let text = |name: &str| std::fs::read_to_string(folder.path().join(name)).unwrap();
        let log = LogFile::bounded(folder.path(), 10).unwrap();
        log.add("1111");
        log.add("2222");
        std::fs::rename(folder.path().join(NAME), folder.path().join(OLDER_NAME)).unwrap();
        log.add("3333");
        assert_eq!((text(OLDER_NAME).as_str(), text(NAME).as_str()), ("1111\n2222\n", "3333\n"));
    }

    #[test]
    fn a_line_that_was_cut_does_not_take_the_next_with_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(NAME);
        let log = LogFile::open(folder.path()).unwrap();
        log.add("1111");
        // A disk that is full in the middle of a line: a part of it is there, and the write fails.
        std::fs::write(&path, "1111\n22").unwrap();
        log.lock().file = File::open(&path).unwrap();
        log.add("2222");
        assert!(log.lock().told);
        log.lock().file = OpenOptions::new().read(true).append(true).open(&path).unwrap();
        log.add("3333");
        assert!(!log.lock().told, "the next failure is said again");
        log.add("4444");
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "1111\n22\n3333\n4444\n");
        assert_eq!(log.lock().bytes, 18);
        // One that an earlier run left behind.
        std::fs::write(&path, "55").unwrap();
        let log = LogFile::open(folder.path()).unwrap();
        log.add("6666");
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "55\n6666\n");
    }

    #[test]
    fn nobody_else_reads_it() {
        let parent = tempfile::tempdir().unwrap();
        let folder = parent.path().join("logs");
        std::fs::create_dir(&folder).unwrap();
        std::fs::write(folder.join(NAME), "").unwrap();
        LogFile::open(&folder).unwrap().add("x");
        let mode = std::fs::metadata(folder.join(NAME)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, OWNER_ONLY);
    }
}

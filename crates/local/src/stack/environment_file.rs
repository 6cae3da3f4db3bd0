//! Writes the file that a shell can source to point the AWS CLI and SDKs at the running services.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

use crate::private_file;

/// Writes the file whole or not at all: a shell may read it at any moment. It holds a key.
pub(super) fn write(path: &Path, variables: &BTreeMap<&str, String>) -> std::io::Result<()> {
    private_file::write(path, &text(variables))
}

fn text(variables: &BTreeMap<&str, String>) -> String {
    let mut text = "# Points the AWS CLI and SDKs at the running local relay.\n".to_owned();
    // They would win over the keys below, or be sent along with them.
    text.push_str("unset AWS_PROFILE AWS_SESSION_TOKEN\n");
    for (name, value) in variables {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "export {name}='{}'", value.replace('\'', r"'\''"));
    }
    text
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    #[test]
    fn a_shell_reads_what_was_written() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("env");
        let strange = "it's $HOME `x` \\".to_owned();
        write(&path, &BTreeMap::from([("STRANGE", strange.clone())])).unwrap();
        let output = std::process::Command::new("sh")
            .args(["-c", ". \"$1\"; printf %s \"$STRANGE\"", "sh", path.to_str().unwrap()])
            .output()
            .unwrap();
        assert_eq!(String::from_utf8(output.stdout).unwrap(), strange);
    }
}

//! Reads a file of variables as a shell does that sources it, as far as such files go: assignments,
//! `export` before them or not, quoted or not. What else a shell could do there is refused, not guessed.

use std::collections::BTreeMap;
use std::path::Path;

use crate::Failure;

/// The variables in a file.
pub(crate) fn read(path: &Path) -> Result<BTreeMap<String, String>, Failure> {
    let text = std::fs::read_to_string(path)
        .map_err(|reason| Failure::Input { what: path.display().to_string(), reason })?;
    variables(&text).map_err(|line| {
        let place = path.display();
        Failure::Usage(format!("line {line} of {place} is no assignment of a variable"))
    })
}

/// The variables in a text, or the number of the line that is none.
fn variables(text: &str) -> Result<BTreeMap<String, String>, usize> {
    let mut variables = BTreeMap::new();
    for (number, line) in (1_usize..).zip(text.lines()) {
        let line = line.trim();
        // What is taken out of a shell's environment was never in this one.
        if line.is_empty() || line.starts_with('#') || line.starts_with("unset ") {
            continue;
        }
        let assignment = line.strip_prefix("export ").unwrap_or(line);
        let (name, value) = assignment.split_once('=').ok_or(number)?;
        let is_name = !name.is_empty()
            && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
        let value = unquoted(value).filter(|_| is_name).ok_or(number)?;
        variables.insert(name.to_owned(), value);
    }
    Ok(variables)
}

/// A word without its quotes. Nothing if a shell would put something else in its place.
fn unquoted(word: &str) -> Option<String> {
    let (mut value, mut rest) = (String::new(), word);
    while let Some(first) = rest.chars().next() {
        rest = &rest[first.len_utf8()..];
        match first {
            '\'' | '"' => {
                let (quoted, after) = rest.split_once(first)?;
                if first == '"' && quoted.contains(['$', '`', '\\']) {
                    return None;
                }
                value.push_str(quoted);
                rest = after;
            }
            '\\' => {
                let escaped = rest.chars().next()?;
                value.push(escaped);
                rest = &rest[escaped.len_utf8()..];
            }
            plain if plain.is_whitespace() || "$`;&|<>()*?[]~#".contains(plain) => return None,
            plain => value.push(plain),
        }
    }
    Some(value)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    #[test]
    fn what_a_shell_would_read_is_read() {
        let text = "# a note\nunset AWS_PROFILE\n\nexport A='it'\\''s $HOME `x` \\'\nB=plain-1:/.@%+,\n C=\"a b\" \nD=\n";
        let found = variables(text).unwrap();
        let expected =
            [("A", "it's $HOME `x` \\"), ("B", "plain-1:/.@%+,"), ("C", "a b"), ("D", "")];
        let expected = expected.map(|(name, value)| (name.to_owned(), value.to_owned()));
        assert_eq!(found, BTreeMap::from(expected));
        // The same by a shell.
        let script = format!("{text}printf '%s|%s|%s|%s' \"$A\" \"$B\" \"$C\" \"$D\"");
        let output = std::process::Command::new("sh").args(["-c", &script]).output().unwrap();
        assert_eq!(
            String::from_utf8(output.stdout).unwrap(),
            "it's $HOME `x` \\|plain-1:/.@%+,|a b|"
        );
    }

    #[test]
    fn what_only_a_shell_can_do_is_refused_by_its_line() {
        for (line, text) in [
            (1, "A=$HOME"),
            (2, "A=1\nB=\"$A\""),
            (1, "A=`date`"),
            (1, "A=b c"),
            (1, "A='open"),
            (1, "A=\\"),
            (3, "\n\necho x"),
            (1, ". other"),
            (1, "=x"),
            (1, "A B=x"),
        ] {
            assert_eq!(variables(text), Err(line), "{text:?}");
        }
    }
}

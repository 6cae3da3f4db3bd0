//! Secrets are in no line of a log and in no error: whatever the tests do, this looks.
//!
//! It knows the forms of an API key and of a signing secret, and the master secret of a stack by its text.

use std::path::Path;

/// Signs of a key's id and of its secret with the checksum.
const KEY_SIGNS: (usize, usize) = (16, 58);
/// Shortest value of the master secret's file that is one: `current` names another entry, and is short.
const MASTER_CHARACTERS_MIN: usize = 32;
/// What stands for a secret that was found.
const CUT: &str = "<cut out>";

/// What must not be seen, and what may.
#[derive(Clone, Default)]
pub(crate) struct Watch {
    masters: Vec<String>,
    /// The ready-made key, which the banner shows on purpose.
    ready_made: Option<String>,
}

impl Watch {
    /// Of the stack on this data folder, whose ready-made key is this.
    pub(super) fn of(data_folder: &Path, ready_made: Option<String>) -> Self {
        let files = std::fs::read_dir(data_folder.join("secrets")).into_iter().flatten();
        let texts = files.filter_map(|file| std::fs::read_to_string(file.ok()?.path()).ok());
        let masters = texts.flat_map(|text| values(&text)).collect();
        Self { masters, ready_made }
    }

    /// Fails the test if a log shows a secret; `what` says whose it is.
    #[track_caller]
    pub(crate) fn look_through(&self, what: &str, log: &str) {
        let findings: Vec<String> = log.lines().filter_map(|line| self.finding(line)).collect();
        if findings.is_empty() {
            return;
        }
        let told = format!("{what} shows secrets:\n  {}", findings.join("\n  "));
        // A second panic would end the program and hide the first.
        if std::thread::panicking() {
            eprintln!("{told}");
        } else {
            panic!("{told}");
        }
    }

    /// The line with its secrets cut out, if it has any.
    fn finding(&self, line: &str) -> Option<String> {
        let mut shown = line.to_owned();
        if let Some(key) = self.ready_made.as_deref().filter(|_| is_of_banner(line)) {
            shown = shown.replace(key, "");
        }
        let innocent = shown.clone();
        for master in &self.masters {
            shown = shown.replace(master, CUT);
        }
        while let Some(key) = api_key(&shown).map(str::to_owned) {
            shown = shown.replace(&key, CUT);
        }
        while let Some(secret) = signing_secret(&shown).map(str::to_owned) {
            shown = shown.replace(&secret, CUT);
        }
        (shown != innocent).then_some(shown)
    }
}

/// Whether it is one of the lines that show a person the ready-made key.
fn is_of_banner(line: &str) -> bool {
    line.starts_with("  key        ") || line.starts_with("    curl -sS http://127.0.0.1:")
}

/// The values in the file of a kept secret that are secret.
fn values(file: &str) -> Vec<String> {
    let kept: serde_json::Value = serde_json::from_str(file).expect("a kept secret is JSON");
    let text = kept["text"].as_str().expect("a kept secret has a text").to_owned();
    let object: serde_json::Value = serde_json::from_str(&text).expect("it holds entries");
    let all = object.as_object().into_iter().flatten();
    let values = all.filter_map(|(_, value)| Some(value.as_str()?.to_owned()));
    values.filter(|value| value.len() >= MASTER_CHARACTERS_MIN).collect()
}

/// The first API key in a text.
fn api_key(text: &str) -> Option<&str> {
    let is_sign = |byte: &u8| byte.is_ascii_lowercase() || (b'2'..=b'7').contains(byte);
    let (id, secret) = KEY_SIGNS;
    text.match_indices("rk_").find_map(|(start, prefix)| {
        let bytes = text.as_bytes().get(start + prefix.len()..)?;
        let is_key = bytes.get(..id)?.iter().all(is_sign)
            && *bytes.get(id)? == b'_'
            && bytes.get(id + 1..id + 1 + secret)?.iter().all(is_sign);
        is_key.then(|| &text[start..start + prefix.len() + id + 1 + secret])
    })
}

/// The first signing secret in a text.
fn signing_secret(text: &str) -> Option<&str> {
    let rest = &text[text.find("whsec_")?..];
    let is_sign = |sign: char| sign.is_ascii_alphanumeric() || "_+/=-".contains(sign);
    Some(&rest[..rest.find(|sign| !is_sign(sign)).unwrap_or(rest.len())])
}

#[test]
fn a_secret_in_a_log_is_found_and_not_repeated() {
    let key = relay_core::access::ApiKey::draw([1; 16], [[2; 16], [3; 16]]).reveal();
    let other = relay_core::access::ApiKey::draw([4; 16], [[5; 16], [6; 16]]).reveal();
    let master = "A".repeat(64);
    let watch = Watch { masters: vec![master.clone()], ready_made: Some(key.clone()) };
    for innocent in [
        "nothing at all, rk_short_, rk_aaaaaaaaaaaaaaaa_b",
        &format!("  key        {key}"),
        &format!("    curl -sS http://127.0.0.1:1/message -H 'authorization: Bearer {key}' -d '1'"),
    ] {
        assert_eq!(watch.finding(innocent), None);
    }
    for (line, shown) in [
        (format!("a {key} b {key}"), format!("a {CUT} b {CUT}")),
        (format!("  key        {other}"), format!("  key        {CUT}")),
        (format!("{{\"m\":\"{master}\"}}"), format!("{{\"m\":\"{CUT}\"}}")),
        ("a \"whsec_AAA+/=\", b".to_owned(), format!("a \"{CUT}\", b")),
    ] {
        assert_eq!(watch.finding(&line).as_deref(), Some(shown.as_str()));
    }
}

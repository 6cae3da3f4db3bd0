//! Where secrets are kept: one file for each, which only its owner reads. They are drawn from the system's own random
//! source, and no error and no `Debug` shows one.

use std::io;
use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json};

use crate::private_file;

/// What is drawn from: Secrets Manager's letters and digits.
const ALPHABET: &[u8; 62] = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
/// Random bytes from here up are drawn again, or the first characters would come more often than the last.
const BYTE_END: u8 = 62 * 4;
/// Times a text is drawn that lacks a small letter, a capital or a digit, as Secrets Manager's never does. One of three
/// characters lacks one with a probability of 83 %; of so many in a row, less than one in 10^16.
const DRAWS_MAX: usize = 200;

/// A secret that is to exist.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecretSpecification {
    /// Its name.
    pub name: String,
    /// Its ARN.
    pub arn: String,
    /// The JSON object that the drawn text is put into.
    pub template: Map<String, Json>,
    /// Under which key.
    pub key: String,
    /// How many letters and digits are drawn.
    pub characters: usize,
}

/// Why the secrets service failed.
#[derive(Debug, thiserror::Error)]
pub enum SecretsError {
    /// The listener cannot be used.
    #[error("the secrets service cannot start")]
    Start(#[source] io::Error),
    /// A file of a secret, or the folder of all, cannot be used.
    #[error("the secret in {path} cannot be read or written")]
    File {
        /// Where it is.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A file holds no secret.
    #[error("{path} holds no secret that can be read; move it away, and a new one is drawn")]
    Unreadable {
        /// Where it is.
        path: PathBuf,
    },
    /// The system gives no random bytes.
    #[error("no random bytes for a secret")]
    Randomness(#[source] getrandom::Error),
    /// The random bytes are none.
    #[error("no secret of the wanted form was drawn in {DRAWS_MAX} tries")]
    Unlucky,
}

/// A secret as it is kept.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Kept {
    pub(super) name: String,
    pub(super) arn: String,
    pub(super) version_id: String,
    pub(super) created_at_seconds: u64,
    pub(super) text: String,
}

impl Kept {
    /// The same secret with another value.
    pub(super) fn replaced(self, version_id: String, text: String) -> Self {
        Self { version_id, text, created_at_seconds: now_seconds(), ..self }
    }
}

/// The folder of secrets.
pub(super) struct Store {
    folder: PathBuf,
}

impl Store {
    pub(super) fn open(folder: PathBuf) -> Result<Self, SecretsError> {
        match std::fs::create_dir_all(&folder) {
            Ok(()) => Ok(Self { folder }),
            Err(source) => Err(SecretsError::File { path: folder, source }),
        }
    }

    /// Makes the secret exist, and says its text.
    pub(super) fn create(&self, wanted: &SecretSpecification) -> Result<String, SecretsError> {
        if let Some(kept) = self.read(&wanted.name)? {
            return Ok(kept.text);
        }
        let mut object = wanted.template.clone();
        object.insert(wanted.key.clone(), Json::String(draw(wanted.characters)?));
        let kept = Kept {
            name: wanted.name.clone(),
            arn: wanted.arn.clone(),
            version_id: crate::lambda::unique_id(),
            created_at_seconds: now_seconds(),
            text: Json::Object(object).to_string(),
        };
        self.write(&kept)?;
        Ok(kept.text)
    }

    /// The secret with this name or ARN; an ARN may lack the six characters at its end.
    pub(super) fn find(&self, id: &str) -> Result<Option<Kept>, SecretsError> {
        if !id.starts_with("arn:") {
            return self.read(id);
        }
        let named = id.rsplit(':').next().unwrap_or_default();
        let without_suffix = named.rsplit_once('-').map_or(named, |(name, _)| name);
        for name in [without_suffix, named] {
            if let Some(kept) = self.read(name)?
                && (kept.arn == id || kept.arn.rsplit_once('-').is_some_and(|(arn, _)| arn == id))
            {
                return Ok(Some(kept));
            }
        }
        Ok(None)
    }

    pub(super) fn write(&self, kept: &Kept) -> Result<(), SecretsError> {
        let Some(path) = self.path(&kept.name) else {
            return Err(SecretsError::Unreadable { path: self.folder.clone() });
        };
        let text = serde_json::json!(kept).to_string();
        private_file::write(&path, &text).map_err(|source| SecretsError::File { path, source })
    }

    fn read(&self, name: &str) -> Result<Option<Kept>, SecretsError> {
        let Some(path) = self.path(name) else { return Ok(None) };
        let text = match private_file::read(&path) {
            Ok(text) => text,
            Err(source) => return Err(SecretsError::File { path, source }),
        };
        let Some(text) = text else { return Ok(None) };
        // What the parser would say might quote the text.
        serde_json::from_str(&text).map(Some).map_err(|_| SecretsError::Unreadable { path })
    }

    /// Where the secret of this name is; nothing for a name that is not one of a file right here.
    fn path(&self, name: &str) -> Option<PathBuf> {
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_+=@".contains(&byte);
        let is_name = (1..=200).contains(&name.len()) && name.bytes().all(is_plain);
        is_name.then(|| self.folder.join(format!("{name}.json")))
    }
}

fn now_seconds() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}

/// Letters and digits, of each kind at least one, every one as likely as any other.
fn draw(characters: usize) -> Result<String, SecretsError> {
    for _ in 0..DRAWS_MAX {
        let text = draw_once(characters)?;
        let has = |is: fn(&char) -> bool| text.chars().any(|one| is(&one));
        if has(char::is_ascii_lowercase)
            && has(char::is_ascii_uppercase)
            && has(char::is_ascii_digit)
        {
            return Ok(text);
        }
    }
    Err(SecretsError::Unlucky)
}

fn draw_once(characters: usize) -> Result<String, SecretsError> {
    let mut text = String::with_capacity(characters);
    // One byte in 32 is drawn again: twice as many bytes as characters are enough, or something is broken.
    let mut bytes = vec![0; characters * 2];
    getrandom::fill(&mut bytes).map_err(SecretsError::Randomness)?;
    let fair = bytes.into_iter().filter(|byte| *byte < BYTE_END).take(characters);
    text.extend(fair.map(|byte| char::from(ALPHABET[usize::from(byte) % ALPHABET.len()])));
    Ok(text)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    fn wanted() -> SecretSpecification {
        SecretSpecification {
            name: "relay-Master".to_owned(),
            arn: "arn:aws:secretsmanager:r:0:secret:relay-Master-local1".to_owned(),
            template: serde_json::from_str(r#"{"current":"1"}"#).unwrap(),
            key: "1".to_owned(),
            characters: 64,
        }
    }

    #[test]
    fn a_secret_is_drawn_once_and_found_by_name_and_arn() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path().join("secrets")).unwrap();
        let text = store.create(&wanted()).unwrap();
        assert_eq!(store.create(&wanted()).unwrap(), text);
        let masters = relay_core::access::MasterSecrets::parse(&text).unwrap();
        assert_eq!(masters.current().as_str(), "1");
        let arn = wanted().arn;
        for id in ["relay-Master", &arn, arn.trim_end_matches("-local1")] {
            assert_eq!(store.find(id).unwrap().unwrap().text, text, "{id}");
        }
        for id in ["other", "arn:aws:secretsmanager:r:1:secret:relay-Master-local1", "", "../lock"]
        {
            assert!(store.find(id).unwrap().is_none(), "{id}");
        }
        let other = Store::open(folder.path().join("others")).unwrap();
        assert_ne!(other.create(&wanted()).unwrap(), text);
    }

    #[test]
    fn a_spoilt_file_is_told_of_and_not_shown() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path().to_owned()).unwrap();
        std::fs::write(folder.path().join("relay-Master.json"), "{\"text\": \"hidden\"").unwrap();
        let error = store.create(&wanted()).unwrap_err();
        let shown = format!("{error} {error:?}");
        assert!(shown.contains("relay-Master.json") && !shown.contains("hidden"), "{shown}");
    }

    #[test]
    fn drawn_texts_have_every_kind_and_every_character() {
        let text: String = (0..200).map(|_| draw(64).unwrap()).collect();
        assert!(ALPHABET.iter().all(|one| text.contains(char::from(*one))));
        assert_eq!(text.len(), 200 * 64);
        for _ in 0..50 {
            let short = draw(3).unwrap();
            assert!(short.chars().any(|one| one.is_ascii_digit()), "{short}");
        }
    }
}

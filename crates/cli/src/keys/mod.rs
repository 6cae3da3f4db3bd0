//! `relay keys`: makes API keys and looks after them, straight in the table. That takes AWS credentials and no key, which
//! is how the first one comes to be; with it everything else can be done over the API.
//!
//! What a key may do is judged by the relay, never here. A key is shown once and kept nowhere.

mod rules;
mod told;

use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, Subcommand};
use relay_aws::SystemAmbient;
use relay_core::access::{ApiKey, GRACE_DEFAULT, GRACE_MAX, KeyId, KeyRecord};
use relay_core::ports::{Ambient, Cursor, Keys, RevisionWritten, StoredKey};

use self::told::{Made, tell_list, tell_made, tell_one};
use crate::deployment::{Deployment, KeyStore, Masters};
use crate::terminal::note;
use crate::{Failure, REFUSED};

/// How often a change is tried again because somebody else was faster.
const TRIES_MAX: usize = 5;
/// Pages of keys that are read: a listing has an end, whatever the table says.
const PAGES_MAX: usize = 1000;

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Make a key. It is printed once, alone on standard output.
    Create(CreateArguments),
    /// List all keys, revoked and expired ones too.
    List(ListArguments),
    /// Show what a key may do, and its versions.
    Show(OneArguments),
    /// Give a key a new secret. The old one stays valid for the grace period. Prints the new key once.
    Rotate(RotateArguments),
    /// Make a key invalid, for good.
    Revoke(OneArguments),
}

#[derive(Args)]
pub(crate) struct CreateArguments {
    #[command(flatten)]
    deployment: Deployment,
    #[command(flatten)]
    rules: rules::RuleArguments,
    /// Print one JSON document, the key in it.
    #[arg(long)]
    json: bool,
}

#[derive(Args)]
pub(crate) struct ListArguments {
    #[command(flatten)]
    deployment: Deployment,
    /// Print one JSON object for each.
    #[arg(long)]
    json: bool,
}

#[derive(Args)]
pub(crate) struct OneArguments {
    #[command(flatten)]
    deployment: Deployment,
    /// The key's id: the 16 characters between `rk_` and the next `_`.
    id: String,
    /// Print it as JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Args)]
pub(crate) struct RotateArguments {
    #[command(flatten)]
    one: OneArguments,
    /// How long the versions before this one stay valid, 0 to 604800 (7 days).
    #[arg(long, value_name = "SECONDS", default_value_t = GRACE_DEFAULT.as_secs(),
          value_parser = clap::value_parser!(u64).range(0..=GRACE_MAX.as_secs()))]
    grace_seconds: u64,
}

impl OneArguments {
    /// The id. A text that is none is not repeated: it may be a whole key.
    fn key_id(&self) -> Result<KeyId, Failure> {
        let wrong =
            |error| Failure::Usage(format!("the id of a key {error}; it is not the key itself"));
        KeyId::parse(&self.id).map_err(wrong)
    }
}

pub(crate) async fn run(command: Command) -> Result<ExitCode, Failure> {
    match command {
        Command::Create(arguments) => create(arguments).await,
        Command::List(arguments) => list(arguments).await,
        Command::Show(arguments) => show(arguments).await,
        Command::Rotate(arguments) => rotate(arguments).await,
        Command::Revoke(arguments) => revoke(arguments).await,
    }
}

async fn create(arguments: CreateArguments) -> Result<ExitCode, Failure> {
    let now = SystemAmbient.now();
    let rules = arguments.rules.rules(now)?;
    let store = arguments.deployment.key_store().await?;
    let masters = store.masters().await;
    if rules.require_signature {
        masters.required("a key that is only good for signed requests")?;
    }
    let key = ApiKey::draw(bits()?, [bits()?, bits()?]);
    let record = KeyRecord::new(&key, rules, masters.current(), now, write_id()?);
    match store.keys.write(&record).await? {
        RevisionWritten::Done => {}
        RevisionWritten::Changed(_) => return Err(Failure::Contended),
    }
    let made = Made { key: &key, record: &record, masters: &masters };
    tell_made(&made, "is made", arguments.json);
    Ok(ExitCode::SUCCESS)
}

async fn list(arguments: ListArguments) -> Result<ExitCode, Failure> {
    let store = arguments.deployment.key_store().await?;
    let mut keys: Vec<StoredKey> = Vec::new();
    let mut after: Option<Cursor> = None;
    for _ in 0..PAGES_MAX {
        let page = store.keys.list(after.as_ref()).await?;
        keys.extend(page.items);
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    keys.sort_by_key(|key| key.record.created_at);
    tell_list(&keys, SystemAmbient.now(), arguments.json);
    if after.is_some() {
        note(&format!("there are more keys; the first {} are listed", keys.len()));
    }
    Ok(ExitCode::SUCCESS)
}

async fn show(arguments: OneArguments) -> Result<ExitCode, Failure> {
    let id = arguments.key_id()?;
    let store = arguments.deployment.key_store().await?;
    let Some(found) = store.keys.find(&id).await? else { return Ok(refused(&unknown(&id))) };
    tell_one(&found, SystemAmbient.now(), arguments.json);
    Ok(ExitCode::SUCCESS)
}

async fn rotate(arguments: RotateArguments) -> Result<ExitCode, Failure> {
    let RotateArguments { one, grace_seconds } = arguments;
    let id = one.key_id()?;
    let store = one.deployment.key_store().await?;
    let masters = store.masters().await;
    let key = ApiKey::of(id.clone(), [bits()?, bits()?]);
    let write_id = write_id()?;
    let grace = Duration::from_secs(grace_seconds);
    let changed = change(&store, &id, |record| {
        if record.revoked_at.is_some() {
            return Ok(Err(format!("key {} is revoked; make another one", record.id)));
        }
        let can_sign = record.versions.last().is_some_and(|newest| newest.master.is_some());
        if can_sign || record.rules.require_signature {
            masters.required("the new version of a key that signs")?;
        }
        let now = SystemAmbient.now();
        let rotated = record.rotated(&key, masters.current(), grace, now, write_id.clone());
        Ok(rotated.map_err(|error| error.to_string()))
    });
    match changed.await? {
        Ok(record) => {
            let made = Made { key: &key, record: &record, masters: &masters };
            tell_made(&made, "has a new version", one.json);
            Ok(ExitCode::SUCCESS)
        }
        Err(reason) => Ok(refused(&reason)),
    }
}

async fn revoke(arguments: OneArguments) -> Result<ExitCode, Failure> {
    let id = arguments.key_id()?;
    let store = arguments.deployment.key_store().await?;
    let write_id = write_id()?;
    let changed =
        change(&store, &id, |record| Ok(Ok(record.revoked(SystemAmbient.now(), write_id.clone()))));
    match changed.await? {
        Ok(record) => {
            let last_used_at = None;
            tell_one(&StoredKey { record, last_used_at }, SystemAmbient.now(), arguments.json);
            note("environments that know the key refuse it within AUTHENTICATION_CACHE_SECONDS");
            Ok(ExitCode::SUCCESS)
        }
        Err(reason) => Ok(refused(&reason)),
    }
}

/// Changes the record of a key by `next`, on what is there when it is written. The inner error says why it cannot be
/// changed.
async fn change(
    store: &KeyStore,
    id: &KeyId,
    next: impl Fn(KeyRecord) -> Result<Result<KeyRecord, String>, Failure>,
) -> Result<Result<KeyRecord, String>, Failure> {
    let mut found = store.keys.find(id).await?.map(|stored| stored.record);
    for _ in 0..TRIES_MAX {
        let Some(record) = found else { return Ok(Err(unknown(id))) };
        let record = match next(record)? {
            Ok(record) => record,
            Err(reason) => return Ok(Err(reason)),
        };
        match store.keys.write(&record).await? {
            RevisionWritten::Done => return Ok(Ok(record)),
            RevisionWritten::Changed(other) => found = other,
        }
    }
    Err(Failure::Contended)
}

fn unknown(id: &KeyId) -> String {
    format!("there is no key {id}")
}

fn refused(reason: &str) -> ExitCode {
    note(reason);
    ExitCode::from(REFUSED)
}

fn bits() -> Result<[u8; 16], Failure> {
    let mut bits = [0; 16];
    getrandom::fill(&mut bits).map_err(Failure::Randomness)?;
    Ok(bits)
}

/// By which a repeated write recognises itself.
fn write_id() -> Result<String, Failure> {
    Ok(data_encoding::HEXLOWER.encode(&bits()?))
}

impl Masters {
    /// Wants the master secrets, for something that cannot be without a signing secret.
    fn required(&self, what: &str) -> Result<(), Failure> {
        match self {
            Self::Read(_) => Ok(()),
            Self::Unnamed => {
                Err(Failure::Usage(format!("{what} needs a signing secret: set MASTER_SECRET_ID")))
            }
            Self::Unreadable(error) => Err(Failure::Port(error.clone())),
        }
    }
}

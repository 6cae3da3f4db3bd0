//! The relay that the operator commands work on: its table and its queue, on AWS or on this machine. They
//! are spoken to as the relay's own functions do, with the caller's keys; its HTTP API is not involved.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use aws_config::{BehaviorVersion, Region};
use aws_sdk_sqs::config::Credentials;
use clap::Args;
use relay_aws::{
    Clients, DynamoKeys, DynamoLedger, DynamoStore, Endpoints, S3Payloads, SecretsManagerVault,
    SqsQueue, SystemAmbient,
};
use relay_core::access::{MasterId, MasterSecrets};
use relay_core::ports::{PortError, Store, Vault};
use relay_core::settings::IngestSettings;
use relay_operate::{DeadLetters, Recover, SetGoing, Stop};

use crate::Failure;
use crate::environment_file;

/// The settings that say where the relay is. The bucket is not used: bodies stay where they are.
const SETTINGS: [&str; 4] = [TABLE, "SQS_QUEUE_URL", "S3_BUCKET", "FAIRNESS_KEY"];
const TABLE: &str = "DYNAMODB_TABLE";
const MASTER_SECRET: &str = "MASTER_SECRET_ID";
/// Where to find what is missing.
const HINT: &str = "hint: --env-file .relay/env names the relay on this machine; docs/CLI.md says how to name a \
                    deployed one";

/// Which relay is meant.
#[derive(Args)]
pub(crate) struct Deployment {
    /// A file of variables that take the place of the environment: DYNAMODB_TABLE, SQS_QUEUE_URL, S3_BUCKET,
    /// for signing secrets of keys MASTER_SECRET_ID, and, unless the SDK is to find them, endpoints, region and
    /// keys. The relay on one machine writes .relay/env.
    #[arg(long, value_name = "FILE")]
    env_file: Option<PathBuf>,
}

/// The variables that count: those of the file, if one is named, else those of the environment.
struct Variables {
    file: Option<BTreeMap<String, String>>,
}

impl Variables {
    fn get(&self, name: &str) -> Option<String> {
        match &self.file {
            Some(file) => file.get(name).cloned(),
            None => std::env::var(name).ok(),
        }
    }
}

/// What the operator commands work with.
pub(crate) struct Operator {
    /// Records.
    pub(crate) store: Arc<dyn Store>,
    /// All records at once.
    ledger: DynamoLedger,
    stop: Stop,
    /// Sets messages going.
    pub(crate) going: SetGoing,
}

/// Where API keys are, and what their signing secrets are derived from.
pub(crate) struct KeyStore {
    /// The keys.
    pub(crate) keys: DynamoKeys,
    vault: Option<SecretsManagerVault>,
}

/// What is known of the master secrets.
pub(crate) enum Masters {
    /// Nobody says where they are.
    Unnamed,
    /// They cannot be read.
    Unreadable(PortError),
    /// These are they.
    Read(MasterSecrets),
}

impl Masters {
    /// The one that new secrets are derived from.
    pub(crate) fn current(&self) -> Option<MasterId> {
        match self {
            Self::Read(masters) => Some(masters.current().clone()),
            Self::Unnamed | Self::Unreadable(_) => None,
        }
    }
}

impl KeyStore {
    /// Reads the master secrets.
    pub(crate) async fn masters(&self) -> Masters {
        match &self.vault {
            None => Masters::Unnamed,
            Some(vault) => {
                vault.masters(None).await.map_or_else(Masters::Unreadable, Masters::Read)
            }
        }
    }
}

impl Operator {
    /// The dead letters.
    pub(crate) fn dead_letters(&self) -> DeadLetters {
        let (ledger, going) = (Arc::new(self.ledger.clone()), self.going.clone());
        DeadLetters { ledger, going, stop: self.stop.clone() }
    }

    /// The same for somebody who wants to see a few.
    pub(crate) fn a_few_dead_letters(&self, count: usize) -> DeadLetters {
        let page = u16::try_from(count).unwrap_or(u16::MAX);
        let ledger = Arc::new(self.ledger.clone().with_short_pages(page));
        DeadLetters { ledger, going: self.going.clone(), stop: self.stop.clone() }
    }

    /// The messages whose queue item may be lost.
    pub(crate) fn recover(&self) -> Recover {
        let (ledger, going) = (Arc::new(self.ledger.clone()), self.going.clone());
        Recover { ledger, going, stop: self.stop.clone() }
    }
}

impl Deployment {
    fn variables(&self) -> Result<Variables, Failure> {
        let file = self.env_file.as_deref().map(environment_file::read).transpose()?;
        Ok(Variables { file })
    }

    /// Builds the adapters of the commands on keys. Calls nothing.
    pub(crate) async fn key_store(&self) -> Result<KeyStore, Failure> {
        let variables = self.variables()?;
        let named = |name: &str| variables.get(name).filter(|value| !value.is_empty());
        let table =
            named(TABLE).ok_or_else(|| Failure::Usage(format!("{TABLE} is not set\n{HINT}")))?;
        let clients = clients(&variables).await;
        let vault = named(MASTER_SECRET).map(|id| SecretsManagerVault::new(&clients, id));
        Ok(KeyStore { keys: DynamoKeys::new(&clients, table), vault })
    }

    /// Builds the adapters. Work on many messages begins nothing more once `stop` was asked for. Calls nothing.
    pub(crate) async fn connect(&self, stop: &Stop) -> Result<Operator, Failure> {
        let variables = self.variables()?;
        let settings = settings(&|name| variables.get(name))?;
        let clients = clients(&variables).await;
        let table = settings.table.as_str();
        let store = Arc::new(DynamoStore::new(&clients, table));
        let ledger = DynamoLedger::new(&clients, table);
        let queue_url = settings.queue_url.as_str();
        let queue = Arc::new(SqsQueue::new(&clients, queue_url, None, settings.fairness));
        let ambient = Arc::new(SystemAmbient);
        let payloads = Arc::new(S3Payloads::new(&clients, settings.bucket.as_str()));
        let going = SetGoing { store: store.clone(), queue, payloads, ambient };
        Ok(Operator { store, ledger, stop: stop.clone(), going })
    }
}

/// The ingest function's settings as far as they matter here: what is sent must look as if it came from
/// there.
fn settings(lookup: &dyn Fn(&str) -> Option<String>) -> Result<IngestSettings, Failure> {
    let of_place = |name: &str| match name {
        // Nothing is signed here, so it need not be known.
        MASTER_SECRET => Some("unused".to_owned()),
        _ => SETTINGS.contains(&name).then(|| lookup(name)).flatten(),
    };
    IngestSettings::read(&of_place).map_err(|errors| Failure::Usage(format!("{errors}\n{HINT}")))
}

/// Clients with what the file says about keys, region and endpoints; what it leaves out the SDK finds.
async fn clients(variables: &Variables) -> Clients {
    let mut loader = aws_config::defaults(BehaviorVersion::latest());
    let of_file = |name: &str| variables.file.as_ref()?.get(name).cloned();
    if let Some(region) = of_file("AWS_REGION").or_else(|| of_file("AWS_DEFAULT_REGION")) {
        loader = loader.region(Region::new(region));
    }
    if let (Some(id), Some(secret)) =
        (of_file("AWS_ACCESS_KEY_ID"), of_file("AWS_SECRET_ACCESS_KEY"))
    {
        let token = of_file("AWS_SESSION_TOKEN");
        loader = loader.credentials_provider(Credentials::new(id, secret, token, None, "env file"));
    }
    Clients::load(loader, Endpoints::read(&|name| variables.get(name))).await
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    #[test]
    fn every_missing_name_is_told_at_once_with_where_to_find_it() {
        let failure =
            settings(&|name| (name == "S3_BUCKET").then(|| "b".to_owned())).err().unwrap();
        let told = failure.to_string();
        for part in ["DYNAMODB_TABLE", "SQS_QUEUE_URL", "--env-file .relay/env"] {
            assert!(told.contains(part), "{told}");
        }
    }

    #[test]
    fn other_settings_of_the_environment_do_not_matter() {
        let lookup = |name: &str| match name {
            "DYNAMODB_TABLE" | "S3_BUCKET" => Some("name".to_owned()),
            "SQS_QUEUE_URL" => Some("http://127.0.0.1:1/0/queue".to_owned()),
            "FAIRNESS_KEY" => Some("sender".to_owned()),
            _ => Some("nothing usable".to_owned()),
        };
        let settings = settings(&lookup).unwrap();
        assert_eq!(settings.fairness, relay_core::settings::Fairness::Sender);
    }
}

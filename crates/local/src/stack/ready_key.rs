//! The API key that is there from the first start on, so that the first `curl` works: everything may be done with it,
//! with every sender's messages. It stays the same for as long as the data folder does.
//!
//! Only the stack on one machine makes such a key; a deployed one has none until its operator makes one.

use std::path::Path;

use aws_config::{BehaviorVersion, Region};
use aws_sdk_sqs::config::Credentials;
use relay_aws::{Clients, DynamoKeys, SystemAmbient};
use relay_core::access::{
    AllowedIps, ApiKey, KeyRecord, KeyRules, MasterId, MasterSecrets, Scope, Senders,
};
use relay_core::ports::{Ambient as _, Keys as _, RevisionWritten};

use super::environment::Endpoints;
use super::resources::Services;
use super::{DataFolder, REGION, StackError};
use crate::lambda::unique_id;
use crate::private_file;
use crate::services::SECRET_ACCESS_KEY;
use crate::template::Description;

/// File of the data folder that holds the key.
const FILE: &str = "api-key";
/// What the key is called in the list of keys.
const NAME: &str = "ready-made";
/// Access key id of the stack itself in the record of calls.
const ACCESS_KEY_ID: &str = "AKIALOCALSTACK";

/// Finds the key, or makes it; none where the template has no table for keys. The table holds a record of it afterwards:
/// the one that is there, changed by whoever changed it, or a new one.
pub(super) async fn provide(
    folder: &DataFolder,
    description: &Description,
    services: &Services,
    endpoints: &Endpoints,
) -> Result<Option<ApiKey>, StackError> {
    let variable = |name: &str| {
        description.functions.iter().find_map(|function| function.environment.get(name))
    };
    let Some(table) = variable("DYNAMODB_TABLE") else { return Ok(None) };
    let key = from_file(&folder.join(FILE))?;
    let keys = DynamoKeys::new(&clients(endpoints).await, table);
    if keys.find(key.id()).await.map_err(StackError::KeyRecord)?.is_none() {
        let master = variable("MASTER_SECRET_ID").map(|id| master(services, id)).transpose()?;
        match keys.write(&record(&key, master.flatten())).await.map_err(StackError::KeyRecord)? {
            RevisionWritten::Done => {}
            RevisionWritten::Changed(_) => return Err(StackError::KeyTaken),
        }
    }
    Ok(Some(key))
}

/// The key in the file; a new one, which is in the file from now on, if there is no file.
fn from_file(file: &Path) -> Result<ApiKey, StackError> {
    let failed = |source| StackError::DataFolder { folder: file.to_owned(), source };
    if let Some(text) = private_file::read(file).map_err(failed)? {
        let unreadable = || StackError::KeyFile { file: file.to_owned() };
        return ApiKey::parse(text.trim()).ok_or_else(unreadable);
    }
    let bits = || SystemAmbient.bits();
    let key = ApiKey::draw(bits(), [bits(), bits()]);
    private_file::write(file, &format!("{}\n", key.reveal())).map_err(failed)?;
    Ok(key)
}

fn record(key: &ApiKey, master: Option<MasterId>) -> KeyRecord {
    let rules = KeyRules {
        name: NAME.to_owned(),
        senders: Senders::All,
        scopes: Scope::ALL.into(),
        allowed_ips: AllowedIps::default(),
        expires_at: None,
        rate_limit: None,
        require_signature: false,
    };
    KeyRecord::new(key, rules, master, SystemAmbient.now(), unique_id())
}

/// The master secret that counts now; none where the id names no secret of the template.
fn master(services: &Services, id: &str) -> Result<Option<MasterId>, StackError> {
    let Some(text) = services.secret(id) else { return Ok(None) };
    let masters = MasterSecrets::parse(text);
    let failed = |source| StackError::MasterSecret { id: id.to_owned(), source };
    masters.map(|masters| Some(masters.current().clone())).map_err(failed)
}

async fn clients(endpoints: &Endpoints) -> Clients {
    let credentials = Credentials::new(ACCESS_KEY_ID, SECRET_ACCESS_KEY, None, None, "local stack");
    let loader = aws_config::defaults(BehaviorVersion::latest())
        .region(Region::new(REGION))
        .credentials_provider(credentials);
    let endpoints = relay_aws::Endpoints {
        dynamodb: Some(endpoints.dynamodb.clone()),
        sqs: Some(endpoints.sqs.clone()),
        s3: Some(endpoints.s3.clone()),
        secrets_manager: Some(endpoints.secrets_manager.clone()),
        cloudwatch: None,
    };
    Clients::load(loader, endpoints).await
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    #[test]
    fn the_key_is_made_once_and_a_spoilt_file_is_told_of() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join(FILE);
        let made = from_file(&file).unwrap();
        assert_eq!(from_file(&file).unwrap().reveal(), made.reveal());
        std::fs::write(&file, made.reveal().replace('_', "-")).unwrap();
        let error = from_file(&file).unwrap_err();
        assert!(matches!(error, StackError::KeyFile { .. }), "{error:?}");
        assert!(!format!("{error} {error:?}").contains(made.id().as_str()));
    }

    #[test]
    fn everything_may_be_done_with_it() {
        let key = ApiKey::draw([1; 16], [[2; 16], [3; 16]]);
        let record = record(&key, None);
        let now = SystemAmbient.now();
        let grant = relay_core::access::admit(Some(&record), &key, None, now).unwrap();
        assert!(Scope::ALL.into_iter().all(|scope| grant.has(scope)));
        assert_eq!(grant.senders, Senders::All);
        assert!(!grant.require_signature);
    }
}

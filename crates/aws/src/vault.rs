//! The master secrets in Secrets Manager, remembered for some minutes: the service costs more than all else that is read,
//! and answers slowly.
//!
//! Their text is in no error, log or `Debug` output. Derives nothing: that is `relay_core::access`'s.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use aws_sdk_secretsmanager::Client;
use relay_core::access::{MasterId, MasterSecrets};
use relay_core::ports::{Ambient, PortError, Vault};
use relay_core::time::Timestamp;

use crate::error::unavailable;
use crate::{Clients, SystemAmbient};

const READ: &str = "reading the master secrets";
/// How long what was read counts. Whoever changes the master secrets waits this long before relying on the change.
const REMEMBERED: Duration = Duration::from_secs(5 * 60);
/// How long it counts while it cannot be read anew: old master secrets are good ones unless somebody took them out.
const REMEMBERED_IN_TROUBLE: Duration = Duration::from_secs(60 * 60);
/// The shortest time between calls for what was not among the last answer, and between calls while old master secrets
/// serve because there is trouble.
const PAUSE: Duration = Duration::from_secs(30);
/// How long a failure is passed on to those who come after: those who waited for a call that failed do not wait for
/// one of their own.
const FAILED: Duration = Duration::from_secs(1);

/// The master secrets in one secret of Secrets Manager. Copies remember together.
///
/// Calls `secretsmanager:GetSecretValue`, one call at a time.
#[derive(Clone)]
pub struct SecretsManagerVault {
    client: Client,
    secret_id: String,
    clock: Arc<dyn Ambient>,
    known: Arc<Mutex<Known>>,
    /// Held by whoever calls, so that all who want the secrets meanwhile wait for the one answer.
    calling: Arc<tokio::sync::Mutex<()>>,
}

impl fmt::Debug for SecretsManagerVault {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "SecretsManagerVault({})", self.secret_id)
    }
}

impl SecretsManagerVault {
    /// The master secrets in the secret of this name or ARN.
    pub fn new(clients: &Clients, secret_id: impl Into<String>) -> Self {
        Self {
            client: clients.secrets_manager.clone(),
            secret_id: secret_id.into(),
            clock: Arc::new(SystemAmbient),
            known: Arc::default(),
            calling: Arc::default(),
        }
    }

    /// Remembers by this clock.
    #[must_use]
    pub fn with_clock(self, clock: Arc<dyn Ambient>) -> Self {
        Self { clock, ..self }
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn remembered(&self, wanted: Option<&MasterId>) -> Option<Result<MasterSecrets, PortError>> {
        self.known().answer(wanted, self.clock.now())
    }

    async fn read(&self) -> Result<MasterSecrets, PortError> {
        let corrupt = |reason: String| PortError::Corrupt { action: READ, reason };
        let answer = self.client.get_secret_value().secret_id(&self.secret_id).send().await;
        let answer = answer.map_err(|error| unavailable(READ, &error))?;
        let text = answer.secret_string().ok_or_else(|| corrupt("it is no text".to_owned()))?;
        MasterSecrets::parse(text).map_err(|error| corrupt(error.to_string()))
    }
}

#[async_trait]
impl Vault for SecretsManagerVault {
    async fn masters(&self, wanted: Option<&MasterId>) -> Result<MasterSecrets, PortError> {
        if let Some(answer) = self.remembered(wanted) {
            return answer;
        }
        let _calling = self.calling.lock().await;
        // Whoever called before may have brought the answer.
        if let Some(answer) = self.remembered(wanted) {
            return answer;
        }
        let read = self.read().await;
        let now = self.clock.now();
        let mut known = self.known();
        match read {
            Ok(masters) => {
                *known = Known { read: Some((masters.clone(), now)), failed: None };
                Ok(masters)
            }
            Err(error) => {
                tracing::warn!(%error, "the master secrets are as they were, if they were ever read");
                known.failed = Some((error.clone(), now));
                known.answer(wanted, now).unwrap_or(Err(error))
            }
        }
    }
}

/// What is remembered of the last answers.
#[derive(Default)]
struct Known {
    read: Option<(MasterSecrets, Timestamp)>,
    failed: Option<(PortError, Timestamp)>,
}

impl Known {
    /// What may be answered without a call; nothing if one is due.
    fn answer(
        &self,
        wanted: Option<&MasterId>,
        now: Timestamp,
    ) -> Option<Result<MasterSecrets, PortError>> {
        let has_failed = |within| {
            self.failed.as_ref().filter(|(_, at)| at.is_within(within, now)).map(|(error, _)| error)
        };
        if let Some((masters, at)) = &self.read {
            let is_in_trouble = has_failed(PAUSE).is_some();
            let kept = if is_in_trouble { REMEMBERED_IN_TROUBLE } else { REMEMBERED };
            let has_wanted = wanted.is_none_or(|wanted| masters.has(wanted));
            if at.is_within(if has_wanted { kept } else { PAUSE }, now) {
                return Some(Ok(masters.clone()));
            }
        }
        has_failed(FAILED).map(|error| Err(error.clone()))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    fn at(seconds: u64) -> Timestamp {
        Timestamp::from_millis(1_000_000_000_000 + seconds * 1000)
    }

    /// A jump back would otherwise keep old master secrets, and failures, for as long as it was.
    #[test]
    fn what_was_read_or_failed_by_a_clock_that_was_set_back_since_counts_no_more() {
        let json = format!(r#"{{"current":"1","1":"{}"}}"#, "sample".repeat(11));
        let masters = MasterSecrets::parse(&json).unwrap();
        let read = Some((masters.clone(), at(100)));
        let failed =
            Some((PortError::Unavailable { action: READ, reason: String::new() }, at(100)));
        let good = Known { read: read.clone(), failed: None };
        let bad = Known { read: None, failed: failed.clone() };
        let troubled = Known { read, failed };
        assert_eq!(good.answer(None, at(100)), Some(Ok(masters.clone())));
        assert_eq!(troubled.answer(None, at(100)), Some(Ok(masters)));
        assert!(matches!(bad.answer(None, at(100)), Some(Err(_))));
        for known in [good, bad, troubled] {
            assert_eq!(known.answer(None, at(99)), None);
        }
    }
}
